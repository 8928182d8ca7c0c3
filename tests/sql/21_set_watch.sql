-- SPDX-License-Identifier: PostgreSQL
-- What is changed of a watch, and what stays; and what is refused because it would show more. And the list of channels.
SELECT plan(52);

CREATE ROLE sw_owner;
CREATE ROLE sw_plain;
GRANT herald_admin TO sw_owner;
GRANT USAGE ON SCHEMA tap TO sw_owner, sw_plain;
CREATE SCHEMA sw AUTHORIZATION sw_owner;
GRANT USAGE ON SCHEMA sw TO sw_plain;

CREATE FUNCTION tap.settings(relation regclass) RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_object_agg(m.key, m.value) FILTER (WHERE m.value <> 'null') FROM jsonb_each(herald.settings_of(relation)) m $$;

SET client_min_messages = error;
SET ROLE sw_owner;
CREATE TABLE sw.t (id int PRIMARY KEY, room int NOT NULL, owner_id int, body text, secret text);

-- ------------------------------------------------------------------------------------------ a new one, and one setting

SELECT herald.set_watch('sw.t', channel => 'sw/{room}', columns => '{id,room,body}', key_columns => '{id,room}', keep => '{owner_id}', numbers => 'native',
                        visible => '{"owner_id": {"eq": {"identity": "row_id", "dbo_id": 12}}}', always => true, max_bytes => 5000, max_snapshot => 7, snapshot => true);
CREATE TEMP TABLE first AS SELECT tap.settings('sw.t') AS settings;
SELECT is(tap.settings('sw.t') - 'visible' - 'restate', '{"channel": "sw/{room}", "columns": ["id", "room", "body"], "exclude": [], "key_columns": ["id", "room"], "keep": ["owner_id"],
    "mode": "row", "numbers": "native", "always": true, "max_bytes": 5000, "snapshot": true, "max_snapshot": 7}'::jsonb, 'a new watch is as it was asked for');
SELECT herald.set_watch('sw.t');
SELECT is(tap.settings('sw.t'), (SELECT settings FROM first), 'nothing named: nothing changes');
SELECT herald.set_watch('sw.t', max_bytes => 6000);
SELECT is(tap.settings('sw.t'), (SELECT settings || '{"max_bytes": 6000}' FROM first), 'one setting: that one');
SELECT herald.set_watch('sw.t', snapshot => false, always => false);
SELECT is(tap.settings('sw.t'), (SELECT settings || '{"max_bytes": 6000, "snapshot": false, "always": false}' FROM first), '… also to false');
SELECT is((SELECT tgenabled FROM pg_trigger WHERE tgrelid = 'sw.t'::regclass AND tgname = '!herald_row'), 'O', '… and the trigger follows');
SELECT herald.set_watch('sw.t', columns => '{id,room}');
SELECT is(tap.settings('sw.t') ->> 'columns', '["id", "room"]', 'fewer columns: nobody minds');
SELECT throws_like($$SELECT herald.set_watch('sw.t', channel => 'sw')$$, '%sw.t would show its rows to who may join the channel sw, instead of sw/{room}%', 'another channel is other people');
SELECT throws_like($$SELECT herald.set_watch('sw.t', snapshot => true)$$, '%would show the rows that are there%', 'rows that are there');
SELECT throws_like($$SELECT herald.set_watch('sw.t', always => true)$$, '%would show also what logical replication applies%', '… that replication applies');
SELECT throws_like($$SELECT herald.set_watch('sw.t', restate => true)$$, '%would show rows of before to others than was said then%', '… of before');
SELECT lives_ok($$SELECT herald.set_watch('sw.t', max_bytes => 7000, max_snapshot => 70), herald.set_watch('sw.t', max_bytes => 6000, max_snapshot => 7)$$, 'how much at a time is another matter');
SELECT herald.set_watch('sw.t', channel => 'sw', replace => true);
SELECT is((SELECT (channel, columns)::text FROM herald.watches WHERE "table" = 'sw.t'::regclass), '(sw,"{id,room}")', '… and it is replaced');
SELECT herald.set_watch('sw.t', channel => 'sw');

-- --------------------------------------------------------------------------------------------------- what shows more

SELECT throws_like($$SELECT herald.set_watch('sw.t', columns => '{id,room,body,secret}')$$, '%sw.t would show also the columns body, secret%', 'more columns are refused by name');
SELECT throws_like($$SELECT herald.set_watch('sw.t', columns => '{*}')$$, '%also the columns owner_id, body, secret; columns that come later%', '… and all');
SELECT throws_like($$SELECT herald.set_watch('sw.t', visible => '"everybody"')$$, '%its rows to others than it does, which is said by visible {"owner_id"%', 'to drop visible');
SELECT throws_like($$SELECT herald.set_watch('sw.t', visible => '{"owner_id": {"eq": 1}}')$$, '%its rows to others%', 'another visible');
SELECT throws_like($$SELECT herald.set_watch('sw.t', key_columns => '{}')$$, '%the primary key, instead of id, room%', 'to drop key_columns');
SELECT throws_like($$SELECT herald.set_watch('sw.t', key_columns => '{}', columns => '{id,room,body}')$$, '%also the columns body; of a row that is too large%', 'all of it is said at once');
SELECT is(tap.settings('sw.t') ->> 'columns', '["id", "room"]', 'nothing of it is done');
SELECT lives_ok($$SELECT herald.set_watch('sw.t', columns => '{id,room,body}', replace => true)$$, 'with replace it is done');
SELECT is(tap.settings('sw.t') - 'columns', (SELECT settings || '{"max_bytes": 6000, "snapshot": false, "always": false, "channel": "sw"}' FROM first) - 'columns', '… and what is not named stays: visible');
SELECT lives_ok($$SELECT herald.set_watch('sw.t', key_columns => '{}', visible => '"everybody"', replace => true)$$, 'key and visible, too');
SELECT is(tap.settings('sw.t') ->> 'key_columns', NULL, '… the primary key');
SELECT is((SELECT visible FROM herald.watches WHERE "table" = 'sw.t'::regclass), NULL, '… and everybody');
SELECT lives_ok($$SELECT herald.set_watch('sw.t', visible => '{"owner_id": {"eq": 1}}')$$, 'from everybody to some takes no word');
SELECT herald.set_watch('sw.t', visible => '{"owner_id": {"eq": 1}, "body": {"is": null}}', replace => true);
SELECT is(tap.settings('sw.t') -> 'visible', '{"owner_id": {"eq": 1}, "body": {"is": null}}'::jsonb, 'a null inside of visible is part of it');
SELECT throws_like($$SELECT herald.set_watch('sw.t', visible => '{"owner_id": {"eq": 1}, "body": null}', replace => true)$$, '%body: null is not compared%', '… also where it is refused');
SELECT herald.set_watch('sw.t', visible => '{"owner_id": {"eq": 1}}', replace => true);
SELECT herald.set_watch('sw.t', columns => '{*}', exclude => '{secret,owner_id}', replace => true);
SELECT throws_like($$SELECT herald.set_watch('sw.t', exclude => '{owner_id}')$$, '%also the columns secret%', 'to drop what is excluded');
SELECT throws_like($$SELECT herald.set_watch('sw.t', exclude => '{}')$$, '%also the columns owner_id, secret%', '… all of it');
SELECT lives_ok($$SELECT herald.set_watch('sw.t', exclude => '{secret,owner_id,body}')$$, '… and to add to it');

-- --------------------------------------------------------------------------------------------- names of yesterday

ALTER TABLE sw.t RENAME COLUMN secret TO hidden;
ALTER TABLE sw.t RENAME COLUMN owner_id TO whose;
ALTER TABLE sw.t ADD COLUMN secret text;
SELECT herald.set_watch('sw.t', max_bytes => 7000);
SELECT is((SELECT columns FROM herald.watches WHERE "table" = 'sw.t'::regclass), '{id,room,secret}'::text[], 'what was excluded stays so under its new name, and a new column of that name is a new column');
SELECT is(tap.settings('sw.t') -> 'visible', '{"whose": {"eq": 1}}'::jsonb, '… and visible names what it named');
SELECT herald.set_watch('sw.t', channel => 'sw/{room}', replace => true);
ALTER TABLE sw.t RENAME COLUMN room TO hall;
SELECT herald.set_watch('sw.t', max_bytes => 7001);
SELECT is(tap.settings('sw.t') ->> 'channel', 'sw/{hall}', '… as the template does');
SELECT lives_ok($$SELECT herald.set_watch('sw.t', channel => 'sw/{hall}')$$, '… which under its name of today is the same');
CREATE TABLE sw."O d" (id int PRIMARY KEY);
SELECT herald.set_watch('sw."O d"');
SELECT lives_ok($$SELECT herald.set_watch('sw."O d"', channel => 'sw.O d')$$, 'the default channel is the same when it is said');
ALTER TABLE sw.t DROP COLUMN body;
SELECT lives_ok($$SELECT herald.set_watch('sw.t', max_bytes => 7002)$$, 'a column that is gone leaves the list');
SELECT is(tap.settings('sw.t') ->> 'exclude', '["hidden", "whose"]', '… for good');
ALTER TABLE sw.t DROP COLUMN whose;
SELECT throws_ok($$SELECT herald.set_watch('sw.t', max_bytes => 7003)$$, '42703', NULL, 'without what visible names it has to be said anew');
CREATE TABLE sw.two (id int PRIMARY KEY, a int, b int, body text);
SELECT herald.set_watch('sw.two', columns => '{id,body}', keep => '{a,b}', visible => '{"a": {"eq": 1}, "b": {"eq": {"identity": "row_id", "dbo_id": 12}}}');
ALTER TABLE sw.two DROP COLUMN a;
ALTER TABLE sw.two RENAME COLUMN b TO a;
SELECT throws_like($$SELECT herald.set_watch('sw.two', max_bytes => 7004)$$, '%visible of sw.two names a column that is gone, so nobody%', '… also where another one has its name, and one of two conditions would be left');
SELECT lives_ok($$SELECT herald.set_watch('sw.two', visible => '{"a": {"eq": 1}}', replace => true)$$, '… and then it is');

-- -------------------------------------------------------------------------------------- claims, restate, who may

CREATE TABLE sw.p (id int PRIMARY KEY, a int);
ALTER TABLE sw.p ENABLE ROW LEVEL SECURITY;
SELECT throws_ok($$SELECT herald.set_watch('sw.p')$$, '42501', NULL, 'row level security: as in watch()');
SELECT herald.set_watch('sw.p', visible => '"policy"', claims => '{org}');
SELECT herald.set_watch('sw.p', max_bytes => 6000);
SELECT is(tap.settings('sw.p') ->> 'claims', '["org"]', 'claims stay');
SELECT throws_like($$SELECT herald.set_watch('sw.p', claims => '{org,team}')$$, '%visible "policy" and claims ["org"]%', '… and others are refused');
SELECT herald.set_watch('sw.p', visible => '{"a": {"eq": 1}}', restate => true, replace => true);
SELECT is(tap.settings('sw.p') ->> 'claims', NULL, 'with another visible they go');
SELECT herald.set_watch('sw.p', max_bytes => 6001);
SELECT is(tap.settings('sw.p') ->> 'restate', 'true', 'restate stays with its visible');
SELECT throws_like($$SELECT herald.set_watch('sw.p', visible => '{"a": {"eq": 2}}', replace => true)$$, '%another visible would be for those, too%', '… and is no word for another');
RESET ROLE;
SET ROLE sw_plain;
SELECT throws_ok($$SELECT herald.set_watch('sw.t')$$, '42501', NULL, 'it takes herald_admin');
SELECT throws_ok($$SELECT * FROM herald.channels()$$, '42501', NULL, '… and so do the channels');
RESET ROLE;

-- ------------------------------------------------------------------------------------------------------- channels

SELECT herald.publish('sw/a_b', '1'), herald.publish('sw/a_b', '2'), herald.publish('sw/axb', '3');
SELECT drain();
SET ROLE sw_owner;
SELECT results_eq($$SELECT channel, head, kept, last_at IS NOT NULL FROM herald.channels('sw/*')$$, $$VALUES ('sw/a_b', 2::bigint, 2::bigint, true), ('sw/axb', 1, 1, true)$$, 'channels, with head and kept');
SELECT results_eq($$SELECT channel FROM herald.channels('sw/a_*')$$, $$VALUES ('sw/a_b')$$, 'a star is the only sign');
SELECT is((SELECT count(*) FROM herald.channels('sw/*', 1)), 1::bigint, '… so many at most');
SELECT is((SELECT count(*) FROM herald.channels() WHERE channel = '*' OR channel LIKE 'herald.%'), 0::bigint, 'none of ours');
RESET ROLE;
SELECT * FROM finish();
