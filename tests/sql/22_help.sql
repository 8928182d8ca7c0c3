-- SPDX-License-Identifier: PostgreSQL
-- herald.help: the functions for people, all of them, and none that is not.
SELECT plan(4);
SELECT is((SELECT count(*) FROM herald.help WHERE purpose IS NULL OR signature IS NULL OR returns IS NULL), 0::bigint, 'each has a purpose, arguments and a result');
SELECT is((SELECT purpose FROM herald.help WHERE function = 'herald.drop_rule'), 'Removes a rule; the next less special one takes its place.',
          'the purpose is the first sentence of the comment');
SELECT is((SELECT string_agg(DISTINCT p.proname, ' ' ORDER BY p.proname)
             FROM pg_proc p
            WHERE p.pronamespace = 'herald'::regnamespace AND obj_description(p.oid, 'pg_proc') !~ '^(Internal|For |Event trigger)'
              AND (has_function_privilege('herald_admin', p.oid, 'EXECUTE') OR has_function_privilege('herald_publisher', p.oid, 'EXECUTE'))
              AND NOT EXISTS (SELECT FROM herald.help h WHERE h.function = 'herald.' || p.proname)),
          'channels follows_ddl is_channel lag live_nodes schema_version', 'who may call a function finds it there, but for what other views and commands tell');
SELECT ok(has_table_privilege('herald_publisher', 'herald.help', 'SELECT'), 'a publisher may read it');
SELECT * FROM finish();
