-- SPDX-License-Identifier: PostgreSQL
--
-- Step 10: the functions that rules name, the orders that go to live sessions, and who is there.
--
-- **Other people's functions.** A rule may name functions that decide (authorize) or take part (on_…). They are SECURITY
-- DEFINER: they run with their owner's rights. Nothing of the server's may ever be theirs, and a check cannot promise that,
-- as a function can be altered between the check and the call. So they are called by call_function(), which belongs to
-- herald_hook: a function that became SECURITY INVOKER runs as a role that may do nothing. SET ROLE is of no use to it there.
--
-- What is left is what would run later, in the server's transaction or session, as herald_server:
--
--   at the commit    deferred triggers (before 18) and the queries of cursors WITH HOLD: the call is refused, so that the
--                    transaction rolls back. Foreign keys and unique constraints may be deferred: theirs is no user's code.
--   after it         settings (search_path!), prepared statements, temporary tables, LISTEN, session-level advisory locks
--                    (the leading server holds one): all undone after each call, and what no rollback undoes also after one
--                    that failed. The server must not keep anything of its own in a session in which it calls functions,
--                    but a statement_timeout.
--
-- What the server has to see to: a function may catch the timeout, once per call, so there is a deadline beyond which its
-- session is terminated; and the SQLSTATE and the message of an error are the function's choice, and say nothing about the
-- database.

SET LOCAL ROLE herald_owner;
SET LOCAL search_path = pg_catalog;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = 'herald.outbox'::regclass AND a.attname = 'options' AND NOT a.attisdropped) THEN
        RAISE EXCEPTION 'herald: this database has steps 1 to 9 as they were before their release' USING ERRCODE = '55000',
            HINT = 'They cannot be upgraded. Uninstall and install again (pgherald uninstall, or sql/uninstall.sql): the history goes with it.';
    END IF;
END
$$;

-- ---------------------------------------------------------------------------------------- functions: may it be one?

-- What runs at each call is plpgsql, which keeps its plans: functions in SQL are planned each time, 100 µs and more.
CREATE FUNCTION herald.function_name(function oid) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT format('%I.%I(%s)', n.nspname, p.proname, replace(oidvectortypes(p.proargtypes), ', ', ','))
              FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.oid = function);
END
$$;
COMMENT ON FUNCTION herald.function_name(oid) IS 'Internal: a function as rules name it: schema.name(types).';

-- Arguments and results must have the very types, so that no cast and no other function can come between.
CREATE FUNCTION herald.check_function(function oid, kind text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    p       pg_proc;
    wanted  regtype[] := CASE WHEN kind = 'authorize' THEN '{text,json,text}' WHEN kind = 'token' THEN '{text}'
                              WHEN kind IN ('on_join', 'on_message', 'on_leave', 'on_connect', 'on_disconnect') THEN '{text,text,json,json,json}' END;
    results regtype[] := CASE WHEN kind = 'authorize' THEN '{boolean}' WHEN kind IN ('token', 'on_message') THEN '{json,jsonb}'
                              ELSE '{json,jsonb,void}' END;
BEGIN
    SELECT * INTO p FROM pg_proc x WHERE x.oid = function;
    IF wanted IS NULL THEN
        RAISE EXCEPTION 'herald: % is no kind of function', coalesce(quote_literal(left(kind, 300)), 'NULL') USING ERRCODE = '22023';
    ELSIF p.oid IS NULL THEN
        RAISE EXCEPTION 'herald: the function for % does not exist', kind USING ERRCODE = '42883';
    ELSIF p.prokind <> 'f' OR p.proretset OR p.provariadic <> 0 OR p.prorettype <> ALL (results)
          OR ARRAY(SELECT CASE t.type WHEN 'jsonb'::regtype THEN 'json'::regtype ELSE t.type::regtype END
                     FROM unnest(p.proargtypes) WITH ORDINALITY t(type, nth) ORDER BY t.nth) <> wanted THEN
        RAISE EXCEPTION 'herald: function % cannot be used for %', p.oid::regprocedure, kind
            USING ERRCODE = '22023', HINT = format('It must take (%s) and return %s; jsonb may stand for json.',
                                                   array_to_string(wanted, ', '), array_to_string(results, ' or '));
    ELSIF NOT p.prosecdef THEN
        RAISE EXCEPTION 'herald: function % is not SECURITY DEFINER', p.oid::regprocedure
            USING ERRCODE = '42501', HINT = format('It has to run with its owner''s rights: ALTER FUNCTION %s SECURITY DEFINER SET search_path = …',
                                                   p.oid::regprocedure);
    ELSIF p.proisstrict AND kind IN ('on_connect', 'on_disconnect') THEN
        RAISE EXCEPTION 'herald: function % is STRICT and would never run for %', p.oid::regprocedure, kind
            USING ERRCODE = '22023', HINT = format('There channel and options are NULL: ALTER FUNCTION %s CALLED ON NULL INPUT', p.oid::regprocedure);
    END IF;
END
$$;
COMMENT ON FUNCTION herald.check_function(oid, text) IS
'Internal: raises unless a function can be called for a rule (authorize, on_…) or for a token (token).';

CREATE FUNCTION herald.check_rights(function oid) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- Who stands behind the SECURITY DEFINER function that asks: the role that was set, or who logged in.
    caller text := coalesce(nullif(current_setting('role'), 'none'), session_user);
    schema oid := (SELECT p.pronamespace FROM pg_proc p WHERE p.oid = function);
BEGIN
    IF NOT has_function_privilege(caller, function, 'EXECUTE') THEN
        RAISE EXCEPTION 'herald: permission denied for function %', function::regprocedure
            USING ERRCODE = '42501', HINT = 'A rule may only name functions that you may call yourself.';
    ELSIF NOT has_function_privilege('herald_hook', function, 'EXECUTE') OR NOT has_schema_privilege('herald_hook', schema, 'USAGE') THEN
        RAISE EXCEPTION 'herald: role herald_hook may not call function %', function::regprocedure
            USING ERRCODE = '42501', HINT = format('GRANT USAGE ON SCHEMA %s TO herald_hook; GRANT EXECUTE ON FUNCTION %s TO herald_hook',
                                                   schema::regnamespace, function::regprocedure);
    END IF;
END
$$;
COMMENT ON FUNCTION herald.check_rights(oid) IS
'Internal: raises unless a function may be called by the caller of set_rule(), and by herald_hook, which calls it for the server.';

CREATE FUNCTION herald.take_function(kind text, function regproc, old text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF function IS NULL THEN
        RETURN old;
    ELSIF function = 0 THEN
        RETURN NULL;
    END IF;
    PERFORM herald.check_function(function, kind);
    PERFORM herald.check_rights(function);
    INSERT INTO herald.hook (name, owner)
        SELECT herald.function_name(p.oid), pg_get_userbyid(p.proowner) FROM pg_proc p WHERE p.oid = function
        ON CONFLICT (name) DO UPDATE SET owner = EXCLUDED.owner;
    RETURN herald.function_name(function);
END
$$;
COMMENT ON FUNCTION herald.take_function(text, regproc, text) IS
'Internal, for set_rule(): checks and remembers a function that was given, and returns its name; none given (NULL): the old one''s.';

CREATE FUNCTION herald.clean_hooks() RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM herald.hook h
     WHERE NOT EXISTS (SELECT FROM herald.rule r
                        WHERE h.name IN (r.authorize, r.on_join, r.on_message, r.on_leave, r.on_connect, r.on_disconnect))
$$;
COMMENT ON FUNCTION herald.clean_hooks() IS 'Internal: forgets functions that no rule names any more.';

-- ---------------------------------------------------------------------------------------------- functions: the call

CREATE FUNCTION herald.call_text(function oid, kind text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    p     record;
    owner text := (SELECT h.owner FROM herald.hook h WHERE h.name = herald.function_name(function));
BEGIN
    PERFORM herald.check_function(function, kind);
    SELECT format('%I.%I', n.nspname, x.proname) AS name, x.prorettype, pg_get_userbyid(x.proowner) AS owner,
           (SELECT string_agg(format('($1)[%s]::%s', t.nth, t.type::regtype), ', ' ORDER BY t.nth)
              FROM unnest(x.proargtypes) WITH ORDINALITY t(type, nth)) AS arguments
      INTO p FROM pg_proc x JOIN pg_namespace n ON n.oid = x.pronamespace WHERE x.oid = function;
    IF p.owner <> owner THEN
        RAISE EXCEPTION 'herald: function % belongs to % and no longer to %', function::regprocedure, p.owner, owner
            USING ERRCODE = '42501', HINT = 'If that is right, call herald.set_rule() with it again.';
    END IF;
    RETURN format(CASE p.prorettype WHEN 'void'::regtype THEN 'SELECT CASE WHEN %s(%s) IS NULL THEN NULL::text END' ELSE 'SELECT %s(%s)::text' END,
                  p.name, p.arguments);
END
$$;
COMMENT ON FUNCTION herald.call_text(oid, text) IS
'Internal, for call_function(): SQL that calls a function with the elements of $1, if it still is as it has to be.';

CREATE FUNCTION herald.check_leftovers() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    culprit regclass;
BEGIN
    IF EXISTS (SELECT FROM pg_cursors c WHERE c.is_holdable) THEN
        RAISE EXCEPTION 'herald: a function of a rule may not leave a cursor WITH HOLD behind' USING ERRCODE = '0A000';
    END IF;
    -- Whoever wrote a table has a number and locked the table until the commit. Nothing else queues triggers.
    IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
        SELECT l.relation INTO culprit
          FROM pg_locks l JOIN pg_trigger t ON t.tgrelid = l.relation LEFT JOIN pg_constraint c ON c.oid = t.tgconstraint
         WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
           AND t.tgdeferrable AND coalesce(c.contype NOT IN ('f', 'p', 'u'), true) LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'herald: a function of a rule may not write table %, which has a deferrable trigger', culprit
                USING ERRCODE = '0A000', HINT = 'It could run at the commit, with the rights of the server.';
        END IF;
    END IF;
END
$$;
COMMENT ON FUNCTION herald.check_leftovers() IS
'Internal, for call_function(): raises if a function has prepared something that would run at the commit.';

CREATE FUNCTION herald.let_go() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    statement text;
BEGIN
    PERFORM pg_advisory_unlock_all();
    FOR statement IN SELECT s.name FROM pg_prepared_statements s WHERE s.from_sql LOOP
        EXECUTE format('DEALLOCATE %I', statement);
    END LOOP;
END
$$;
COMMENT ON FUNCTION herald.let_go() IS
'Internal, for call_function(): ends what a function left in the session and no rollback ends.';

CREATE FUNCTION herald.call_function(function text, kind text, arguments text[]) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_oid  oid;
    call       text;
    time_limit text;
    result     text;
BEGIN
    -- Code that ran as herald_hook could have altered this function, but not these lines.
    SET LOCAL search_path = pg_catalog, pg_temp;
    IF current_user <> 'herald_hook' THEN
        RAISE EXCEPTION 'herald: call_function() was altered' USING ERRCODE = '42501', HINT = 'Somebody tried to get the server''s rights.';
    END IF;
    found_oid := to_regprocedure(function);
    IF found_oid IS NULL THEN
        RAISE EXCEPTION 'herald: there is no function %', coalesce(left(function, 300), 'NULL')
            USING ERRCODE = '42883', HINT = 'Name it with its schema.';
    END IF;
    call := herald.call_text(found_oid, kind);
    time_limit := current_setting('statement_timeout');
    BEGIN
        EXECUTE call INTO result USING arguments;
        SET LOCAL search_path = pg_catalog, pg_temp;
        PERFORM herald.check_leftovers();
    EXCEPTION WHEN OTHERS OR query_canceled OR assert_failure THEN
        -- Settings are back by themselves, client_encoding too, in which the error is about to be sent.
        PERFORM herald.let_go();
        RAISE;
    END;
    PERFORM herald.let_go();
    UNLISTEN *;
    IF pg_my_temp_schema() <> 0 THEN
        DISCARD TEMP;
    END IF;
    RESET ALL;
    PERFORM pg_catalog.set_config('statement_timeout', time_limit, false);
    RETURN result;
END
$$;
COMMENT ON FUNCTION herald.call_function(text, text, text[]) IS
'Internal, for the three functions below: calls a function as herald_hook, and leaves the session as a new one, but for its
statement_timeout.';

-- A new owner needs CREATE on the schema. herald_hook gets it for this moment only, seen by nobody else.
GRANT CREATE ON SCHEMA herald TO herald_hook;
ALTER FUNCTION herald.call_function(text, text, text[]) OWNER TO herald_hook;
REVOKE CREATE ON SCHEMA herald FROM herald_hook;

CREATE FUNCTION herald.call_hook(function text, action text, channel text, client text, options text, payload text) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN herald.call_function(function, pg_catalog.concat('on_', action), ARRAY[action, channel, client, options, coalesce(payload, 'null')]);
END
$$;
COMMENT ON FUNCTION herald.call_hook(text, text, text, text, text, text) IS
'For the server: calls the function of a rule for an action (join, message, leave, connect, disconnect) and returns its result as
JSON text, or NULL. SQLSTATE P0001: the function refuses, and its message is for the client. Any other: it failed. In a session in
which the server does nothing else: it comes back like a new one.';

CREATE FUNCTION herald.call_authorize(function text, channel text, identity text, action text) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN herald.call_function(function, 'authorize', ARRAY[channel, identity, action]);
END
$$;
COMMENT ON FUNCTION herald.call_authorize(text, text, text, text) IS
'For the server: asks the function of a rule whether an identity (NULL: an anonymous client) may join a channel or send to it
(action join or send). NULL is no. Errors and session as with call_hook().';

CREATE FUNCTION herald.check_token(function text, token text) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN herald.call_function(CASE WHEN strpos(function, '(') = 0 THEN function || '(text)' ELSE function END, 'token', ARRAY[token]);
END
$$;
COMMENT ON FUNCTION herald.check_token(text, text) IS
'For the server: asks the function of the option token-function (a SECURITY DEFINER function (text) returning json, named with its
schema) about a token. Returns {"dbo_id","row_id","extras","exp"} as JSON text, or NULL: not valid. Errors and session as with
call_hook().';

-- ------------------------------------------------------------------------------------------------------- orders

CREATE FUNCTION herald.disconnect(dbo_id int DEFAULT NULL, row_id text DEFAULT NULL, socket_id text DEFAULT NULL,
                                  channel text DEFAULT NULL, reason text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF num_nonnulls(dbo_id, row_id, socket_id, channel) = 0 THEN
        RAISE EXCEPTION 'herald: disconnect() needs to know whom' USING ERRCODE = '22023',
            HINT = 'By dbo_id, dbo_id and row_id, socket_id or channel. set_enabled(false) closes all sessions.';
    ELSIF row_id IS NOT NULL AND dbo_id IS NULL THEN
        RAISE EXCEPTION 'herald: row_id needs dbo_id: which table''s row?' USING ERRCODE = '22023';
    ELSIF channel IS NOT NULL AND NOT herald.is_channel(channel) THEN
        RAISE EXCEPTION 'herald: % cannot be a channel', quote_literal(left(channel, 300))
            USING ERRCODE = '22023', HINT = '1 to 255 bytes without control characters and without *.';
    ELSIF greatest(octet_length(row_id), octet_length(socket_id)) > 255 OR octet_length(reason) > 1000 THEN
        RAISE EXCEPTION 'herald: row_id and socket_id have up to 255 bytes, reason up to 1000' USING ERRCODE = '22023';
    END IF;
    PERFORM herald.tell_servers('disconnect', json_build_object('dbo_id', dbo_id, 'row_id', row_id, 'socket_id', socket_id,
                                                                'channel', channel, 'reason', reason));
END
$$;
COMMENT ON FUNCTION herald.disconnect(int, text, text, text, text) IS
'Ends sessions, if and when this transaction commits: those that match all that is given (the users of a table, one user, one
socket). With channel they are only removed from that channel. Who is removed is told the reason. It keeps nobody from coming
back: take away the right first. Call it last in a transaction: such calls wait for one another until the commit.';

-- A key that is a number or a uuid, as in publish().
CREATE FUNCTION herald.disconnect(dbo_id int, row_id bigint, socket_id text DEFAULT NULL, channel text DEFAULT NULL, reason text DEFAULT NULL)
    RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT herald.disconnect(dbo_id, row_id::text, socket_id, channel, reason)
$$;
COMMENT ON FUNCTION herald.disconnect(int, bigint, text, text, text) IS 'The same for a row_id that is an integer.';
CREATE FUNCTION herald.disconnect(dbo_id int, row_id uuid, socket_id text DEFAULT NULL, channel text DEFAULT NULL, reason text DEFAULT NULL)
    RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT herald.disconnect(dbo_id, row_id::text, socket_id, channel, reason)
$$;
COMMENT ON FUNCTION herald.disconnect(int, uuid, text, text, text) IS 'The same for a row_id that is a uuid.';

CREATE FUNCTION herald.forget(channel text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF channel IS NOT NULL THEN
        PERFORM herald.check_pattern(channel);
    END IF;
    PERFORM herald.tell_servers('forget', json_build_object('channel', channel));
END
$$;
COMMENT ON FUNCTION herald.forget(text) IS
'Drops what servers remember of the answers of authorize functions: for one channel, for the channels of a rule (its name), or all
(NULL).';

-- ------------------------------------------------------------------------------------------------------ presence

CREATE UNLOGGED TABLE herald.member (
    channel   text COLLATE "C",
    socket_id text COLLATE "C",
    dbo_id    int,
    row_id    text,
    extras    json        NOT NULL,
    node      text        NOT NULL,
    since     timestamptz NOT NULL,
    PRIMARY KEY (channel, socket_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
COMMENT ON TABLE herald.member IS
'Who is in which channel, as the serving server last told. Unlogged: after a crash it is told anew.';
COMMENT ON COLUMN herald.member.channel IS 'The concrete channel';
COMMENT ON COLUMN herald.member.socket_id IS 'The session';
COMMENT ON COLUMN herald.member.dbo_id IS 'The table of its identity; NULL: anonymous';
COMMENT ON COLUMN herald.member.row_id IS 'The row of its identity; NULL: anonymous, or it names none';
COMMENT ON COLUMN herald.member.extras IS 'What its token says besides';
COMMENT ON COLUMN herald.member.node IS 'The server process it is connected to';
COMMENT ON COLUMN herald.member.since IS 'When it joined';
DO $$ BEGIN PERFORM herald.harden_tables(); END $$;

CREATE FUNCTION herald.write_presence(node text, is_reset boolean, is_join text[], channels text[], socket_ids text[], dbo_ids text[],
                                      row_ids text[], extras text[], since_ms text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_column
BEGIN
    IF ARRAY[cardinality(is_join), cardinality(channels), cardinality(socket_ids), cardinality(dbo_ids), cardinality(row_ids),
             cardinality(extras), cardinality(since_ms)] IS DISTINCT FROM array_fill(cardinality(is_join), ARRAY[7]) THEN
        RAISE EXCEPTION 'herald: write_presence() needs arrays of one length' USING ERRCODE = '22023';
    END IF;
    IF is_reset THEN
        DELETE FROM herald.member;
    END IF;
    WITH told AS MATERIALIZED (
        SELECT DISTINCT ON (t.channel, t.socket_id) t.*
          FROM unnest(is_join::boolean[], channels, socket_ids, dbo_ids::int[], row_ids, extras::json[], since_ms::bigint[]) WITH ORDINALITY
               t(is_join, channel, socket_id, dbo_id, row_id, extras, since_ms, nth)
         ORDER BY t.channel, t.socket_id, t.nth DESC
    ), left_ AS (
        DELETE FROM herald.member m USING told t WHERE NOT t.is_join AND m.channel = t.channel AND m.socket_id = t.socket_id
    )
    INSERT INTO herald.member (channel, socket_id, dbo_id, row_id, extras, node, since)
    SELECT t.channel, t.socket_id, t.dbo_id, t.row_id, coalesce(t.extras, '{}'), write_presence.node, to_timestamp(t.since_ms / 1000.0)
      FROM told t WHERE t.is_join
        ON CONFLICT (channel, socket_id) DO UPDATE SET dbo_id = EXCLUDED.dbo_id, row_id = EXCLUDED.row_id, extras = EXCLUDED.extras,
                                                       node = EXCLUDED.node, since = EXCLUDED.since;
END
$$;
COMMENT ON FUNCTION herald.write_presence(text, boolean, text[], text[], text[], text[], text[], text[], text[]) IS
'For the server: members that came (is_join t) or went (f), in order; of one (channel, socket) the last counts. is_reset: all that
was told before is void.';

-- The leading server's lock: while nobody serves, nobody is connected, whatever a killed server left in the table.
CREATE VIEW herald.presence AS
    SELECT m.channel COLLATE "default" AS channel, m.socket_id COLLATE "default" AS socket_id, m.dbo_id, m.row_id, m.extras, m.node, m.since
      FROM herald.member m
     WHERE EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                    WHERE l.locktype = 'advisory' AND l.classid = 1751478881 AND l.objid = 2 AND l.objsubid = 2 AND l.granted
                      AND l.mode = 'ExclusiveLock' AND d.datname = current_database());
COMMENT ON VIEW herald.presence IS
'Who is in which channel, on channels whose rule has presence. Best effort, some milliseconds late. Empty while no server serves.';
COMMENT ON COLUMN herald.presence.channel IS 'The concrete channel';
COMMENT ON COLUMN herald.presence.socket_id IS 'The session';
COMMENT ON COLUMN herald.presence.dbo_id IS 'The table of its identity; NULL: anonymous';
COMMENT ON COLUMN herald.presence.row_id IS 'The row of its identity; NULL: anonymous, or it names none';
COMMENT ON COLUMN herald.presence.extras IS 'What its token says besides';
COMMENT ON COLUMN herald.presence.node IS 'The server process it is connected to';
COMMENT ON COLUMN herald.presence.since IS 'When it joined';

GRANT EXECUTE ON FUNCTION herald.call_text(oid, text), herald.check_leftovers(), herald.let_go() TO herald_hook;
GRANT EXECUTE ON FUNCTION herald.call_function(text, text, text[]), herald.call_hook(text, text, text, text, text, text),
    herald.call_authorize(text, text, text, text), herald.check_token(text, text),
    herald.write_presence(text, boolean, text[], text[], text[], text[], text[], text[], text[]) TO herald_server;
GRANT EXECUTE ON FUNCTION herald.disconnect(int, text, text, text, text), herald.disconnect(int, bigint, text, text, text),
    herald.disconnect(int, uuid, text, text, text) TO herald_publisher, herald_server;
GRANT EXECUTE ON FUNCTION herald.forget(text) TO herald_admin;
GRANT SELECT ON herald.presence TO herald_server, herald_admin;

INSERT INTO herald.schema_step (step, name) VALUES (10, 'access');
RESET ROLE;
