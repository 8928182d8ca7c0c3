-- SPDX-License-Identifier: PostgreSQL
--
-- Step 13: messages that are sent once.
--
-- A client that lost its connection does not know whether its last message was stored, so it sends it again, with the same key. The key
-- is written with the message, in its batch's transaction, and looked for in there, behind the fence: so there is one judge, whoever
-- sequences, and its answer cannot be taken back. Only messages that have a key cost anything.
--
-- The key belongs to who sends: a user, or an anonymous client with a secret of its own. Who guesses another one's key has his own
-- message stored, and learns nothing.
--
-- A restored database has keys and messages of one moment, so what is found was stored there. But its position was said in another
-- epoch, and means nothing in this one.

SET LOCAL ROLE herald_owner;
SET LOCAL search_path = pg_catalog;

CREATE TABLE herald.sent (
    sender         text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL,
    channel        text COLLATE "C" NOT NULL,
    channel_offset bigint           NOT NULL,
    epoch          text             NOT NULL,
    at             timestamptz      NOT NULL,
    PRIMARY KEY (sender, key, channel)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
CREATE INDEX sent_by_time ON herald.sent (at);
COMMENT ON TABLE herald.sent IS 'Messages that are sent once, for an hour: where they are in the log. Written by store(), emptied by sweep().';
COMMENT ON COLUMN herald.sent.sender IS 'i:dbo_id/row_id of a user; a: and the secret of an anonymous client';
COMMENT ON COLUMN herald.sent.key IS 'What its client calls the message: options.id_key';
COMMENT ON COLUMN herald.sent.channel IS 'Under the same key another channel has another message';
COMMENT ON COLUMN herald.sent.channel_offset IS 'Its position, in the epoch';
COMMENT ON COLUMN herald.sent.epoch IS 'In which it was stored';
COMMENT ON COLUMN herald.sent.at IS 'When it was stored';

CREATE FUNCTION herald.find_sent(senders text[], keys text[], channels text[], this_epoch text) RETURNS TABLE (nth bigint, epoch text, channel_offset bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off AS $$
    SELECT k.nth, CASE WHEN s.epoch = this_epoch THEN s.epoch END, s.channel_offset
      FROM unnest(senders, keys, channels) WITH ORDINALITY k(sender, key, channel, nth)
     CROSS JOIN LATERAL (SELECT x.epoch, x.channel_offset FROM herald.sent x
                          WHERE x.sender = k.sender COLLATE "C" AND x.key = k.key COLLATE "C" AND x.channel = k.channel COLLATE "C" OFFSET 0) s
     ORDER BY k.nth DESC
$$;
COMMENT ON FUNCTION herald.find_sent(text[], text[], text[], text) IS
'For the server, between take() and store(), which write and judge as one: which of these messages are in the log already, by their number from 1, the
last one first. key NULL: it may be sent again. epoch NULL: stored in another epoch than this one, so that the offset says nothing.';

GRANT EXECUTE ON FUNCTION herald.find_sent(text[], text[], text[], text) TO herald_server;
DO $$ BEGIN PERFORM herald.harden_tables(); END $$;
INSERT INTO herald.schema_step (step, name) VALUES (13, 'sent');
RESET ROLE;
