-- SPDX-License-Identifier: PostgreSQL
--
-- Step 9: what applications and admins call (publish, rules, canonicals), and what the server reads of it (site, version).
--
-- A change of the site is a row in herald.directive with the next version; the notification that goes with it says nothing, as
-- anybody can forge one. The lock that makes versions dense is the directive table's, not the sequencer's fence: somebody who
-- calls set_rule() in psql and goes to lunch before he commits must not stop the sequencer.
--
-- The functions that rules name, disconnect(), forget() and presence are step 10.

SET LOCAL ROLE herald_owner;
SET LOCAL search_path = pg_catalog;

-- ----------------------------------------------------------------------------------------------------- publishing

-- The same rule as for a sender's permissions (proto/xano.c).
CREATE FUNCTION herald.key_on_wire(row_id text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN row_id IS NULL THEN '0'
                WHEN row_id ~ '^(0|-?[1-9][0-9]{0,15})$' AND abs(row_id::bigint) <= 9007199254740991 THEN row_id
                ELSE to_json(row_id)::text END
$$;
COMMENT ON FUNCTION herald.key_on_wire(text) IS
'Internal: a row''s key as JSON: a number if it is an integer in its usual spelling that a browser holds exactly, else a string;
NULL is 0.';

CREATE FUNCTION herald.is_ruled(channel text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off AS $$
#variable_conflict use_variable
DECLARE
    patterns text[] := ARRAY[channel, '*'];
BEGIN
    -- An index probe for each pattern that could cover it: a scan of 200 rules took eight times as long.
    FOR i IN 2 .. length(channel) - 1 LOOP
        IF substr(channel, i, 1) IN ('/', '.') THEN
            patterns := patterns || (left(channel, i) || '*');
        END IF;
    END LOOP;
    -- The answer is good for a notice: nobody's write shall wait for it, or fail by it, because somebody holds the table.
    BEGIN
        LOCK TABLE herald.rule IN ACCESS SHARE MODE NOWAIT;
        RETURN EXISTS (SELECT FROM herald.rule r WHERE r.active AND r.channel = ANY (patterns COLLATE "C"));
    EXCEPTION WHEN lock_not_available THEN
        RETURN NULL;
    END;
END
$$;
COMMENT ON FUNCTION herald.is_ruled(text) IS 'Internal: whether an active rule covers the channel, so that anybody may join it; NULL: cannot be told now.';

-- One body for each way to write the data and the key. How a call finds its own: a bare literal is text (the only string among the
-- types, and so Postgres prefers it), a bare integer is a bigint; and only the form with row_id text has defaults, so that what is
-- left out leaves no choice.
DO $do$
DECLARE
    data_type text;
    key_type  text;
BEGIN
    FOREACH data_type IN ARRAY ARRAY['jsonb', 'json', 'text'] LOOP
        FOREACH key_type IN ARRAY ARRAY['text', 'bigint', 'uuid'] LOOP
            EXECUTE format($create$
CREATE FUNCTION herald.publish(channel text, data %1$s, dbo_id int%3$s, row_id %2$s%3$s) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    key     text := row_id;
    payload text;
    options text;
BEGIN
    IF NOT herald.is_channel(channel) THEN
        RAISE EXCEPTION 'herald: %% cannot be a channel', coalesce(quote_literal(left(channel, 300)), 'NULL')
            USING ERRCODE = '22023', HINT = '1 to 255 bytes without control characters and without *.';
    ELSIF key IS NOT NULL AND dbo_id IS NULL THEN
        RAISE EXCEPTION 'herald: row_id needs dbo_id: which table''s row?' USING ERRCODE = '22023';
    ELSIF dbo_id < 1 OR octet_length(key) NOT BETWEEN 1 AND 255 THEN
        RAISE EXCEPTION 'herald: %% is not an audience', concat_ws(', ', 'dbo_id ' || dbo_id, 'row_id ' || quote_literal(left(key, 300)))
            USING ERRCODE = '22023', HINT = 'dbo_id is 1 or more, row_id 1 to 255 bytes. Leave both out to publish to everybody in the channel.';
    END IF;
    payload := coalesce(data%4$s::text, 'null');
    IF octet_length(payload) > 16777216 THEN
        RAISE EXCEPTION 'herald: data of %% bytes is too large to publish', octet_length(payload)
            USING ERRCODE = '22023', HINT = 'The text of data can have up to 16 MiB (16777216 bytes).';
    END IF;
    IF dbo_id IS NOT NULL THEN
        options := concat('{"dbo_id":', dbo_id, ',"row_id":' || to_json(key)::text, '}');
    END IF;
    payload := concat('{"data":', payload, ',"dbo_id":', coalesce(dbo_id, 0), ',"row_id":', herald.key_on_wire(key), '}');
    INSERT INTO herald.outbox (action, channel, new) VALUES ('p', concat_ws(E'\n', channel, options), payload);
    IF NOT pg_try_advisory_xact_lock_shared(1751478881, 1) THEN
        PERFORM herald.ring();
    END IF;
    -- Looked up once while a transaction stays with a channel: a loop over rows pays once, and is not answered by a thousand notices.
    IF current_setting('herald.looked_up', true) IS DISTINCT FROM channel THEN
        PERFORM set_config('herald.looked_up', channel, true);
        IF NOT herald.is_ruled(channel) THEN
            RAISE NOTICE 'herald: no rule covers the channel %%, so nobody can join it', quote_literal(channel)
                USING HINT = format('SELECT herald.set_rule(%%L) lets clients with an identity join, anonymous_clients => true everybody.', channel);
        END IF;
    END IF;
END
$$$create$, data_type, key_type, CASE key_type WHEN 'text' THEN ' DEFAULT NULL' END, CASE data_type WHEN 'text' THEN '::json' END);
            EXECUTE format($comment$
COMMENT ON FUNCTION herald.publish(text, %1$s, int, %2$s) IS
'Sends an event to a channel, if and when this transaction commits: to everybody in it; with dbo_id to those who are signed in as
a row of that table; with row_id too, to that one user. Others see it neither live nor in the history. data is json (kept byte for
byte), jsonb, or text that holds JSON (to_json() makes it of other text); row_id is text, an integer or a uuid. Data of more than
16 MiB as text is refused (SQLSTATE 22023). A notice says when no rule covers the channel.'$comment$, data_type, key_type);
            EXECUTE format('GRANT EXECUTE ON FUNCTION herald.publish(text, %s, int, %s) TO herald_publisher, herald_server', data_type, key_type);
        END LOOP;
    END LOOP;
END
$do$;

-- Of this the log has a row, on a channel that nobody can join: in order with what was committed before and after it, for each
-- server, and for who comes back with a position from before it.
DO $do$
DECLARE
    key_type text;
BEGIN
    FOREACH key_type IN ARRAY ARRAY['text', 'bigint', 'uuid'] LOOP
        EXECUTE format($create$
CREATE FUNCTION herald.reread(dbo_id int, row_id %1$s) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    key text := row_id;
BEGIN
    IF (dbo_id >= 1 AND octet_length(key) BETWEEN 1 AND 255) IS NOT TRUE THEN
        RAISE EXCEPTION 'herald: %%, %% is nobody', coalesce('dbo_id ' || dbo_id, 'dbo_id NULL'), coalesce('row_id ' || quote_literal(left(key, 300)), 'row_id NULL')
            USING ERRCODE = '22023', HINT = 'dbo_id is 1 or more, row_id 1 to 255 bytes: who is signed in as that row of that table.';
    END IF;
    INSERT INTO herald.outbox (action, channel) VALUES ('r', concat(E'\n{"dbo_id":', dbo_id, ',"row_id":', to_json(key), '}'));
    IF NOT pg_try_advisory_xact_lock_shared(1751478881, 1) THEN
        PERFORM herald.ring();
    END IF;
END
$$$create$, key_type);
        EXECUTE format($comment$
COMMENT ON FUNCTION herald.reread(int, %1$s) IS
'What this user may see is another from now on, though no row of it has changed: when this transaction commits, his pages read anew what they
have of tables whose rows Postgres judges (visible => ''"policy"'', or a function). For a trigger on the table that a policy looks at: in an AFTER
trigger on members, PERFORM herald.reread(12, NEW.user_id), and OLD.user_id if it may change. It takes no lock; often for one user is as
once. row_id is text, an integer or a uuid. SQLSTATE 22023: that is nobody.'$comment$, key_type);
        EXECUTE format('GRANT EXECUTE ON FUNCTION herald.reread(int, %s) TO herald_publisher, herald_server', key_type);
    END LOOP;
END
$do$;

-- --------------------------------------------------------------------------------------------------------- rules

CREATE FUNCTION herald.tell_servers(kind text, args json) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    max_kept CONSTANT int := 1000;
    fresh    bigint;
BEGIN
    -- Servers compare versions: one that a crash takes back and hands out again would be a directive that nobody hears.
    PERFORM herald.commit_durably();
    LOCK TABLE herald.directive IN SHARE ROW EXCLUSIVE MODE;
    INSERT INTO herald.directive (version, kind, args) SELECT coalesce(max(d.version), 0) + 1, tell_servers.kind, tell_servers.args
      FROM herald.directive d
        RETURNING version INTO fresh;
    -- A server that lost its database keeps its sessions: a directive must still be here when it comes back.
    DELETE FROM herald.directive d WHERE d.version <= fresh - max_kept AND d.at < now() - interval '1 day';
    -- A full queue of notifications, which anybody can bring about, fails a NOTIFY: a directive must come through. Servers look.
    IF pg_notification_queue_usage() < 0.5 THEN
        NOTIFY herald, 'site'; -- rows ring without a word: a server looks for both, but sooner for this
    END IF;
END
$$;
COMMENT ON FUNCTION herald.tell_servers(text, json) IS 'Internal: the next version of the site, or the next directive. Keeps the newest thousand and those of the last day.';

CREATE FUNCTION herald.check_pattern(channel text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF starts_with(channel, 'herald.') THEN
        RAISE EXCEPTION 'herald: channels that begin with herald. are ours: %', quote_literal(left(channel, 300)) USING ERRCODE = '22023';
    END IF;
    IF NOT coalesce(octet_length(channel) <= 255 AND (channel = '*' OR herald.is_channel(regexp_replace(channel, '[*]$', ''))
                                                     AND (channel !~ '[*]$' OR channel ~ '[^/.][/.][*]$')), false) THEN
        RAISE EXCEPTION 'herald: % is not a channel nor a pattern', coalesce(quote_literal(left(channel, 300)), 'NULL')
            USING ERRCODE = '22023', HINT = 'A name of up to 255 bytes, prefix/*, schema.* or *.';
    END IF;
END
$$;
COMMENT ON FUNCTION herald.check_pattern(text) IS 'Internal: raises unless a rule can be for this.';

CREATE FUNCTION herald.set_rule(channel text, anonymous_clients boolean DEFAULT NULL, public_messaging boolean DEFAULT NULL,
                                public_auth boolean DEFAULT NULL, private_messaging boolean DEFAULT NULL, private_auth boolean DEFAULT NULL,
                                auth_channel boolean DEFAULT NULL, presence boolean DEFAULT NULL, message_history int DEFAULT NULL,
                                active boolean DEFAULT NULL, authorize regproc DEFAULT NULL, on_join regproc DEFAULT NULL,
                                on_message regproc DEFAULT NULL, on_leave regproc DEFAULT NULL, on_connect regproc DEFAULT NULL,
                                on_disconnect regproc DEFAULT NULL, messages_per_minute int DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    old  herald.rule;
    new_ herald.rule;
BEGIN
    PERFORM herald.check_pattern(channel);
    IF message_history < 0 THEN
        RAISE EXCEPTION 'herald: message_history is 0 or more' USING ERRCODE = '22023';
    ELSIF messages_per_minute < 0 THEN
        RAISE EXCEPTION 'herald: messages_per_minute is 0 or more' USING ERRCODE = '22023';
    END IF;
    LOCK TABLE herald.directive IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO old FROM herald.rule r WHERE r.channel = set_rule.channel COLLATE "C";
    INSERT INTO herald.rule AS r (channel, anonymous_clients, public_messaging, public_auth, private_messaging, private_auth, auth_channel,
                                  presence, message_history, active, authorize, on_join, on_message, on_leave, on_connect, on_disconnect,
                                  messages_per_minute)
        VALUES (channel, coalesce(anonymous_clients, old.anonymous_clients, false), coalesce(public_messaging, old.public_messaging, false),
                coalesce(public_auth, old.public_auth, false), coalesce(private_messaging, old.private_messaging, false),
                coalesce(private_auth, old.private_auth, false), coalesce(auth_channel, old.auth_channel, false),
                coalesce(presence, old.presence, false), coalesce(message_history, old.message_history, 0), coalesce(active, old.active, true),
                herald.take_function('authorize', authorize, old.authorize), herald.take_function('on_join', on_join, old.on_join),
                herald.take_function('on_message', on_message, old.on_message), herald.take_function('on_leave', on_leave, old.on_leave),
                herald.take_function('on_connect', on_connect, old.on_connect),
                herald.take_function('on_disconnect', on_disconnect, old.on_disconnect),
                coalesce(messages_per_minute, old.messages_per_minute, 0))
        ON CONFLICT ON CONSTRAINT rule_pkey DO UPDATE SET
            anonymous_clients = EXCLUDED.anonymous_clients, public_messaging = EXCLUDED.public_messaging, public_auth = EXCLUDED.public_auth,
            private_messaging = EXCLUDED.private_messaging, private_auth = EXCLUDED.private_auth, auth_channel = EXCLUDED.auth_channel,
            presence = EXCLUDED.presence, message_history = EXCLUDED.message_history, active = EXCLUDED.active,
            authorize = EXCLUDED.authorize, on_join = EXCLUDED.on_join, on_message = EXCLUDED.on_message, on_leave = EXCLUDED.on_leave,
            on_connect = EXCLUDED.on_connect, on_disconnect = EXCLUDED.on_disconnect, messages_per_minute = EXCLUDED.messages_per_minute
        RETURNING * INTO new_;
    IF new_ IS DISTINCT FROM old THEN
        PERFORM herald.rejudge();
    END IF;
    PERFORM herald.clean_functions();
    PERFORM herald.tell_servers('set_rule', to_json(new_));
END
$$;
COMMENT ON FUNCTION herald.set_rule(text, boolean, boolean, boolean, boolean, boolean, boolean, boolean, int, boolean,
                                    regproc, regproc, regproc, regproc, regproc, regproc, int) IS
'Makes or changes the rule for a channel name, prefix/*, schema.* or *. Arguments that are left out (NULL) keep what is; a new
rule starts with everything false, message_history 0, active true, no functions and messages_per_minute 0.
messages_per_minute limits what one sender, a user with all his sessions or an anonymous session, sends on one channel: so many at
once, and so many a minute on average; 0: any number. Who sends more is refused, and told when to try again.
Functions: authorize(channel text, identity json, action text) returns boolean decides who may join and send (action join or send;
identity {"dbo_id":12,"row_id":"34","extras":{}}, NULL for anonymous clients; false and NULL refuse). on_join, on_message, on_leave,
on_connect, on_disconnect(action text, channel text, client json, options json, payload json) returns json, or void where it is not
on_message: its result replaces the payload, NULL drops the message. Of on_join false refuses. RAISE EXCEPTION ''reason'' in on_join
or on_message refuses, and the client is told the reason; of any other error it is told nothing. jsonb may stand for json.
A function must be SECURITY DEFINER; you and herald_caller need EXECUTE on it. It is called with search_path = pg_catalog, pg_temp,
so it should SET its own. A ''-'' takes a function away: set_rule(''room'', authorize => ''-''). Of overloaded ones name the types:
authorize => ''app.f(text,json,text)''::regprocedure. A function that was dropped and made again by its owner goes on; by another
owner, only after set_rule() has taken it again.';

CREATE FUNCTION herald.rejudge() RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    UPDATE herald.trim_position t SET rejudge = ''
$$;
COMMENT ON FUNCTION herald.rejudge() IS 'Internal: a rule changed, so trim() has to look at every channel once more.';

CREATE FUNCTION herald.drop_rule(channel text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    LOCK TABLE herald.directive IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM herald.rule r WHERE r.channel = drop_rule.channel COLLATE "C";
    IF NOT FOUND THEN
        RAISE EXCEPTION 'herald: there is no rule for %', coalesce(quote_literal(channel), 'NULL') USING ERRCODE = '42704';
    END IF;
    PERFORM herald.rejudge();
    PERFORM herald.clean_functions();
    PERFORM herald.tell_servers('drop_rule', json_build_object('channel', channel));
END
$$;
COMMENT ON FUNCTION herald.drop_rule(text) IS 'Removes a rule; the next less special one takes its place.';

CREATE VIEW herald.rules AS
    SELECT r.channel COLLATE "default" AS channel, r.anonymous_clients, r.public_messaging, r.public_auth, r.private_messaging, r.private_auth, r.auth_channel,
           r.presence, r.message_history, r.active, r.authorize, r.on_join, r.on_message, r.on_leave, r.on_connect, r.on_disconnect,
           r.messages_per_minute
      FROM herald.rule r ORDER BY r.channel;
COMMENT ON VIEW herald.rules IS 'The rules, as set by set_rule().';
COMMENT ON COLUMN herald.rules.channel IS 'A name, prefix/*, schema.* or *';
COMMENT ON COLUMN herald.rules.anonymous_clients IS 'Clients without an identity may join';
COMMENT ON COLUMN herald.rules.public_messaging IS 'Clients may send to the channel';
COMMENT ON COLUMN herald.rules.public_auth IS 'Only clients with an identity may send';
COMMENT ON COLUMN herald.rules.private_messaging IS 'Clients may send to one another by socket id';
COMMENT ON COLUMN herald.rules.private_auth IS 'Only between clients with an identity';
COMMENT ON COLUMN herald.rules.auth_channel IS 'Messages marked authenticated go to clients with an identity only';
COMMENT ON COLUMN herald.rules.presence IS 'Members are listed';
COMMENT ON COLUMN herald.rules.message_history IS 'How many events are kept for ever; above 0 messages go through the log';
COMMENT ON COLUMN herald.rules.active IS 'An inactive rule is as good as absent';
COMMENT ON COLUMN herald.rules.authorize IS 'The function that decides who may join and send';
COMMENT ON COLUMN herald.rules.on_join IS 'The function that hears of a join first, and may refuse it';
COMMENT ON COLUMN herald.rules.on_message IS 'The function that each message passes';
COMMENT ON COLUMN herald.rules.on_leave IS 'The function that hears when a client leaves';
COMMENT ON COLUMN herald.rules.on_connect IS 'The function that hears of new sessions';
COMMENT ON COLUMN herald.rules.on_disconnect IS 'The function that hears of ended sessions';
COMMENT ON COLUMN herald.rules.messages_per_minute IS 'How many messages one sender may send on one channel; 0: any number';

-- ---------------------------------------------------------------------------------------------- canonicals, switch

CREATE FUNCTION herald.new_canonical() RETURNS text
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    -- Two random UUIDs hold 244 random bits at fixed places; the digest spreads them over the 160 that are used.
    SELECT translate(encode(substr(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 1, 20), 'base64'), '+/=', '-_')
$$;
COMMENT ON FUNCTION herald.new_canonical() IS 'Internal: 20 random bytes as base64url.';

CREATE FUNCTION herald.rotate_canonical() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    fresh text := herald.new_canonical();
BEGIN
    LOCK TABLE herald.directive IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM herald.canonical;
    INSERT INTO herald.canonical (name) VALUES (fresh);
    PERFORM herald.tell_servers('rotate_canonical', '{}');
    RETURN fresh;
END
$$;
COMMENT ON FUNCTION herald.rotate_canonical() IS
'Issues a new canonical and returns it. New handshakes need it; open sessions stay.';

CREATE FUNCTION herald.set_enabled(enabled boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF enabled IS NULL THEN
        RAISE EXCEPTION 'herald: set_enabled() needs true or false' USING ERRCODE = '22023';
    END IF;
    LOCK TABLE herald.directive IN SHARE ROW EXCLUSIVE MODE;
    UPDATE herald.switch s SET enabled = set_enabled.enabled;
    PERFORM herald.tell_servers('set_enabled', json_build_object('enabled', enabled));
END
$$;
COMMENT ON FUNCTION herald.set_enabled(boolean) IS
'Realtime on or off: while it is off handshakes get 503 and open sessions are closed. Changes are still captured.';

-- ------------------------------------------------------------------------------------------------- for the server

CREATE FUNCTION herald.version() RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT coalesce(max(d.version), 0) FROM herald.directive d); -- a plan that the session keeps, as in follow()
END
$$;
COMMENT ON FUNCTION herald.version() IS 'For the server: the newest version of the site.';

-- Directives have versions because they are counted under a lock. Watches change in migrations, and no lock of ours may tie two of those
-- together. So the version is a digest, of which transaction wrote each of them last.
CREATE FUNCTION herald.watches_version() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT concat(count(*), '/', sum(hashtextextended(concat(w.key, '/', w.changed), 0))) FROM herald.watch w);
END
$$;
COMMENT ON FUNCTION herald.watches_version() IS
'For the server: a text that is another after each change of what site() tells of watches: watch(), unwatch(), or an altered table.';

CREATE FUNCTION herald.rereads() RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH newest AS MATERIALIZED (
        SELECT l.id, l.channel_offset, l.shape, l.options FROM herald.log l WHERE l.channel = '*' ORDER BY l.channel_offset DESC LIMIT 1000
    ), known AS (
        SELECT coalesce((SELECT k.id FROM herald.cursor k ORDER BY k.position DESC LIMIT 1), 0) AS id
    )
    SELECT json_build_object(
        'at', k.id,
        'since', CASE WHEN (SELECT min(n.channel_offset) FROM newest n) = 1 OR NOT EXISTS (SELECT FROM herald.channel c WHERE c.name = '*') THEN 0
                      ELSE coalesce((SELECT min(n.id) FROM newest n), k.id) END,
        'list', (SELECT coalesce(json_agg(json_build_object('id', n.id, 'shape', n.shape::text, 'dbo_id', n.options -> 'dbo_id', 'row_id', n.options -> 'row_id') ORDER BY n.id), '[]')
                   FROM newest n))
      FROM known k
$$;
COMMENT ON FUNCTION herald.rereads() IS
'Internal: the newest times that rows were to be read anew, of a table or by somebody, by their ids in the log, in order: all up to the id `at`
that there were after the id `since`.';

CREATE FUNCTION herald.site(since bigint DEFAULT NULL) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT json_build_object(
        'version', herald.version(),
        'enabled', (SELECT s.enabled FROM herald.switch s),
        'canonicals', (SELECT coalesce(json_agg(c.name ORDER BY c.created_at), '[]') FROM herald.canonical c),
        'rules', (SELECT coalesce(json_agg(json_build_object(
                      'channel', r.channel, 'anonymous_clients', r.anonymous_clients, 'public_messaging', r.public_messaging,
                      'public_auth', r.public_auth, 'private_messaging', r.private_messaging, 'private_auth', r.private_auth,
                      'auth_channel', r.auth_channel, 'presence', r.presence, 'message_history', r.message_history,
                      'authorize', r.authorize, 'on_join', r.on_join, 'on_message', r.on_message, 'on_leave', r.on_leave,
                      'on_connect', r.on_connect, 'on_disconnect', r.on_disconnect, 'messages_per_minute', r.messages_per_minute) ORDER BY r.channel), '[]')
                    FROM herald.rule r WHERE r.active),
        'watches_version', herald.watches_version(),
        'watches', (SELECT coalesce(json_agg(json_build_object(
                        'key', w.key, 'shape', s.number::text, 'changed', w.changed::text, 'snapshot', w.snapshot, 'max_snapshot', w.max_snapshot,
                        'restated', (SELECT coalesce(json_agg(o.number::text ORDER BY o.number), '[]') FROM herald.shape o WHERE o.watch = w.key AND o.restated))
                        ORDER BY w.key), '[]')
                      FROM herald.watch w JOIN herald.shape s ON s.watch = w.key AND s.retired_by IS NULL WHERE herald.is_watched(w.relation)),
        'rereads', CASE WHEN since IS NULL THEN herald.rereads() END,
        'directives', (SELECT coalesce(json_agg(
                       CASE d.kind WHEN 'forget' THEN json_build_object('version', d.version, 'kind', d.kind, 'channel', d.args -> 'channel')
                       ELSE json_build_object('version', d.version, 'kind', d.kind, 'dbo_id', d.args -> 'dbo_id', 'row_id', d.args -> 'row_id',
                                              'socket_id', d.args -> 'socket_id', 'channel', d.args -> 'channel', 'reason', d.args -> 'reason') END
                       ORDER BY d.version), '[]')
                     FROM herald.directive d WHERE d.version > since AND d.kind IN ('disconnect', 'forget')),
        'news', (SELECT coalesce(json_agg(format('%s(%s)', d.kind, CASE d.kind WHEN 'set_enabled' THEN d.args ->> 'enabled'
                                                                     ELSE quote_literal(d.args ->> 'channel') END) ORDER BY d.version), '[]')
                   FROM herald.directive d WHERE d.version > since AND d.kind NOT IN ('disconnect', 'forget')))::text
$$;
COMMENT ON FUNCTION herald.site(bigint) IS
'For the server: version, switch, canonicals, active rules, the directives (disconnect, forget) given after a version, and the other
calls since then, for its log, as JSON. NULL, at the start: no directives, as no session is older than the server. watches: of each watch
its key, the shape in use, changed (the transaction that last did), snapshot, max_snapshot, and restated, the older shapes whose rows are judged by visible of the one in use
alone. rereads, at the start alone: see there. Numbers of shapes are strings, as JSON has no integers of 64 bits. A shape with a visible whose watch is not
among them: nobody is shown its rows.';

GRANT EXECUTE ON FUNCTION herald.drop_rule(text), herald.rotate_canonical(), herald.set_enabled(boolean),
    herald.set_rule(text, boolean, boolean, boolean, boolean, boolean, boolean, boolean, int, boolean,
                    regproc, regproc, regproc, regproc, regproc, regproc, int) TO herald_admin;
GRANT EXECUTE ON FUNCTION herald.version(), herald.site(bigint), herald.watches_version() TO herald_server;
GRANT SELECT ON herald.rules TO herald_server, herald_admin;

INSERT INTO herald.canonical (name) VALUES (herald.new_canonical());
INSERT INTO herald.schema_step (step, name) VALUES (9, 'site');
RESET ROLE;
