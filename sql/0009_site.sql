-- SPDX-License-Identifier: PostgreSQL
--
-- Step 9: what applications and admins call (publish, rules, canonicals), and what the server reads of it (site, version).
--
-- A change of the site is a row in herald.command with the next version; the notification that goes with it says nothing, as
-- anybody can forge one. The lock that makes versions dense is the command table's, not the sequencer's fence: somebody who
-- calls set_rule() in psql and goes to lunch before he commits must not stop the sequencer.
--
-- Signatures are complete from the start. What hooks, identities, presence and private messages need is refused with
-- SQLSTATE 0A000 until the release that brings them: ignoring a setting that was meant to protect something would be worse.

SET LOCAL ROLE herald_owner;
SET LOCAL search_path = pg_catalog;

CREATE FUNCTION herald.refuse(what text, how text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'herald: % not supported yet', what USING ERRCODE = '0A000', HINT = how;
END
$$;
COMMENT ON FUNCTION herald.refuse(text, text) IS 'Internal: raises that something comes with the next release.';

-- ----------------------------------------------------------------------------------------------------- publishing

CREATE FUNCTION herald.publish(channel text, data jsonb, dbo_id int DEFAULT NULL, row_id text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    payload text;
BEGIN
    IF NOT herald.is_channel(channel) THEN
        RAISE EXCEPTION 'herald: % cannot be a channel', coalesce(quote_literal(left(channel, 300)), 'NULL')
            USING ERRCODE = '22023', HINT = '1 to 255 bytes without control characters and without *.';
    ELSIF row_id IS NOT NULL AND dbo_id IS NULL THEN
        RAISE EXCEPTION 'herald: row_id needs dbo_id: which table''s row?' USING ERRCODE = '22023';
    ELSIF dbo_id IS NOT NULL THEN
        PERFORM herald.refuse('publishing to an audience (dbo_id, row_id) is', 'Leave both out to publish to everyone in the channel.');
    END IF;
    payload := coalesce(data::text, 'null');
    IF octet_length(payload) > 16777216 THEN
        RAISE EXCEPTION 'herald: data of % bytes is too large to publish', octet_length(payload)
            USING ERRCODE = '22023', HINT = 'The text of data can have up to 16 MiB (16777216 bytes).';
    END IF;
    payload := '{"data":' || payload || ',"dbo_id":0,"row_id":0}';
    INSERT INTO herald.outbox (bytes, action, channel, payload) VALUES (octet_length(payload), 'e', channel, payload::json);
    PERFORM herald.ring();
END
$$;
COMMENT ON FUNCTION herald.publish(text, jsonb, int, text) IS
'Sends an event to everyone in a channel, if and when this transaction commits. Data of more than 16 MiB as text is refused
(SQLSTATE 22023). dbo_id and row_id, the audience, are refused
until there are identities.';

CREATE FUNCTION herald.disconnect(dbo_id int DEFAULT NULL, row_id text DEFAULT NULL, socket_id text DEFAULT NULL,
                                  channel text DEFAULT NULL, reason text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM herald.refuse('disconnecting clients is', 'set_enabled(false) closes all sessions.');
END
$$;
COMMENT ON FUNCTION herald.disconnect(int, text, text, text, text) IS 'Ends sessions. Refused until there are identities.';

CREATE FUNCTION herald.forget(channel text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM herald.refuse('forgetting the answers of hooks is', 'There are no hooks yet, so nothing is remembered.');
END
$$;
COMMENT ON FUNCTION herald.forget(text) IS 'Drops cached answers of hooks. Refused until there are hooks.';

CREATE VIEW herald.presence AS
    SELECT NULL::text AS channel, NULL::text AS socket_id, NULL::int AS dbo_id, NULL::text AS row_id, NULL::jsonb AS extras,
           NULL::text AS node, NULL::timestamptz AS since WHERE false;
COMMENT ON VIEW herald.presence IS 'Who is in which channel. Empty until presence comes with the next release.';
COMMENT ON COLUMN herald.presence.channel IS 'The concrete channel';
COMMENT ON COLUMN herald.presence.socket_id IS 'The session';
COMMENT ON COLUMN herald.presence.dbo_id IS 'The table of its identity';
COMMENT ON COLUMN herald.presence.row_id IS 'The row of its identity';
COMMENT ON COLUMN herald.presence.extras IS 'What its token says besides';
COMMENT ON COLUMN herald.presence.node IS 'The server process it is connected to';
COMMENT ON COLUMN herald.presence.since IS 'When it joined';

-- --------------------------------------------------------------------------------------------------------- rules

CREATE FUNCTION herald.tell_servers(kind text, args json) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    LOCK TABLE herald.command IN SHARE ROW EXCLUSIVE MODE;
    INSERT INTO herald.command (version, kind, args) SELECT coalesce(max(c.version), 0) + 1, tell_servers.kind, tell_servers.args
      FROM herald.command c;
    PERFORM pg_notify('herald', '');
END
$$;
COMMENT ON FUNCTION herald.tell_servers(text, json) IS 'Internal: the next version of the site.';

CREATE FUNCTION herald.check_pattern(channel text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
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
                                on_disconnect regproc DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    hook text;
    old  herald.rule;
    new_ herald.rule;
BEGIN
    PERFORM herald.check_pattern(channel);
    hook := CASE WHEN authorize IS NOT NULL THEN 'authorize' WHEN on_join IS NOT NULL THEN 'on_join' WHEN on_message IS NOT NULL THEN 'on_message'
                 WHEN on_leave IS NOT NULL THEN 'on_leave' WHEN on_connect IS NOT NULL THEN 'on_connect'
                 WHEN on_disconnect IS NOT NULL THEN 'on_disconnect' END;
    IF hook IS NOT NULL THEN
        PERFORM herald.refuse(format('the hook %s is', hook), 'Rules have no hooks yet: use a rule''s flags.');
    ELSIF presence THEN
        PERFORM herald.refuse('presence is', 'Leave presence out.');
    ELSIF private_messaging THEN
        PERFORM herald.refuse('private messaging is', 'Leave private_messaging out.');
    ELSIF message_history < 0 THEN
        RAISE EXCEPTION 'herald: message_history is 0 or more' USING ERRCODE = '22023';
    END IF;
    LOCK TABLE herald.command IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO old FROM herald.rule r WHERE r.channel = set_rule.channel COLLATE "C";
    INSERT INTO herald.rule AS r (channel, anonymous_clients, public_messaging, public_auth, private_messaging, private_auth, auth_channel,
                                  presence, message_history, active)
        VALUES (channel, coalesce(anonymous_clients, old.anonymous_clients, false), coalesce(public_messaging, old.public_messaging, false),
                coalesce(public_auth, old.public_auth, false), coalesce(private_messaging, old.private_messaging, false),
                coalesce(private_auth, old.private_auth, false), coalesce(auth_channel, old.auth_channel, false),
                coalesce(presence, old.presence, false), coalesce(message_history, old.message_history, 0), coalesce(active, old.active, true))
        ON CONFLICT ON CONSTRAINT rule_pkey DO UPDATE SET
            anonymous_clients = EXCLUDED.anonymous_clients, public_messaging = EXCLUDED.public_messaging, public_auth = EXCLUDED.public_auth,
            private_messaging = EXCLUDED.private_messaging, private_auth = EXCLUDED.private_auth, auth_channel = EXCLUDED.auth_channel,
            presence = EXCLUDED.presence, message_history = EXCLUDED.message_history, active = EXCLUDED.active
        RETURNING * INTO new_;
    IF new_ IS DISTINCT FROM old THEN
        PERFORM herald.rejudge();
    END IF;
    PERFORM herald.tell_servers('set_rule', to_json(new_));
END
$$;
COMMENT ON FUNCTION herald.set_rule(text, boolean, boolean, boolean, boolean, boolean, boolean, boolean, int, boolean,
                                    regproc, regproc, regproc, regproc, regproc, regproc) IS
'Makes or changes the rule for a channel name, prefix/*, schema.* or *. Arguments that are left out (NULL) keep what is; a new
rule starts with everything false, message_history 0 and active true. Hooks, presence and private messaging are refused until
the next release.';

CREATE FUNCTION herald.rejudge() RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    UPDATE herald.trim_position t SET rejudge = ''
$$;
COMMENT ON FUNCTION herald.rejudge() IS 'Internal: a rule changed, so trim() has to look at every channel once more.';

CREATE FUNCTION herald.drop_rule(channel text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    LOCK TABLE herald.command IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM herald.rule r WHERE r.channel = drop_rule.channel COLLATE "C";
    IF NOT FOUND THEN
        RAISE EXCEPTION 'herald: there is no rule for %', coalesce(quote_literal(channel), 'NULL') USING ERRCODE = '42704';
    END IF;
    PERFORM herald.rejudge();
    PERFORM herald.tell_servers('drop_rule', json_build_object('channel', channel));
END
$$;
COMMENT ON FUNCTION herald.drop_rule(text) IS 'Removes a rule; the next less special one takes its place.';

CREATE VIEW herald.rules AS
    SELECT r.channel COLLATE "default" AS channel, r.anonymous_clients, r.public_messaging, r.public_auth, r.private_messaging, r.private_auth, r.auth_channel,
           r.presence, r.message_history, r.active FROM herald.rule r ORDER BY r.channel;
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
    LOCK TABLE herald.command IN SHARE ROW EXCLUSIVE MODE;
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
    LOCK TABLE herald.command IN SHARE ROW EXCLUSIVE MODE;
    UPDATE herald.switch s SET enabled = set_enabled.enabled;
    PERFORM herald.tell_servers('set_enabled', json_build_object('enabled', enabled));
END
$$;
COMMENT ON FUNCTION herald.set_enabled(boolean) IS
'Realtime on or off: while it is off handshakes get 503 and open sessions are closed. Changes are still captured.';

-- ------------------------------------------------------------------------------------------------- for the server

CREATE FUNCTION herald.version() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(max(c.version), 0) FROM herald.command c
$$;
COMMENT ON FUNCTION herald.version() IS 'For the server: the newest version of the site.';

CREATE FUNCTION herald.site() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT json_build_object(
        'version', herald.version(),
        'enabled', (SELECT s.enabled FROM herald.switch s),
        'canonicals', (SELECT coalesce(json_agg(c.name ORDER BY c.created_at), '[]') FROM herald.canonical c),
        'rules', (SELECT coalesce(json_agg(json_build_object(
                      'channel', r.channel, 'anonymous_clients', r.anonymous_clients, 'public_messaging', r.public_messaging,
                      'public_auth', r.public_auth, 'private_messaging', r.private_messaging, 'private_auth', r.private_auth,
                      'auth_channel', r.auth_channel, 'presence', r.presence, 'message_history', r.message_history) ORDER BY r.channel), '[]')
                    FROM herald.rule r WHERE r.active))::text
$$;
COMMENT ON FUNCTION herald.site() IS 'For the server: version, switch, canonicals and active rules as JSON.';

GRANT EXECUTE ON FUNCTION herald.publish(text, jsonb, int, text), herald.disconnect(int, text, text, text, text)
    TO herald_publisher, herald_server;
GRANT EXECUTE ON FUNCTION herald.forget(text), herald.drop_rule(text), herald.rotate_canonical(), herald.set_enabled(boolean),
    herald.set_rule(text, boolean, boolean, boolean, boolean, boolean, boolean, boolean, int, boolean,
                    regproc, regproc, regproc, regproc, regproc, regproc) TO herald_admin;
GRANT EXECUTE ON FUNCTION herald.version(), herald.site() TO herald_server;
-- disconnect() and forget() run with their caller's rights as long as they only refuse.
GRANT EXECUTE ON FUNCTION herald.refuse(text, text) TO herald_publisher, herald_admin, herald_server;
GRANT SELECT ON herald.rules, herald.presence TO herald_server, herald_admin;

INSERT INTO herald.canonical (name) VALUES (herald.new_canonical());
INSERT INTO herald.schema_step (step, name) VALUES (9, 'site');
RESET ROLE;
