-- SPDX-License-Identifier: PostgreSQL
--
-- Functions for the pgTAP files, in schema tap. The files commit as they go: the sequencer has a session of its own, which
-- sees nothing else. So each file uses tables and channels of its own.
-- Variables of psql:
--   program, host, port    tests/tools/drain, and the server for it
--   channel_names          the text of tests/channel-names.json

SET search_path = tap;

CREATE TABLE tap.channel_name_case AS
    SELECT c.template, c."row", c.channel, coalesce(c.refused_by, '{}') AS refused_by
      FROM json_to_recordset(:'channel_names') c(template text, "row" json, channel text, refused_by text[]);

-- The sequencer takes what is pending: until there is nothing, or so many batches. Messages are four texts each: channel,
-- client, options ('-': none), payload. Returns how many batches it were.
CREATE TABLE tap.drain_program (command text NOT NULL);
INSERT INTO tap.drain_program VALUES (format('%s ''host=%s port=%s user=herald_server dbname=', :'program', :'host', :'port'));
CREATE TABLE tap.drain_said (line text);
CREATE FUNCTION tap.drain(max_rows int DEFAULT 2000, max_bytes int DEFAULT 100000000, max_batches int DEFAULT 0, messages text[] DEFAULT '{}') RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    arguments text := (SELECT string_agg('''' || replace(a, '''', '''\''''') || '''', ' ' ORDER BY nth) FROM unnest(messages) WITH ORDINALITY m(a, nth));
    said      text;
BEGIN
    DELETE FROM tap.drain_said;
    EXECUTE format('COPY tap.drain_said FROM PROGRAM %L (DELIMITER E''\x01'')',
                   concat_ws(' ', (SELECT command || current_database() || '''' FROM tap.drain_program), max_rows, max_bytes, max_batches, arguments, '2>&1 | tail -1'));
    SELECT string_agg(line, ' ') INTO said FROM tap.drain_said;
    IF said !~ '^[0-9]+$' THEN
        RAISE EXCEPTION '%', said;
    END IF;
    RETURN said;
END
$$;
-- The same message, so many times, in one batch with whatever is pending.
CREATE FUNCTION tap.say(channel text, payload text DEFAULT '1', n int DEFAULT 1) RETURNS void LANGUAGE sql AS $$
    SELECT tap.drain(max_batches => 1, messages => ARRAY(SELECT unnest(ARRAY[channel, '-', '-', payload]) FROM generate_series(1, n)))
$$;

-- What arrived on a channel since the last look at it: actions, and the data of the newest.
CREATE TABLE tap.looked (channel text PRIMARY KEY, channel_offset bigint NOT NULL);
CREATE FUNCTION tap.news(channel_ text) RETURNS SETOF json LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tap.drain();
    RETURN QUERY SELECT l.payload -> 'data' FROM herald.log l
                  WHERE l.channel = channel_ AND l.channel_offset > coalesce((SELECT k.channel_offset FROM tap.looked k WHERE k.channel = channel_), 0) ORDER BY l.channel_offset;
    INSERT INTO tap.looked VALUES (channel_, coalesce((SELECT max(l.channel_offset) FROM herald.log l WHERE l.channel = channel_), 0))
        ON CONFLICT (channel) DO UPDATE SET channel_offset = EXCLUDED.channel_offset;
END
$$;
CREATE FUNCTION tap.actions(channel_ text) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(d ->> 'action', ' '), '') FROM tap.news(channel_) d
$$;
-- The new rows, as text, byte for byte.
CREATE FUNCTION tap.rows_of(channel_ text) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(d ->> 'new', ' '), '') FROM tap.news(channel_) d
$$;

-- What the server puts under a call of a function.
CREATE FUNCTION tap.signature(call text[]) RETURNS bytea LANGUAGE sql SECURITY DEFINER AS $$
    SELECT sha256(k.outer_pad || sha256(k.inner_pad || array_send(call))) FROM herald.signing_key k
$$;
