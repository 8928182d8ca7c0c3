-- SPDX-License-Identifier: PostgreSQL
-- What becomes an event, on which channel, in which form.
SELECT plan(49);

CREATE TABLE c_order (id bigint PRIMARY KEY, customer_id int, note text, secret text);
SELECT lives_ok($$SELECT herald.watch('c_order', channel => 'c_orders/{customer_id}', exclude => '{secret}')$$, 'a table can be watched');
INSERT INTO c_order VALUES (1, 7, 'a', 'x');
SELECT is((SELECT string_agg(d::text, '') FROM news('c_orders/7') d),
    '{"action":"insert","schema":"public","table":"c_order","new":{"id":"1","customer_id":7,"note":"a"},"old":null}', 'INSERT');
UPDATE c_order SET note = 'b';
SELECT is((SELECT string_agg(d::text, '') FROM news('c_orders/7') d),
    '{"action":"update","schema":"public","table":"c_order","new":{"id":"1","customer_id":7,"note":"b"},"old":{"id":"1","customer_id":7,"note":"a"}}',
    'UPDATE has the full old and new row');
UPDATE c_order SET note = note;
UPDATE c_order SET secret = 'y';
SELECT is(actions('c_orders/7'), '', 'an UPDATE that changes no listed column is no event');
UPDATE c_order SET customer_id = 8;
SELECT is(actions('c_orders/7'), 'delete', 'a row that moves is deleted in its old channel');
SELECT is(actions('c_orders/8'), 'insert', '… and inserted in the new one');
UPDATE c_order SET customer_id = NULL;
SELECT is(actions('c_orders/8'), 'delete', 'a NULL in the template: gone from its channel');
SELECT max(id) AS newest FROM herald.log \gset
UPDATE c_order SET note = 'nowhere';
SELECT drain();
SELECT is((SELECT max(id) FROM herald.log), :newest::bigint, '… and no event anywhere');
UPDATE c_order SET customer_id = 8;
SELECT is(actions('c_orders/8'), 'insert', '… until it has one again');
DELETE FROM c_order;
SELECT is((SELECT string_agg(d::text, '') FROM news('c_orders/8') d),
    '{"action":"delete","schema":"public","table":"c_order","new":null,"old":{"id":"1","customer_id":8,"note":"nowhere"}}', 'DELETE');
BEGIN; INSERT INTO c_order VALUES (2, 7); SAVEPOINT s; INSERT INTO c_order VALUES (3, 7); ROLLBACK TO s; INSERT INTO c_order VALUES (4, 7); COMMIT;
BEGIN; INSERT INTO c_order VALUES (5, 7); ROLLBACK;
SELECT is(rows_of('c_orders/7'), '{"id":"2","customer_id":7,"note":null} {"id":"4","customer_id":7,"note":null}', 'savepoints and rollbacks');
TRUNCATE c_order;
SELECT is(actions('c_orders/7') || ' ' || actions('c_orders/8'), 'truncate truncate', 'TRUNCATE: one event per known channel of the template');
SELECT is((SELECT count(*) FROM herald.log WHERE payload #>> '{data,action}' = 'truncate' AND channel NOT LIKE 'c\_orders/_'), 0::bigint, '… and on no other');

-- Ways to write.
INSERT INTO c_order VALUES (1, 7, 'a') ON CONFLICT (id) DO UPDATE SET note = 'conflict';
INSERT INTO c_order VALUES (1, 7, 'b') ON CONFLICT (id) DO UPDATE SET note = 'conflict';
SELECT is(actions('c_orders/7'), 'insert update', 'ON CONFLICT');
SELECT current_setting('server_version_num')::int >= 150000 AS has_merge \gset
\if :has_merge
MERGE INTO c_order o USING (VALUES (1, 'm'), (2, 'n')) v(id, note) ON o.id = v.id
    WHEN MATCHED THEN UPDATE SET note = v.note WHEN NOT MATCHED THEN INSERT VALUES (v.id, 7, v.note);
SELECT is(actions('c_orders/7'), 'update insert', 'MERGE');
\else
SELECT skip('MERGE is there from 15 on', 1);
\endif
COPY c_order FROM stdin;
10	7	one	\N
11	7	two	\N
\.
SELECT is(rows_of('c_orders/7'), '{"id":"10","customer_id":7,"note":"one"} {"id":"11","customer_id":7,"note":"two"}', 'COPY');
WITH gone AS (DELETE FROM c_order WHERE id > 9 RETURNING *) INSERT INTO c_order SELECT id + 100, 9, note FROM gone;
SELECT is(actions('c_orders/7') || ' ' || actions('c_orders/9'), 'delete delete insert insert', 'a data-modifying CTE');
CREATE TABLE c_item (order_id bigint REFERENCES c_order ON DELETE CASCADE, nr int, PRIMARY KEY (order_id, nr));
SELECT herald.watch('c_item');
INSERT INTO c_item VALUES (1, 1), (1, 2);
SELECT is(rows_of('public.c_item'), '{"order_id":"1","nr":1} {"order_id":"1","nr":2}', 'the default channel is schema.table');
DELETE FROM c_order WHERE id = 1;
SELECT is(actions('public.c_item'), 'delete delete', 'a cascade');
TRUNCATE c_item;
SELECT is(actions('public.c_item'), 'truncate', 'TRUNCATE on a fixed channel');

-- What only newer servers have.
SELECT current_setting('server_version_num')::int >= 170000 AS has_returning, current_setting('server_version_num')::int >= 180000 AS has_virtual \gset
CREATE TABLE c_new (id int PRIMARY KEY, n int, tripled int GENERATED ALWAYS AS (n * 3) STORED);
SELECT herald.watch('c_new');
INSERT INTO c_new (id, n) VALUES (1, 1);
SELECT is(rows_of('public.c_new'), '{"id":1,"n":1,"tripled":3}', 'a stored generated column');
\if :has_returning
MERGE INTO c_new o USING (VALUES (1)) v(id) ON o.id = v.id WHEN MATCHED THEN UPDATE SET n = 2
    WHEN NOT MATCHED BY SOURCE THEN DELETE RETURNING merge_action(), o.*;
SELECT is(rows_of('public.c_new'), '{"id":1,"n":2,"tripled":6}', 'MERGE … RETURNING');
ALTER TABLE c_new ALTER COLUMN tripled SET EXPRESSION AS (n * 30);
UPDATE c_new SET n = 3;
SELECT is(rows_of('public.c_new'), '{"id":1,"n":3,"tripled":90}', 'another expression of a generated column');
\else
SELECT skip('MERGE … RETURNING and SET EXPRESSION are there from 17 on', 2);
\endif
\if :has_virtual
ALTER TABLE c_new ADD COLUMN doubled int GENERATED ALWAYS AS (n * 2) VIRTUAL;
UPDATE c_new SET n = 4;
SELECT is(rows_of('public.c_new'), '{"id":1,"n":4,"tripled":120,"doubled":8}', 'a virtual column is computed');
SELECT herald.watch('c_new', channel => 'c_new/{doubled}');
UPDATE c_new SET n = 5;
SELECT is(actions('c_new/8') || ' ' || actions('c_new/10'), 'delete insert', '… for a channel, too');
ALTER TABLE c_new ADD COLUMN share int GENERATED ALWAYS AS (10 / (n - 5)) VIRTUAL;
UPDATE c_new SET tripled = DEFAULT, n = 5, id = 2;
SELECT is((SELECT concat(d ->> 'new', d ->> 'reduced') FROM news('c_new/10') d), '{"id":2}unprintable', '… and one that cannot be does not fail the write');
\else
SELECT skip('virtual generated columns are there from 18 on', 3);
\endif

-- Another trigger that writes the same row comes later.
CREATE TABLE c_twice (id int PRIMARY KEY, n int);
CREATE FUNCTION c_again() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.n < 3 THEN UPDATE c_twice SET n = n + 1 WHERE id = NEW.id; END IF; RETURN NULL; END';
CREATE TRIGGER "000_first_by_name" AFTER INSERT OR UPDATE ON c_twice FOR EACH ROW EXECUTE FUNCTION c_again();
SELECT herald.watch('c_twice');
INSERT INTO c_twice VALUES (1, 1);
SELECT is(rows_of('public.c_twice'), '{"id":1,"n":1} {"id":1,"n":2} {"id":1,"n":3}', 'changes by another AFTER ROW trigger follow in order');
ALTER TRIGGER "000_first_by_name" ON c_twice RENAME TO "!a";
INSERT INTO c_twice VALUES (2, 1);
SELECT is(rows_of('public.c_twice'), '{"id":2,"n":1} {"id":2,"n":2} {"id":2,"n":3}', '… also of one that comes before ours');

-- One that writes rows of its own statement comes before what that has done to them; told they are in order.
CREATE TABLE c_current (id int PRIMARY KEY, is_current boolean);
CREATE FUNCTION c_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE c_current SET is_current = false WHERE id <> NEW.id AND is_current; RETURN NULL; END';
CREATE TRIGGER c_only AFTER INSERT ON c_current FOR EACH ROW EXECUTE FUNCTION c_only();
SELECT herald.watch('c_current');
INSERT INTO c_current VALUES (1, true), (2, true), (3, true);
SELECT is((SELECT string_agg(left(o.action, 1), ' ' ORDER BY o.id) FROM herald.outbox o WHERE o.shape IN (SELECT s.number FROM herald.shape s JOIN herald.watch w ON w.key = s.watch WHERE w.relation = 'c_current'::regclass)),
    'i u u i u i', 'a trigger that writes other rows of its statement: captured as Postgres runs triggers');
SELECT is(rows_of('public.c_current'), '{"id":1,"is_current":true} {"id":2,"is_current":true} {"id":2,"is_current":false} {"id":3,"is_current":true} {"id":3,"is_current":false} {"id":1,"is_current":false}',
    '… and announced as it happened to each row');

-- Partitions, children.
CREATE TABLE c_part (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE c_part_1 PARTITION OF c_part FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
SELECT herald.watch('c_part');
CREATE TABLE c_part_2 PARTITION OF c_part FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE c_part_3 (id int NOT NULL, at date NOT NULL);
ALTER TABLE c_part ATTACH PARTITION c_part_3 FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
INSERT INTO c_part VALUES (1, '2026-01-02'), (2, '2026-02-02');
INSERT INTO c_part_3 VALUES (3, '2026-03-03');
SELECT is(rows_of('public.c_part'), '{"id":1,"at":"2026-01-02"} {"id":2,"at":"2026-02-02"} {"id":3,"at":"2026-03-03"}',
    'old, new and attached partitions, and writes straight to one');
UPDATE c_part SET at = '2026-02-03' WHERE id = 1;
SELECT is(actions('public.c_part'), 'delete insert', 'a row that changes its partition');
SELECT is((SELECT count(*) FROM regexp_matches((SELECT prosrc FROM pg_proc WHERE proname = 'capture_' || (SELECT key FROM herald.watch WHERE relation = 'c_part'::regclass)),
    '''\{[0-9]+,[0-9]+,[0-9]+,[0-9]+\}''::pg_catalog.oid')) > 0, true, 'the code knows the new partitions');

-- Replication.
CREATE TABLE c_always (id int PRIMARY KEY);
SELECT herald.watch('c_always', always => true);
SET session_replication_role = replica;
INSERT INTO c_always VALUES (1);
INSERT INTO c_item VALUES (2, 1);
RESET session_replication_role;
SELECT is(actions('public.c_always') || actions('public.c_item'), 'insert', 'always => true: rows that replication applies');

-- Templates.
CREATE TABLE c_text (id int PRIMARY KEY, "Where To" text, at timestamptz);
SELECT herald.watch('c_text', channel => 'c_t/{Where To}/x');
INSERT INTO c_text VALUES (1, E'a/b.c*{d}%\ne'), (2, ''), (3, 'ä€');
SELECT drain();
SELECT set_eq($$SELECT channel FROM herald.log WHERE channel LIKE 'c\_t/%'$$, ARRAY['c_t/a%2Fb%2Ec%2A%7Bd%7D%25%0Ae/x', 'c_t//x', 'c_t/ä€/x'],
    'values in a template are percent-encoded');
SELECT is((SELECT skipped FROM herald.status), 0::bigint, 'nothing was skipped');
INSERT INTO c_text VALUES (4, repeat('ä', 130)), (5, repeat('%', 86));
SELECT drain();
SELECT is((SELECT skipped FROM herald.status), 2::bigint, 'channels over 255 bytes are skipped and counted');
SELECT throws_ok(format('SELECT herald.watch(%L, channel => %L)', 'c_text', x), '22023', NULL, 'not a template: ' || left(x, 9))
  FROM unnest(ARRAY['', 'a*', '{', 'a}b', 'x{}', E'a\tb', repeat('x', 256)]) x;
SELECT throws_ok($$SELECT herald.watch('c_text', channel => '{nope}')$$, '42703', NULL, 'unknown column in a template');

-- Size and keys.
CREATE TABLE c_big (a int, b text, body text, PRIMARY KEY (b, a));
SELECT herald.watch('c_big', max_bytes => 1000);
INSERT INTO c_big VALUES (1, 'k', repeat('x', 2000));
SELECT is((SELECT d::text FROM news('public.c_big') d),
    '{"action":"insert","schema":"public","table":"c_big","new":{"b":"k","a":1},"old":null,"truncated_to_key":true,"reduced":"size"}', 'over max_bytes: by key only');
CREATE TABLE c_keyless (body text);
SELECT herald.watch('c_keyless', max_bytes => 1000);
INSERT INTO c_keyless VALUES ('small'), (repeat('x', 2000));
SELECT is(rows_of('public.c_keyless'), '{"body":"small"} {}', 'no key: an empty object');
SELECT herald.watch('c_big', key_columns => '{a}', max_bytes => 1000);
UPDATE c_big SET body = 'small';
SELECT is((SELECT d::text FROM news('public.c_big') d),
    '{"action":"update","schema":"public","table":"c_big","new":{"a":1},"old":{"a":1},"truncated_to_key":true,"reduced":"size"}', 'other key columns');
SELECT herald.unwatch('c_big');
UPDATE c_big SET body = 'x';
SELECT is(actions('public.c_big') || (SELECT count(*) FROM herald.watches WHERE "table" = 'c_big'::regclass), '0', 'unwatch');
SELECT * FROM finish();
