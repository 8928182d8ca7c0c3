-- SPDX-License-Identifier: PostgreSQL
--
-- Step 7: the sequencer: who leads, which epoch it is, one batch, the doorbell.
--
-- **Finding new rows.** Ids are taken before the commit, so `id > last` loses what commits late (10 to 12 % under sixteen
-- writers), and waiting for pg_snapshot_xmin stalls behind any open transaction. Instead the cursor remembers a snapshot,
-- and new is what is visible now and was not visible then (PgQ's way): rows with xid >= xmax(then), or in progress then.
-- The index on (xid, id) makes that cost what the new rows cost. In id order the difference is a linear extension of
-- "committed before the other one ran", so the order of a row's changes and of each writer's is kept.
--
-- **One batch, one transaction** (sequence): lock the fence, take rows, give each its channel's next offset, append to the
-- log, append to the cursor. Two sequencers only wait for each other. A difference larger than a batch is taken in pieces
-- of one fixed snapshot (cursor.reading), with a skip scan over the distinct xids, or each piece would sort the rest again.
-- A TRUNCATE of a template ends its batch and is then taken in pieces of its own, in the order of the channels' names.
--
-- **The epoch** changes when offsets may have been given out twice: open() decides by the canary (see the tables).
--
-- plan_cache_mode and enable_seqscan: plans made while the tables were still empty would stay, and be scans. With
-- scans forbidden the planner's costs are huge, which is what makes JIT start: so jit is off.
--
-- pg_walfile_name() raises during recovery: open() and sequence() write, so they need a primary anyway.

SET LOCAL ROLE herald_owner;
SET LOCAL search_path = pg_catalog;

-- ------------------------------------------------------------------------------------------------------- epoch

CREATE FUNCTION herald.server_identity() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT herald.database_identity() || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8)
$$;
COMMENT ON FUNCTION herald.server_identity() IS 'Internal: cluster, database and timeline: what an epoch is issued on.';

CREATE FUNCTION herald.open(seen bigint) RETURNS TABLE (epoch text, id bigint, is_renewed boolean, doorbell boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    s              herald.state;
    newest         herald.cursor;
    here           text := herald.server_identity();
    fresh_epoch    text := to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint) || left(replace(gen_random_uuid()::text, '-', ''), 6);
    is_canary_gone boolean;
    is_canary_ours boolean;
    is_set_back    boolean;
    is_kept        boolean;
BEGIN
    SELECT * INTO s FROM herald.state FOR UPDATE;
    SELECT * INTO newest FROM herald.cursor c ORDER BY c.position DESC LIMIT 1;
    doorbell := current_setting('herald.doorbell', true) IS DISTINCT FROM 'off';

    is_canary_gone := NOT EXISTS (SELECT FROM herald.canary);
    -- The very tuple that was written with the epoch? A restored dump wrote it again, in another transaction.
    is_canary_ours := EXISTS (SELECT FROM herald.canary c
                               WHERE c.epoch = s.epoch AND c.xmin::text::bigint = (s.issued_by::text::numeric % 4294967296)::bigint);
    -- The caller delivered what does not exist any more.
    is_set_back := coalesce(seen > newest.id, false);
    -- A server that lived through a crash of this same cluster is a witness that nothing it delivered was lost.
    is_kept := s.issued_on = here AND NOT is_set_back AND (is_canary_ours OR is_canary_gone AND seen IS NOT NULL);
    IF is_kept AND is_canary_ours THEN
        RETURN QUERY SELECT s.epoch, newest.id, false, doorbell;
        RETURN;
    END IF;

    IF NOT is_canary_ours AND (NOT is_canary_gone OR s.issued_on IS NULL
                               OR left(s.issued_on, -9) <> left(here, -9)) THEN
        -- Restored from a dump: the xids in outbox and cursor are those of another cluster. (The timeline is the last
        -- eight characters; without it the identities of a promoted standby and its primary are the same.)
        DELETE FROM herald.outbox;
        INSERT INTO herald.cursor (position, id, done)
            VALUES (coalesce(newest.position, 0) + 1, coalesce(newest.id, 0), pg_current_snapshot());
        PERFORM set_config('herald.swept', '0', false);
        PERFORM herald.refresh();
    END IF;
    IF NOT is_kept THEN
        s.epoch := fresh_epoch;
    END IF;
    DELETE FROM herald.canary;
    INSERT INTO herald.canary (epoch) VALUES (s.epoch);
    INSERT INTO herald.state AS o (epoch, issued_on, issued_by) VALUES (s.epoch, here, pg_current_xact_id())
        ON CONFLICT (one) DO UPDATE SET epoch = EXCLUDED.epoch, issued_on = EXCLUDED.issued_on, issued_by = EXCLUDED.issued_by;
    RETURN QUERY SELECT s.epoch, coalesce(newest.id, 0), NOT is_kept, doorbell;
END
$$;
COMMENT ON FUNCTION herald.open(bigint) IS
'For the server, after each (re)connect and before sequence(). seen: the newest log id that this process delivered, NULL at its
start. Returns the epoch, the newest log id, whether the epoch is new, and whether writers ring (false: herald.doorbell is off
for this database, so look every 10 ms instead of sleeping). After a restore from a dump it drops the outbox and writes the
trigger functions anew.';

CREATE FUNCTION herald.lead() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    holder text;
BEGIN
    IF pg_try_advisory_lock(1751478881, 2) THEN
        RETURN true;
    END IF;
    -- Advisory locks have no rights: say so when it is not one of us.
    SELECT pg_get_userbyid(a.usesysid) INTO holder FROM herald.advisory_holders() h JOIN pg_stat_activity a ON a.pid = h.pid
     WHERE h.lock = 'lead' AND pg_get_userbyid(a.usesysid) <> session_user LIMIT 1;
    IF holder IS NOT NULL THEN
        RAISE WARNING 'herald: role % holds the lock of the leading server', holder;
    END IF;
    RETURN false;
END
$$;
COMMENT ON FUNCTION herald.lead() IS
'For the server: tries to become the one that sequences and serves, until its connection ends. False: another one is.';

CREATE FUNCTION herald.advisory_holders() RETURNS TABLE (lock text, pid int, is_exclusive boolean)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE l.objid WHEN 1 THEN 'doorbell' ELSE 'lead' END, l.pid, l.mode = 'ExclusiveLock'
      FROM pg_locks l JOIN pg_database d ON d.oid = l.database
     WHERE l.locktype = 'advisory' AND l.classid = 1751478881 AND l.objid IN (1, 2) AND l.objsubid = 2
       AND d.datname = current_database() AND l.granted
$$;
COMMENT ON FUNCTION herald.advisory_holders() IS 'Internal: who holds the two advisory locks.';

-- ------------------------------------------------------------------------------------------------------- a batch

CREATE FUNCTION herald.pending(done pg_snapshot, now_visible pg_snapshot, after_id bigint, max_rows int, is_big boolean)
    RETURNS TABLE (id bigint, bytes int, action "char", channel text, payload json)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    IF NOT is_big THEN
        RETURN QUERY
        SELECT o.id, o.bytes, o.action, o.channel, o.payload
          FROM (SELECT * FROM herald.outbox a WHERE a.xid >= pg_snapshot_xmax(done)
                UNION ALL
                SELECT * FROM herald.outbox b WHERE b.xid = ANY (ARRAY(SELECT pg_snapshot_xip(done)))) o
         WHERE pg_visible_in_snapshot(o.xid, now_visible) AND o.id > after_id
         ORDER BY o.id LIMIT max_rows;
        RETURN;
    END IF;
    -- Skip scan: hop from one xid to the next, and of each take no more than could be needed, straight from the index.
    RETURN QUERY
    WITH RECURSIVE hop(xid) AS (
        (SELECT o.xid FROM herald.outbox o WHERE o.xid >= pg_snapshot_xmax(done) ORDER BY o.xid LIMIT 1)
        UNION ALL
        SELECT (SELECT o.xid FROM herald.outbox o WHERE o.xid > h.xid ORDER BY o.xid LIMIT 1)
          FROM hop h WHERE h.xid < pg_snapshot_xmax(now_visible)
    ), writer(xid) AS (
        SELECT h.xid FROM hop h WHERE h.xid IS NOT NULL
        UNION ALL
        SELECT pg_snapshot_xip(done)
    )
    SELECT r.id, r.bytes, r.action, r.channel, r.payload
      FROM writer w
     CROSS JOIN LATERAL (SELECT * FROM herald.outbox o WHERE o.xid = w.xid AND o.id > after_id ORDER BY o.id LIMIT max_rows) r
     WHERE pg_visible_in_snapshot(w.xid, now_visible)
     ORDER BY r.id LIMIT max_rows;
END
$$;
COMMENT ON FUNCTION herald.pending(pg_snapshot, pg_snapshot, bigint, int, boolean) IS
'Internal: outbox rows that are visible in one snapshot and were not in another, in id order.';

CREATE FUNCTION herald.rfc3339(at timestamptz) RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    SELECT pg_catalog.to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;
COMMENT ON FUNCTION herald.rfc3339(timestamptz) IS 'A time as the wire has it: 2026-11-23T22:14:36.123Z';

CREATE FUNCTION herald.sequence(batch text, max_rows int, max_bytes int, channels text[], clients text[], message_options text[],
                                payloads text[])
    RETURNS TABLE (id bigint, channel text, seq bigint, at text, action text, client text, options text, payload text, message int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
    c           herald.cursor;
    this_epoch  text;
    n_new       bigint;
    now_visible pg_snapshot;
    taken_at    timestamptz;
BEGIN
    IF max_rows < 1 OR max_bytes < 1 OR cardinality(channels) IS DISTINCT FROM cardinality(payloads)
       OR cardinality(clients) IS DISTINCT FROM cardinality(payloads) OR cardinality(message_options) IS DISTINCT FROM cardinality(payloads) THEN
        RAISE EXCEPTION 'herald: sequence() needs positive limits and arrays of one length' USING ERRCODE = '22023';
    END IF;
    -- An idle look takes no lock, gets no xid and writes nothing.
    SELECT * INTO c FROM herald.cursor k ORDER BY k.position DESC LIMIT 1;
    SELECT count(*) INTO n_new
      FROM (SELECT FROM herald.outbox a WHERE a.xid >= pg_snapshot_xmax(c.done) AND a.xid < pg_snapshot_xmax(pg_current_snapshot())
            UNION ALL
            SELECT FROM herald.outbox b WHERE b.xid = ANY (ARRAY(SELECT pg_snapshot_xip(c.done)))
            LIMIT max_rows + 1) o;
    IF n_new = 0 AND c.reading IS NULL AND cardinality(channels) = 0 THEN
        RETURN;
    END IF;

    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'herald: sequence() must see what commits while it waits: use READ COMMITTED' USING ERRCODE = '25001';
    END IF;
    SELECT s.epoch INTO this_epoch FROM herald.state s FOR UPDATE;
    IF NOT EXISTS (SELECT FROM herald.canary k WHERE k.epoch = this_epoch) THEN
        RAISE EXCEPTION 'herald: the database crashed or was restored since open()' USING ERRCODE = '55000', HINT = 'Call herald.open().';
    END IF;
    -- Again, now that nobody else moves it; and the snapshot after the lock.
    SELECT * INTO c FROM herald.cursor k ORDER BY k.position DESC LIMIT 1;
    now_visible := coalesce(c.reading, pg_current_snapshot());
    taken_at := date_trunc('milliseconds', clock_timestamp());

    RETURN QUERY
    WITH seen AS MATERIALIZED (
        SELECT p.*, row_number() OVER w AS nth, sum(p.bytes) OVER w AS total, count(*) FILTER (WHERE p.action = 't') OVER w AS n_truncates
          FROM herald.pending(c.done, now_visible, c.reading_id, max_rows, c.reading IS NOT NULL OR n_new > max_rows) p
        WINDOW w AS (ORDER BY p.id)
    ), taken AS MATERIALIZED (
        -- The first row always; then up to the limit, and not past a TRUNCATE, which makes a batch alone.
        SELECT * FROM seen r WHERE r.nth = 1 OR r.total <= max_bytes AND r.n_truncates = 0
    ), emptied AS MATERIALIZED (
        SELECT t.id, t.payload, k.name
          FROM taken t
         CROSS JOIN LATERAL (
             SELECT x.name FROM herald.channel x
              WHERE x.name > c.reading_channel COLLATE "C"
                AND x.name >= herald.template_prefix(t.channel) COLLATE "C" AND x.name < (herald.template_prefix(t.channel) || chr(1114111)) COLLATE "C"
                AND x.name ~ herald.template_pattern(t.channel)
              ORDER BY x.name LIMIT max_rows) k
         WHERE t.action = 't'
    ), event AS (
        SELECT t.id AS outbox_id, NULL::int AS message, t.channel COLLATE "C" AS channel, 'event' AS action,
               NULL::json AS client, NULL::json AS options, t.payload
          FROM taken t WHERE t.action = 'e' AND octet_length(t.channel) BETWEEN 1 AND 255
        UNION ALL
        SELECT e.id, NULL, e.name, 'event', NULL, NULL, e.payload FROM emptied e
        UNION ALL
        SELECT 9223372036854775807, m.nth::int, m.channel, 'message', m.client::json, m.options::json, m.payload::json
          FROM unnest(channels, clients, message_options, payloads) WITH ORDINALITY m(channel, client, options, payload, nth)
    ), numbered AS MATERIALIZED (
        SELECT e.*, row_number() OVER (PARTITION BY e.channel ORDER BY e.outbox_id, e.message) AS in_channel,
               row_number() OVER (ORDER BY e.outbox_id, e.message, e.channel) AS in_batch
          FROM event e
    ), known AS MATERIALIZED (
        -- OFFSET 0: one index probe per channel of the batch, never a join with all channels there are.
        SELECT n.channel, k.floor
          FROM (SELECT DISTINCT n.channel FROM numbered n) n
          LEFT JOIN LATERAL (SELECT x.floor FROM herald.channel x WHERE x.name = n.channel OFFSET 0) k ON true
    ), created AS (
        INSERT INTO herald.channel (name) SELECT k.channel FROM known k WHERE k.floor IS NULL
    ), head AS MATERIALIZED (
        SELECT k.channel, greatest(coalesce(k.floor, 0),
                   coalesce((SELECT l.seq FROM herald.log l WHERE l.channel = k.channel ORDER BY l.seq DESC LIMIT 1), 0)) AS seq
          FROM known k
    ), logged AS (
        INSERT INTO herald.log (id, channel, seq, epoch, at, action, client, options, payload)
        SELECT c.id + n.in_batch, n.channel, h.seq + n.in_channel, this_epoch, taken_at, n.action, n.client, n.options, n.payload
          FROM numbered n JOIN head h ON h.channel = n.channel ORDER BY n.in_batch
    ), sums AS MATERIALIZED (
        SELECT (SELECT count(*) FROM numbered) AS n_events, count(*) AS n_taken, max(t.id) AS last_id,
               count(*) FILTER (WHERE t.action NOT IN ('e', 't') OR octet_length(t.channel) NOT BETWEEN 1 AND 255) AS n_skipped,
               (SELECT count(*) FROM seen) AS n_seen,
               (SELECT count(*) = max_rows FROM emptied) AS is_half_emptied,
               (SELECT max(e.name) FROM emptied e) AS last_name
          FROM taken t
    ), moved AS (
        INSERT INTO herald.cursor (position, batch, id, done, reading, reading_id, reading_channel)
        SELECT c.position + 1, batch, c.id + s.n_events,
               CASE WHEN d.is_done THEN now_visible ELSE c.done END,
               CASE WHEN d.is_done THEN NULL ELSE now_visible END,
               CASE WHEN d.is_done THEN 0 WHEN s.is_half_emptied THEN c.reading_id ELSE coalesce(s.last_id, c.reading_id) END,
               CASE WHEN s.is_half_emptied THEN s.last_name ELSE '' END
          FROM sums s
         CROSS JOIN LATERAL (SELECT s.n_taken = s.n_seen AND s.n_seen < max_rows AND NOT s.is_half_emptied AS is_done) d
    ), counted AS MATERIALIZED (
        SELECT count(nextval('herald.n_skipped')) AS n FROM sums s CROSS JOIN LATERAL generate_series(1, s.n_skipped)
    )
    SELECT c.id + n.in_batch, n.channel::text, h.seq + n.in_channel, herald.rfc3339(taken_at), n.action,
           n.client::text, n.options::text, n.payload::text, n.message
      FROM numbered n JOIN head h ON h.channel = n.channel
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM sums s, counted k WHERE s.n_events = 0 OR k.n < 0
     ORDER BY 1;
END
$$;
COMMENT ON FUNCTION herald.sequence(text, int, int, text[], text[], text[], text[]) IS
'For the server: one batch. Moves outbox rows that became visible (up to max_rows rows and max_bytes of payload, at least one) and
the given messages to the log and returns them in id order; message is the index into the arrays. No row: nothing was pending. One
row with id NULL: rows were consumed that made no event, look again. SQLSTATE 55000: call open(). 22P02: a message is not JSON.
Fan out only after the commit.';

CREATE FUNCTION herald.find_batch(batch text) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.id FROM herald.cursor c WHERE c.batch = find_batch.batch ORDER BY c.position DESC LIMIT 1
$$;
COMMENT ON FUNCTION herald.find_batch(text) IS
'For the server whose connection was lost during COMMIT: the newest log id of that batch, or NULL if it was not committed.
The last thousand batches are known.';

-- ---------------------------------------------------------------------------------------------------- the doorbell

CREATE FUNCTION herald.try_sleep() RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_try_advisory_lock(1751478881, 1)
$$;
COMMENT ON FUNCTION herald.try_sleep() IS
'For the server: from now on writers ring. False: some are under way that would not; look on and try again. True: every writer
that will not ring is visible, so look once more, then sleep.';

CREATE FUNCTION herald.wake() RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_advisory_unlock(1751478881, 1)
$$;
COMMENT ON FUNCTION herald.wake() IS 'For the server: writers need not ring any more. Once for each try_sleep() that said true.';

CREATE FUNCTION herald.ring() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- The same as at the end of every trigger function.
    IF current_setting('herald.doorbell', true) IS DISTINCT FROM 'off' THEN
        IF NOT pg_try_advisory_xact_lock_shared(1751478881, 1) THEN
            IF pg_notification_queue_usage() < 0.5 THEN
                PERFORM pg_notify('herald', '');
            END IF;
        END IF;
    END IF;
END
$$;
COMMENT ON FUNCTION herald.ring() IS 'Internal: wakes the sequencer if it sleeps; after the INSERT into the outbox.';

GRANT EXECUTE ON FUNCTION herald.open(bigint), herald.lead(), herald.sequence(text, int, int, text[], text[], text[], text[]),
    herald.find_batch(text), herald.try_sleep(), herald.wake() TO herald_server;

-- The first epoch and the first cursor: what is captured from now on counts, long before a server comes.
DO $$ BEGIN PERFORM herald.open(NULL); END $$;
INSERT INTO herald.schema_step (step, name) VALUES (7, 'sequencer');
RESET ROLE;
