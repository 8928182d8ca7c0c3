-- SPDX-License-Identifier: PostgreSQL
-- What is there, described, and open to nobody by accident.
SELECT plan(26);

SELECT is(herald.schema_version(), 15, 'all steps are installed');
SELECT is_empty($$
    SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'herald'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL
$$, 'every function has a comment');
SELECT is_empty($$
    SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'herald'::regnamespace AND c.relkind IN ('r', 'v')
       AND obj_description(c.oid, 'pg_class') IS NULL
$$, 'every table and view has a comment');
SELECT is_empty($$
    SELECT c.oid::regclass, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
     WHERE c.relnamespace = 'herald'::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0 AND col_description(c.oid, a.attnum) IS NULL
$$, 'every column has a comment');
SELECT is_empty($$
    SELECT p.oid::regprocedure FROM pg_proc p
     WHERE p.pronamespace = 'herald'::regnamespace AND p.proname <> 'schema_version' AND has_function_privilege('public', p.oid, 'EXECUTE')
$$, 'PUBLIC may execute nothing but schema_version()');
SELECT is_empty($$
    SELECT c.oid::regclass, a.* FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
     WHERE c.relnamespace = 'herald'::regnamespace AND a.grantee = 0
$$, 'PUBLIC has no right on any table');
SELECT is_empty($$
    SELECT p.oid::regprocedure FROM pg_proc p
     WHERE p.pronamespace = 'herald'::regnamespace AND p.prosecdef
       AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false) AND p.prosrc <> 'BEGIN RETURN NULL; END'
$$, 'every SECURITY DEFINER function has a fixed search_path');
SELECT set_eq($$
    SELECT c.relname::text, a.privilege_type FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a WHERE a.grantee = 'herald_capture'::regrole
    UNION ALL
    SELECT c.relname || '.' || t.attname, a.privilege_type FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid CROSS JOIN LATERAL aclexplode(t.attacl) a
     WHERE a.grantee = 'herald_capture'::regrole
$$, $$VALUES ('outbox.shape', 'INSERT'), ('outbox.action', 'INSERT'), ('outbox.old', 'INSERT'), ('outbox.new', 'INSERT')$$,
    'herald_capture may insert into the outbox and nothing else');
SELECT set_eq($$
    SELECT p.proname::text FROM pg_proc p WHERE p.pronamespace = 'herald'::regnamespace AND p.proname NOT LIKE 'capture\_%'
       AND has_function_privilege('herald_capture', p.oid, 'EXECUTE')
$$, ARRAY['schema_version', 'is_part_of', 'too_large', 'plain_text', 'ring', 'doorbell_slot', 'doorbell_obstacle'],
    'herald_capture may call a few harmless functions');
SELECT ok(NOT has_schema_privilege(r, 'herald', 'CREATE'), r || ' may create nothing') FROM unnest(ARRAY['herald_capture', 'herald_hook', 'herald_caller']) r;
SELECT is_empty($$SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'herald'::regnamespace AND c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
    AND NOT (c.relreplident IN ('f', 'i') OR EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary))$$,
    'every table has a replica identity: a publication of all tables must not fail a DELETE');
SELECT is_empty($$SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'herald'::regnamespace AND c.relkind IN ('r', 'p')
    AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polroles = '{0}' AND p.polcmd = '*' AND p.polpermissive)$$,
    'no table is closed by enabling row level security on it');
SELECT ok(has_schema_privilege('herald_capture', 'herald_cradle', 'CREATE') AND NOT has_schema_privilege('herald_capture', 'herald_cradle', 'USAGE')
    AND NOT EXISTS (SELECT FROM pg_proc WHERE pronamespace = 'herald_cradle'::regnamespace),
    'what herald_capture could make in the cradle, it could not find there, and nothing stays in it');
SELECT set_eq($$
    SELECT p.proname::text FROM pg_proc p WHERE p.pronamespace = 'herald'::regnamespace AND has_function_privilege('herald_hook', p.oid, 'EXECUTE')
$$, ARRAY['schema_version', 'call_function'], 'herald_hook may call one function');
SELECT set_eq($$
    SELECT p.proname::text FROM pg_proc p WHERE p.pronamespace = 'herald'::regnamespace AND has_function_privilege('herald_caller', p.oid, 'EXECUTE')
$$, ARRAY['schema_version', 'call_function', 'is_signed', 'check_function', 'look_at', 'is_definer'], 'herald_caller may call what a call needs');
SELECT set_eq($$SELECT r || ' ' || m FROM (VALUES ('herald_hook'), ('herald_judge'), ('herald_caller'), ('herald_reader'), ('herald_server'), ('herald_capture'), ('herald_publisher')) v(r), pg_roles o(m)
    WHERE pg_has_role(r, m, 'MEMBER') AND r <> m$$, ARRAY[]::text[], 'those roles are members of nothing');
SELECT is_empty($$SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'herald'::regnamespace AND c.relkind IN ('r', 'v', 'S')
    AND (has_table_privilege('herald_hook', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE') OR has_any_column_privilege('herald_hook', c.oid, 'SELECT, INSERT, UPDATE'))$$,
    '… and has no right on any table');
SELECT is_empty($$SELECT rolname FROM pg_roles WHERE rolname LIKE 'herald\_%' AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)$$,
    'no role has an attribute of power');
SELECT set_eq($$SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'herald\_%' AND rolcanlogin$$, ARRAY['herald_server', 'herald_hook', 'herald_judge'], 'only the server logs in, as three roles');
SELECT is_empty($$SELECT rolname FROM pg_roles WHERE rolname <> 'herald_reader' AND NOT rolsuper AND pg_has_role(oid, 'herald_reader', 'USAGE')$$, 'nobody inherits from herald_reader');
SELECT is((SELECT rolinherit FROM pg_roles WHERE rolname = 'herald_judge'), false, 'herald_judge inherits nothing');
SELECT set_has($$
    SELECT p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' FROM pg_proc p
     WHERE p.pronamespace = 'herald'::regnamespace AND has_function_privilege('herald_server', p.oid, 'EXECUTE')
$$, $$VALUES ('schema_version()'), ('lead(is_held boolean)'), ('leader()'), ('open(seen bigint, process text)'), ('warnings()'), ('find_batch(batch text)'), ('find_sent(senders text[], keys text[], channels text[], this_epoch text)'), ('read_log(after bigint, max_rows integer, max_bytes integer)'),
    ('take(max_rows integer, max_bytes integer, has_messages boolean, this_term bigint)'),
    ('resign()'), ('enter(node text, name text)'), ('stand(node text, bus text, bus_version integer)'), ('oldest_step()'), ('try_lead()'), ('live_nodes()'), ('depose(seen text)'), ('follow()'), ('sequenced(seen pg_snapshot)'), ('heads(names text[])'), ('emptied(template text, after text, max_rows integer)'), ('count_events(keys text[], reasons text[], reduced bigint[], skipped bigint[])'),
    ('read_channel(channel text, kind text, max_rows integer, max_bytes integer, since_epoch text, since_offset bigint, max_missed integer)'),
    ('site(since bigint)'), ('read_snapshot(watch_key text, channel text, conditions json, "order" json, max_rows integer)'), ('watches_version()'), ('get_signing_key()'),
    ('write_presence(node text, is_reset boolean, is_join text[], channels text[], socket_ids text[], dbo_ids text[], row_ids text[], extras text[], since_ms text[])'),
    ('version()'), ('doorbell_obstacle()'), ('try_sleep()'), ('stay_asleep(slot integer)'), ('wake(slot integer)'), ('sweep()'), ('trim(retention interval, max_rows integer)'), ('lag()'), ('refresh_stale(after oid)')$$,
    'the server may call its functions');
SELECT is_empty($$SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'herald'::regnamespace AND c.relkind IN ('r', 'v', 'S')
    AND has_table_privilege('herald_server', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')$$, 'the server writes through functions only');
SELECT columns_are('herald', 'log', ARRAY['id', 'channel', 'channel_offset', 'epoch', 'at', 'action', 'client', 'options', 'payload', 'xid', 'shape', 'kept']);
SELECT * FROM finish();
