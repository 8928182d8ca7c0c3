-- SPDX-License-Identifier: PostgreSQL
--
-- Step 7: the sequencer: who leads, which epoch it is, one batch, the doorbell.
--
-- **Finding new rows.** Ids are taken before the commit, so `id > last` loses what commits late (10 to 12 % under sixteen
-- writers), and waiting for pg_snapshot_xmin stalls behind any open transaction. Instead the cursor remembers a snapshot,
-- and new is what is visible now and was not visible then (PgQ's way): rows with xid >= xmax(then), or in progress then.
-- The index on (xid, id) makes that cost what the new rows cost. In id order the difference is a linear extension of
-- "committed before the other one ran", so the order of a row's changes and of each writer's is kept. (Cutting it by xid
-- instead would not be: who got his xid first may write last.)
--
-- **One batch, one transaction**: take() locks the fence and returns rows; the server gives each its channel's next offset, as it knows
-- the heads (heads() says those that it does not); store() appends to log and cursor. Two sequencers only wait for each other. A
-- difference larger than a batch is taken in pieces of one fixed snapshot (cursor.reading); in which blocks of a thousand ids its
-- transactions have rows is listed in herald.backlog first, 20 000 rows or more a call, or each piece would look for the smallest
-- ids in all the rest (a million one-row transactions: 500 batches of four seconds). A TRUNCATE of a template is the first row of
-- its batch, so that every channel that a row before it named is known; to more than max_rows channels it goes in pieces, by name.
--
-- **The epoch** changes when offsets may have been given out twice: open() decides by the canary (see the tables). A crash empties
-- the canary, and then one witness can vouch that nothing was lost: the process that led last, if what it delivered is still
-- there. Another one may have delivered more than it (a server that was away while a second one led and crashed with the
-- database). And what is delivered must be on disk, whatever synchronous_commit says: see commit_durably().
--
-- plan_cache_mode, enable_seqscan and enable_bitmapscan: plans made while the tables were still empty would stay, and be scans. With
-- scans forbidden the planner's costs are huge, which is what makes JIT start: so jit is off.
--
-- pg_walfile_name() raises during recovery: open() and take() write, so they need a primary anyway.

SET LOCAL ROLE herald_owner;
SET LOCAL search_path = pg_catalog;

-- ------------------------------------------------------------------------------------------------------- epoch

CREATE FUNCTION herald.server_identity() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT herald.database_identity() || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8)
$$;
COMMENT ON FUNCTION herald.server_identity() IS 'Internal: cluster, database and timeline: what an epoch is issued on.';

CREATE FUNCTION herald.whole_xid(short xid) RETURNS xid8
LANGUAGE sql VOLATILE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT (n.now - ((n.now - short::text::bigint) % 4294967296 + 4294967296) % 4294967296)::text::xid8
      FROM (SELECT pg_current_xact_id()::text::bigint AS now) n
$$;
COMMENT ON FUNCTION herald.whole_xid(xid) IS 'Internal: a row''s xmin with the epoch of the transaction counter put back.';

CREATE FUNCTION herald.commit_durably() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- To the end of the transaction, so it holds behind a pooler, too. Not "on": whether to wait for standbys is not ours to say.
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'local', true);
    END IF;
END
$$;
COMMENT ON FUNCTION herald.commit_durably() IS
'Internal: the commit of this transaction waits until it is on disk, although synchronous_commit is off. For what others are told of
right after it: a number that a crash takes back would be given out twice.';

CREATE FUNCTION herald.open(seen bigint, process text DEFAULT NULL) RETURNS TABLE (epoch text, id bigint, is_renewed boolean, term bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    s              herald.state;
    newest         herald.cursor;
    here           text := herald.server_identity();
    login          text := CASE WHEN process IS NOT NULL THEN session_user END;
    fresh_epoch    text := to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint) || left(replace(gen_random_uuid()::text, '-', ''), 6);
    is_canary_gone boolean;
    is_canary_ours boolean;
    is_witness     boolean;
    is_set_back    boolean;
    is_kept        boolean;
    restored_by    xid8;
BEGIN
    PERFORM herald.commit_durably();
    SELECT * INTO s FROM herald.state FOR UPDATE;
    SELECT * INTO newest FROM herald.cursor c ORDER BY c.position DESC LIMIT 1;

    is_canary_gone := NOT EXISTS (SELECT FROM herald.canary);
    -- The very tuple that was written with the epoch? A restored dump wrote it again, in another transaction.
    is_canary_ours := EXISTS (SELECT FROM herald.canary c
                               WHERE c.epoch = s.epoch AND c.xmin::text::bigint = (s.issued_by::text::numeric % 4294967296)::bigint);
    -- The caller delivered what does not exist any more.
    is_set_back := coalesce(seen > newest.id, false);
    -- Who led last and lived through a crash of this same cluster knows that nothing it delivered was lost.
    is_witness := seen IS NOT NULL AND coalesce(s.led_by = process, false);
    is_kept := s.issued_on = here AND NOT is_set_back AND (is_canary_ours OR is_canary_gone AND is_witness);
    IF is_kept AND is_canary_ours THEN
        UPDATE herald.state x SET led_by = process, led_as = login, term = s.term + 1;
        RETURN QUERY SELECT s.epoch, newest.id, false, s.term + 1;
        RETURN;
    END IF;

    IF NOT is_canary_ours AND (NOT is_canary_gone OR s.issued_on IS NULL
                               OR left(s.issued_on, -9) <> left(here, -9)) THEN
        -- Restored from a dump: the xids in outbox and cursor are those of another cluster. (The timeline is the last
        -- eight characters; without it the identities of a promoted standby and its primary are the same.) What was
        -- captured here since then stays: triggers come back after all data, so such a row's transaction is younger than
        -- the one that wrote the row of herald.state, and not younger than the one that wrote the row itself.
        restored_by := (SELECT herald.whole_xid(x.xmin) FROM herald.state x);
        DELETE FROM herald.outbox o WHERE NOT (o.xid > restored_by AND o.xid <= herald.whole_xid(o.xmin));
        INSERT INTO herald.cursor (position, id, done)
            VALUES (coalesce(newest.position, 0) + 1, coalesce(newest.id, 0),
                    coalesce((restored_by::text || ':' || restored_by::text || ':')::pg_snapshot, pg_current_snapshot()));
        PERFORM set_config('herald.swept', '0', false);
        PERFORM herald.refresh();
    END IF;
    IF NOT is_kept THEN
        s.epoch := fresh_epoch;
    END IF;
    DELETE FROM herald.canary;
    INSERT INTO herald.canary (epoch) VALUES (s.epoch);
    INSERT INTO herald.state AS o (epoch, issued_on, issued_by, led_by, led_as, term)
        VALUES (s.epoch, here, pg_current_xact_id(), process, login, coalesce(s.term, 0) + 1)
        ON CONFLICT (one) DO UPDATE SET epoch = EXCLUDED.epoch, issued_on = EXCLUDED.issued_on, issued_by = EXCLUDED.issued_by,
                                        led_by = EXCLUDED.led_by, led_as = EXCLUDED.led_as, term = EXCLUDED.term;
    RETURN QUERY SELECT s.epoch, coalesce(newest.id, 0), NOT is_kept, coalesce(s.term, 0) + 1;
END
$$;
COMMENT ON FUNCTION herald.open(bigint, text) IS
'For the server, after each (re)connect and before take(). seen: the newest log id that this process delivered, NULL at its
start (or, if other nodes named a newer one of this epoch, that one). process: a name of the process, no other''s; NULL: it is no server. Returns the epoch,
the newest log id, whether the epoch is new, and the term, which is another with each call. After a restore from a dump it
drops what the dump brought into the outbox and writes the trigger functions anew. Whether it may sleep: doorbell_obstacle().';

CREATE FUNCTION herald.lead(is_held boolean DEFAULT true) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    holder  text;
    is_free boolean;
BEGIN
    is_free := CASE WHEN is_held THEN pg_try_advisory_lock(1751478881, 2) ELSE pg_try_advisory_xact_lock(1751478881, 2) END;
    IF is_free THEN
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
COMMENT ON FUNCTION herald.lead(boolean) IS
'For the server: tries to become the one that sequences and serves, until its connection ends. False: another one is. is_held false:
only asks, for a server behind a pooler, whose sessions, and the locks in them, outlive their clients.';

CREATE FUNCTION herald.try_lead() RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_try_advisory_lock(1751478881, 2)
$$;
COMMENT ON FUNCTION herald.try_lead() IS
'For a server among several, while one of them leads: the same as lead(), which looks for who holds the lock if it does not get it.';

CREATE FUNCTION herald.advisory_holders() RETURNS TABLE (lock text, pid int, is_exclusive boolean)
LANGUAGE sql STABLE AS $$ -- without a SET: it becomes part of the plan of who asks, which a session keeps
    SELECT CASE l.objid WHEN 1 THEN 'doorbell' WHEN 2 THEN 'lead' WHEN 3 THEN 'silent' ELSE 'lease' END, l.pid, l.mode = 'ExclusiveLock'
      FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid = l.database
     WHERE l.locktype = 'advisory' AND l.classid = 1751478881 AND l.objsubid = 2
       AND d.datname = pg_catalog.current_database() AND l.granted
$$;
COMMENT ON FUNCTION herald.advisory_holders() IS 'Internal: who holds our advisory locks: the doorbell''s three (step 7) and the leading server''s.';

CREATE FUNCTION herald.leader() RETURNS int
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT h.pid FROM herald.advisory_holders() h WHERE h.lock = 'lead' AND h.is_exclusive LIMIT 1
$$;
COMMENT ON FUNCTION herald.leader() IS
'For the server, when lead() said no: the session that leads. A lost session of its own may, for a while.';

CREATE FUNCTION herald.resign() RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_advisory_unlock(1751478881, 2)
$$;
COMMENT ON FUNCTION herald.resign() IS 'For a server that is about to end: another one may lead from now on. After wake().';

CREATE FUNCTION herald.depose(seen text) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    holder int;
    since  timestamptz;
    sight  text;
BEGIN
    -- Asked twice a second, so in one query whose plan the session keeps.
    SELECT a.pid, greatest(a.query_start, a.state_change) INTO holder, since FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
     WHERE l.locktype = 'advisory' AND l.classid = 1751478881 AND l.objid = 2 AND l.objsubid = 2 AND l.granted AND l.mode = 'ExclusiveLock'
       AND a.datname = current_database() AND l.database = a.datid AND a.usename = current_user
       AND (a.state LIKE 'idle%' OR a.wait_event_type = 'Client' AND a.wait_event IN ('ClientRead', 'ClientWrite'));
    sight := format('%s %s', holder, extract(epoch FROM since));
    IF sight = seen AND clock_timestamp() - since > interval '2 seconds' THEN
        PERFORM pg_terminate_backend(holder);
        RETURN '';
    END IF;
    RETURN CASE WHEN holder IS NOT NULL THEN sight END;
END
$$;
COMMENT ON FUNCTION herald.depose(text) IS
'For a server among several, when lead() said no. A leader asks something every half second; one that its session has waited for for two
seconds stands still or cannot be reached. Returns what is seen of it while its session waits; told the same again, by somebody who saw it at least a second ago,
it ends that session, and returns an empty text. With the rights of the caller, who can only end sessions of his own role.';

CREATE FUNCTION herald.follow() RETURNS TABLE (epoch text, id bigint, term bigint, is_open boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- Each server asks twice a second: a session keeps this plan, and would make that of a function in SQL each time.
    RETURN QUERY SELECT s.epoch, c.id, s.term,
           EXISTS (SELECT FROM herald.canary k WHERE k.epoch = s.epoch AND k.xmin::text::bigint = (s.issued_by::text::numeric % 4294967296)::bigint)
           AND CASE WHEN NOT pg_is_in_recovery() THEN s.issued_on = herald.server_identity() ELSE false END
      FROM herald.state s, (SELECT k.id FROM herald.cursor k ORDER BY k.position DESC LIMIT 1) c;
END
$$;
COMMENT ON FUNCTION herald.follow() IS
'For a server among several: the epoch, the newest log id and the term. is_open false: the leader has to call open() first, which
would decide about the epoch anew.';

-- ------------------------------------------------------------------------------------------------------- a batch

-- Whoever is still in progress is left out by his xid: the index has all that he wrote so far, and a look at each would tell that it is not
-- visible. With a million rows that took two seconds, for every batch of the others.
CREATE FUNCTION herald.difference(done pg_snapshot, now_visible pg_snapshot) RETURNS SETOF herald.outbox
LANGUAGE sql STABLE AS $$
    SELECT o.*
      FROM (SELECT * FROM herald.outbox a
             WHERE a.xid >= pg_catalog.pg_snapshot_xmax(done) AND a.xid < pg_catalog.pg_snapshot_xmax(now_visible)
            UNION ALL
            SELECT * FROM herald.outbox b
             WHERE b.xid = ANY (ARRAY(SELECT x.xid FROM pg_catalog.pg_snapshot_xip(done) x(xid) WHERE pg_catalog.pg_visible_in_snapshot(x.xid, now_visible)))) o
     WHERE pg_catalog.pg_visible_in_snapshot(o.xid, now_visible)
$$;
COMMENT ON FUNCTION herald.difference(pg_snapshot, pg_snapshot) IS
'Internal: outbox rows that are visible in one snapshot and were not in another.';

-- In portions, so that millions keep no message waiting. The writers of the past that were still in progress come first: their
-- xids are all lower. What is listed is a block, so the rest of it, after the last row of a portion, is passed over. Transactions that
-- are in one portion completely share an entry, as they have few rows altogether: those that may have more have one of their own.
CREATE FUNCTION herald.list_backlog(c herald.cursor, now_visible pg_snapshot) RETURNS herald.cursor
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    max_portions CONSTANT int := 100;
    max_rows     CONSTANT int := 200;
    n_rows       bigint;
BEGIN
    FOR i IN 1..max_portions LOOP
        WITH portion AS MATERIALIZED (
            (SELECT o.xid, o.id
               FROM (SELECT x.xid FROM pg_snapshot_xip(c.done) x(xid)
                      WHERE x.xid >= c.listed_xid AND pg_visible_in_snapshot(x.xid, now_visible) ORDER BY x.xid) w
              CROSS JOIN LATERAL (SELECT a.xid, a.id FROM herald.outbox a
                                   WHERE a.xid = w.xid AND a.id > CASE WHEN w.xid = c.listed_xid THEN c.listed_id ELSE 0 END ORDER BY a.id LIMIT max_rows) o
              LIMIT max_rows)
            UNION ALL
            (SELECT b.xid, b.id FROM herald.outbox b
              WHERE b.xid >= pg_snapshot_xmax(c.done) AND b.xid < pg_snapshot_xmax(now_visible) AND (b.xid, b.id) > (c.listed_xid, c.listed_id)
                AND pg_visible_in_snapshot(b.xid, now_visible) ORDER BY b.xid, b.id LIMIT max_rows)
            LIMIT max_rows
        ), last_row AS MATERIALIZED (
            SELECT p.xid, p.id, (SELECT count(*) FROM portion) AS n FROM portion p ORDER BY p.xid DESC, p.id DESC LIMIT 1
        ), listed AS (
            INSERT INTO herald.backlog (fill, block, xid, last_xid)
            SELECT c.reading_fill, g.block, g.xids[1], g.xids[cardinality(g.xids)]
              FROM (SELECT p.id / 1000 AS block, array_agg(p.xid ORDER BY p.xid) AS xids FROM portion p CROSS JOIN last_row l
                     GROUP BY 1, CASE WHEN p.xid IN (c.listed_xid, l.xid) OR p.xid < pg_snapshot_xmax(c.done) THEN p.xid END) g
        )
        SELECT l.xid, l.id / 1000 * 1000 + 999, l.n INTO c.listed_xid, c.listed_id, n_rows FROM last_row l;
        IF n_rows IS DISTINCT FROM max_rows THEN
            c.listed_xid := NULL;
            c.listed_id := NULL;
            EXIT;
        END IF;
    END LOOP;
    RETURN c;
END
$$;
COMMENT ON FUNCTION herald.list_backlog(herald.cursor, pg_snapshot) IS
'Internal: writes down where the rows of a difference are, from where the cursor has got with that. Returns how far it is now.';

-- Of one transaction, of which the index finds the block; or of several, whose rows are few.
CREATE FUNCTION herald.listed_rows(c herald.cursor, this_block bigint) RETURNS SETOF herald.outbox
LANGUAGE sql STABLE AS $$
    SELECT o.*
      FROM herald.backlog b
     CROSS JOIN LATERAL (SELECT * FROM herald.outbox x
                          WHERE b.xid = b.last_xid AND x.xid = b.xid AND x.id > c.reading_id AND x.id >= this_block * 1000 AND x.id < (this_block + 1) * 1000
                         UNION ALL
                         SELECT * FROM herald.outbox y
                          WHERE b.xid <> b.last_xid AND y.xid >= b.xid AND y.xid <= b.last_xid
                            AND y.id > c.reading_id AND y.id >= this_block * 1000 AND y.id < (this_block + 1) * 1000) o
     WHERE b.fill = c.reading_fill AND b.block = this_block
       AND pg_catalog.pg_visible_in_snapshot(o.xid, c.reading) AND NOT pg_catalog.pg_visible_in_snapshot(o.xid, c.done)
$$;
COMMENT ON FUNCTION herald.listed_rows(herald.cursor, bigint) IS
'Internal: the outbox rows of a block that is listed which are not in the log.';

CREATE FUNCTION herald.rfc3339(at timestamptz) RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    SELECT pg_catalog.to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;
COMMENT ON FUNCTION herald.rfc3339(timestamptz) IS 'A time as the wire has it: 2026-11-23T22:14:36.123Z';

CREATE FUNCTION herald.take(max_rows int, max_bytes int, has_messages boolean, this_term bigint DEFAULT NULL)
    RETURNS TABLE (id bigint, xid xid8, shape bigint, action text, old text, new text, channel text, options text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
    -- The most that watch() allows. Two texts of 600 MB can be in a row of the outbox, but in no answer: it would be asked for for ever.
    max_row     CONSTANT int := 268435456;
    c           herald.cursor;
    this_epoch  text;
    newest_term bigint;
    is_open     boolean;
    is_late     boolean;
    n_new       bigint;
    n_bytes     bigint;
    this_block  bigint;
    now_visible pg_snapshot;
BEGIN
    IF max_rows < 1 - has_messages::int OR max_bytes < 1 THEN
        RAISE EXCEPTION 'herald: take() needs positive limits' USING ERRCODE = '22023';
    END IF;
    -- An idle look takes no lock, gets no xid and writes nothing.
    SELECT * INTO c FROM herald.cursor k ORDER BY k.position DESC LIMIT 1;
    IF max_rows > 0 AND c.reading IS NULL THEN
        SELECT count(*), coalesce(sum(o.bytes), 0) INTO n_new, n_bytes
          FROM (SELECT coalesce(octet_length(a.old), 0) + coalesce(octet_length(a.new), 0) AS bytes FROM herald.outbox a
                 WHERE a.xid >= pg_snapshot_xmax(c.done) AND a.xid < pg_snapshot_xmax(pg_current_snapshot()) LIMIT max_rows + 1) o;
        IF pg_snapshot_xmin(c.done) <> pg_snapshot_xmax(c.done) THEN
            SELECT n_new + count(*), n_bytes + coalesce(sum(o.bytes), 0) INTO n_new, n_bytes
              FROM (SELECT coalesce(octet_length(b.old), 0) + coalesce(octet_length(b.new), 0) AS bytes FROM herald.outbox b
                     WHERE b.xid = ANY (ARRAY(SELECT x.xid FROM pg_snapshot_xip(c.done) x(xid) WHERE pg_visible_in_snapshot(x.xid, pg_current_snapshot())))
                     LIMIT max_rows + 1) o;
        END IF;
    END IF;
    IF n_new = 0 AND c.reading IS NULL AND NOT has_messages THEN
        RETURN;
    END IF;

    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'herald: take() must see what commits while it waits: use READ COMMITTED' USING ERRCODE = '25001';
    END IF;
    -- A server that stands still between here and its COMMIT must not keep another one waiting for ever.
    -- (A node among several has set two seconds for its session: all others wait for it.)
    IF current_setting('idle_in_transaction_session_timeout') NOT IN ('5s', '2s') THEN
        PERFORM set_config('idle_in_transaction_session_timeout', '5s', true);
    END IF;
    SELECT s.epoch, s.term, EXISTS (SELECT FROM herald.canary k WHERE k.epoch = s.epoch) INTO this_epoch, newest_term, is_open
      FROM herald.state s FOR UPDATE;
    IF is_open IS NOT TRUE THEN
        RAISE EXCEPTION 'herald: the database crashed or was restored since open()' USING ERRCODE = '55000', HINT = 'Call herald.open().';
    ELSIF this_term <> newest_term THEN
        RAISE EXCEPTION 'herald: another server leads since' USING ERRCODE = '55000', HINT = 'Ask herald.lead() again.';
    END IF;
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM herald.commit_durably();
    END IF;
    -- Again, now that nobody else moves it; and the snapshot after the lock.
    SELECT * INTO c FROM herald.cursor k ORDER BY k.position DESC LIMIT 1;
    now_visible := coalesce(c.reading, pg_current_snapshot());
    -- While we waited another one took the last piece: how much there is now was not looked at. The next look does.
    is_late := max_rows > 0 AND c.reading IS NULL AND n_new IS NULL;
    IF is_late THEN
        max_rows := 0;
    ELSIF c.reading IS NULL AND n_new > max_rows THEN
        c.reading := now_visible;
        c.reading_fill := c.position + 1;
        c.listed_xid := '0';
        c.listed_id := 0;
    END IF;
    IF c.listed_xid IS NOT NULL AND max_rows > 0 THEN
        c := herald.list_backlog(c, now_visible);
        c.position := c.position + 1;
        c.batch := NULL;
        c.at := clock_timestamp();
        INSERT INTO herald.cursor SELECT c.*;
    END IF;
    id := c.position;
    xid := c.id::text::xid8;
    action := CASE WHEN c.listed_xid IS NOT NULL OR is_late THEN 'l' ELSE 'b' END;
    old := CASE WHEN max_rows > 0 THEN now_visible::text END;
    new := c.reading_channel;
    channel := this_epoch;
    options := herald.rfc3339(clock_timestamp());
    RETURN NEXT;
    IF max_rows = 0 THEN
        RETURN;
    END IF;
    -- The last row is the one with which the limit of bytes is reached. Most batches are far from it, and a sum for each row is dear.
    IF c.reading_fill IS NOT NULL THEN
        this_block := c.reading_id / 1000;
        WHILE max_rows > 0 AND c.listed_xid IS NULL LOOP
            this_block := (SELECT b.block FROM herald.backlog b WHERE b.fill = c.reading_fill AND b.block >= this_block ORDER BY b.block LIMIT 1);
            EXIT WHEN this_block IS NULL;
            SELECT count(*), coalesce(sum(r.bytes), 0) INTO n_new, n_bytes
              FROM (SELECT coalesce(octet_length(o.old), 0) + coalesce(octet_length(o.new), 0) AS bytes FROM herald.listed_rows(c, this_block) o) r;
            IF n_bytes >= max_bytes THEN
                max_rows := least(max_rows, (SELECT count(*) FROM (
                    SELECT sum(r.bytes) OVER (ORDER BY r.id) - r.bytes AS n_before
                      FROM (SELECT o.id, coalesce(octet_length(o.old), 0) + coalesce(octet_length(o.new), 0) AS bytes FROM herald.listed_rows(c, this_block) o) r) w
                     WHERE w.n_before < max_bytes));
            END IF;
            RETURN QUERY SELECT r.id, r.xid, r.shape, CASE WHEN r.is_huge THEN 'sk' ELSE r.action END, CASE WHEN NOT r.is_huge THEN r.old END, CASE WHEN NOT r.is_huge THEN r.new END,
                                split_part(r.channel, E'\n', 1), nullif(split_part(r.channel, E'\n', 2), '')
                           FROM (SELECT o.*, n_bytes >= max_bytes AND coalesce(octet_length(o.old), 0)::bigint + coalesce(octet_length(o.new), 0) > max_row AS is_huge
                                   FROM herald.listed_rows(c, this_block) o) r ORDER BY r.id LIMIT max_rows;
            EXIT WHEN n_bytes >= max_bytes;
            max_rows := max_rows - n_new;
            max_bytes := max_bytes - n_bytes;
            this_block := this_block + 1;
        END LOOP;
    ELSIF c.reading IS NULL AND n_bytes < max_bytes AND pg_snapshot_xmin(c.done) = pg_snapshot_xmax(c.done) THEN
        -- herald.difference() of a snapshot in which nobody was in progress: half of what starting a statement costs is its plan's size.
        RETURN QUERY SELECT o.id, o.xid, o.shape, o.action, o.old, o.new, split_part(o.channel, E'\n', 1), nullif(split_part(o.channel, E'\n', 2), '')
                       FROM herald.outbox o
                      WHERE o.xid >= pg_snapshot_xmax(c.done) AND o.xid < pg_snapshot_xmax(now_visible) AND pg_visible_in_snapshot(o.xid, now_visible)
                      ORDER BY o.id LIMIT max_rows;
    ELSIF c.reading IS NULL AND n_bytes < max_bytes THEN
        RETURN QUERY SELECT o.id, o.xid, o.shape, o.action, o.old, o.new, split_part(o.channel, E'\n', 1), nullif(split_part(o.channel, E'\n', 2), '')
                       FROM herald.difference(c.done, now_visible) o ORDER BY o.id LIMIT max_rows;
    ELSE
        RETURN QUERY
        SELECT o.id, o.xid, o.shape, CASE WHEN o.bytes > max_row THEN 'sk' ELSE o.action END, CASE WHEN o.bytes <= max_row THEN o.old END,
               CASE WHEN o.bytes <= max_row THEN o.new END, split_part(o.channel, E'\n', 1), nullif(split_part(o.channel, E'\n', 2), '')
          FROM (SELECT p.*, sum(p.bytes) OVER (ORDER BY p.id) - p.bytes AS n_before
                  FROM (SELECT d.*, coalesce(octet_length(d.old), 0) + coalesce(octet_length(d.new), 0) AS bytes FROM herald.difference(c.done, now_visible) d
                         WHERE d.id > c.reading_id ORDER BY d.id LIMIT max_rows) p) o
         WHERE o.n_before < max_bytes ORDER BY o.id;
    END IF;
END
$$;
COMMENT ON FUNCTION herald.take(int, int, boolean, bigint) IS
'For the server, first in the transaction of a batch: takes the fence and returns the outbox rows that became visible, in id order, up to
max_rows and until old and new together reach max_bytes; one over 256 MiB, which no trigger writes, as sk. Changes nothing but for listing a large backlog: store() does. No row at all:
nothing is pending. Otherwise the first row is the batch itself: id its position, xid the newest log id, action b (l: a backlog is being
listed, look again), old the snapshot, new the channel up to which a TRUNCATE was announced, channel the epoch, options the time.
max_rows 0, with messages: the outbox is not looked at, and the snapshot is NULL. this_term: what open() returned; NULL: of no leader, which
takes no rows. SQLSTATE 55000: call open().';

CREATE FUNCTION herald.heads(names text[]) RETURNS SETOF bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off AS $$
    WITH known AS MATERIALIZED (
        -- OFFSET 0: one index probe per channel, never a join with all channels there are.
        SELECT n.name, n.nth, k.floor
          FROM unnest(names) WITH ORDINALITY n(name, nth)
          LEFT JOIN LATERAL (SELECT x.floor FROM herald.channel x WHERE x.name = n.name COLLATE "C" OFFSET 0) k ON true
    ), created AS (
        INSERT INTO herald.channel (name) SELECT k.name FROM known k WHERE k.floor IS NULL
    )
    SELECT greatest(coalesce(k.floor, 0),
               coalesce((SELECT l.channel_offset FROM herald.log l WHERE l.channel = k.name COLLATE "C" ORDER BY l.channel_offset DESC LIMIT 1), 0))
      FROM known k ORDER BY k.nth
$$;
COMMENT ON FUNCTION herald.heads(text[]) IS
'For the server, between take() and store(): the newest offsets of some channels, each named once, in their order; 0 for one that is
new, which exists from now on.';

CREATE FUNCTION herald.emptied(template text, after text, max_rows int) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off AS $$
    SELECT x.name FROM herald.channel x
     WHERE herald.is_short_template(template) AND x.name > after COLLATE "C"
       AND x.name >= herald.template_prefix(template) COLLATE "C" AND x.name < (herald.template_prefix(template) || chr(1114111)) COLLATE "C"
       AND x.name ~ herald.template_pattern(template)
     ORDER BY x.name LIMIT max_rows
$$;
COMMENT ON FUNCTION herald.emptied(text, text, int) IS
'For the server: the channels there are of a template whose table was truncated, by name, after one.';

CREATE FUNCTION herald.store(batch text, batch_position bigint, this_epoch text, seen pg_snapshot, last_id bigint, last_channel text, is_all boolean,
                             at timestamptz, channels text[], offsets bigint[], payloads json[], options json[], clients json[], xids xid8[],
                             shapes bigint[], kepts json[], n_messages int, senders text[] DEFAULT NULL, keys text[] DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off AS $$
DECLARE
    n_events int := coalesce(cardinality(channels), 0);
    base     bigint;
    actions  text[] := array_fill('event'::text, ARRAY[n_events - n_messages]) || array_fill('message'::text, ARRAY[n_messages]);
BEGIN
    -- The cursor first. If the newest is not the one that take() saw, that one's next position is taken; or it is no longer there.
    INSERT INTO herald.cursor AS x (position, batch, id, done, reading, reading_fill, listed_xid, listed_id, reading_id, reading_channel)
    SELECT c.position + 1, store.batch, c.id + n_events, CASE WHEN c.is_all THEN seen ELSE c.done END, CASE WHEN NOT c.is_all THEN coalesce(seen, c.reading) END,
           CASE WHEN NOT c.is_all THEN c.reading_fill END, c.listed_xid, c.listed_id,
           CASE WHEN c.is_all THEN 0 ELSE coalesce(last_id, c.reading_id) END, last_channel
      FROM (SELECT k.*, store.is_all AND k.listed_xid IS NULL AS is_all FROM herald.cursor k, herald.state s
             WHERE k.position = batch_position AND s.epoch = this_epoch) c
        ON CONFLICT DO NOTHING RETURNING x.id - n_events INTO base;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'herald: another server sequenced between take() and store()' USING ERRCODE = '55000', HINT = 'Call herald.open().';
    END IF;
    -- In a SELECT list each array comes row by row; in FROM each would be written to a store of its own first. What is missing in a shorter one
    -- is NULL: of channels, offsets and payloads the log's columns refuse it.
    INSERT INTO herald.log (id, channel, channel_offset, epoch, at, action, client, options, payload, xid, shape, kept)
    SELECT generate_series(base + 1, base + n_events), unnest(channels), unnest(offsets), this_epoch, store.at, unnest(actions),
           unnest(clients), unnest(options), unnest(payloads), unnest(xids), unnest(shapes), unnest(kepts);
    -- In the same transaction as the message: a key without it would swallow the next try, it without a key would double it.
    IF keys IS NOT NULL THEN
        INSERT INTO herald.sent (sender, key, channel, channel_offset, epoch, at)
        SELECT e.sender, e.key, e.channel, e.channel_offset, this_epoch, store.at
          FROM unnest(senders, keys, channels, offsets) e(sender, key, channel, channel_offset) WHERE e.key IS NOT NULL;
    END IF;
END
$$;
COMMENT ON FUNCTION herald.store(text, bigint, text, pg_snapshot, bigint, text, boolean, timestamptz, text[], bigint[], json[], json[], json[], xid8[], bigint[], json[], int, text[], text[]) IS
'For the server, last in the transaction of a batch: appends events to the log, with dense ids in the order given, the last n_messages of
them messages, and moves the cursor. batch: for find_batch(). batch_position, this_epoch, seen, at: as take() said. last_id: the last outbox row that
is done, NULL: none; last_channel: if not empty, the channel up to which the TRUNCATE behind it was announced; is_all: all that take() saw is
done. seen NULL, with is_all false: of the outbox nothing is done. senders, keys: of messages that are sent once, see find_sent(). Arrays of what no event has may be NULL. SQLSTATE 55000: nothing was stored, call open(). Class 22: a payload is not JSON. Class 23:
channels, offsets and payloads have not one length (of the others a shorter array counts as NULL where it ends). Fan out only when COMMIT has answered COMMIT.';

CREATE FUNCTION herald.find_batch(batch text) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.id FROM herald.cursor c WHERE c.batch = find_batch.batch ORDER BY c.position DESC LIMIT 1
$$;
COMMENT ON FUNCTION herald.find_batch(text) IS
'For the server whose connection was lost during COMMIT: the newest log id of that batch, or NULL if it was not committed.
The last thousand batches are known.';

CREATE FUNCTION herald.sequenced(seen pg_snapshot) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
    SELECT c.id FROM (SELECT * FROM herald.cursor k ORDER BY k.position DESC LIMIT 1) c
     WHERE NOT EXISTS (SELECT FROM herald.difference(c.done, seen))
$$;
COMMENT ON FUNCTION herald.sequenced(pg_snapshot) IS
'For a server that does not lead: the newest log id, if all that this snapshot saw in the outbox is in the log by now; otherwise NULL, ask again.';

-- ---------------------------------------------------------------------------------------------------- the doorbell

-- A writer must not have to NOTIFY: that serialises the commits of the whole cluster. So it rings only while a server sleeps
-- that will hear it. Three kinds of advisory locks (1751478881, key) tell; 2 is the leading server's:
--
--   1        the doorbell. Exclusively: a server sleeps. Shared until his commit: a writer who found nobody asleep.
--   3        silence. Shared until his commit: a writer who found the doorbell taken, but nobody who lives.
--   16..143  the lease: a key for each two seconds (slot) of Postgres' clock. A sleeping server holds the keys of this slot and
--            of the next exclusively and moves on every second. One that stands still (SIGSTOP, a paused machine, a dead network)
--            keeps the doorbell, but the clock leaves its keys behind, two to four seconds later.
--
--   try_sleep   takes 1; the lease of now; 3, for a moment. Then a look, then sleep.
--   stay_asleep while now is in the lease: moves it. Otherwise the server wakes: 1 and the lease go, and it begins anew.
--   a writer    after his INSERT shares 1. Refused: shares the lease of now; refused: he rings. Got it: shares 3, looks at the
--               clock once more, and if it is still the same slot he is silent; otherwise he rings.
--
-- No wake-up is lost. Let T be the moment at which try_sleep had 3, and consider a writer who commits without a NOTIFY and
-- whose row the look after T does not find, so that he ends after T (a transaction's locks end after it is visible):
--   * He shares 1. The server took it before T, so he would have ended before T.
--   * He is silent, and shared 3 before T: then he would have ended before T.
--   * He is silent, and shared 3 after T. He holds the key of slot n, and the clock was in n after that. A sleeper whose lease was
--     valid then had that key: one of them would have been refused. So the lease had run out, and n lies behind it; hence
--     so does the next stay_asleep: it says no, the server looks on, and its next try_sleep has another T: the first three points.
-- So a server that was late wakes within a second after it goes on (the time between two calls of stay_asleep), and then finds
-- whatever happened meanwhile. A writer who rings does so at his commit, and nobody relies on another's ring: it may be
-- rolled back, or come in an hour. Savepoints: what a subtransaction locked, notified and wrote goes together. A prepared
-- transaction keeps its locks, a cancelled or killed one loses them with its rows. The keys are per database, like the outbox.
-- tests/sql/doorbell-model.js walks through all interleavings; if Postgres' clock is set, a lease may be misjudged, for a second.
--
-- Advisory locks have no ACL. Who holds one of these makes the server look every 50 ms; it takes two (1 and the lease, or
-- 1 and 3) to make writers ring though nobody sleeps. herald.status names such sessions. Keys repeat after 256 seconds, so that a
-- transaction that goes on beside a server that stands still takes 128 of them at most, not one every two seconds; for that one that stands still
-- is taken for alive four seconds of each 256.

CREATE FUNCTION herald.doorbell_slot() RETURNS int
LANGUAGE sql VOLATILE AS $$
    SELECT 16 OPERATOR(pg_catalog.+) (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())::pg_catalog.int8
                                      OPERATOR(pg_catalog./) 2 OPERATOR(pg_catalog.%) 128)::pg_catalog.int4
$$;
COMMENT ON FUNCTION herald.doorbell_slot() IS 'Internal: the key of the doorbell''s lease for these two seconds.';

CREATE FUNCTION herald.doorbell_obstacle() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN lower(s.doorbell) IN ('on', 'true', 'yes', '1') THEN NULL
        WHEN lower(s.doorbell) IN ('off', 'false', 'no', '0') THEN 'the setting herald.doorbell is off'
        WHEN s.n_prepared::int > 0 THEN format('max_prepared_transactions is %s, and PREPARE TRANSACTION fails after a NOTIFY', s.n_prepared)
        END
      FROM (SELECT current_setting('herald.doorbell', true) AS doorbell, current_setting('max_prepared_transactions') AS n_prepared) s
$$;
COMMENT ON FUNCTION herald.doorbell_obstacle() IS
'Why writers do not ring, so that the server looks every 10 ms instead of sleeping; NULL: they ring. ALTER DATABASE … SET
herald.doorbell = on or off decides; unset, they do not where max_prepared_transactions is more than 0, because Postgres
refuses to PREPARE a transaction that has sent a NOTIFY.';

CREATE FUNCTION herald.try_sleep() RETURNS int
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    now_slot  int := herald.doorbell_slot();
    next_slot int := 16 + (now_slot - 15) % 128;
BEGIN
    IF pg_try_advisory_lock(1751478881, 1) THEN
        IF pg_try_advisory_lock(1751478881, now_slot) THEN
            IF pg_try_advisory_lock(1751478881, next_slot) THEN
                IF pg_try_advisory_xact_lock(1751478881, 3) THEN
                    RETURN now_slot;
                END IF;
                PERFORM pg_advisory_unlock(1751478881, next_slot);
            END IF;
            PERFORM pg_advisory_unlock(1751478881, now_slot);
        END IF;
        PERFORM pg_advisory_unlock(1751478881, 1);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION herald.try_sleep() IS
'For the server: from now on writers ring. NULL: some are under way that would not; look on and try again. Otherwise every writer
that will not ring is visible, so look once more, then sleep; what it returns is for stay_asleep(), within a second, and wake().';

CREATE FUNCTION herald.stay_asleep(slot int) RETURNS int
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    now_slot  int := herald.doorbell_slot();
    next_slot int := 16 + (slot - 15) % 128;
BEGIN
    IF now_slot = slot THEN
        RETURN slot;
    ELSIF now_slot = next_slot AND pg_try_advisory_lock(1751478881, 16 + (next_slot - 15) % 128) THEN
        PERFORM pg_advisory_unlock(1751478881, slot);
        RETURN next_slot;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION herald.stay_asleep(int) IS
'For the server, every second while it sleeps, with what the last call or try_sleep() returned. NULL: it stood still for
so long that writers took it for dead and did not ring; call wake(), look, then try_sleep().';

CREATE FUNCTION herald.wake(slot int) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_advisory_unlock(1751478881, slot), pg_advisory_unlock(1751478881, 16 + (slot - 15) % 128), pg_advisory_unlock(1751478881, 1)
$$;
COMMENT ON FUNCTION herald.wake(int) IS 'For the server: writers need not ring any more. With what stay_asleep() or try_sleep() returned last.';

-- Called when the doorbell's lock was refused, under the writer's search_path: no SET clause (each costs as much as all locks
-- here), but a schema before every name. CASE keeps the order, and one expression costs less than three.
CREATE FUNCTION herald.ring() RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    slot pg_catalog.int4 := herald.doorbell_slot();
BEGIN
    IF (CASE WHEN NOT pg_catalog.pg_try_advisory_xact_lock_shared(1751478881, slot) THEN true
             WHEN NOT pg_catalog.pg_try_advisory_xact_lock_shared(1751478881, 3) THEN true
             ELSE herald.doorbell_slot() OPERATOR(pg_catalog.<>) slot END) THEN
        -- A full queue, which anybody can bring about, would fail the commit. NOTIFY is a statement, which nobody can revoke.
        IF (CASE WHEN herald.doorbell_obstacle() IS NULL THEN pg_catalog.pg_notification_queue_usage() OPERATOR(pg_catalog.<) 0.5::pg_catalog.float8 END) THEN
            NOTIFY herald;
        END IF;
    END IF;
END
$$;
COMMENT ON FUNCTION herald.ring() IS 'Internal: wakes the sequencer if it sleeps and lives; after the INSERT into the outbox, when its lock was refused.';

GRANT EXECUTE ON FUNCTION herald.open(bigint, text), herald.lead(boolean), herald.try_lead(), herald.leader(), herald.resign(), herald.depose(text), herald.follow(), herald.sequenced(pg_snapshot), herald.take(int, int, boolean, bigint), herald.heads(text[]),
    herald.emptied(text, text, int), herald.store(text, bigint, text, pg_snapshot, bigint, text, boolean, timestamptz, text[], bigint[], json[], json[], json[], xid8[], bigint[], json[], int, text[], text[]),
    herald.find_batch(text), herald.doorbell_obstacle(), herald.try_sleep(), herald.stay_asleep(int), herald.wake(int) TO herald_server;
GRANT EXECUTE ON FUNCTION herald.ring(), herald.doorbell_obstacle(), herald.doorbell_slot() TO herald_capture;

-- The first epoch and the first cursor: what is captured from now on counts, long before a server comes.
DO $$ BEGIN PERFORM herald.open(NULL); END $$;
INSERT INTO herald.schema_step (step, name) VALUES (7, 'sequencer');
RESET ROLE;
