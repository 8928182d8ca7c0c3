-- SPDX-License-Identifier: PostgreSQL
-- Rows that are to be read anew: by somebody, of a table of which a part was truncated; and watches that change without an ALTER TABLE.
SELECT plan(39);

CREATE ROLE r_owner;
CREATE ROLE r_plain;
CREATE ROLE r_app;
GRANT herald_admin TO r_owner;
GRANT herald_publisher TO r_app;
GRANT USAGE ON SCHEMA tap TO r_owner, r_plain, r_app;
CREATE SCHEMA r AUTHORIZATION r_owner;
GRANT USAGE ON SCHEMA r TO r_plain, r_app;
-- What the log has got of it since the last look.
CREATE TABLE pg_temp.seen (n bigint);
INSERT INTO seen SELECT coalesce(max(channel_offset), 0) FROM herald.log WHERE channel = '*';
CREATE FUNCTION pg_temp.told() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found_ text;
BEGIN
    PERFORM drain();
    found_ := (SELECT string_agg(coalesce(l.options::text, s.description ->> 'table'), ' ' ORDER BY l.id)
                 FROM herald.log l LEFT JOIN herald.shape s ON s.number = l.shape, seen WHERE l.channel = '*' AND l.channel_offset > seen.n);
    UPDATE seen SET n = (SELECT coalesce(max(channel_offset), 0) FROM herald.log WHERE channel = '*');
    RETURN coalesce(found_, '');
END
$$;

-- ------------------------------------------------------------------------------------------------------- by somebody

SET ROLE r_app;
SELECT lives_ok($$SELECT herald.reread(12, 34), herald.reread(12, '34'), herald.reread(12, 'a"b')$$, 'who may publish may say so');
SELECT lives_ok($$SELECT herald.reread(13, '6d9a1a9c-3c36-4a3e-8b3b-0d7f3f3a6d11'::uuid)$$, '… of a user whose key is a uuid, too');
SELECT throws_ok(q, '22023', NULL, q) FROM unnest(ARRAY['SELECT herald.reread(NULL, 1)', 'SELECT herald.reread(12, NULL::text)', 'SELECT herald.reread(0, 1)', $$SELECT herald.reread(12, '')$$]) q;
RESET ROLE;
SELECT is(pg_temp.told(), '{"dbo_id":12,"row_id":"34"} {"dbo_id":12,"row_id":"a\"b"} {"dbo_id":13,"row_id":"6d9a1a9c-3c36-4a3e-8b3b-0d7f3f3a6d11"}', 'in a batch each is once');
SELECT is((SELECT count(DISTINCT l.payload::text || l.action || coalesce(l.client::text, '')) FROM herald.log l WHERE l.channel = '*'), 1::bigint, '… and says nothing else');
SET ROLE r_plain;
SELECT throws_ok('SELECT herald.reread(12, 34)', '42501', NULL, 'nobody else may');
RESET ROLE;
SELECT is((SELECT array_agg(channel_offset ORDER BY id) FROM herald.log WHERE channel = '*' AND id > (SELECT max(id) - 3 FROM herald.log)), (SELECT array_agg(n) FROM (SELECT generate_series(max(channel_offset) - 2, max(channel_offset)) FROM herald.log WHERE channel = '*') x(n)), 'densely');
BEGIN;
SELECT herald.reread(12, 35);
ROLLBACK;
SELECT is(pg_temp.told(), '', 'rolled back, nothing was said');
SELECT herald.reread(12, 34);
SELECT is(pg_temp.told(), '{"dbo_id":12,"row_id":"34"}', 'in another batch it is said again');
SELECT results_eq($$SELECT x ->> 'dbo_id', x ->> 'row_id' FROM json_array_elements(herald.site(NULL)::json -> 'rereads' -> 'list') x ORDER BY (x ->> 'id')::bigint DESC LIMIT 1$$,
    $$VALUES ('12', '34')$$, 'a server that starts is told the newest');
SELECT is((herald.site(NULL)::json -> 'rereads' ->> 'at')::bigint, (SELECT max(id) FROM herald.log), '… up to the end of the log');
SELECT is((herald.site(NULL)::json -> 'rereads' ->> 'since')::bigint, 0::bigint, '… from its beginning');
SELECT is((herald.site(0)::json ->> 'rereads'), NULL, '… and later not again');

-- ------------------------------------------------------------------------------------------------------------- parts

SET ROLE r_owner;
CREATE TABLE r.whole (id int, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE r.one PARTITION OF r.whole FOR VALUES IN (1);
CREATE TABLE r.two PARTITION OF r.whole FOR VALUES IN (2, 3) PARTITION BY LIST (k);
CREATE TABLE r.two_2 PARTITION OF r.two FOR VALUES IN (2);
SELECT herald.watch('r.whole', channel => 'whole', snapshot => true);
RESET ROLE;
CREATE FUNCTION pg_temp.parts() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(t.tgrelid::regclass::text, ' ' ORDER BY t.tgrelid::regclass::text) FROM pg_trigger t WHERE starts_with(t.tgname::text, '!herald_part_') $$;
SELECT is(pg_temp.parts(), 'r.one r.two r.two_2', 'each part has a trigger for TRUNCATE');
SELECT is(pg_temp.told(), '', 'watch() says nothing there');
INSERT INTO r.whole VALUES (1, 1), (2, 2);
TRUNCATE r.one;
SELECT is(pg_temp.told(), 'whole', 'a part is truncated: rows of the whole are to be read anew');
SELECT is(actions('whole'), 'insert insert', '… and there is no event');
TRUNCATE r.one;
TRUNCATE r.two;
SELECT is(pg_temp.told(), 'whole', 'in a batch once');
TRUNCATE r.whole;
SELECT is(pg_temp.told(), '', 'the whole is truncated: that says it of all parts');
SELECT is(actions('whole'), 'truncate', '… and is an event');
SET ROLE r_owner;
CREATE TABLE r.two_3 PARTITION OF r.two FOR VALUES IN (3);
CREATE TABLE r.four (id int NOT NULL, k int NOT NULL);
ALTER TABLE r.whole ATTACH PARTITION r.four FOR VALUES IN (4);
RESET ROLE;
SELECT is(pg_temp.parts(), 'r.four r.one r.two r.two_2 r.two_3', 'parts that come get one, too');
TRUNCATE r.two_3;
SELECT is(pg_temp.told(), 'whole', '… which tells');
ALTER TABLE r.whole DETACH PARTITION r.four;
TRUNCATE r.four;
SELECT is(pg_temp.told(), '', 'a part that left is nobody''s business');
SET ROLE r_owner;
SELECT herald.unwatch('r.whole'), herald.watch('r.one', channel => 'one'), herald.watch('r.whole', channel => 'whole', snapshot => true);
RESET ROLE;
SELECT is(pg_temp.parts(), 'r.two r.two_2 r.two_3', 'watched itself it has its own');
TRUNCATE r.one;
SELECT is(pg_temp.told() || actions('one'), 'truncate', '… and tells there');
-- Somebody who may not use the schema makes a part, or something else.
CREATE TABLE r.plain (id int PRIMARY KEY) PARTITION BY LIST (id);
ALTER TABLE r.plain OWNER TO r_plain;
GRANT CREATE ON SCHEMA r TO r_plain;
SELECT herald.watch('r.plain');
SET ROLE r_plain;
SELECT lives_ok('CREATE TEMP TABLE unrelated (id int)', 'who makes another table notices nothing');
SELECT lives_ok('CREATE TABLE r.plain_1 PARTITION OF r.plain FOR VALUES IN (1)', 'who may not use the schema can make a part');
RESET ROLE;
SELECT is(pg_temp.parts(), 'r.two r.two_2 r.two_3', '… without our trigger, and is warned');
SELECT herald.unwatch('r.plain');
SET ROLE r_owner;
SELECT herald.watch('r.whole', channel => 'elsewhere');
RESET ROLE;
SELECT is((SELECT count(*) FROM pg_trigger t WHERE starts_with(t.tgname::text, '!herald_part_') AND t.tgrelid IN ('r.two'::regclass, 'r.two_2'::regclass, 'r.two_3'::regclass)), 3::bigint, 'watched anew: each part has one');
SET ROLE r_owner;
SELECT herald.unwatch('r.whole');
RESET ROLE;
SELECT is(pg_temp.parts(), NULL, 'unwatch() takes all of them');

-- --------------------------------------------------------------------------- a watch that changes without its table

CREATE TABLE r.p (id int PRIMARY KEY, org text);
ALTER TABLE r.p ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON r.p FOR SELECT USING (org = 'a');
GRANT USAGE ON SCHEMA r TO herald_judge;
SELECT herald.watch('r.p', visible => '"policy"', claims => '{}', snapshot => true);
SELECT drain();
CREATE FUNCTION pg_temp.is_changed(q text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    before text := herald.watches_version();
BEGIN
    EXECUTE q;
    RETURN herald.watches_version() <> before AND (SELECT count(*) > 0 FROM herald.outbox o WHERE o.action = 'a' AND o.xid = pg_current_xact_id());
END
$$;
SELECT is(pg_temp.is_changed('ALTER POLICY mine ON r.p USING (org IS NOT NULL)'), true, 'ALTER POLICY mine ON r.p USING (org IS NOT NULL)');
SELECT is(pg_temp.is_changed('CREATE POLICY more ON r.p FOR ALL USING (true)'), true, 'CREATE POLICY more ON r.p FOR ALL USING (true)');
SELECT is(pg_temp.is_changed('DROP POLICY more ON r.p'), true, 'DROP POLICY more ON r.p');
SELECT is(pg_temp.is_changed('ALTER TABLE r.p FORCE ROW LEVEL SECURITY'), true, 'ALTER TABLE r.p FORCE ROW LEVEL SECURITY');
SELECT is(pg_temp.is_changed('CREATE POLICY wr ON r.p FOR INSERT WITH CHECK (true)'), false, 'a policy for writers does not matter');
ALTER EVENT TRIGGER herald_ddl DISABLE;
ALTER POLICY mine ON r.p USING (org = 'b');
SELECT is((SELECT stale FROM herald.watches WHERE "table" = 'r.p'::regclass), true, 'without event triggers the server sees it');
ALTER EVENT TRIGGER herald_ddl ENABLE;
SELECT * FROM finish();
