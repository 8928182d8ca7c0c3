-- SPDX-License-Identifier: PostgreSQL
--
-- Functions for the pgTAP files, in schema tap. The files commit as they go: the sequencer finds rows by what became
-- visible, and a transaction's own rows never do. So each file uses tables and channels of its own.

SET search_path = tap;

CREATE FUNCTION tap.drain(max_rows int DEFAULT 2000, max_bytes int DEFAULT 100000000) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    n_batches int := 0;
BEGIN
    LOOP
        PERFORM FROM herald.sequence('test', max_rows, max_bytes, '{}', '{}', '{}', '{}');
        EXIT WHEN NOT FOUND;
        n_batches := n_batches + 1;
    END LOOP;
    RETURN n_batches;
END
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
