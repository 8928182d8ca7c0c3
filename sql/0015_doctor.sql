-- SPDX-License-Identifier: PostgreSQL
--
-- Step 15: why does nothing arrive?
--
-- doctor() asks everything that the database itself can tell, and says of each thing that is amiss what mends it. Of a healthy database
-- it says nothing. It changes nothing and runs nobody's code: it reads catalogs and tables of ours, never rows of watched tables.
--
-- What only a client sees (a pooler, clocks, certificates, what a token is worth) `pgherald doctor` adds. The sessions of others are looked at
-- with the rights of who asks: since when they run is told to superusers and members of pg_monitor; to others, how many transactions ago.

SET LOCAL ROLE herald_owner;
SET LOCAL search_path = pg_catalog;

-- ------------------------------------------------------------------------------------- the schema, its roles, their rights

CREATE FUNCTION herald.doctor_rights() RETURNS SETOF herald.finding
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    WITH need(role, name, has, statement) AS (
        SELECT r, 'CONNECT on the database', has_database_privilege(r, current_database(), 'CONNECT'),
               format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), r)
          FROM unnest(ARRAY['herald_server', 'herald_hook', 'herald_judge']) r WHERE to_regrole(r) IS NOT NULL
        UNION ALL
        SELECT r, 'USAGE on schema herald', has_schema_privilege(r, 'herald', 'USAGE'), format('GRANT USAGE ON SCHEMA herald TO %I', r)
          FROM unnest(ARRAY['herald_capture', 'herald_caller', 'herald_reader', 'herald_hook', 'herald_judge', 'herald_server', 'herald_publisher', 'herald_admin']) r
         WHERE to_regrole(r) IS NOT NULL
        UNION ALL
        -- The comments say for whom a function is. These two it calls as roles of their own.
        SELECT 'herald_server', format('EXECUTE on %s', p.oid::regprocedure), has_function_privilege('herald_server', p.oid, 'EXECUTE'),
               format('GRANT EXECUTE ON FUNCTION %s TO herald_server', p.oid::regprocedure)
          FROM pg_proc p WHERE p.pronamespace = 'herald'::regnamespace AND obj_description(p.oid, 'pg_proc') ~ '^For (the|a) server'
           AND p.proname NOT IN ('call_function', 'judge') AND to_regrole('herald_server') IS NOT NULL
        UNION ALL
        SELECT f.role, format('EXECUTE on %s', p.oid::regprocedure), has_function_privilege(f.role, p.oid, 'EXECUTE'),
               format('GRANT EXECUTE ON FUNCTION %s TO %I', p.oid::regprocedure, f.role)
          FROM (VALUES ('herald_hook', 'call_function'), ('herald_judge', 'judge'), ('herald_publisher', 'publish'), ('herald_admin', 'watch'), ('herald_admin', 'set_rule'),
                       ('herald_caller', 'is_signed'), ('herald_caller', 'check_function'), ('herald_caller', 'look_at'), ('herald_caller', 'is_definer'),
                       ('herald_capture', 'ring'), ('herald_capture', 'doorbell_slot'), ('herald_capture', 'doorbell_obstacle'), ('herald_capture', 'is_part_of'),
                       ('herald_capture', 'too_large'), ('herald_capture', 'plain_text')) f(role, name)
          JOIN pg_proc p ON p.pronamespace = 'herald'::regnamespace AND p.proname = f.name WHERE to_regrole(f.role) IS NOT NULL
        UNION ALL
        SELECT 'herald_capture', format('INSERT (%s) on herald.outbox', c), has_column_privilege('herald_capture', 'herald.outbox', c, 'INSERT'),
               format('GRANT INSERT (%I) ON herald.outbox TO herald_capture', c)
          FROM unnest(ARRAY['shape', 'action', 'old', 'new']) c WHERE to_regrole('herald_capture') IS NOT NULL
        UNION ALL
        SELECT 'herald_reader', format('USAGE on schema %I', n.nspname), has_schema_privilege('herald_reader', n.oid, 'USAGE'),
               format('GRANT USAGE ON SCHEMA %I TO herald_reader', n.nspname)
          FROM (SELECT DISTINCT c.relnamespace FROM herald.watch w JOIN pg_class c ON c.oid = w.relation WHERE w.snapshot) s
          JOIN pg_namespace n ON n.oid = s.relnamespace WHERE to_regrole('herald_reader') IS NOT NULL
        UNION ALL
        SELECT 'herald_reader', format('SELECT (%I) on %s', c, w.relation), has_column_privilege('herald_reader', w.relation, c, 'SELECT'),
               format('GRANT SELECT (%I) ON %s TO herald_reader', c, w.relation)
          FROM herald.watch w JOIN pg_class k ON k.oid = w.relation CROSS JOIN LATERAL unnest(herald.captured_columns(w.relation)) c
          JOIN pg_attribute a ON a.attrelid = w.relation AND a.attname = c AND NOT a.attisdropped
         WHERE w.snapshot AND to_regrole('herald_reader') IS NOT NULL
    )
    SELECT 'error', 'right_missing', format('the role %s lacks %s', n.role, string_agg(n.name, ', ' ORDER BY n.name)), string_agg(n.statement, '; ' ORDER BY n.name), NULL
      FROM need n WHERE NOT n.has GROUP BY n.role
$$;
COMMENT ON FUNCTION herald.doctor_rights() IS 'Internal, for doctor(): what the roles of pgherald may not do, and should.';

CREATE FUNCTION herald.doctor_schema() RETURNS SETOF herald.finding
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    SELECT 'error', 'schema_incomplete', format('steps of schema herald are missing: %s', string_agg(n::text, ', ' ORDER BY n)),
           'Restore the whole schema, or pgherald uninstall and pgherald install: the history goes with it.', NULL
      FROM generate_series(1, herald.schema_version()) n WHERE NOT EXISTS (SELECT FROM herald.schema_step s WHERE s.step = n) HAVING count(*) > 0
    UNION ALL
    SELECT 'error', 'role_missing', format('the role %s does not exist', r), 'pgherald install --roles-only', NULL
      FROM unnest(ARRAY['herald_owner', 'herald_capture', 'herald_caller', 'herald_reader', 'herald_hook', 'herald_judge', 'herald_server', 'herald_publisher', 'herald_admin']) r
     WHERE to_regrole(r) IS NULL
    UNION ALL
    SELECT 'error', 'login_refused', format('the server cannot log in as %s: %s', r.rolname, CASE WHEN r.rolcanlogin THEN 'its password has expired' ELSE 'it may not log in' END),
           format('ALTER ROLE %I %s', r.rolname, CASE WHEN r.rolcanlogin THEN 'VALID UNTIL ''infinity''' ELSE 'LOGIN' END), NULL
      FROM pg_roles r, herald.state s
     WHERE r.rolname IN ('herald_server', 'herald_hook', 'herald_judge') AND (r.rolname <> 'herald_server' OR coalesce(s.led_as, r.rolname) = r.rolname)
       AND (NOT r.rolcanlogin OR r.rolvaliduntil < now())
    UNION ALL
    SELECT CASE WHEN e.oid IS NULL THEN 'note' ELSE 'warning' END, 'event_trigger_missing',
           format('the event trigger %s is %s: after an ALTER TABLE of a watched table, events come by key only until a running server has noticed, within seconds', v.name,
                  CASE WHEN e.oid IS NULL THEN 'missing' ELSE 'disabled' END),
           CASE WHEN e.oid IS NULL THEN format('As a superuser: CREATE EVENT TRIGGER %I ON %s EXECUTE FUNCTION herald.%I(). Or herald.refresh() in each migration.', v.name, v.event, v.function)
                ELSE format('ALTER EVENT TRIGGER %I ENABLE', v.name) END, NULL
      FROM (VALUES ('herald_ddl', 'on_ddl', 'ddl_command_end WHEN TAG IN (''ALTER TABLE'', ''CREATE TABLE'', ''CREATE FOREIGN TABLE'', ''CREATE SCHEMA'', ''CREATE TRIGGER'', ''ALTER SCHEMA'', ''ALTER TYPE'', ''ALTER DOMAIN'', ''CREATE POLICY'', ''ALTER POLICY'')'),
                   ('herald_owner', 'on_owner_ddl', 'ddl_command_end WHEN TAG IN (''ALTER TABLE'', ''CREATE TABLE'', ''CREATE FOREIGN TABLE'', ''CREATE SCHEMA'')'), ('herald_drop', 'on_drop', 'sql_drop')) v(name, function, event)
      LEFT JOIN pg_event_trigger e ON e.evtfoid = to_regprocedure(format('herald.%I()', v.function))
     WHERE e.oid IS NULL OR e.evtenabled IN ('D', 'R')
    UNION ALL
    SELECT * FROM herald.doctor_rights()
$$;
COMMENT ON FUNCTION herald.doctor_schema() IS 'Internal, for doctor(): whether the schema is whole, its roles are there and may do what they must.';

-- ------------------------------------------------------------------------------------------------------- watched tables

CREATE FUNCTION herald.is_outdated(w herald.watch) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off AS $$
BEGIN
    RETURN EXISTS (SELECT FROM herald.plan_capture(w) p JOIN pg_proc f ON f.oid = to_regprocedure(format('herald.%I()', 'capture_' || w.key)) WHERE f.prosrc <> p.code);
EXCEPTION WHEN OTHERS THEN
    RETURN true; -- what refresh() will say
END
$$;
COMMENT ON FUNCTION herald.is_outdated(herald.watch) IS 'Internal, for doctor(): whether refresh() would write the trigger function of a watch otherwise than it is.';

CREATE FUNCTION herald.doctor_triggers() RETURNS SETOF herald.finding
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    WITH watched AS MATERIALIZED (
        SELECT w.relation, w.channel, w.columns, w.mode, to_regprocedure(format('herald.%I()', 'capture_' || w.key))::oid AS capture
          FROM herald.watch w JOIN pg_class c ON c.oid = w.relation
    )
    SELECT 'error', 'trigger_missing', format('%s of %s are not announced: their trigger is missing', string_agg(e.name, ', ' ORDER BY e.name), w.relation),
           format('SELECT herald.watch(%L%s, mode => %L), with its other settings as they were', w.relation,
                  concat(', channel => ' || quote_literal(w.channel), ', columns => ' || quote_literal(w.columns::text)), coalesce(w.mode, 'row')), w.relation::text
      FROM watched w CROSS JOIN (VALUES ('INSERT', 4), ('DELETE', 8), ('UPDATE', 16), ('TRUNCATE', 32)) e(name, bit)
     WHERE NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = w.relation AND t.tgfoid = w.capture AND t.tgtype & e.bit = e.bit)
     GROUP BY w.relation, w.channel, w.columns, w.mode
    UNION ALL
    SELECT 'error', 'trigger_disabled', format('the trigger %s of %s %s', quote_ident(t.tgname), t.tgrelid::regclass,
                  CASE t.tgenabled WHEN 'D' THEN 'is disabled' ELSE 'fires only for what logical replication applies' END),
           format('ALTER TABLE %s ENABLE TRIGGER %I', t.tgrelid::regclass, t.tgname), w.relation::text
      FROM watched w JOIN pg_trigger t ON t.tgfoid = w.capture WHERE t.tgenabled IN ('D', 'R')
    UNION ALL
    SELECT 'warning', 'trigger_stale', format('%s was altered, and its trigger function is not yet written anew: events may come by key only', s), 'SELECT herald.refresh()', s::text
      FROM herald.stale_watches() s
    UNION ALL
    SELECT 'warning', 'trigger_outdated', format('the trigger function of %s is not what this version writes', w.relation), 'SELECT herald.refresh()', w.relation::text
      FROM herald.watch w WHERE herald.is_watched(w.relation) AND w.looks = herald.looks_of(w.relation) AND herald.is_outdated(w)
    UNION ALL
    SELECT 'error', 'trigger_altered', format('the trigger function of %s is not as it was made: %s', w.relation,
                  CASE WHEN NOT p.prosecdef THEN 'it runs with the rights of who writes' ELSE format('it belongs to %s', pg_get_userbyid(p.proowner)) END),
           CASE WHEN NOT p.prosecdef THEN format('ALTER FUNCTION %s SECURITY DEFINER', p.oid::regprocedure)
                ELSE format('ALTER FUNCTION %s OWNER TO herald_capture', p.oid::regprocedure) END, w.relation::text
      FROM watched w JOIN pg_proc p ON p.oid = w.capture WHERE NOT p.prosecdef OR pg_get_userbyid(p.proowner) <> 'herald_capture'
    UNION ALL
    SELECT 'warning', 'statement_mode', format('mode statement may miss or reorder changes of %s: %s', w.relation, herald.statement_mode_obstacle(w.relation)),
           format('SELECT herald.watch(%L, mode => ''row''), with its other settings as they were', w.relation), w.relation::text
      FROM watched w WHERE w.mode = 'statement' AND herald.statement_mode_obstacle(w.relation) IS NOT NULL
    UNION ALL
    -- What is set for a role or a database holds for sessions that nobody here sees begin.
    SELECT 'warning', 'replica_role', format('%s: session_replication_role is %s, so that their changes of tables that are not watched with always are not announced',
                  concat('sessions', ' of ' || r.rolname, ' in ' || d.datname), v.value),
           format('Watch with always => true; or ALTER %s RESET session_replication_role',
                  CASE WHEN r.oid IS NULL AND d.oid IS NOT NULL THEN 'DATABASE ' || quote_ident(d.datname)
                       ELSE concat('ROLE ', coalesce(quote_ident(r.rolname), 'ALL'), ' IN DATABASE ' || quote_ident(d.datname)) END), NULL
      FROM pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) x(setting)
     CROSS JOIN LATERAL (SELECT split_part(x.setting, '=', 1) AS name, split_part(x.setting, '=', 2) AS value) v
      LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase
     WHERE v.name = 'session_replication_role' AND v.value = 'replica' AND coalesce(d.datname, current_database()) = current_database()
       AND EXISTS (SELECT FROM watched w JOIN pg_trigger t ON t.tgfoid = w.capture AND t.tgenabled = 'O')
$$;
COMMENT ON FUNCTION herald.doctor_triggers() IS 'Internal, for doctor(): triggers of watched tables that are missing, off, old or not ours.';

-- What is written so that nothing can match, of what a look at the filter alone shows: a list of nothing, NULL where there is none, and a
-- row of two tables, where whoever looks is one row of one.
CREATE FUNCTION herald.matches_nothing(relation regclass, tree jsonb) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN jsonb_typeof(tree) = 'object' AND (
        EXISTS (SELECT FROM jsonb_each(tree) m
                 WHERE CASE m.key
                       WHEN 'not' THEN m.value = '{}'
                       WHEN 'and' THEN EXISTS (SELECT FROM jsonb_array_elements(m.value) x WHERE herald.matches_nothing(relation, x))
                       WHEN 'or' THEN NOT EXISTS (SELECT FROM jsonb_array_elements(m.value) x WHERE NOT herald.matches_nothing(relation, x))
                       ELSE jsonb_typeof(m.value) = 'object'
                            AND (m.value -> 'in' = '[]'
                                 OR m.value -> 'is' = 'null' AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = m.key AND a.attnotnull AND NOT a.attisdropped)) END)
        OR (SELECT count(DISTINCT m.value #> '{eq,dbo_id}') FROM jsonb_each(tree) m WHERE m.key NOT IN ('and', 'or', 'not')) > 1);
END
$$;
COMMENT ON FUNCTION herald.matches_nothing(regclass, jsonb) IS 'Internal, for doctor(): whether a filter is written so that it matches no row for nobody.';

CREATE FUNCTION herald.doctor_watches() RETURNS SETOF herald.finding
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    WITH part AS MATERIALIZED (
        SELECT w.relation, p.col, herald.name_today(w, p.col) AS today
          FROM herald.watch w CROSS JOIN LATERAL herald.template_parts(herald.wish_of(w.relation, w.key) ->> 'channel') p
         WHERE p.col IS NOT NULL AND herald.is_watched(w.relation)
    )
    SELECT f.* FROM herald.watch w CROSS JOIN LATERAL herald.surprises(w.relation) f WHERE herald.is_watched(w.relation)
    UNION ALL
    SELECT 'error', 'template_column_gone', format('the column %s, which is in the channel template of %s, is gone: nothing is announced', quote_ident(p.col), p.relation),
           'Call herald.watch() again with another channel.', p.relation::text
      FROM part p WHERE p.today IS NULL
    UNION ALL
    SELECT 'note', 'template_column_null', format('rows of %s whose %s is NULL are announced nowhere: it is in the channel template', p.relation, quote_ident(p.today)),
           format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL, if there shall be none', p.relation, p.today), p.relation::text
      FROM part p JOIN pg_attribute a ON a.attrelid = p.relation AND a.attname = p.today AND NOT a.attisdropped JOIN pg_type t ON t.oid = a.atttypid
     WHERE NOT (a.attnotnull OR t.typnotnull)
    UNION ALL
    SELECT 'error', 'visible_never', format('visible of %s can match no row for anybody, so nobody is shown its rows: %s', w.relation, left(w.visible::text, 500)),
           'Call herald.watch() again with another visible.', w.relation::text
      FROM herald.watch w WHERE herald.is_watched(w.relation) AND herald.matches_nothing(w.relation, w.visible)
    UNION ALL
    SELECT 'note', 'row_security', format('%s has row level security, and its watch does not ask the policies: rows are shown to %s', w.relation,
                  CASE WHEN w.visible IS NULL THEN 'everybody who may join the channel' ELSE 'whom visible says' END),
           'Call herald.watch() again with visible => ''"policy"'', if a client shall see what a SELECT would show it.', w.relation::text
      FROM herald.watch w
     WHERE herald.is_watched(w.relation) AND herald.guarded_by(w.relation) <> '{}' AND NOT coalesce(w.visible = '"nobody"' OR herald.is_judged(w.visible), false)
    UNION ALL
    SELECT 'error', 'judge_roles_missing', format('the policies of %s are asked, but herald_judge can become no role that may read it: nobody is shown its rows', w.relation),
           format('GRANT USAGE ON SCHEMA %I TO the clients'' role; GRANT SELECT ON %s TO it; GRANT it TO herald_judge; and judge-roles or anonymous-role of the server name it', n.nspname, w.relation),
           w.relation::text
      FROM herald.watch w JOIN pg_class c ON c.oid = w.relation JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE herald.is_watched(w.relation) AND w.visible = '"policy"' AND to_regrole('herald_judge') IS NOT NULL
       AND NOT EXISTS (SELECT FROM pg_roles r
                        WHERE r.rolname <> 'herald_judge' AND pg_has_role('herald_judge', r.oid, 'MEMBER')
                          AND has_schema_privilege(r.oid, n.oid, 'USAGE') AND has_any_column_privilege(r.oid, c.oid, 'SELECT'))
$$;
COMMENT ON FUNCTION herald.doctor_watches() IS 'Internal, for doctor(): what keeps rows of watched tables from who waits for them.';

-- ---------------------------------------------------------------------------------------------------- rules and the gate

CREATE FUNCTION herald.doctor_rules() RETURNS SETOF herald.finding
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    WITH used AS MATERIALIZED (
        SELECT r.channel, f.kind, f.name, p.oid, p.prosecdef, n.nspname, pg_get_userbyid(p.proowner) AS owner, h.owner AS taken_from,
               to_regrole('herald_caller') IS NULL OR has_function_privilege('herald_caller', p.oid, 'EXECUTE') AND has_schema_privilege('herald_caller', n.oid, 'USAGE') AS is_callable
          FROM herald.rule r
         CROSS JOIN LATERAL (VALUES ('authorize', r.authorize), ('on_join', r.on_join), ('on_message', r.on_message), ('on_leave', r.on_leave),
                                    ('on_connect', r.on_connect), ('on_disconnect', r.on_disconnect)) f(kind, name)
          LEFT JOIN herald.hook h ON h.name = f.name LEFT JOIN pg_proc p ON p.oid = to_regprocedure(f.name) LEFT JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE r.active AND f.name IS NOT NULL
    )
    SELECT 'error', 'realtime_off', 'realtime is switched off: nobody can connect', 'SELECT herald.set_enabled(true)', NULL
      FROM herald.switch s WHERE NOT s.enabled
    UNION ALL
    SELECT 'error', 'canonical_missing', 'there is no canonical, so nobody can connect', 'SELECT herald.rotate_canonical()', NULL
     WHERE NOT EXISTS (SELECT FROM herald.canonical)
    UNION ALL
    SELECT 'error', 'function_unusable', format('%s of the rule %s cannot be called, %s: %s', u.kind, u.channel,
                  CASE u.kind WHEN 'authorize' THEN 'so nobody may join or send' WHEN 'on_join' THEN 'so nobody may join' WHEN 'on_message' THEN 'so no message gets through'
                              ELSE 'so it is not told' END,
                  CASE WHEN u.oid IS NULL THEN format('%s does not exist', u.name)
                       WHEN u.owner IS DISTINCT FROM u.taken_from THEN format('%s belongs to another one than when the rule was set', u.name)
                       WHEN NOT u.prosecdef THEN format('%s is not SECURITY DEFINER', u.name)
                       ELSE format('herald_caller may not call %s', u.name) END),
           CASE WHEN u.oid IS NULL THEN format('Make it again, or SELECT herald.set_rule(%L, %I => ''-'')', u.channel, u.kind)
                WHEN u.owner IS DISTINCT FROM u.taken_from THEN format('If it is the right one: SELECT herald.set_rule(%L, %I => %L::regprocedure)', u.channel, u.kind, u.name)
                WHEN NOT u.prosecdef THEN format('ALTER FUNCTION %s SECURITY DEFINER', u.name)
                ELSE format('GRANT USAGE ON SCHEMA %I TO herald_caller; GRANT EXECUTE ON FUNCTION %s TO herald_caller', u.nspname, u.name) END, u.channel::text
      FROM used u WHERE u.oid IS NULL OR u.owner IS DISTINCT FROM u.taken_from OR NOT u.prosecdef OR NOT u.is_callable
$$;
COMMENT ON FUNCTION herald.doctor_rules() IS 'Internal, for doctor(): what keeps clients from connecting, joining and sending.';

-- ------------------------------------------------------------------------------------------------- sequencer, log, cluster

CREATE FUNCTION herald.doctor_flow() RETURNS SETOF herald.finding
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    WITH here AS MATERIALIZED (
        SELECT g.pending_rows, g.pending_bytes, date_trunc('second', g.oldest_age) AS oldest_age,
               -- Behind a pooler it leads without holding the lock.
               herald.leader() IS NOT NULL OR EXISTS (SELECT FROM pg_stat_activity a, herald.state s
                                                       WHERE a.datname = current_database() AND a.usename IN ('herald_server', s.led_as) AND a.pid <> pg_backend_pid()) AS is_led
          FROM herald.lag() g
    )
    SELECT 'error', 'sequencer_absent', concat('no server is connected, so nothing is announced', CASE WHEN h.pending_rows > 0 THEN format('; %s changes wait', h.pending_rows) END),
           'pgherald serve --database-url postgresql://herald_server@HOST/DATABASE; /ready of a server that runs says why it is not ready', NULL
      FROM here h WHERE NOT h.is_led
    UNION ALL
    SELECT 'warning', 'sequencer_behind', format('%s changes wait for the log, the oldest for %s', h.pending_rows, h.oldest_age),
           'The log of the server says why; if it is only slow: more batch-rows and batch-bytes, or a faster disk.', NULL
      FROM here h WHERE h.is_led AND h.oldest_age > interval '30 seconds'
    UNION ALL
    SELECT 'warning', 'outbox_large', format('the outbox has %s on disk, and changes of %s wait in it', pg_size_pretty(b.bytes), pg_size_pretty(h.pending_bytes)),
           CASE WHEN h.pending_bytes > b.bytes / 4 THEN 'Start a server: it empties it.'
                ELSE 'See that no old transaction holds it, then VACUUM FULL herald.outbox: writers wait meanwhile.' END, NULL
      FROM here h, LATERAL (SELECT pg_total_relation_size('herald.outbox') AS bytes) b WHERE b.bytes > 1073741824
    UNION ALL
    SELECT 'warning', 'log_bloat', format('of the log %s rows are dead and %s live', s.dead, s.live), 'VACUUM herald.log; and see that autovacuum runs and no old transaction holds it', NULL
      FROM (SELECT pg_stat_get_dead_tuples('herald.log'::regclass) AS dead, pg_stat_get_live_tuples('herald.log'::regclass) AS live) s WHERE s.dead > 100000 + s.live
    UNION ALL
    SELECT 'warning', 'retention_behind', format('the log still has what is older than its retention of %s, from %s on: trimming does not get that far', p.keeps, date_trunc('second', l.at)),
           format('The log of the server says why herald.trim() fails; if it is only slow, as herald_server, until it gives 0: SELECT herald.trim(%L, 10000)', p.keeps), NULL
      FROM here h CROSS JOIN herald.trim_position p CROSS JOIN LATERAL (SELECT x.at FROM herald.log x WHERE x.id > p.aged ORDER BY x.id LIMIT 1) l
     WHERE h.is_led AND l.at < now() - p.keeps - interval '1 hour'
    UNION ALL
    SELECT 'note', 'retention_off', format('retention-hours is 0, so nothing is ever removed from the log, which has %s on disk', pg_size_pretty(b.bytes)),
           'Set retention-hours, to 168 for a week; SIGHUP takes it over.', NULL
      FROM herald.trim_position p, LATERAL (SELECT pg_total_relation_size('herald.log') AS bytes) b
     WHERE p.told_at IS NOT NULL AND p.keeps IS NULL AND b.bytes > 1073741824
    UNION ALL
    SELECT 'note', 'log_large', format('the log has %s on disk, since %s', pg_size_pretty(b.bytes), (SELECT l.at FROM herald.log l ORDER BY l.id LIMIT 1)),
           'Less of retention-hours, or of message_history of rules.', NULL
      FROM (SELECT pg_total_relation_size('herald.log') AS bytes) b WHERE b.bytes > 107374182400
    UNION ALL
    SELECT 'warning', 'notify_queue_full', format('the queue of notifications is full to %s %%; at 50 writers ring no more, and events come a second late', round(u.usage::numeric * 100)),
           'End the session that has LISTENed and stays in its transaction: SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state LIKE ''idle in transaction%''', NULL
      FROM (SELECT pg_notification_queue_usage() AS usage) u WHERE u.usage > 0.25
    UNION ALL
    SELECT 'note', 'doorbell_off', format('writers do not ring, so the server looks every 10 ms: %s', herald.doorbell_obstacle()),
           format('ALTER DATABASE %I SET herald.doorbell = on, if no transaction that writes is PREPAREd', current_database()), NULL
     WHERE herald.doorbell_obstacle() IS NOT NULL
    UNION ALL
    SELECT 'warning', 'doorbell_prepared', format('herald.doorbell is on and max_prepared_transactions is %s: PREPARE TRANSACTION fails after a write that rang', current_setting('max_prepared_transactions')),
           format('ALTER DATABASE %I RESET herald.doorbell', current_database()), NULL
     WHERE herald.doorbell_obstacle() IS NULL AND current_setting('max_prepared_transactions')::int > 0
    UNION ALL
    SELECT 'note', 'publication', format('the publication %s has tables of schema herald, too: a subscriber has no use for them', quote_ident(p.pubname)),
           format('Name the tables that it is for: ALTER PUBLICATION %I SET TABLE …, or make it anew if it is FOR ALL TABLES', p.pubname), NULL
      FROM pg_publication_tables p WHERE p.schemaname = 'herald' GROUP BY p.pubname
    UNION ALL
    SELECT * FROM herald.doctor_logins()
$$;
COMMENT ON FUNCTION herald.doctor_flow() IS 'Internal, for doctor(): what keeps changes from the log, and the log from being small.';

CREATE FUNCTION herald.doctor_nodes() RETURNS SETOF herald.finding
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    WITH live AS MATERIALIZED (
        SELECT n.* FROM herald.node n JOIN herald.live_nodes() l ON l.id = n.id
    )
    SELECT 'warning', 'bus_down', format('the server %s has no connection to the bus, since %s: what is kept arrives there all the same, messages that nobody keeps are refused',
                  n.name, date_trunc('second', n.bus_since)),
           'See that the NATS server of its option bus runs and can be reached; the log of the server says why it is not.', NULL
      FROM live n WHERE n.bus = 'down' AND n.bus_since < clock_timestamp() - interval '5 seconds'
    UNION ALL
    SELECT 'warning', 'bus_versions', format('the server %s does not understand what others say on the bus, which is of another version: between them messages that nobody keeps do not arrive, and presence is not told', n.name),
           'Bring all servers to one version; of two that follow one another each reads what the other says.', NULL
      FROM live n WHERE n.bus = 'other_versions'
    UNION ALL
    SELECT 'note', 'bus_version_mixed', format('servers of several versions serve; of the older one: %s', string_agg(n.name, ', ' ORDER BY n.name)),
           'End the upgrade: replace these, too.', NULL
      FROM live n WHERE n.bus_version < (SELECT max(x.bus_version) FROM live x) HAVING count(*) > 0
$$;
COMMENT ON FUNCTION herald.doctor_nodes() IS 'Internal, for doctor(): servers side by side that do not hear one another.';

CREATE FUNCTION herald.doctor_servers() RETURNS SETOF herald.finding
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    WITH seen AS MATERIALIZED (
        SELECT coalesce(n.name, r.node) AS server, r.cause, r.detail ->> 'address' AS address, r.detail ->> 'asked' AS asked, r.detail ->> 'sent' AS sent,
               (r.detail ->> 'hours')::int AS hours,
               EXISTS (SELECT FROM herald.live_nodes() l WHERE l.id = r.node) AS is_live
          FROM herald.remarks() r LEFT JOIN herald.node n ON n.id = r.node
    )
    SELECT 'warning', 'proxy_silent',
           format('the proxy %s names no client to the server %s, so all who come through it have the limits of one: %s', s.address, s.server,
                  CASE WHEN s.asked = 'PROXY protocol' THEN 'its PROXY header says UNKNOWN'
                       WHEN s.sent IS NOT NULL THEN format('it sends %s, and proxy-header asks for %s', s.sent, s.asked) ELSE format('it sends no %s', s.asked) END),
           CASE WHEN s.asked = 'PROXY protocol' THEN 'Let it say who the client is (HAProxy: send-proxy-v2)'
                WHEN s.sent IS NOT NULL THEN format('Set proxy-header to %s, if the proxy itself writes that header', lower(s.sent))
                ELSE format('Let it send that header (nginx: proxy_set_header %s $remote_addr; HAProxy: option forwardfor), or set proxy-header to one that it sends', s.asked) END
           || '; if it is no proxy, take it out of trusted-proxies.', NULL
      FROM seen s WHERE s.cause = 'proxy_silent'
    UNION ALL
    SELECT 'warning', 'proxy_untrusted',
           format('%s sends %s to the server %s and is none of its trusted-proxies: if it is a proxy, all who come through it have the limits of one client (address-sessions, address-handshakes)',
                  s.address, s.sent, s.server),
           CASE WHEN s.sent = s.asked THEN format('If it is your proxy, add %s to trusted-proxies', s.address)
                ELSE format('If it is your proxy, add %s to trusted-proxies and set proxy-header to %s', s.address, lower(s.sent)) END, NULL
      FROM seen s WHERE s.cause = 'proxy_untrusted'
    UNION ALL
    SELECT 'warning', 'retention_differs',
           format('servers keep the log for different times (%s): who leads removes what is older than its own retention', string_agg(format('%s: %s', s.server, CASE s.hours WHEN 0 THEN 'for ever' ELSE s.hours || ' hours' END), ', ' ORDER BY s.server)),
           'Give all of them the same retention-hours; SIGHUP takes it over.', NULL
      FROM seen s WHERE s.cause = 'retention' AND s.is_live HAVING count(DISTINCT s.hours) > 1
$$;
COMMENT ON FUNCTION herald.doctor_servers() IS 'Internal, for doctor(): what servers see and have told.';

CREATE FUNCTION herald.doctor_horizon(older_than interval DEFAULT '1 hour') RETURNS SETOF herald.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    SELECT 'warning', 'horizon_held', format('the session %s of %s holds what is dead in all tables of this database, %s', a.pid, a.usename,
                  coalesce('since ' || date_trunc('second', a.xact_start), format('for %s transactions', age(a.backend_xmin)))),
           format('SELECT pg_terminate_backend(%s), if it is forgotten', a.pid), NULL
      FROM pg_stat_activity a
     WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND coalesce(a.backend_xmin, a.backend_xid) IS NOT NULL AND a.backend_type = 'client backend'
       AND coalesce(a.xact_start < clock_timestamp() - older_than, age(a.backend_xmin) > 1000000)
    UNION ALL
    SELECT 'warning', 'horizon_held', format('the prepared transaction %s of %s holds what is dead in all tables, and its locks, since %s', p.gid, p.owner, date_trunc('second', p.prepared)),
           format('COMMIT PREPARED %L, or ROLLBACK PREPARED %1$L', p.gid), NULL
      FROM pg_prepared_xacts p WHERE p.database = current_database() AND p.prepared < clock_timestamp() - older_than
    UNION ALL
    SELECT 'warning', 'horizon_held', format('the replication slot %s holds what is dead in all tables, for %s transactions', s.slot_name, age(s.xmin)),
           format('SELECT pg_drop_replication_slot(%L), if nobody uses it any more', s.slot_name), NULL
      FROM pg_replication_slots s WHERE age(s.xmin) > 1000000
$$;
COMMENT ON FUNCTION herald.doctor_horizon(interval) IS
'Internal, for doctor(), with the rights of who asks: transactions that keep dead rows, of the outbox above all, from being removed.';

-- ---------------------------------------------------------------------------------------------------------- what people call

CREATE FUNCTION herald.doctor_table(about text) RETURNS regclass
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    names text[];
BEGIN
    names := parse_ident(about);
    RETURN (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'herald')
               AND CASE cardinality(names) WHEN 1 THEN c.relname = names[1] WHEN 2 THEN n.nspname = names[1] AND c.relname = names[2] ELSE false END
             ORDER BY herald.is_watched(c.oid) DESC, n.nspname = 'public' DESC, n.nspname LIMIT 1);
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION herald.doctor_table(text) IS
'Internal, for doctor(): the table of a name, of several without a schema the one that is watched; NULL: none has it.';

CREATE FUNCTION herald.doctor_about(about text) RETURNS TABLE (templates text[], tables text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    SELECT array_agg(w.channel) || CASE WHEN herald.is_channel(about) THEN about END, array_agg(w.relation::text)
      FROM herald.watch w
     WHERE herald.is_watched(w.relation) AND (w.relation = herald.doctor_table(about) OR about ~ herald.template_pattern(w.channel))
$$;
COMMENT ON FUNCTION herald.doctor_about(text) IS
'Internal, for doctor(): the watched tables that a table''s name or a channel stands for, with their templates.';

CREATE FUNCTION herald.doctor_nothing(about text) RETURNS SETOF herald.finding
LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    named  regclass := herald.doctor_table(about);
    tables text[] := (SELECT d.tables FROM herald.doctor_about(about) d);
BEGIN
    IF named IS NOT NULL AND tables IS NULL AND NOT EXISTS (SELECT FROM herald.watch w WHERE herald.is_part_of(named, w.key)) THEN
        RETURN QUERY SELECT 'error', 'not_watched', format('nothing announces changes of %s: it is not watched', named), format('SELECT herald.watch(%L)', named), named::text;
    ELSIF named IS NULL AND tables IS NULL AND NOT EXISTS (SELECT FROM herald.rule r WHERE herald.is_channel(about) AND herald.covers(r.channel, about)) THEN
        RETURN QUERY SELECT 'error', 'nothing_there', format('nothing is announced on %s: no watch has such a channel, no rule covers it, and no table is called so', quote_literal(about)),
                            format('SELECT herald.watch(…, channel => %L) for a table, and herald.set_rule(%1$L) for who may join', about), about;
    ELSIF named IS NULL THEN
        RETURN QUERY SELECT f.* FROM herald.no_rule(about, about) f;
    END IF;
END
$$;
COMMENT ON FUNCTION herald.doctor_nothing(text) IS 'Internal, for doctor(): that nothing is announced of a table or on a channel, or nobody may join there.';

CREATE FUNCTION herald.doctor(about text DEFAULT NULL) RETURNS SETOF herald.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    WITH found AS MATERIALIZED (
        SELECT * FROM herald.doctor_schema() UNION ALL SELECT * FROM herald.doctor_triggers() UNION ALL SELECT * FROM herald.doctor_watches()
        UNION ALL SELECT * FROM herald.doctor_rules() UNION ALL SELECT * FROM herald.doctor_flow() UNION ALL SELECT * FROM herald.doctor_nodes() UNION ALL SELECT * FROM herald.doctor_servers() UNION ALL SELECT * FROM herald.doctor_horizon()
    ), asked AS MATERIALIZED (
        SELECT * FROM herald.doctor_about(doctor.about)
    )
    SELECT f.*
      FROM (SELECT f.* FROM found f, asked a
             WHERE doctor.about IS NULL OR f.about IS NULL AND f.severity = 'error' OR f.about = ANY (a.tables)
                OR EXISTS (SELECT FROM unnest(a.templates) t WHERE herald.covers(f.about, t))
            UNION
            SELECT * FROM herald.doctor_nothing(doctor.about)) f
     ORDER BY array_position('{error,warning,note}', f.severity), f.about IS NOT NULL, f.cause, f.about, f.finding
$$;
COMMENT ON FUNCTION herald.doctor(text) IS
'Why does nothing arrive? What is amiss, in words, each with what mends it; no row: nothing. about: the name of a table, or a channel: what
concerns it, and whether anything is announced there at all. severity error: events do not arrive; warning: some may not, or will not soon; note: as
it may be meant. cause is a name that stays the same. What only a client sees, a pooler or a certificate, pgherald doctor adds.';

-- ------------------------------------------------------------------------------------------------------------ the canary

-- Its channel begins with herald., for which there is no rule and no client: it ends at the log, and goes with the next trim.
CREATE FUNCTION herald.send_canary() RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $$
DECLARE
    key text := gen_random_uuid();
BEGIN
    PERFORM herald.publish('herald.canary', json_build_object('canary', key));
    RETURN key;
END
$$;
COMMENT ON FUNCTION herald.send_canary() IS
'Publishes an event that no client gets, if and when this transaction commits, to see whether it reaches the log: has_landed() of what this returns.';

CREATE FUNCTION herald.has_landed(canary text) RETURNS boolean
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM (SELECT l.payload FROM herald.log l WHERE l.channel = 'herald.canary' ORDER BY l.channel_offset DESC LIMIT 100) l
                    WHERE l.payload #>> '{data,canary}' = canary)
$$;
COMMENT ON FUNCTION herald.has_landed(text) IS 'Whether what send_canary() published is in the log, among the newest hundred of them.';

-- ---------------------------------------------------------------------------------------------------------------- help

-- Two hundred functions are in this schema, and these are the ones for people. What a function does is said once, in its comment.
CREATE VIEW herald.help AS
    SELECT h.topic, 'herald.' || h.name AS function, substring(h.comment FROM '^.*?[.?](?=[[:space:]]|$)') AS purpose,
           format('herald.%s(%s)', h.name, pg_get_function_arguments(h.id)) AS signature, pg_get_function_result(h.id) AS returns, h.comment AS description
      FROM (SELECT l.n, l.topic, l.name, p.id, replace(obj_description(p.id, 'pg_proc'), E'\n', ' ') AS comment
              FROM (VALUES (1, 'tables', 'watch'), (2, 'tables', 'set_watch'), (3, 'tables', 'unwatch'), (4, 'tables', 'refresh'),
                           (5, 'rules', 'set_rule'), (6, 'rules', 'drop_rule'), (7, 'rules', 'forget'),
                           (8, 'events', 'publish'), (9, 'events', 'history'), (10, 'events', 'channel_name'),
                           (11, 'people', 'disconnect'), (12, 'people', 'reread'),
                           (13, 'servers', 'set_enabled'), (14, 'servers', 'rotate_canonical'), (15, 'servers', 'rotate_bus_key'),
                           (16, 'health', 'doctor'), (17, 'health', 'send_canary'), (18, 'health', 'has_landed')) AS l (n, topic, name),
                   -- Of several of one name, which take a key as text or as a number, the first one has it all.
                   LATERAL (SELECT min(p.oid) AS id FROM pg_proc p
                             WHERE p.pronamespace = 'herald'::regnamespace AND p.proname = l.name) AS p) AS h
     ORDER BY h.n;
COMMENT ON VIEW herald.help IS 'The functions of this schema that are for people: what each is for, its arguments and what it returns.';
COMMENT ON COLUMN herald.help.topic IS 'What it is about';
COMMENT ON COLUMN herald.help.function IS 'Its name, with the schema';
COMMENT ON COLUMN herald.help.purpose IS 'What it is for, in a sentence';
COMMENT ON COLUMN herald.help.signature IS 'Its arguments, with their defaults';
COMMENT ON COLUMN herald.help.returns IS 'What it returns';
COMMENT ON COLUMN herald.help.description IS 'All that its comment says';
GRANT SELECT ON herald.help TO herald_admin, herald_publisher, herald_server;

GRANT EXECUTE ON FUNCTION herald.doctor(text), herald.send_canary(), herald.has_landed(text), herald.doctor_schema(), herald.doctor_triggers(), herald.doctor_watches(), herald.doctor_rules(), herald.doctor_flow(), herald.doctor_nodes(), herald.doctor_servers(),
    herald.doctor_horizon(interval), herald.doctor_about(text), herald.doctor_nothing(text), herald.covers(text, text), herald.template_prefix(text),
    herald.template_pattern(text), herald.template_parts(text) TO herald_admin, herald_server;
INSERT INTO herald.schema_step (step, name) VALUES (15, 'doctor');
RESET ROLE;
