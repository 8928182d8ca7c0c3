-- SPDX-License-Identifier: PostgreSQL
--
-- Step 2: the tables, in the order in which an event travels.
--
--     trigger, publish ─▶ outbox ─▶ sequencer ─▶ log ─▶ server, history
--                         shape     cursor, channel
--
-- One idea rules all of them: **the hot path only inserts.** A row that is updated per batch leaves a dead version
-- behind each time, and as soon as any session of the cluster keeps an old snapshot (a dump, a forgotten psql) those
-- cannot be removed and every batch walks over all of them (measured elsewhere: 0.7 ms → 1.0 ms after 2500 batches, a
-- delete-queue 4 → 18 ms). So the cursor is appended and its newest row counts; a channel's head is max(channel_offset) of an index;
-- the outbox is swept behind the cursor, where no reader looks any more.
--
-- JSON is `json`, not `jsonb`, wherever it is stored: json keeps the text byte for byte (1e400, "\u0000" and
-- twenty-digit integers included, all of which jsonb refuses or changes). The outbox has rows as Postgres prints them: the
-- server makes JSON of them.

SET LOCAL ROLE herald_owner;
SET LOCAL search_path = pg_catalog;

-- ---------------------------------------------------------------------------------------------------- the outbox

CREATE TABLE herald.outbox (
    id      bigint GENERATED ALWAYS AS IDENTITY,
    xid     xid8        NOT NULL DEFAULT pg_current_xact_id(),
    at      timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP,
    shape   bigint,
    action  text        NOT NULL,
    old     text,
    new     text,
    channel text
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_insert_threshold = -1,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000);
-- A row lives for milliseconds: compressing it would cost the writer more than it saves.
ALTER TABLE herald.outbox ALTER COLUMN old SET STORAGE EXTERNAL, ALTER COLUMN new SET STORAGE EXTERNAL;
-- The only index, on purpose: it makes the trigger cheaper, and with a second one the planner once chose that one
-- (17 ms a batch instead of 0.04).
CREATE INDEX outbox_by_xid ON herald.outbox (xid, id);
GRANT INSERT (shape, action, old, new) ON herald.outbox TO herald_capture;

COMMENT ON TABLE herald.outbox IS
'Changes and publishes that are committed but not yet in the log. Written by triggers and publish(), emptied by sweep().
It has no CHECK constraints: each would be compiled anew for every single-row INSERT. And few columns: each costs one 1500 instructions.';
COMMENT ON COLUMN herald.outbox.id IS 'Taken before the commit: orders rows within a batch, but must never be used to find new ones';
COMMENT ON COLUMN herald.outbox.xid IS 'The writing transaction (top level); what pg_snapshot speaks of';
COMMENT ON COLUMN herald.outbox.at IS 'Start of the writing transaction; tells how old a pending row is';
COMMENT ON COLUMN herald.outbox.shape IS 'How old and new are to be read: herald.shape.number; NULL: there is no row';
COMMENT ON COLUMN herald.outbox.action IS
'i: insert. u: update. w: update that changed no announced column (only reduced rows tell). d: delete. t: truncate. p: publish.
r: rows are to be read anew: those of a table of which a part was truncated (shape), or all that somebody may see (options). a: a watch
has changed: no event, but the server looks before it tells what is in the batch. s: skipped, only counted. A second letter says that old and
new have not all captured columns. k: too large, they have the key, the template''s and the kept columns. c: too large, the template''s only. K
and C: the same, because something could not be printed. Behind s: k too large, u unprintable, t a column of the template is gone. Behind the
letters, where other triggers may have changed rows meanwhile: which version of the row was found, and which was made of it, <16385(0,1)>16385(0,7)';
COMMENT ON COLUMN herald.outbox.old IS 'The row before, as Postgres prints a record; NULL: there was none';
COMMENT ON COLUMN herald.outbox.new IS 'The row after; of a publish what travels as the frame''s payload';
COMMENT ON COLUMN herald.outbox.channel IS
'Of a publish: the channel. Of that and of r, after a line end: for whom, as herald.log.options. One column, not two, that triggers leave empty';

CREATE TABLE herald.shape (
    number      bigint PRIMARY KEY,
    watch       text NOT NULL,
    description json NOT NULL,
    retired_by  xid8,
    retired_at  timestamptz,
    last_id     bigint,
    restated    boolean NOT NULL DEFAULT false
);
CREATE INDEX shape_by_watch ON herald.shape (watch);
COMMENT ON TABLE herald.shape IS
'What the texts in the outbox mean: one row for each version of a watch, never changed. A trigger function carries the number; what
was captured under an old shape is read by that one, hours later too.';
COMMENT ON COLUMN herald.shape.number IS 'The first 8 bytes of the description''s SHA-256. From a sequence it would collide after a partial restore';
COMMENT ON COLUMN herald.shape.watch IS 'The key of the watch';
COMMENT ON COLUMN herald.shape.description IS 'Table, template, key, columns and their types, who may see the rows; names and numbers of columns, no oids. See shape_of()';
COMMENT ON COLUMN herald.shape.retired_by IS 'The transaction that wrote a newer one; NULL: in use';
COMMENT ON COLUMN herald.shape.retired_at IS 'When that was';
COMMENT ON COLUMN herald.shape.last_id IS 'No row of the log after this one has it; NULL: one may come. See sweep()';
COMMENT ON COLUMN herald.shape.restated IS
'True: who may see the rows is said by the newest shape of the watch alone. False: only who may by both. See watch(restate)';

-- ----------------------------------------------------------------------------------------------- the sequencer

CREATE TABLE herald.state (
    one       boolean PRIMARY KEY DEFAULT true CHECK (one),
    epoch     text NOT NULL,
    issued_on text NOT NULL,
    issued_by xid8 NOT NULL,
    led_by    text,
    led_as    text,
    term      bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE herald.state IS
'One row. Its row lock is the fence of the sequencer: whoever assigns offsets holds it, so that two sequencers are harmless.';
COMMENT ON COLUMN herald.state.one IS 'Always true: there is one row';
COMMENT ON COLUMN herald.state.epoch IS 'Opaque. Offsets of two epochs are not comparable';
COMMENT ON COLUMN herald.state.issued_on IS 'System identifier, timeline and database of the server that issued the epoch';
COMMENT ON COLUMN herald.state.issued_by IS 'The transaction that issued the epoch; the canary''s xmin as long as nothing was restored';
COMMENT ON COLUMN herald.state.led_by IS 'The process that called open() last: only that one can know what was delivered before a crash';
COMMENT ON COLUMN herald.state.led_as IS 'The role that it logged in as; NULL: it was no server';
COMMENT ON COLUMN herald.state.term IS 'How often open() was called: whoever led in an earlier term leads no more';

CREATE UNLOGGED TABLE herald.canary (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    epoch text NOT NULL
);
COMMENT ON TABLE herald.canary IS
'One row, unlogged: crash recovery, promotion, point-in-time recovery and base backups empty it, a dump rewrites it with
another xmin. While it is intact, no offset can have been handed out twice.';
COMMENT ON COLUMN herald.canary.one IS 'Always true: there is one row';
COMMENT ON COLUMN herald.canary.epoch IS 'The epoch that this row vouches for';

CREATE TABLE herald.cursor (
    position        bigint PRIMARY KEY,
    batch           text,
    id              bigint      NOT NULL,
    done            pg_snapshot NOT NULL,
    reading         pg_snapshot,
    reading_fill    bigint,
    listed_xid      xid8,
    listed_id       bigint,
    reading_id      bigint      NOT NULL DEFAULT 0,
    reading_channel text        NOT NULL DEFAULT '',
    at              timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
COMMENT ON TABLE herald.cursor IS 'Where the sequencer stands: append-only, the row with the highest position counts.';
COMMENT ON COLUMN herald.cursor.position IS 'Dense number of the batch';
COMMENT ON COLUMN herald.cursor.batch IS 'The server''s name of the batch, for find_batch() after a connection was lost during COMMIT';
COMMENT ON COLUMN herald.cursor.id IS 'The newest log id after this batch';
COMMENT ON COLUMN herald.cursor.done IS 'Every outbox row visible in this snapshot is in the log';
COMMENT ON COLUMN herald.cursor.reading IS 'Set while a big difference is taken in pieces: the snapshot being worked off …';
COMMENT ON COLUMN herald.cursor.reading_fill IS '… whose rows are listed in herald.backlog under this number (NULL: so few that they are not) …';
COMMENT ON COLUMN herald.cursor.listed_xid IS '… up to this transaction so far (NULL: completely) …';
COMMENT ON COLUMN herald.cursor.listed_id IS '… and this row of it';
COMMENT ON COLUMN herald.cursor.reading_id IS '… of which the rows up to this outbox id are in the log';
COMMENT ON COLUMN herald.cursor.reading_channel IS '… and of the TRUNCATE that follows, the channels up to this name';
COMMENT ON COLUMN herald.cursor.at IS 'When the batch was made';

CREATE TABLE herald.backlog (
    fill     bigint,
    block    bigint,
    xid      xid8,
    last_xid xid8 NOT NULL,
    PRIMARY KEY (fill, block, xid)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50000);
COMMENT ON TABLE herald.backlog IS
'Where the outbox rows of a difference are that is larger than a batch, in id order, which no index of the outbox has. Filled before
the first piece is taken, emptied by sweep().';
COMMENT ON COLUMN herald.backlog.fill IS 'The cursor position at which it was listed';
COMMENT ON COLUMN herald.backlog.block IS 'A thousand ids of the outbox, from block * 1000 on: a large transaction is a row for each block';
COMMENT ON COLUMN herald.backlog.xid IS 'Transactions of the difference that have rows in it: from this one …';
COMMENT ON COLUMN herald.backlog.last_xid IS '… to this one. Others between them are not of the difference';

CREATE TABLE herald.channel (
    name  text COLLATE "C" PRIMARY KEY,
    aged  bigint NOT NULL DEFAULT 0,
    floor bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 80);
COMMENT ON TABLE herald.channel IS
'Every channel that ever had a durable event. Written when a channel appears and when it is trimmed, never per event.
Rows are never deleted: an offset must not come back.';
COMMENT ON COLUMN herald.channel.name IS 'The concrete name';
COMMENT ON COLUMN herald.channel.aged IS 'Offsets up to this one are older than the retention';
COMMENT ON COLUMN herald.channel.floor IS 'Offsets up to this one were trimmed; the head is the higher of this and the log''s newest';

-- ----------------------------------------------------------------------------------------------------- the log

CREATE TABLE herald.log (
    id             bigint           PRIMARY KEY,
    channel        text COLLATE "C" NOT NULL,
    channel_offset bigint           NOT NULL,
    epoch          text             NOT NULL,
    at             timestamptz      NOT NULL,
    action         text             NOT NULL,
    client         json,
    options        json,
    payload        json             NOT NULL,
    xid            xid8,
    shape          bigint,
    kept           json
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50000);
CREATE UNIQUE INDEX log_by_channel ON herald.log (channel, channel_offset);
COMMENT ON TABLE herald.log IS
'The history: every durable event in its final order. Rows are only inserted, and removed by trim().';
COMMENT ON COLUMN herald.log.id IS 'Dense position over all channels: 1, 2, 3 …';
COMMENT ON COLUMN herald.log.channel IS
'The concrete channel. Collation C, so that no upgrade of the system''s collations can damage the index; when joining it with a
column of yours, write COLLATE "C" behind that one. A star, which no channel is called: rows are to be read anew, those of shape, or
of whom options names';
COMMENT ON COLUMN herald.log.channel_offset IS 'The offset: dense position in the channel, from 1';
COMMENT ON COLUMN herald.log.epoch IS 'The epoch in which the offset was given out';
COMMENT ON COLUMN herald.log.at IS 'When the sequencer took the event, to the millisecond';
COMMENT ON COLUMN herald.log.action IS 'event: a row change or a publish. message: a client sent it';
COMMENT ON COLUMN herald.log.client IS 'Who sent it, as told to clients; NULL: the database';
COMMENT ON COLUMN herald.log.options IS
'For whom: NULL everybody; {"authenticated":true} clients with an identity; {"dbo_id":12} those of one table;
{"dbo_id":12,"row_id":"34"} one user';
COMMENT ON COLUMN herald.log.payload IS 'A message: byte for byte as the client wrote it. A change: the values as Postgres prints them';
COMMENT ON COLUMN herald.log.xid IS 'The transaction that changed the row or published (top level); NULL: a message';
COMMENT ON COLUMN herald.log.shape IS 'How the row was captured: herald.shape.number; NULL: no row';
COMMENT ON COLUMN herald.log.kept IS 'The columns that watch() was told to keep, {"new":…,"old":…}: for the server alone, no client gets them';

CREATE TABLE herald.trim_position (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    aged    bigint NOT NULL DEFAULT 0,
    fresh   bigint NOT NULL DEFAULT 0,
    rejudge text COLLATE "C",
    keeps   interval,
    told_at timestamptz
);
COMMENT ON TABLE herald.trim_position IS 'How far trim() has come; see there. One row.';
COMMENT ON COLUMN herald.trim_position.one IS 'Always true: there is one row';
COMMENT ON COLUMN herald.trim_position.aged IS 'Log ids up to this one were found older than the retention and judged';
COMMENT ON COLUMN herald.trim_position.fresh IS 'New log ids up to this one have pushed their channels'' survivors out';
COMMENT ON COLUMN herald.trim_position.rejudge IS 'A rule changed: channels after this name are still to be judged again; NULL: none';
COMMENT ON COLUMN herald.trim_position.keeps IS 'The retention, as the server that leads was told; NULL: everything is kept';
COMMENT ON COLUMN herald.trim_position.told_at IS 'Since when it is so; NULL: no server has trimmed yet';

-- ------------------------------------------------------------------------------------- rules and the server's gate

CREATE TABLE herald.rule (
    channel           text COLLATE "C" PRIMARY KEY,
    anonymous_clients boolean NOT NULL DEFAULT false,
    public_messaging  boolean NOT NULL DEFAULT false,
    public_auth       boolean NOT NULL DEFAULT false,
    private_messaging boolean NOT NULL DEFAULT false,
    private_auth      boolean NOT NULL DEFAULT false,
    auth_channel      boolean NOT NULL DEFAULT false,
    presence          boolean NOT NULL DEFAULT false,
    message_history   int     NOT NULL DEFAULT 0 CHECK (message_history >= 0),
    active            boolean NOT NULL DEFAULT true,
    authorize         text,
    on_join           text,
    on_message        text,
    on_leave          text,
    on_connect        text,
    on_disconnect     text,
    messages_per_minute int NOT NULL DEFAULT 0 CHECK (messages_per_minute >= 0)
);
-- Functions are kept by name: pg_upgrade refuses a cluster whose tables have regprocedure columns, and a restore that
-- leaves out the functions would fail. What the name stands for is judged at every call.
COMMENT ON TABLE herald.rule IS
'Settings for one channel name or a pattern: prefix/*, schema.* or *. The exact name wins, then the longest literal prefix.';
COMMENT ON COLUMN herald.rule.channel IS 'A name, or a pattern that ends in a star';
COMMENT ON COLUMN herald.rule.anonymous_clients IS 'Clients without an identity may join';
COMMENT ON COLUMN herald.rule.public_messaging IS 'Clients may send to the channel';
COMMENT ON COLUMN herald.rule.public_auth IS 'Only clients with an identity may send';
COMMENT ON COLUMN herald.rule.private_messaging IS 'Clients may send to one another by socket id';
COMMENT ON COLUMN herald.rule.private_auth IS 'Only between clients with an identity';
COMMENT ON COLUMN herald.rule.auth_channel IS 'Messages marked authenticated go to clients with an identity only';
COMMENT ON COLUMN herald.rule.presence IS 'Members are listed';
COMMENT ON COLUMN herald.rule.message_history IS 'How many events are kept for ever; above 0 messages go through the log';
COMMENT ON COLUMN herald.rule.active IS 'An inactive rule is as good as absent';
COMMENT ON COLUMN herald.rule.authorize IS 'The function that decides who may join and send, as schema.name(types); NULL: none';
COMMENT ON COLUMN herald.rule.on_join IS 'The function that hears of a join first, and may refuse it; NULL: none';
COMMENT ON COLUMN herald.rule.on_message IS 'The function that each message passes; NULL: none';
COMMENT ON COLUMN herald.rule.on_leave IS 'The function that hears when a client leaves; NULL: none';
COMMENT ON COLUMN herald.rule.on_connect IS 'The function that hears of new sessions; NULL: none';
COMMENT ON COLUMN herald.rule.on_disconnect IS 'The function that hears of ended sessions; NULL: none';
COMMENT ON COLUMN herald.rule.messages_per_minute IS 'How many messages one sender may send on one channel; 0: any number';

CREATE TABLE herald.hook (
    name  text PRIMARY KEY,
    owner text NOT NULL
);
COMMENT ON TABLE herald.hook IS
'The functions that rules name, with their owners: once dropped, a function of that name by somebody else is not called.';
COMMENT ON COLUMN herald.hook.name IS 'schema.name(types), as in herald.rule';
COMMENT ON COLUMN herald.hook.owner IS 'Whose it was when set_rule() last took it';

CREATE TABLE herald.canonical (
    name       text PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE herald.canonical IS 'The names of this workspace in /rt/<canonical>: a handshake needs one of them.';
COMMENT ON COLUMN herald.canonical.name IS '20 random bytes as base64url';
COMMENT ON COLUMN herald.canonical.created_at IS 'When it was issued';

CREATE TABLE herald.switch (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    enabled boolean NOT NULL DEFAULT true
);
COMMENT ON TABLE herald.switch IS 'Realtime on or off, see set_enabled(). One row.';
COMMENT ON COLUMN herald.switch.one IS 'Always true: there is one row';
COMMENT ON COLUMN herald.switch.enabled IS 'False: handshakes get 503, open sessions are closed';

CREATE TABLE herald.directive (
    version bigint PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    kind    text NOT NULL,
    args    json NOT NULL
);
COMMENT ON TABLE herald.directive IS
'What live servers have to know, as rows: a notification can be forged by anybody and is only a reason to look here. The
newest thousand and those of the last day are kept.';
COMMENT ON COLUMN herald.directive.version IS 'Dense; servers compare it with the newest one they know';
COMMENT ON COLUMN herald.directive.at IS 'When it was given';
COMMENT ON COLUMN herald.directive.kind IS 'set_rule, drop_rule, rotate_canonical or set_enabled; or to act on: disconnect, forget';
COMMENT ON COLUMN herald.directive.args IS 'Its arguments. Servers read those of disconnect and forget, the others are for people';

-- ---------------------------------------------------------------------------------------------- watched tables

CREATE TABLE herald.watch (
    relation     regclass PRIMARY KEY,
    key          text NOT NULL UNIQUE,
    channel      text,
    columns      text[],
    mode         text,
    visible      jsonb,
    snapshot     boolean NOT NULL DEFAULT false,
    max_snapshot int NOT NULL DEFAULT 10000,
    names        text[] NOT NULL DEFAULT '{}',
    now_named    text[] NOT NULL DEFAULT '{}',
    attnums      int2[] NOT NULL DEFAULT '{}',
    bound_to     text,
    looks        text,
    generated_at timestamptz,
    changed      xid8 NOT NULL DEFAULT pg_current_xact_id()
);
COMMENT ON TABLE herald.watch IS
'Which table belongs to which trigger function, and what the function was generated from. The wishes themselves (template,
columns, …) are the argument of the table''s triggers: only the table''s owner can write there.';
COMMENT ON COLUMN herald.watch.relation IS 'The table. A regclass: a dump writes the name, so that a restore binds it again';
COMMENT ON COLUMN herald.watch.key IS 'The function is herald.capture_<key>()';
COMMENT ON COLUMN herald.watch.channel IS 'The template in use; NULL until generated';
COMMENT ON COLUMN herald.watch.columns IS 'The columns that are announced';
COMMENT ON COLUMN herald.watch.mode IS 'row or statement';
COMMENT ON COLUMN herald.watch.visible IS
'Who may see the rows: a filter, under today''s names; "nobody": the table has row level security, or altered columns, and watch() was not
told since; NULL: everybody who may join the channel';
COMMENT ON COLUMN herald.watch.snapshot IS 'Whether clients may ask for the rows that are there; false also while the key is not announced';
COMMENT ON COLUMN herald.watch.max_snapshot IS 'How many of them at most';
COMMENT ON COLUMN herald.watch.names IS 'Every column name that the wishes speak of …';
COMMENT ON COLUMN herald.watch.now_named IS '… what that column is called today (NULL: dropped) …';
COMMENT ON COLUMN herald.watch.attnums IS '… and its number: a renamed column stays excluded, or announced';
COMMENT ON COLUMN herald.watch.bound_to IS 'Cluster, database and table in which the numbers hold';
COMMENT ON COLUMN herald.watch.looks IS 'What the function was written for, see looks_of(): the table looks different now: it is stale';
COMMENT ON COLUMN herald.watch.generated_at IS 'When the function was last written';
COMMENT ON COLUMN herald.watch.changed IS 'The transaction that last wrote this row; see watches_version()';

CREATE TABLE herald.watch_count (
    key     text,
    reason  text,
    reduced bigint NOT NULL DEFAULT 0,
    skipped bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (key, reason)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE herald.watch_count IS 'Changes that were not announced whole, for the view watches. The server adds to it, once a minute at most.';
COMMENT ON COLUMN herald.watch_count.key IS 'The watch; empty: nobody knows any more which it was, or a publish by hand';
COMMENT ON COLUMN herald.watch_count.reason IS
'size (over max_bytes), stale (altered since it was captured), unprintable, channel (a name over 255 bytes, or empty), template (a column
of it is gone)';
COMMENT ON COLUMN herald.watch_count.reduced IS 'How many were announced by key only, or with a value as plain text (stale)';
COMMENT ON COLUMN herald.watch_count.skipped IS 'How many were not announced';

-- Unlogged: after a crash it is told anew.
CREATE UNLOGGED TABLE herald.remark (
    node   text COLLATE "C",
    cause  text COLLATE "C",
    detail json        NOT NULL,
    at     timestamptz NOT NULL,
    PRIMARY KEY (node, cause)
);
COMMENT ON TABLE herald.remark IS 'What servers see and the database cannot, as each last told. Who sees it still says so again within seconds.';
COMMENT ON COLUMN herald.remark.node IS 'The server process';
COMMENT ON COLUMN herald.remark.cause IS 'What is the case: backlog, proxy_silent, proxy_untrusted; or retention, of several servers';
COMMENT ON COLUMN herald.remark.detail IS 'The particulars, an object';
COMMENT ON COLUMN herald.remark.at IS 'When it was told';

DO $$ BEGIN PERFORM herald.harden_tables(); END $$;
INSERT INTO herald.trim_position DEFAULT VALUES;
INSERT INTO herald.switch DEFAULT VALUES;

-- The server reads these; everything else it gets from functions.
GRANT SELECT ON herald.log, herald.channel, herald.rule, herald.canonical, herald.switch, herald.directive, herald.watch,
                herald.schema_step, herald.cursor, herald.state TO herald_server;
GRANT SELECT ON herald.shape TO herald_server;
-- An admin decides what is announced, but the log holds other people's rows.
GRANT SELECT ON herald.rule, herald.hook, herald.canonical, herald.switch, herald.directive, herald.watch, herald.schema_step
                TO herald_admin;

INSERT INTO herald.schema_step (step, name) VALUES (2, 'tables');
RESET ROLE;
