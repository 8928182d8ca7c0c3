-- SPDX-License-Identifier: PostgreSQL
--
-- Step 10: the functions that rules name, the directives that go to live sessions, and who is there.
--
-- **Other people's functions.** A rule may name functions that decide (authorize) or take part (on_…). They are SECURITY
-- DEFINER: they run with their owner's rights. Nothing else may ever be theirs: not the server's rights, and not another
-- owner's function, called with arguments that the server never sent. Three things see to it, none of which is a list of
-- what a function may do:
--
--   * The sessions of these calls log in as herald_hook, which may do one thing: EXECUTE call_function(). Whatever a
--     function leaves behind (a deferred trigger, a cursor WITH HOLD, …) runs as that role, and there is nothing to escape to.
--   * call_function() calls nothing that the server has not signed, with a key that herald_hook cannot read. Even code
--     that runs as herald_hook, and has seen the parameters of its own call, can at most repeat that very call.
--   * A function that was altered meanwhile would run as herald_caller, who owns call_function() and may call all of them.
--     So the function is looked at before and after: if it has changed, all that it did is rolled back.
--
-- What a function leaves in the session (settings, temporary tables, locks, …) is seen by calls of the same function
-- only: before another one the server sends DISCARD ALL (src/pg/functions/lane.c).
--
-- What the server has to see to: a function may catch the timeout, once per call, so there is a deadline beyond which its
-- connection is given up; and the SQLSTATE and the message of an error are the function's choice, and say nothing about
-- the database.

SET LOCAL ROLE herald_owner;
SET LOCAL search_path = pg_catalog;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = 'herald.outbox'::regclass AND a.attname = 'shape' AND NOT a.attisdropped) THEN
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
    ELSIF NOT has_function_privilege('herald_caller', function, 'EXECUTE') OR NOT has_schema_privilege('herald_caller', schema, 'USAGE') THEN
        RAISE EXCEPTION 'herald: role herald_caller may not call function %', function::regprocedure
            USING ERRCODE = '42501', HINT = format('GRANT USAGE ON SCHEMA %s TO herald_caller; GRANT EXECUTE ON FUNCTION %s TO herald_caller',
                                                   schema::regnamespace, function::regprocedure);
    END IF;
END
$$;
COMMENT ON FUNCTION herald.check_rights(oid) IS
'Internal: raises unless a function may be called by the caller of set_rule(), and by herald_caller, which calls it for the server.';

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

CREATE FUNCTION herald.clean_functions() RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM herald.hook h
     WHERE NOT EXISTS (SELECT FROM herald.rule r
                        WHERE h.name IN (r.authorize, r.on_join, r.on_message, r.on_leave, r.on_connect, r.on_disconnect))
$$;
COMMENT ON FUNCTION herald.clean_functions() IS 'Internal: forgets functions that no rule names any more.';

-- ---------------------------------------------------------------------------------------------- functions: the call

CREATE TABLE herald.signing_key (
    one       boolean PRIMARY KEY DEFAULT true CHECK (one),
    key       bytea NOT NULL,
    inner_pad bytea NOT NULL,
    outer_pad bytea NOT NULL
);
COMMENT ON TABLE herald.signing_key IS
'One row: the key with which the server signs its calls of functions, and the two blocks of HMAC (RFC 2104) made from it.';
COMMENT ON COLUMN herald.signing_key.one IS 'Always true: there is one row';
COMMENT ON COLUMN herald.signing_key.key IS '32 random bytes';
COMMENT ON COLUMN herald.signing_key.inner_pad IS 'The key, filled up to 64 bytes with zeros, each byte XOR 0x36';
COMMENT ON COLUMN herald.signing_key.outer_pad IS 'The same with 0x5c';

CREATE FUNCTION herald.renew_signing_key() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    -- A random UUID has 122 random bits; the digest of four spreads them.
    key       bytea := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
    inner_pad bytea := decode(repeat('36', 64), 'hex');
    outer_pad bytea := decode(repeat('5c', 64), 'hex');
BEGIN
    FOR i IN 0 .. 31 LOOP
        inner_pad := set_byte(inner_pad, i, get_byte(inner_pad, i) # get_byte(key, i));
        outer_pad := set_byte(outer_pad, i, get_byte(outer_pad, i) # get_byte(key, i));
    END LOOP;
    DELETE FROM herald.signing_key;
    INSERT INTO herald.signing_key (key, inner_pad, outer_pad) VALUES (key, inner_pad, outer_pad);
END
$$;
COMMENT ON FUNCTION herald.renew_signing_key() IS 'Internal: another key. Servers ask for it whenever they connect.';

CREATE FUNCTION herald.get_signing_key() RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT k.key FROM herald.signing_key k
$$;
COMMENT ON FUNCTION herald.get_signing_key() IS 'For the server: the key for the signatures of call_function(), 32 bytes.';

-- array_send() gives the bytes in which a binary parameter travels: what was signed is what came.
CREATE FUNCTION herald.is_signed(call text[], signature bytea) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN coalesce((SELECT sha256(k.outer_pad || sha256(k.inner_pad || array_send(call))) = signature FROM herald.signing_key k), false);
END
$$;
COMMENT ON FUNCTION herald.is_signed(text[], bytea) IS 'Internal, for call_function(): whether the server signed this call.';

-- Two looks are equal only if nothing that decides what is called was altered between them: neither the function nor its
-- schema, by whose name it is called.
CREATE FUNCTION herald.look_at(function oid) RETURNS text[]
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT ARRAY[concat(quote_ident(n.nspname), '.', quote_ident(p.proname)), oidvectortypes(p.proargtypes), p.prorettype::text,
                         pg_get_userbyid(p.proowner), concat(p.xmin, p.ctid, n.xmin, n.ctid)]
              FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.oid = function);
END
$$;
COMMENT ON FUNCTION herald.look_at(oid) IS 'Internal, for call_function(): a function''s name, argument types, result, owner, and which version this is.';

-- look_at() sees what was committed, but a session calls what its cache has, and that may be a moment behind: an older
-- version without SECURITY DEFINER, for one. This looks into the cache. Quoted names and values are taken out, so that none
-- of them can say it.
CREATE FUNCTION herald.is_definer(function oid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN regexp_replace(split_part(pg_get_functiondef(function), 'AS $function', 1), '"[^"]*"|''[^'']*''', '', 'g') LIKE '% SECURITY DEFINER%';
END
$$;
COMMENT ON FUNCTION herald.is_definer(oid) IS 'Internal, for call_function(): whether a function would run with its owner''s rights if it were called now.';

CREATE FUNCTION herald.call_function(call text[], signature bytea) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    function oid;
    before   text[]; -- name, argument types, result, owner, version
    types    text[];
    owner    text;
    result   text;
BEGIN
    IF herald.is_signed(call, signature) IS NOT TRUE THEN
        RAISE EXCEPTION 'herald: the server did not sign this call' USING ERRCODE = '42501', HINT = 'Only a server can call functions of rules.';
    END IF;
    function := to_regprocedure(call[1]);
    IF function IS NULL THEN
        RAISE EXCEPTION 'herald: there is no function %', coalesce(left(call[1], 300), 'NULL')
            USING ERRCODE = '42883', HINT = 'Name it with its schema.';
    END IF;
    PERFORM herald.check_function(function, call[2]);
    before := herald.look_at(function);
    types := string_to_array(before[2], ', ');
    owner := (SELECT h.owner FROM herald.hook h WHERE h.name = call[1]);
    IF before[4] <> owner THEN
        RAISE EXCEPTION 'herald: function % belongs to % and no longer to %', call[1], before[4], owner
            USING ERRCODE = '42501', HINT = 'If that is right, call herald.set_rule() with it again.';
    ELSIF to_regprocedure(concat(before[1], '(', before[2], ')')) IS DISTINCT FROM function OR herald.is_definer(function) IS NOT TRUE THEN
        RAISE EXCEPTION 'herald: function % is being altered', call[1] USING ERRCODE = '42501';
    END IF;
    EXECUTE concat('SELECT ', CASE before[3] WHEN '2278' /* void */ THEN 'CASE WHEN ' END, before[1], '(($1)[3]::', types[1],
                   ', ($1)[4]::' || types[2], ', ($1)[5]::' || types[3], ', ($1)[6]::' || types[4], ', ($1)[7]::' || types[5],
                   CASE before[3] WHEN '2278' THEN ') IS NULL THEN NULL::text END' ELSE ')::text' END)
        INTO result USING call;
    IF herald.look_at(function) IS DISTINCT FROM before THEN
        RAISE EXCEPTION 'herald: function % was altered while it was called', call[1] USING ERRCODE = '42501';
    END IF;
    RETURN result;
END
$$;
COMMENT ON FUNCTION herald.call_function(text[], bytea) IS
'For the server, in a session of herald_hook: calls the function of a rule, or of the option token-function. call: its name with
schema and argument types; what for (authorize, on_join, on_message, on_leave, on_connect, on_disconnect or token); its arguments.
signature: HMAC-SHA256 of that array as it travels in binary, under get_signing_key(). Returns as text what the function returned.
SQLSTATE P0001: it refuses, and its message is for the client. Any other: it failed.';

-- A new owner needs CREATE on the schema. herald_caller gets it for this moment only, seen by nobody else.
GRANT CREATE ON SCHEMA herald TO herald_caller;
ALTER FUNCTION herald.call_function(text[], bytea) OWNER TO herald_caller;
REVOKE CREATE ON SCHEMA herald FROM herald_caller;

-- ------------------------------------------------------------------------------------------------------- directives

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
    node      text COLLATE "C",
    since     timestamptz NOT NULL,
    PRIMARY KEY (node, channel, socket_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
COMMENT ON TABLE herald.member IS
'Who is in which channel, as each serving server last told of its own. Unlogged: after a crash it is told anew.';
COMMENT ON COLUMN herald.member.channel IS 'The concrete channel';
COMMENT ON COLUMN herald.member.socket_id IS 'The session';
COMMENT ON COLUMN herald.member.dbo_id IS 'The table of its identity; NULL: anonymous';
COMMENT ON COLUMN herald.member.row_id IS 'The row of its identity; NULL: anonymous, or it names none';
COMMENT ON COLUMN herald.member.extras IS 'What its token says besides';
COMMENT ON COLUMN herald.member.node IS 'The server process it is connected to: its id, if there are several';
COMMENT ON COLUMN herald.member.since IS 'When it joined';
DO $$ BEGIN PERFORM herald.harden_tables(), herald.renew_signing_key(); END $$;

-- Servers that serve side by side. Each holds a lock as long as its session lives, so nobody has to say that one is gone.
CREATE TABLE herald.node (
    id    text COLLATE "C" PRIMARY KEY,
    name  text        NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    bus         text     NOT NULL DEFAULT 'up' CHECK (bus IN ('up', 'down', 'other_versions')),
    bus_version smallint, -- NULL: not told yet
    bus_since   timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE herald.node IS 'The servers of this database that serve side by side, and for some seconds those that did. A server that is alone is not here.';
COMMENT ON COLUMN herald.node.id IS 'Another one with each start';
COMMENT ON COLUMN herald.node.name IS 'For people: --node-name, or host and process';
COMMENT ON COLUMN herald.node.since IS 'When it came to this database';
COMMENT ON COLUMN herald.node.bus IS 'How it stands on the bus: down: it has no connection; other_versions: others are there whom it does not understand';
COMMENT ON COLUMN herald.node.bus_version IS 'The newest version of the bus that it reads';
COMMENT ON COLUMN herald.node.bus_since IS 'Since when it stands so';
DO $$ BEGIN PERFORM herald.harden_tables(); END $$;

CREATE FUNCTION herald.live_nodes() RETURNS TABLE (id text, name text)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT n.id, n.name FROM herald.node n
     WHERE hashtext(n.id)::bigint & 4294967295 IN (
        SELECT l.objid::bigint FROM pg_locks l JOIN pg_database d ON d.oid = l.database
         WHERE l.locktype = 'advisory' AND l.classid = 1751478882 AND l.objsubid = 2 AND l.granted AND d.datname = current_database())
$$;
COMMENT ON FUNCTION herald.live_nodes() IS 'Servers that serve this database side by side.';

CREATE FUNCTION herald.enter(node text, name text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    -- Shared: a session of before, whose end Postgres has not noticed yet, may have it for a while.
    SELECT pg_try_advisory_lock_shared(1751478882, hashtext(node));
    INSERT INTO herald.node AS n (id, name) VALUES (node, name)
        ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, since = clock_timestamp();
$$;
COMMENT ON FUNCTION herald.enter(text, text) IS 'For a server among several, once in each session: it is there until the session ends.';

CREATE FUNCTION herald.stand(node text, bus text, bus_version int) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE herald.node n SET bus = stand.bus, bus_version = stand.bus_version, bus_since = clock_timestamp() WHERE n.id = node
$$;
COMMENT ON FUNCTION herald.stand(text, text, int) IS 'For a server among several, after enter() and when it changes: how it stands on the bus, for doctor().';

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
        DELETE FROM herald.member m WHERE m.node = write_presence.node OR NOT EXISTS (SELECT FROM herald.live_nodes() l WHERE l.id = m.node);
    END IF;
    WITH told AS MATERIALIZED (
        SELECT DISTINCT ON (t.channel, t.socket_id) t.*
          FROM unnest(is_join::boolean[], channels, socket_ids, dbo_ids::int[], row_ids, extras::json[], since_ms::bigint[]) WITH ORDINALITY
               t(is_join, channel, socket_id, dbo_id, row_id, extras, since_ms, nth)
         ORDER BY t.channel, t.socket_id, t.nth DESC
    ), left_ AS (
        DELETE FROM herald.member m USING told t
         WHERE NOT t.is_join AND m.node = write_presence.node AND m.channel = t.channel AND m.socket_id = t.socket_id
    )
    INSERT INTO herald.member (channel, socket_id, dbo_id, row_id, extras, node, since)
    SELECT t.channel, t.socket_id, t.dbo_id, t.row_id, coalesce(t.extras, '{}'), write_presence.node, to_timestamp(t.since_ms / 1000.0)
      FROM told t WHERE t.is_join
        ON CONFLICT (node, channel, socket_id) DO UPDATE SET dbo_id = EXCLUDED.dbo_id, row_id = EXCLUDED.row_id, extras = EXCLUDED.extras,
                                                             since = EXCLUDED.since;
END
$$;
COMMENT ON FUNCTION herald.write_presence(text, boolean, text[], text[], text[], text[], text[], text[], text[]) IS
'For the server: members that came (is_join t) or went (f), in order; of one (channel, socket) the last counts. is_reset: all that
this node told before is void, and what nodes told that are gone.';

-- The leading server's lock: while nobody serves, nobody is connected, whatever a killed server left in the table.
CREATE VIEW herald.presence AS
    SELECT DISTINCT ON (m.channel, m.socket_id)
           m.channel COLLATE "default" AS channel, m.socket_id COLLATE "default" AS socket_id, m.dbo_id, m.row_id, m.extras,
           coalesce(n.name, m.node) COLLATE "default" AS node, m.since
      FROM herald.member m LEFT JOIN herald.node n ON n.id = m.node
     WHERE EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                    WHERE l.locktype = 'advisory' AND l.classid = 1751478881 AND l.objid = 2 AND l.objsubid = 2 AND l.granted
                      AND l.mode = 'ExclusiveLock' AND d.datname = current_database())
     ORDER BY m.channel, m.socket_id, m.since DESC;
COMMENT ON VIEW herald.presence IS
'Who is in which channel, on channels whose rule has presence. Best effort, some milliseconds late. Empty while no server serves.';
COMMENT ON COLUMN herald.presence.channel IS 'The concrete channel';
COMMENT ON COLUMN herald.presence.socket_id IS 'The session';
COMMENT ON COLUMN herald.presence.dbo_id IS 'The table of its identity; NULL: anonymous';
COMMENT ON COLUMN herald.presence.row_id IS 'The row of its identity; NULL: anonymous, or it names none';
COMMENT ON COLUMN herald.presence.extras IS 'What its token says besides';
COMMENT ON COLUMN herald.presence.node IS 'The server process it is connected to';
COMMENT ON COLUMN herald.presence.since IS 'When it joined';

GRANT EXECUTE ON FUNCTION herald.is_signed(text[], bytea), herald.check_function(oid, text), herald.look_at(oid), herald.is_definer(oid)
    TO herald_caller;
GRANT SELECT ON herald.hook TO herald_caller;
GRANT EXECUTE ON FUNCTION herald.call_function(text[], bytea) TO herald_hook;
GRANT EXECUTE ON FUNCTION herald.live_nodes() TO herald_server, herald_admin;
GRANT EXECUTE ON FUNCTION herald.get_signing_key(), herald.enter(text, text), herald.stand(text, text, int),
    herald.write_presence(text, boolean, text[], text[], text[], text[], text[], text[], text[]) TO herald_server;
GRANT EXECUTE ON FUNCTION herald.disconnect(int, text, text, text, text), herald.disconnect(int, bigint, text, text, text),
    herald.disconnect(int, uuid, text, text, text) TO herald_publisher, herald_server;
GRANT EXECUTE ON FUNCTION herald.forget(text) TO herald_admin;
GRANT SELECT ON herald.presence TO herald_server, herald_admin;

INSERT INTO herald.schema_step (step, name) VALUES (10, 'access');
RESET ROLE;
