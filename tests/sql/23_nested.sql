-- SPDX-License-Identifier: PostgreSQL
-- Triggers that run row by row and write rows of their own statement: captured as Postgres runs triggers, announced as it happened. A
-- trigger does this and that at random, statement after statement; then each event must have found its row as the one before left it.
SELECT plan(18);

CREATE SCHEMA nest;
CREATE TABLE nest.plain (id int PRIMARY KEY, v int);
CREATE TABLE nest.parts (id int PRIMARY KEY, v int) PARTITION BY HASH (id);
CREATE TABLE nest.parts_0 PARTITION OF nest.parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE nest.parts_1 PARTITION OF nest.parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE nest.wide (id int PRIMARY KEY, v int, ballast text NOT NULL DEFAULT repeat('x', 400));
SELECT setseed(0.42);

-- What it does to any row: change it, back or not, or not at all, delete it, give it another key, insert one, or only lock it. (A key that a row
-- of the statement has left is not taken by another one: the order of these two is not known.)
CREATE SEQUENCE nest.keys START 100;
CREATE FUNCTION nest.meddle() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    victim int := 1 + floor(random() * 12);
BEGIN
    IF pg_trigger_depth() > 3 OR random() < 0.6 THEN
        RETURN coalesce(NEW, OLD);
    END IF;
    BEGIN
        CASE floor(random() * 8)::int
            WHEN 0, 1 THEN EXECUTE format('UPDATE nest.%I SET v = v + 1 WHERE id = %s', TG_ARGV[0], victim);
            WHEN 2 THEN EXECUTE format('UPDATE nest.%I SET v = %s WHERE id BETWEEN %s AND %3$s + 2', TG_ARGV[0], victim % 3, victim);
            WHEN 3 THEN EXECUTE format('DELETE FROM nest.%I WHERE id = %s', TG_ARGV[0], victim);
            WHEN 4 THEN EXECUTE format('INSERT INTO nest.%I (id, v) VALUES (nextval(''nest.keys''), 0)', TG_ARGV[0]);
            WHEN 5 THEN EXECUTE format('UPDATE nest.%I SET id = nextval(''nest.keys'') WHERE id = %s', TG_ARGV[0], victim);
            WHEN 6 THEN EXECUTE format('UPDATE nest.%I SET v = v WHERE id IN (%s, %s)', TG_ARGV[0], victim, victim + 1);
            ELSE EXECUTE format('SELECT FROM nest.%I WHERE id <= %s FOR UPDATE', TG_ARGV[0], victim);
        END CASE;
    EXCEPTION WHEN triggered_data_change_violation THEN
        NULL;
    END;
    RETURN coalesce(NEW, OLD);
END
$$;

CREATE FUNCTION tap.meddle_with(relation text, n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..n LOOP
        BEGIN
            CASE i % 4
                WHEN 0 THEN EXECUTE format('INSERT INTO nest.%I (id, v) SELECT g, 1 FROM generate_series(1, 12) g ON CONFLICT DO NOTHING', relation);
                WHEN 1 THEN EXECUTE format('UPDATE nest.%I SET v = v + 10 WHERE id <= 12 OR random() < 0.1', relation);
                WHEN 2 THEN EXECUTE format('UPDATE nest.%I SET v = 3 - v WHERE id <= 12', relation);
                ELSE EXECUTE format('DELETE FROM nest.%I WHERE id %% 3 = %s OR id > 12 AND random() < 0.5', relation, i % 3);
            END CASE;
        EXCEPTION WHEN triggered_data_change_violation THEN
            NULL;
        END;
    END LOOP;
END
$$;

-- How many events did not find their row as it was left, and how many rows are not what the last event said. Reduced events have keys only.
CREATE FUNCTION tap.torn(relation text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    rows_now jsonb := '{}';
    d        jsonb;
    found_   jsonb;
    n_torn   int := 0;
    n_events int := 0;
    n_left   int;
BEGIN
    PERFORM drain();
    FOR d IN SELECT (l.payload -> 'data')::jsonb FROM herald.log l WHERE l.channel = 'nest.' || relation ORDER BY l.channel_offset LOOP
        n_events := n_events + 1;
        found_ := rows_now -> (d -> 'old' ->> 'id');
        n_torn := n_torn + CASE WHEN found_ ? 'v' AND d -> 'old' ? 'v' THEN found_ <> d -> 'old'
                                ELSE (found_ IS NOT NULL) <> (jsonb_typeof(d -> 'old') = 'object') END::int;
        rows_now := rows_now - coalesce(d -> 'old' ->> 'id', '');
        IF jsonb_typeof(d -> 'new') = 'object' THEN
            n_torn := n_torn + (rows_now ? (d -> 'new' ->> 'id'))::int;
            rows_now := rows_now || jsonb_build_object(d -> 'new' ->> 'id', d -> 'new');
        END IF;
    END LOOP;
    EXECUTE format('SELECT count(*) FROM (SELECT t.id FROM nest.%I t) t FULL JOIN jsonb_object_keys($1) k ON k = t.id::text WHERE t.id IS NULL OR k IS NULL', relation)
       INTO n_left USING rows_now;
    RETURN CASE WHEN n_events > 500 THEN format('%s torn, %s left', n_torn, n_left) ELSE format('%s events only', n_events) END;
END
$$;

-- Before or behind ours, and both; before each row.
SELECT herald.watch('nest.plain');
CREATE TRIGGER "!a" AFTER INSERT OR UPDATE OR DELETE ON nest.plain FOR EACH ROW EXECUTE FUNCTION nest.meddle('plain');
SELECT meddle_with('plain', 60);
SELECT is(torn('plain'), '0 torn, 0 left', 'an AFTER ROW trigger before ours');
CREATE TRIGGER z AFTER INSERT OR UPDATE OR DELETE ON nest.plain FOR EACH ROW EXECUTE FUNCTION nest.meddle('plain');
SELECT meddle_with('plain', 60);
SELECT is(torn('plain'), '0 torn, 0 left', '… and one behind it');
DROP TRIGGER "!a" ON nest.plain;
DROP TRIGGER z ON nest.plain;
CREATE TRIGGER first BEFORE INSERT OR UPDATE OR DELETE ON nest.plain FOR EACH ROW EXECUTE FUNCTION nest.meddle('plain');
SELECT meddle_with('plain', 60);
SELECT is(torn('plain'), '0 torn, 0 left', 'one that runs before each row');

-- Parts, of which each may have a row at the same place.
SELECT herald.watch('nest.parts');
CREATE TRIGGER z AFTER INSERT OR UPDATE OR DELETE ON nest.parts FOR EACH ROW EXECUTE FUNCTION nest.meddle('parts');
SELECT meddle_with('parts', 60);
SELECT is(torn('parts'), '0 torn, 0 left', 'a partitioned table');
DROP TRIGGER z ON nest.parts;
CREATE TRIGGER z AFTER INSERT OR UPDATE OR DELETE ON nest.parts_1 FOR EACH ROW EXECUTE FUNCTION nest.meddle('parts');
SELECT meddle_with('parts', 60);
SELECT is(torn('parts'), '0 torn, 0 left', '… one part of which has the trigger');

-- Rows of which only the key is told: a link all the same.
SELECT herald.watch('nest.wide', max_bytes => 700);
CREATE TRIGGER z AFTER INSERT OR UPDATE OR DELETE ON nest.wide FOR EACH ROW EXECUTE FUNCTION nest.meddle('wide');
SELECT meddle_with('wide', 60);
SELECT is(torn('wide'), '0 torn, 0 left', 'rows that are too large');

-- A foreign key that changes other rows of its table.
CREATE TABLE nest.tree (id int PRIMARY KEY, parent int REFERENCES nest.tree ON UPDATE CASCADE ON DELETE SET NULL, v int);
SELECT herald.watch('nest.tree');
INSERT INTO nest.tree SELECT g, nullif(g / 2, 0), 0 FROM generate_series(1, 200) g;
UPDATE nest.tree SET v = 1, id = id + 1000;
UPDATE nest.tree SET v = 2, id = CASE WHEN id % 3 = 0 THEN id + 1000 ELSE id END;
DELETE FROM nest.tree WHERE id % 7 = 0;
SELECT is(torn('tree'), '0 torn, 0 left', 'a foreign key that changes other rows of its own table');
SELECT is((SELECT string_agg(DISTINCT w.relation::text || ' ' || (p.prosrc ~ 'ctid')::text, ', ' ORDER BY w.relation::text || ' ' || (p.prosrc ~ 'ctid')::text) FROM herald.watch w JOIN pg_proc p ON p.proname = 'capture_' || w.key WHERE w.relation::text ~ '^nest'),
    'nest.parts true, nest.plain true, nest.tree true, nest.wide true', 'they are captured with versions');
-- What is told of a table, one line an event.
CREATE FUNCTION tap.told(relation text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM drain();
    RETURN (SELECT string_agg(concat(l.payload -> 'data' -> 'old' ->> 'v', '>', l.payload -> 'data' -> 'new' ->> 'v'), ' ' ORDER BY l.channel_offset)
              FROM herald.log l WHERE l.channel = 'nest.' || relation);
END
$$;

-- A key changes a row whose change is told later, and then a trigger: last, first, second.
CREATE TABLE nest.line (id int PRIMARY KEY, parent int REFERENCES nest.line ON UPDATE CASCADE, v text);
CREATE FUNCTION nest.move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id <> OLD.id THEN
        EXECUTE format('UPDATE nest.%I SET v = v || ''z'' WHERE parent = %s', TG_TABLE_NAME, NEW.id);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER z AFTER UPDATE ON nest.line FOR EACH ROW EXECUTE FUNCTION nest.move();
SELECT herald.watch('nest.line');
CREATE TABLE nest.brief (id int PRIMARY KEY, parent int REFERENCES nest.brief ON UPDATE CASCADE, v text);
CREATE TRIGGER z AFTER UPDATE ON nest.brief FOR EACH ROW EXECUTE FUNCTION nest.move();
SELECT herald.watch('nest.brief', exclude => '{parent}');
INSERT INTO nest.line VALUES (1, NULL, 'a'), (2, 1, 'b');
UPDATE nest.line SET id = CASE id WHEN 1 THEN 101 ELSE id END, v = v || 's';
SELECT is(told('line'), '>a >b a>as b>bs bs>bs bs>bsz', '… and a trigger behind that key');
INSERT INTO nest.brief VALUES (1, NULL, 'a'), (2, 1, 'b');
UPDATE nest.brief SET id = CASE id WHEN 1 THEN 101 ELSE id END, v = v || 's';
SELECT is(told('brief'), '>a >b a>as b>bs bs>bsz', '… which changes a column that is not announced');

-- A key of another table changes rows, and then a trigger of that table does, or one of a third that goes with it.
CREATE TABLE nest.owner (id int PRIMARY KEY);
CREATE TABLE nest.note (id int PRIMARY KEY, owner int REFERENCES nest.owner ON DELETE CASCADE);
CREATE TABLE nest.owned (id int PRIMARY KEY, owner int REFERENCES nest.owner ON DELETE SET NULL, v text);
CREATE FUNCTION nest.orphan() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE nest.owned SET v = v || 'z' WHERE owner IS NULL;
    RETURN NULL;
END
$$;
SELECT herald.watch('nest.owned');
CREATE TRIGGER z AFTER DELETE ON nest.owner FOR EACH ROW EXECUTE FUNCTION nest.orphan();
SELECT herald.refresh();
INSERT INTO nest.owner VALUES (1), (2);
INSERT INTO nest.note VALUES (1, 2);
INSERT INTO nest.owned VALUES (1, 1, 'a'), (2, 2, 'b');
DELETE FROM nest.owner WHERE id = 1;
SELECT is(told('owned'), '>a >b a>a a>az', 'a key of another table, and a trigger of that one');
DROP TRIGGER z ON nest.owner;
CREATE TRIGGER z AFTER DELETE ON nest.note FOR EACH STATEMENT EXECUTE FUNCTION nest.orphan();
SELECT herald.refresh();
DELETE FROM nest.owned WHERE id = 1;
DELETE FROM nest.owner WHERE id = 2;
SELECT is(told('owned'), '>a >b a>a a>az az> b>b b>bz', '… or of a third that goes with it');

-- A table that is written anew counts the places of its rows anew.
CREATE TABLE nest.anew (id int PRIMARY KEY, v text, w int);
CREATE TRIGGER z AFTER INSERT OR UPDATE OR DELETE ON nest.anew FOR EACH ROW EXECUTE FUNCTION nest.orphan();
SELECT herald.watch('nest.anew');
BEGIN;
INSERT INTO nest.anew VALUES (1, 'a');
UPDATE nest.anew SET v = 'b';
UPDATE nest.anew SET v = 'c';
ALTER TABLE nest.anew ALTER w TYPE bigint;
UPDATE nest.anew SET v = 'd';
UPDATE nest.anew SET v = 'e';
ALTER TABLE nest.anew SET UNLOGGED;
UPDATE nest.anew SET v = 'f';
COMMIT;
SELECT is(told('anew'), '>a a>b b>c c>d d>e e>f', 'a table that is written anew');
CREATE TABLE nest.whole (id int PRIMARY KEY, v text) PARTITION BY HASH (id);
CREATE TABLE nest.whole_0 PARTITION OF nest.whole FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE TRIGGER z AFTER INSERT OR UPDATE OR DELETE ON nest.whole FOR EACH ROW EXECUTE FUNCTION nest.orphan();
SELECT herald.watch('nest.whole');
BEGIN;
INSERT INTO nest.whole VALUES (1, 'a');
UPDATE nest.whole SET v = 'b';
TRUNCATE nest.whole_0;
INSERT INTO nest.whole VALUES (1, 'c');
UPDATE nest.whole SET v = 'd';
TRUNCATE nest.whole_0;
INSERT INTO nest.whole VALUES (1, 'e');
COMMIT;
SELECT is(told('whole'), '>a a>b >c c>d >e', '… a part that is truncated, twice');

-- A trigger that writes by a function that it calls in an expression.
CREATE TABLE nest.plainer (id int PRIMARY KEY, v text);
CREATE FUNCTION nest."By hand"() RETURNS int LANGUAGE plpgsql AS $$ BEGIN UPDATE nest.plainer SET v = v || 'z' WHERE id = 2; RETURN 1; END $$;
CREATE FUNCTION nest.calling() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    n int;
BEGIN
    IF pg_trigger_depth() = 1 AND NEW.id = 1 THEN
        n := nest."By hand" ();
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER z AFTER UPDATE ON nest.plainer FOR EACH ROW EXECUTE FUNCTION nest.calling();
SELECT herald.watch('nest.plainer');
INSERT INTO nest.plainer VALUES (1, 'a'), (2, 'b');
UPDATE nest.plainer SET v = v || 's';
SELECT is(told('plainer'), '>a >b a>as b>bs bs>bsz', 'a trigger that calls a function that writes');

-- Nobody can read what a trigger in C does.
CREATE TABLE nest.native (id int PRIMARY KEY);
CREATE FUNCTION nest.native() RETURNS trigger LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
SELECT herald.watch('nest.native');
CREATE TRIGGER z AFTER UPDATE ON nest.native FOR EACH ROW EXECUTE FUNCTION nest.native();
SELECT herald.refresh();
SELECT is((SELECT p.prosrc ~ 'ctid' FROM herald.watch w JOIN pg_proc p ON p.proname = 'capture_' || w.key WHERE w.relation = 'nest.native'::regclass), true, 'a trigger in C');

-- What is only counted, as the text in its channel is too long, is a link, too.
CREATE TABLE nest.deep (id int PRIMARY KEY, room text, v text);
CREATE FUNCTION nest.deepen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE nest.deep d SET v = x.after, room = x.room FROM (VALUES ('s', 't', repeat('r', 1000)), ('t', 'u', 'x'), ('u', 'v', 'x')) x(before, after, room)
     WHERE d.id = 1 AND d.v = x.before AND pg_trigger_depth() < 4;
    RETURN NULL;
END
$$;
CREATE TRIGGER "!a" AFTER UPDATE ON nest.deep FOR EACH ROW EXECUTE FUNCTION nest.deepen();
SELECT herald.watch('nest.deep', channel => 'nest.deep/{room}', max_bytes => 300);
INSERT INTO nest.deep VALUES (1, 'x', 'a');
UPDATE nest.deep SET v = 's';
SELECT is(told('deep/x'), '>a a>s u>v', 'a change that is only counted');

CREATE OR REPLACE FUNCTION nest.meddle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.v := coalesce(NEW.v, 0) + 1; RETURN NEW; END';
SELECT herald.refresh();
SELECT is((SELECT p.prosrc ~ 'ctid' FROM herald.watch w JOIN pg_proc p ON p.proname = 'capture_' || w.key WHERE w.relation = 'nest.plain'::regclass), false, '… and not, where triggers only set columns');
SELECT * FROM finish();
