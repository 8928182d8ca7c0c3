-- SPDX-License-Identifier: PostgreSQL
--
-- Step 8: reading the log, and keeping it small: catch-up, resume, history, sweep, trim, figures.
--
-- **Reads are bounded by rows and bytes**, whatever a caller asks for, and what does not fit is found out without reading
-- more than one payload too many. The functions are STABLE, so all their statements see one snapshot: rows and head agree.
-- Rows come as they are, whomever they are for: one judge, in the server, decides who may see what, and what was read for
-- one client serves the next. How far back a read goes for the sake of a history is bounded, or one client of a channel full
-- of events for others could keep the database busy.
--
-- **Trimming** keeps of each channel the newest message_history events of its rule for ever, and all else for the
-- retention. It never scans the log. It walks, in bounded steps, over three things and judges the channels it meets:
--
--   aged     log rows that became older than the retention since the last step (ids and times rise together),
--   fresh    log rows that are new since the last step: they push their channel's oldest survivors out,
--   rejudge  after a rule changed: the channels that have survivors, by name.
--
-- So each row is looked at a fixed number of times in its life, and a quiet room keeps its last N events for years and costs
-- nothing. What is removed is always the lowest part of a channel; `floor` remembers how far, so that the head outlives its
-- rows and a resume from before the floor is told that there is a gap.

SET LOCAL ROLE herald_owner;
SET LOCAL search_path = pg_catalog;

-- ------------------------------------------------------------------------------------------------------ reading

CREATE FUNCTION herald.read_log(after bigint, max_rows int, max_bytes int)
    RETURNS TABLE (id bigint, channel text, channel_offset bigint, at text, action text, client text, options text, payload text,
                   xid text, shape bigint, kept text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
    l       record;
    n_rows  int := 0;
    n_bytes bigint := 0;
BEGIN
    FOR l IN SELECT g.* FROM herald.log g WHERE g.id > after ORDER BY g.id LIMIT max_rows LOOP
        payload := l.payload::text;
        n_rows := n_rows + 1;
        n_bytes := n_bytes + octet_length(payload) + coalesce(octet_length(l.kept::text), 0);
        EXIT WHEN n_bytes > max_bytes AND n_rows > 1;
        id := l.id;
        channel := l.channel;
        channel_offset := l.channel_offset;
        at := herald.rfc3339(l.at);
        action := l.action;
        client := l.client::text;
        options := l.options::text;
        xid := l.xid::text;
        shape := l.shape;
        kept := l.kept::text;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION herald.read_log(bigint, int, int) IS
'For the server: the log after an id, in order, up to max_rows rows and max_bytes of payload, at least one row if there is any.
kept, which no client may get, counts as payload.';

CREATE FUNCTION herald.head_of(channel text) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT greatest(
        coalesce((SELECT c.floor FROM herald.channel c WHERE c.name = head_of.channel COLLATE "C"), 0),
        coalesce((SELECT l.channel_offset FROM herald.log l WHERE l.channel = head_of.channel COLLATE "C" ORDER BY l.channel_offset DESC LIMIT 1), 0))
$$;
COMMENT ON FUNCTION herald.head_of(text) IS 'Internal: a channel''s newest offset, 0 if it never had one.';

CREATE FUNCTION herald.newest_after(channel text, max_rows int, max_bytes int) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    max_passed       CONSTANT int := 5000;
    max_passed_bytes CONSTANT int := 8388608;
    l              record;
    n_rows         int := 0;
    n_bytes        bigint := 0;
    n_passed_bytes bigint := 0;
    after          bigint;
BEGIN
    FOR l IN SELECT g.channel_offset, octet_length(g.payload::text) + coalesce(octet_length(g.client::text), 0) AS bytes, coalesce(octet_length(g.kept::text), 0) AS kept_bytes,
                    g.options IS NULL OR g.options ->> 'dbo_id' IS NULL AND g.options ->> 'authenticated' IS DISTINCT FROM 'true' AS is_for_all
               FROM herald.log g WHERE g.channel = newest_after.channel COLLATE "C"
              ORDER BY g.channel_offset DESC LIMIT greatest(max_rows, 0)::bigint + max_passed LOOP
        EXIT WHEN n_rows >= max_rows;
        IF l.is_for_all THEN
            n_rows := n_rows + 1;
            n_bytes := n_bytes + l.bytes;
        ELSE
            n_passed_bytes := n_passed_bytes + l.bytes;
        END IF;
        n_passed_bytes := n_passed_bytes + l.kept_bytes; -- no client gets it, but the server does
        EXIT WHEN n_bytes > max_bytes OR n_passed_bytes > max_passed_bytes;
        after := l.channel_offset - 1;
    END LOOP;
    RETURN after;
END
$$;
COMMENT ON FUNCTION herald.newest_after(text, int, int) IS
'Internal: the offset behind which there are the newest max_rows events for everybody of a channel, within max_bytes; NULL: none.
Passes over at most 5000 events for somebody, and 8 MiB of them and of kept columns.';

CREATE FUNCTION herald.read_channel(channel text, kind text, max_rows int, max_bytes int, since_epoch text, since_offset bigint,
                                    max_missed int DEFAULT 100000)
    RETURNS TABLE (epoch text, head bigint, gap boolean, id bigint, channel_offset bigint, at text, action text, client text, options text, payload text,
                   xid text, shape bigint, kept text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
    wanted CONSTANT text := read_channel.channel;
    after           bigint;
    n_bytes         bigint := 0;
    l               record;
BEGIN
    SELECT s.epoch INTO epoch FROM herald.state s;
    head := herald.head_of(wanted);
    gap := false;
    IF kind = 'last' THEN
        after := herald.newest_after(wanted, max_rows, max_bytes);
        max_rows := NULL;
        max_bytes := NULL;
    ELSIF kind = 'since' THEN
        gap := coalesce(since_epoch <> epoch OR since_offset > head OR since_offset < 0 OR head - since_offset > max_missed
                        OR since_offset < (SELECT c.floor FROM herald.channel c WHERE c.name = wanted COLLATE "C"),
                        since_epoch IS NULL OR since_offset IS NULL);
        after := CASE WHEN NOT gap THEN since_offset END;
    ELSIF kind IS DISTINCT FROM 'head' THEN
        RAISE EXCEPTION 'herald: read_channel() reads head, last or since' USING ERRCODE = '22023';
    END IF;
    FOR l IN SELECT g.* FROM herald.log g WHERE g.channel = wanted COLLATE "C" AND g.channel_offset > after
              ORDER BY g.channel_offset LIMIT max_rows LOOP
        payload := l.payload::text;
        n_bytes := n_bytes + octet_length(payload) + coalesce(octet_length(l.client::text), 0) + coalesce(octet_length(l.kept::text), 0);
        EXIT WHEN n_bytes > max_bytes AND id IS NOT NULL;
        id := l.id;
        channel_offset := l.channel_offset;
        at := herald.rfc3339(l.at);
        action := l.action;
        client := l.client::text;
        options := l.options::text;
        xid := l.xid::text;
        shape := l.shape;
        kept := l.kept::text;
        RETURN NEXT;
    END LOOP;
    IF id IS NULL THEN
        payload := NULL;
        RETURN NEXT;
    END IF;
END
$$;
COMMENT ON FUNCTION herald.read_channel(text, text, int, int, text, bigint, int) IS
'For the server: a channel''s epoch and head, and of one snapshot with them, oldest first and without a hole, the newest events (kind
last: so many that max_rows for everybody are among them, within max_bytes of those; passes over at most 5000 events for somebody,
and 8 MiB of them), or a page of those after since_offset (kind since: max_rows, within max_bytes; one always fits). Whom an event is
for stands in options, and it is for the server to judge who may see it. Always at least one row; without an event its id is NULL.
gap: what is missing since then cannot be told: another epoch, trimmed, ahead of the head, or more than max_missed events.';

CREATE FUNCTION herald.history(channel text, n int DEFAULT 100)
    RETURNS TABLE (channel_offset bigint, at timestamptz, action text, client json, payload json)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT h.channel_offset, h.at, h.action, h.client, h.payload
      FROM (SELECT l.channel_offset, l.at, l.action, l.client, l.payload FROM herald.log l
             WHERE l.channel = history.channel COLLATE "C" ORDER BY l.channel_offset DESC LIMIT greatest(n, 0)) h
     ORDER BY h.channel_offset
$$;
COMMENT ON FUNCTION herald.history(text, int) IS
'The newest n events of a channel, oldest first, whomever they were for. The columns are json and not jsonb, because a client may
have sent what jsonb refuses (a null character, 1e400).';

CREATE FUNCTION herald.channels(pattern text DEFAULT NULL, max_rows int DEFAULT 1000)
    RETURNS TABLE (channel text, head bigint, kept bigint, last_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.name COLLATE "default", greatest(l.channel_offset, c.floor), coalesce(l.channel_offset - c.floor, 0), l.at
      FROM herald.channel c
      LEFT JOIN LATERAL (SELECT x.channel_offset, x.at FROM herald.log x WHERE x.channel = c.name ORDER BY x.channel_offset DESC LIMIT 1) l ON true
     WHERE c.name <> '*' AND NOT starts_with(c.name, 'herald.')
       AND (pattern IS NULL OR c.name LIKE replace(replace(replace(replace(pattern, E'\\', E'\\\\'), '%', E'\\%'), '_', E'\\_'), '*', '%') COLLATE "C")
     ORDER BY c.name LIMIT greatest(max_rows, 0)
$$;
COMMENT ON FUNCTION herald.channels(text, int) IS
'The channels that ever had a durable event, the first max_rows by name: head, the offset of the newest; how many of them the log still has (kept),
and when the newest of those came (last_at). pattern: a star stands for any text. What was said there it does not tell.';

-- --------------------------------------------------------------------------------------------------- housekeeping

CREATE FUNCTION herald.sweep() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off AS $$
DECLARE
    max_rows CONSTANT int := 50000;
    newest   herald.cursor;
    swept    xid8;
    behind   xid8;
    n_rows   bigint;
    last_xid xid8;
BEGIN
    SELECT * INTO newest FROM herald.cursor c ORDER BY c.position DESC LIMIT 1;
    behind := pg_snapshot_xmin(newest.done);
    -- Where this session's last sweep ended: without it each one would walk again over all entries of the index that are
    -- dead but not yet vacuumed. A new session starts at the beginning.
    swept := coalesce(nullif(current_setting('herald.swept', true), ''), '0')::xid8;
    IF swept > behind THEN
        swept := '0';
    END IF;
    WITH doomed AS MATERIALIZED (
        SELECT o.xid, o.id FROM herald.outbox o WHERE o.xid >= swept AND o.xid < behind ORDER BY o.xid, o.id LIMIT max_rows
    ), gone AS (
        DELETE FROM herald.outbox o USING doomed d WHERE o.xid = d.xid AND o.id = d.id
    )
    SELECT count(*), (SELECT d.xid FROM doomed d ORDER BY d.xid DESC LIMIT 1) INTO n_rows, last_xid FROM doomed;
    PERFORM set_config('herald.swept', CASE WHEN n_rows = max_rows THEN last_xid ELSE behind END::text, false);
    DELETE FROM herald.cursor c WHERE c.position < newest.position - 1000;
    DELETE FROM herald.backlog b USING (SELECT x.fill, x.block, x.xid FROM herald.backlog x ORDER BY x.fill, x.block, x.xid LIMIT max_rows) d
     WHERE b.fill = d.fill AND b.block = d.block AND b.xid = d.xid
       -- Not what was listed since the cursor was read above: the sequencer goes on meanwhile.
       AND (newest.reading_fill IS NULL AND b.fill <= newest.position
            OR b.fill < newest.reading_fill OR b.fill = newest.reading_fill AND b.block < newest.reading_id / 1000);
    -- Keys of messages that are sent once: nobody tries for more than an hour.
    DELETE FROM herald.sent s USING (SELECT x.sender, x.key, x.channel FROM herald.sent x
                                      WHERE x.at < now() - interval '1 hour' ORDER BY x.at LIMIT max_rows) d
     WHERE s.sender = d.sender AND s.key = d.key AND s.channel = d.channel;
    -- Nodes that are gone, and who was connected to them.
    DELETE FROM herald.member m USING herald.node n
     WHERE m.node = n.id AND NOT EXISTS (SELECT FROM herald.live_nodes() l WHERE l.id = n.id);
    DELETE FROM herald.node n WHERE NOT EXISTS (SELECT FROM herald.live_nodes() l WHERE l.id = n.id)
                                AND n.since < now() - interval '10 seconds';
    DELETE FROM herald.remark r WHERE r.at < now() - interval '1 minute';
    -- Shapes. A writer who was in the middle of a statement when his function was replaced goes on with the old one: so a day later.
    -- A migration that stays open may have one of them in hand, and clients' reads wait behind us: so nobody is waited for.
    UPDATE herald.shape s SET last_id = newest.id
      FROM (SELECT x.number FROM herald.shape x
             WHERE x.last_id IS NULL AND x.retired_by < behind AND x.retired_at < now() - interval '1 day' FOR UPDATE SKIP LOCKED) d
     WHERE s.number = d.number;
    DELETE FROM herald.shape s
     USING (SELECT x.number FROM herald.shape x
             WHERE x.retired_by IS NOT NULL AND x.last_id < coalesce((SELECT min(l.id) FROM herald.log l), x.last_id + 1) FOR UPDATE SKIP LOCKED) d
     WHERE s.number = d.number;
    RETURN n_rows;
END
$$;
COMMENT ON FUNCTION herald.sweep() IS
'For the server, every few seconds: removes outbox rows behind the cursor (at most 50 000), old cursors, what is done of the
backlog, keys of messages that were sent an hour ago, nodes that are gone and their members, what is said no more, and shapes that nothing in outbox and log has any more. Returns how many outbox rows: after 50 000 call it again soon.';

CREATE FUNCTION herald.kept(channel text) RETURNS int
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((
        SELECT r.message_history FROM herald.rule r
         WHERE r.active AND (r.channel = kept.channel COLLATE "C"
                             OR r.channel LIKE '%*' AND starts_with(kept.channel, rtrim(r.channel, '*'))
                                AND (r.channel = '*' OR octet_length(kept.channel) >= octet_length(r.channel)))
         ORDER BY r.channel = kept.channel COLLATE "C" DESC, octet_length(r.channel) DESC LIMIT 1), 0)
$$;
COMMENT ON FUNCTION herald.kept(text) IS 'Internal: how many events of a channel are kept for ever.';

CREATE FUNCTION herald.trim_channels(names text[], max_rows int) RETURNS int
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off AS $$
    WITH judged AS MATERIALIZED (
        SELECT c.name, c.floor, least(c.aged, herald.head_of(c.name) - herald.kept(c.name)) AS last_offset
          FROM unnest(names) n(name) JOIN herald.channel c ON c.name = n.name COLLATE "C"
         WHERE c.aged > c.floor
    ), doomed AS MATERIALIZED (
        SELECT l.id, l.channel, l.channel_offset
          FROM judged j
         CROSS JOIN LATERAL (SELECT x.id, x.channel, x.channel_offset FROM herald.log x
                              -- Above the floor: below it the index still has the entries of what was removed before.
                              WHERE x.channel = j.name AND x.channel_offset > j.floor AND x.channel_offset <= j.last_offset
                              ORDER BY x.channel_offset LIMIT max_rows) l
         LIMIT max_rows
    ), gone AS (
        DELETE FROM herald.log l USING doomed d WHERE l.id = d.id
    ), raised AS (
        UPDATE herald.channel c SET floor = d.last_offset
          FROM (SELECT x.channel, max(x.channel_offset) AS last_offset FROM doomed x GROUP BY x.channel) d WHERE c.name = d.channel
    )
    SELECT count(*)::int FROM doomed
$$;
COMMENT ON FUNCTION herald.trim_channels(text[], int) IS
'Internal: removes what is older than the retention and not among the newest that the rule keeps; returns how many rows.';

CREATE FUNCTION herald.trim(retention interval, max_rows int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off AS $$
DECLARE
    max_steps CONSTANT int := 25;
    p         herald.trim_position;
    names     text[];
    last_id   bigint;
    last_name text;
    n_removed bigint := 0;
    n_left    int;
    n_window  int;
    is_idle   boolean;
BEGIN
    IF max_rows < 1 THEN
        RAISE EXCEPTION 'herald: trim() needs a positive limit' USING ERRCODE = '22023';
    END IF;
    FOR step IN 1 .. max_steps LOOP
        SELECT * INTO p FROM herald.trim_position t FOR UPDATE SKIP LOCKED;
        IF p.told_at IS NULL OR p.keeps IS DISTINCT FROM retention THEN
            UPDATE herald.trim_position t SET keeps = retention, told_at = now() WHERE t.one = p.one;
        END IF;
        EXIT WHEN NOT FOUND OR retention IS NULL OR n_removed >= max_rows;
        is_idle := p.rejudge IS NULL;
        -- An aged event pushes out one survivor at most, so half a limit's worth of rows fits the limit, and the position
        -- can move. (Only after a rule began to keep less it may not: then the same rows again.)
        n_left := max_rows - n_removed;
        n_window := greatest(1, n_left / 2);

        SELECT array_agg(DISTINCT w.channel), max(w.id) INTO names, last_id
          FROM (SELECT l.id, l.channel, l.at FROM herald.log l WHERE l.id > p.aged ORDER BY l.id LIMIT n_window) w
         WHERE w.at < now() - retention;
        IF last_id IS NOT NULL THEN
            UPDATE herald.channel c SET aged = w.last_offset
              FROM (SELECT l.channel, max(l.channel_offset) AS last_offset FROM herald.log l WHERE l.id > p.aged AND l.id <= last_id GROUP BY l.channel) w
             WHERE c.name = w.channel AND c.aged < w.last_offset;
            n_removed := n_removed + herald.trim_channels(names, n_left);
            -- Cut off by the limit: the same channels again next time.
            EXIT WHEN n_removed >= max_rows;
            UPDATE herald.trim_position t SET aged = last_id;
            is_idle := false;
        END IF;

        SELECT array_agg(DISTINCT w.channel), max(w.id) INTO names, last_id
          FROM (SELECT l.id, l.channel FROM herald.log l WHERE l.id > greatest(p.fresh, p.aged) ORDER BY l.id LIMIT n_window) w;
        IF last_id IS NOT NULL THEN
            n_removed := n_removed + herald.trim_channels(names, (max_rows - n_removed)::int);
            EXIT WHEN n_removed >= max_rows;
            UPDATE herald.trim_position t SET fresh = last_id;
            is_idle := false;
        END IF;

        IF p.rejudge IS NOT NULL THEN
            SELECT array_agg(w.name), max(w.name) INTO names, last_name
              FROM (SELECT c.name FROM herald.channel c WHERE c.name > p.rejudge ORDER BY c.name LIMIT n_window) w;
            n_removed := n_removed + herald.trim_channels(names, (max_rows - n_removed)::int);
            EXIT WHEN n_removed >= max_rows;
            UPDATE herald.trim_position t SET rejudge = last_name;
        END IF;
        EXIT WHEN is_idle;
    END LOOP;
    RETURN n_removed;
END
$$;
COMMENT ON FUNCTION herald.trim(interval, int) IS
'For the server, every minute: removes log rows older than the retention except the newest message_history of each channel.
Removes at most max_rows and returns how many; call it again while it returned max_rows. NULL: keep everything.';

-- ------------------------------------------------------------------------------------------------------- figures

CREATE FUNCTION herald.lag() RETURNS TABLE (pending_rows bigint, pending_bytes bigint, oldest_age interval)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off AS $$
DECLARE
    max_counted CONSTANT int := 20000;
    c           herald.cursor;
    first_id    bigint;
    last_id     bigint;
    oldest      timestamptz;
BEGIN
    SELECT * INTO c FROM herald.cursor k ORDER BY k.position DESC LIMIT 1;
    SELECT count(*), coalesce(sum(o.bytes), 0), min(o.at), min(o.id) INTO pending_rows, pending_bytes, oldest, first_id
      FROM (SELECT coalesce(octet_length(a.old), 0) + coalesce(octet_length(a.new), 0) AS bytes, a.at, a.id FROM herald.outbox a
             WHERE a.xid >= pg_snapshot_xmax(c.done) AND (a.id > c.reading_id OR NOT pg_visible_in_snapshot(a.xid, c.reading))
            UNION ALL
            SELECT coalesce(octet_length(b.old), 0) + coalesce(octet_length(b.new), 0), b.at, b.id FROM herald.outbox b
             WHERE b.xid = ANY (ARRAY(SELECT x.xid FROM pg_snapshot_xip(c.done) x(xid) WHERE pg_visible_in_snapshot(x.xid, pg_current_snapshot())))
               AND (b.id > c.reading_id OR NOT pg_visible_in_snapshot(b.xid, c.reading))
             LIMIT max_counted) o;
    oldest_age := clock_timestamp() - oldest;
    IF pending_rows = max_counted THEN
        -- A server that was away for long: counting millions each time would be a load of its own. Ids are dense but for
        -- rolled-back rows.
        SELECT s.last_value INTO last_id FROM pg_sequences s WHERE s.schemaname = 'herald' AND s.sequencename = 'outbox_id_seq';
        pending_bytes := (pending_bytes::numeric / pending_rows * greatest(pending_rows, last_id - first_id + 1))::bigint;
        pending_rows := greatest(pending_rows, last_id - first_id + 1);
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION herald.lag() IS
'Changes that are committed but not yet in the log: how many, the bytes of their rows, the age of the oldest (since the start
of its transaction). Exact up to 20 000 rows, estimated above.';

CREATE FUNCTION herald.foreign_holders() RETURNS TABLE (lock text, pid int, holder text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    -- Writers share the doorbell's lock all the time; only its exclusive holder and the leader are the server's business.
    SELECT DISTINCT h.lock, h.pid, format('%s (pid %s)', pg_get_userbyid(a.usesysid), h.pid)
      FROM herald.advisory_holders() h JOIN pg_stat_activity a ON a.pid = h.pid, herald.state s
     WHERE h.is_exclusive AND pg_get_userbyid(a.usesysid) NOT IN ('herald_server', coalesce(s.led_as, ''))
$$;
COMMENT ON FUNCTION herald.foreign_holders() IS 'Internal: who holds the server''s advisory locks exclusively and is not the server.';

CREATE FUNCTION herald.doctor_logins() RETURNS SETOF herald.finding
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'warning', 'superuser_serves', format('the server logs in as %s, %s: it should have no more rights than it needs, so let it log in as herald_server', r.rolname,
                  CASE WHEN r.rolsuper THEN 'a superuser'
                       WHEN r.rolname = 'herald_owner' THEN 'the owner of schema herald' ELSE 'a member of the owner of schema herald' END),
           'pgherald serve --database-url postgresql://herald_server@HOST/DATABASE', NULL
      FROM herald.state s JOIN pg_roles r ON r.rolname = s.led_as
     WHERE r.rolsuper OR pg_has_role(r.oid, 'herald_owner', 'MEMBER')
    UNION ALL
    SELECT CASE f.lock WHEN 'lead' THEN 'error' ELSE 'warning' END, 'lock_held', format('%s holds a lock of the server''s (%s): %s', f.holder, f.lock,
                  CASE f.lock WHEN 'lead' THEN 'no other server can serve' ELSE 'the server cannot sleep and looks for changes every 50 ms' END),
           format('Unless it is the server, end it: SELECT pg_terminate_backend(%s)', f.pid), NULL
      FROM herald.foreign_holders() f
$$;
COMMENT ON FUNCTION herald.doctor_logins() IS 'Internal, for doctor(): as whom the server logs in, and who holds its locks without being it.';

CREATE FUNCTION herald.warnings() RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT ARRAY(
        SELECT concat(f.finding, '. ', f.remedy) FROM herald.doctor_logins() f
        UNION ALL
        SELECT concat(f.finding, '. ', f.remedy)
          FROM herald.watch w CROSS JOIN LATERAL herald.surprises(w.relation) f
         WHERE w.visible = '"nobody"' AND f.cause = 'visible_nobody' AND herald.is_watched(w.relation))
$$;
COMMENT ON FUNCTION herald.warnings() IS
'For the server, and for the view status: what an operator should change, a sentence each; of all that doctor() finds, what a server looks for all the time.';

CREATE FUNCTION herald.remarks() RETURNS SETOF herald.remark
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- A standby has no unlogged tables, and can be asked all the rest.
    IF NOT pg_is_in_recovery() THEN
        RETURN QUERY SELECT r.* FROM herald.remark r WHERE r.at > clock_timestamp() - interval '30 seconds';
    END IF;
END
$$;
COMMENT ON FUNCTION herald.remarks() IS 'Internal: what servers see now; who is gone says nothing any more.';

CREATE FUNCTION herald.report(node text, causes text[], details text[]) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM herald.remark r WHERE r.node = report.node AND r.cause <> ALL (causes);
    INSERT INTO herald.remark AS r (node, cause, detail, at)
        SELECT report.node, t.cause, t.detail::json, clock_timestamp() FROM unnest(causes, details) t(cause, detail)
        ON CONFLICT ON CONSTRAINT remark_pkey DO UPDATE SET detail = EXCLUDED.detail, at = EXCLUDED.at;
$$;
COMMENT ON FUNCTION herald.report(text, text[], text[]) IS
'For the server, when it changes and every ten seconds while there is any: all that it sees and the database cannot, for doctor() and the view status.';

CREATE FUNCTION herald.figures()
    RETURNS TABLE (newest_id bigint, epoch text, last_batch_at timestamptz, pending_rows bigint, pending_bytes bigint, oldest_age interval,
                   outbox_bytes bigint, log_bytes bigint, skipped bigint, leader text, is_asleep boolean, foreign_lock_holders text[],
                   notify_queue double precision, rings boolean, event_triggers boolean, warnings text[], drain_rate bigint, drain_left interval)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.id, s.epoch, c.at, g.pending_rows, g.pending_bytes, g.oldest_age,
           pg_total_relation_size('herald.outbox'), pg_total_relation_size('herald.log'),
           (SELECT coalesce(sum(w.skipped), 0)::bigint FROM herald.watch_count w),
           (SELECT format('%s (pid %s)', pg_get_userbyid(a.usesysid), a.pid)
              FROM herald.advisory_holders() h JOIN pg_stat_activity a ON a.pid = h.pid WHERE h.lock = 'lead' AND h.is_exclusive LIMIT 1),
           EXISTS (SELECT FROM herald.advisory_holders() h WHERE h.lock = 'doorbell' AND h.is_exclusive),
           ARRAY(SELECT DISTINCT f.holder FROM herald.foreign_holders() f),
           pg_notification_queue_usage(), herald.doorbell_obstacle() IS NULL,
           EXISTS (SELECT FROM pg_event_trigger e WHERE starts_with(e.evtname, 'herald_') AND e.evtenabled <> 'D'), herald.warnings(),
           (r.detail ->> 'rate')::bigint, make_interval(secs => (r.detail ->> 'left_s')::double precision)
      FROM herald.state s CROSS JOIN herald.lag() g CROSS JOIN (SELECT * FROM herald.cursor k ORDER BY k.position DESC LIMIT 1) c
      LEFT JOIN (SELECT m.detail FROM herald.remarks() m WHERE m.cause = 'backlog' ORDER BY m.at DESC LIMIT 1) r ON true
$$;
COMMENT ON FUNCTION herald.figures() IS 'Internal: the row of the view status.';

CREATE VIEW herald.status AS SELECT * FROM herald.figures();
COMMENT ON VIEW herald.status IS 'How the sequencer is doing, for people. One row.';
COMMENT ON COLUMN herald.status.newest_id IS 'The newest id in the log';
COMMENT ON COLUMN herald.status.epoch IS 'The epoch of all offsets given out now';
COMMENT ON COLUMN herald.status.last_batch_at IS 'When the sequencer last wrote';
COMMENT ON COLUMN herald.status.pending_rows IS 'Changes that are committed but not in the log';
COMMENT ON COLUMN herald.status.pending_bytes IS 'The bytes of their rows';
COMMENT ON COLUMN herald.status.oldest_age IS 'The age of the oldest of them';
COMMENT ON COLUMN herald.status.outbox_bytes IS 'The outbox on disk';
COMMENT ON COLUMN herald.status.log_bytes IS 'The log on disk';
COMMENT ON COLUMN herald.status.skipped IS 'Changes that were not announced; herald.watches has them by table';
COMMENT ON COLUMN herald.status.leader IS 'The session of the serving server';
COMMENT ON COLUMN herald.status.is_asleep IS 'Whether writers ring just now';
COMMENT ON COLUMN herald.status.foreign_lock_holders IS
'Sessions that hold the server''s advisory locks exclusively and are not the server''s: they keep it from sleeping or from leading';
COMMENT ON COLUMN herald.status.notify_queue IS 'How full the notification queue is, 0 to 1; writers stop ringing at 0.5';
COMMENT ON COLUMN herald.status.rings IS 'Whether this session would ring the server after a write (false: herald.doorbell_obstacle() says why not)';
COMMENT ON COLUMN herald.status.event_triggers IS 'Whether schema changes are noticed by themselves; if not, call herald.refresh() after each';
COMMENT ON COLUMN herald.status.warnings IS 'What should be changed, a sentence each; the server logs them, too';
COMMENT ON COLUMN herald.status.drain_rate IS 'While the server catches up: by how many the pending rows become fewer in a second';
COMMENT ON COLUMN herald.status.drain_left IS 'How long that will take yet';

GRANT EXECUTE ON FUNCTION herald.read_log(bigint, int, int), herald.read_channel(text, text, int, int, text, bigint, int),
    herald.sweep(), herald.trim(interval, int), herald.report(text, text[], text[]) TO herald_server;
GRANT EXECUTE ON FUNCTION herald.lag(), herald.figures(), herald.warnings() TO herald_server, herald_admin;
GRANT EXECUTE ON FUNCTION herald.history(text, int) TO herald_publisher, herald_server;
GRANT EXECUTE ON FUNCTION herald.channels(text, int) TO herald_admin, herald_server;
GRANT SELECT ON herald.status TO herald_server, herald_admin;

INSERT INTO herald.schema_step (step, name) VALUES (8, 'log');
RESET ROLE;
