-- SPDX-License-Identifier: PostgreSQL
--
-- Step 14: several nodes on one database.
--
-- What nodes tell one another goes over a bus on which others may speak, too: so each message is signed with a key that only they can
-- read. During a rotation two keys hold: nodes sign with the newest that they know, and ask for it again when they meet another.

SET LOCAL ROLE herald_owner;
SET LOCAL search_path = pg_catalog;

CREATE TABLE herald.bus_key (
    key bytea       PRIMARY KEY DEFAULT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())),
    at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE herald.bus_key IS 'With what nodes sign what they tell one another: the newest, and the one before it. Nobody but them can read it.';
COMMENT ON COLUMN herald.bus_key.key IS '32 bytes';
COMMENT ON COLUMN herald.bus_key.at IS 'Since when';

CREATE FUNCTION herald.bus_keys() RETURNS SETOF bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT k.key FROM herald.bus_key k ORDER BY k.at DESC LIMIT 2
$$;
COMMENT ON FUNCTION herald.bus_keys() IS 'For the server: the keys of the bus, the newest first. It signs with the first and believes both.';

-- By it nodes find the others of their database, also where another one has the same keys: a copy of it elsewhere.
CREATE FUNCTION herald.bus_realm() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT herald.database_identity()
$$;
COMMENT ON FUNCTION herald.bus_realm() IS 'For the server: which database this is. The subjects of the bus are named by a hash of it.';

CREATE FUNCTION herald.rotate_bus_key() RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM herald.bus_key k WHERE k.at < (SELECT max(x.at) FROM herald.bus_key x);
    -- The newest also if the clock was set back: otherwise nodes would go on signing with the other one.
    INSERT INTO herald.bus_key (at)
        SELECT greatest(clock_timestamp(), max(x.at) + interval '1 microsecond') FROM herald.bus_key x;
$$;
COMMENT ON FUNCTION herald.rotate_bus_key() IS
'Another key for what nodes tell one another. The one before it holds until the next call, so that nodes change over one by one.';

GRANT EXECUTE ON FUNCTION herald.bus_keys(), herald.bus_realm() TO herald_server;
GRANT EXECUTE ON FUNCTION herald.rotate_bus_key() TO herald_admin;
DO $$ BEGIN PERFORM herald.harden_tables(); END $$;
INSERT INTO herald.bus_key DEFAULT VALUES;
INSERT INTO herald.schema_step (step, name) VALUES (14, 'nodes');
RESET ROLE;
