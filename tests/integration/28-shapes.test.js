// SPDX-License-Identifier: PostgreSQL
// Tables that change between capture and sequencing. The server is down: rows are captured, the table is altered, more rows are
// captured; then it starts. What was captured is read by the shape that it was captured under, nothing hidden is shown, and
// nothing is lost in silence: each change is an event, or an event by key that is counted, or a count. Twice: once with event
// triggers, and once as for every role that may not create them.
import { test, describe, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World } from './lib/world.js';
import { metrics } from './lib/metrics.js';
import { until, SECOND } from './lib/wait.js';

const LARGE = 'x'.repeat(500); // over max_bytes

// What is not said of a table is as here. Each begins with a row that is changed, a large one, and a delete.
const usual = {
    make: (name) => `
        CREATE TABLE t.${name} (id int PRIMARY KEY, room int, name text, n int, hidden text);
        SELECT herald.watch('t.${name}', channel => '${name}/{room}', exclude => '{hidden}', max_bytes => 300)`,
    first: (name) => `
        INSERT INTO t.${name} (id, room, name, n, hidden) VALUES (1, 7, 'a', 5, 'secret');
        UPDATE t.${name} SET name = 'b', hidden = 'secret';
        UPDATE t.${name} SET hidden = 'another secret';
        INSERT INTO t.${name} (id, room, name, n, hidden) VALUES (2, 7, '${LARGE}', 5, 'secret');
        DELETE FROM t.${name} WHERE id = 1`,
    then: (name, id) => `INSERT INTO t.${name} (id, room, name, n, hidden) VALUES (${id}, 7, 'c', 5, 'secret')`,
};
const row = (name, action, columns, reduced = '') =>
    `${name}/7 ${action} t.${name} ${JSON.stringify(columns)}${reduced && ` ${reduced}`}`;
const firstEvents = (name) => [
    row(name, 'insert', { id: 1, room: 7, name: 'a', n: 5 }), row(name, 'update', { id: 1, room: 7, name: 'b', n: 5 }),
    row(name, 'insert', { id: 2 }, 'size'), row(name, 'delete', { id: 1, room: 7, name: 'b', n: 5 }),
];
const skipped = (reason) => [`skipped ${reason}`];

// alter: SQL. then: writes the row `id` afterwards. whole: what of it is to be seen, by who follows; stale: by who does not, if that differs.
const CASES = {
    added: {
        alter: 'ALTER TABLE t.added ADD COLUMN more int DEFAULT 9',
        whole: (id) => [row('added', 'insert', { id, room: 7, name: 'c', n: 5, more: 9 })],
        stale: (id) => [row('added', 'insert', { id, room: 7, name: 'c', n: 5 })],
    },
    dropped: {
        alter: 'ALTER TABLE t.dropped DROP COLUMN n',
        then: (id) => `INSERT INTO t.dropped (id, room, name, hidden) VALUES (${id}, 7, 'c', 'secret')`,
        whole: (id) => [row('dropped', 'insert', { id, room: 7, name: 'c' })],
        stale: (id) => [row('dropped', 'insert', { id }, 'unprintable')],
    },
    replaced: {
        alter: 'ALTER TABLE t.replaced DROP COLUMN n, ADD COLUMN o bool DEFAULT true',
        then: (id) => `INSERT INTO t.replaced (id, room, name, hidden) VALUES (${id}, 7, 'c', 'secret')`,
        whole: (id) => [row('replaced', 'insert', { id, room: 7, name: 'c', o: true })],
        stale: (id) => [row('replaced', 'insert', { id }, 'unprintable')],
    },
    renamed: {
        alter: 'ALTER TABLE t.renamed RENAME COLUMN name TO title',
        then: (id) => `INSERT INTO t.renamed (id, room, title, n, hidden) VALUES (${id}, 7, 'c', 5, 'secret')`,
        whole: (id) => [row('renamed', 'insert', { id, room: 7, title: 'c', n: 5 })],
        stale: (id) => [row('renamed', 'insert', { id }, 'unprintable')],
    },
    unveiled: {
        alter: 'ALTER TABLE t.unveiled RENAME COLUMN hidden TO shown',
        then: (id) => `INSERT INTO t.unveiled VALUES (${id}, 7, 'c', 5, 'secret')`,
        whole: (id) => [row('unveiled', 'insert', { id, room: 7, name: 'c', n: 5 })],
    },
    // A trigger that nobody writes anew knows columns by their names only.
    swapped: {
        needsTriggers: true,
        alter: `ALTER TABLE t.swapped RENAME COLUMN hidden TO other; ALTER TABLE t.swapped RENAME COLUMN name TO hidden;
                ALTER TABLE t.swapped RENAME COLUMN other TO name`,
        then: (id) => `INSERT INTO t.swapped VALUES (${id}, 7, 'c', 5, 'secret')`,
        whole: (id) => [row('swapped', 'insert', { id, room: 7, hidden: 'c', n: 5 })],
    },
    retyped: {
        alter: `ALTER TABLE t.retyped ALTER COLUMN n TYPE text USING 'n' || n`,
        then: (id) => `INSERT INTO t.retyped VALUES (${id}, 7, 'c', 'n5', 'secret')`,
        whole: (id) => [row('retyped', 'insert', { id, room: 7, name: 'c', n: 'n5' })],
        stale: (id) => [row('retyped', 'insert', { id, room: 7, name: 'c', n: 'n5' }, 'stale')],
    },
    widened: {
        alter: 'ALTER TABLE t.widened ALTER COLUMN n TYPE bigint',
        whole: (id) => [row('widened', 'insert', { id, room: 7, name: 'c', n: '5' })],
        stale: (id) => [row('widened', 'insert', { id, room: 7, name: 'c', n: 5 })],
    },
    moved: {
        alter: `ALTER TABLE t.moved ALTER COLUMN room TYPE text USING 'r' || room`,
        then: (id) => `INSERT INTO t.moved VALUES (${id}, 'r7', 'c', 5, 'secret')`,
        whole: (id) => [`moved/r7 insert t.moved ${JSON.stringify({ id, room: 'r7', name: 'c', n: 5 })}`],
        stale: () => skipped('stale'),
    },
    composite: {
        make: () => `CREATE TYPE t.pair AS (a int, b int); ${usual.make('composite')}; ALTER TABLE t.composite ADD COLUMN p t.pair DEFAULT '(1,2)'`,
        alter: 'ALTER TYPE t.pair ADD ATTRIBUTE c int',
        firstEvents: () => firstEvents('composite').map((text) => text.replace('"n":5}', '"n":5,"p":{"a":1,"b":2}}')),
        then: (id) => `INSERT INTO t.composite VALUES (${id}, 7, 'c', 5, 'secret', '(1,2,3)')`,
        whole: (id) => [row('composite', 'insert', { id, room: 7, name: 'c', n: 5, p: { a: 1, b: 2, c: 3 } })],
        stale: (id) => [row('composite', 'insert', { id, room: 7, name: 'c', n: 5, p: '(1,2,3)' }, 'stale')],
    },
    untyped: {
        make: () => `CREATE TYPE t.mood AS ENUM ('sad'); ${usual.make('untyped')}; ALTER TABLE t.untyped ADD COLUMN how t.mood DEFAULT 'sad'`,
        alter: 'DROP TYPE t.mood CASCADE',
        firstEvents: () => firstEvents('untyped').map((text) => text.replace('"n":5}', '"n":5,"how":"sad"}')),
        whole: (id) => [row('untyped', 'insert', { id, room: 7, name: 'c', n: 5 })],
        stale: (id) => [row('untyped', 'insert', { id }, 'unprintable')],
    },
    astray: { // a column of the template is gone
        alter: 'ALTER TABLE t.astray DROP COLUMN room',
        then: (id) => `INSERT INTO t.astray (id, name, n, hidden) VALUES (${id}, 'c', 5, 'secret')`,
        whole: () => skipped('template'),
        stale: () => skipped('unprintable'),
    },
    old_name: {
        alter: 'ALTER TABLE t.old_name RENAME TO new_name',
        then: (id) => usual.then('new_name', id),
        whole: (id) => [row('old_name', 'insert', { id, room: 7, name: 'c', n: 5 }).replace('t.old_name', 't.new_name')],
        stale: (id) => [row('old_name', 'insert', { id, room: 7, name: 'c', n: 5 })],
    },
    emigrant: {
        alter: 'ALTER TABLE t.emigrant SET SCHEMA u',
        then: (id) => usual.then('emigrant', id).replace('t.emigrant', 'u.emigrant'),
        whole: (id) => [row('emigrant', 'insert', { id, room: 7, name: 'c', n: 5 }).replace('t.emigrant', 'u.emigrant')],
        stale: (id) => [row('emigrant', 'insert', { id, room: 7, name: 'c', n: 5 })],
    },
    // The default channel is made of the names.
    there: {
        make: () => `CREATE SCHEMA land; CREATE TABLE land.there (id int PRIMARY KEY, hidden text);
                     SELECT herald.watch('land.there', exclude => '{hidden}')`,
        first: () => `INSERT INTO land.there VALUES (1, 'secret')`,
        firstEvents: () => ['land.there insert land.there {"id":1}'],
        alter: 'ALTER SCHEMA land RENAME TO country',
        then: (id) => `INSERT INTO country.there VALUES (${id}, 'secret')`,
        whole: (id) => [`country.there insert country.there {"id":${id}}`],
        stale: (id) => [`land.there insert land.there {"id":${id}}`],
    },
    rekeyed: {
        alter: 'DELETE FROM t.rekeyed; ALTER TABLE t.rekeyed DROP CONSTRAINT rekeyed_pkey, ADD PRIMARY KEY (n)',
        firstEvents: () => [...firstEvents('rekeyed'), row('rekeyed', 'delete', { id: 2 }, 'size')],
        then: (id) => `INSERT INTO t.rekeyed VALUES (${id}, 7, '${LARGE}', -${id}, 'secret')`,
        whole: (id) => [row('rekeyed', 'insert', { n: -id }, 'size')],
        stale: (id) => [row('rekeyed', 'insert', { id }, 'size')],
    },
    gone: { alter: 'DROP TABLE t.gone', then: () => '', whole: () => [], isGone: true },
    reborn: {
        alter: `DROP TABLE t.reborn; CREATE TABLE t.reborn (hidden int PRIMARY KEY, room text);
                SELECT herald.watch('t.reborn', channel => 'reborn/{room}')`,
        then: (id) => `INSERT INTO t.reborn VALUES (${id}, '7')`,
        whole: (id) => [row('reborn', 'insert', { hidden: id, room: '7' })],
        isGone: true, // with its counts
    },
    attached: {
        make: () => `CREATE TABLE t.attached (id int, room int, name text, n int, hidden text, PRIMARY KEY (id, room)) PARTITION BY LIST (room);
                     CREATE TABLE t.attached_7 PARTITION OF t.attached FOR VALUES IN (7);
                     SELECT herald.watch('t.attached', channel => 'attached/{room}', exclude => '{hidden}', max_bytes => 300)`,
        firstEvents: () => firstEvents('attached').map((text) => text.replace('{"id":2}', '{"id":2,"room":7}')),
        // Another order of columns, and a row that was there before.
        alter: `CREATE TABLE t.attached_8 (hidden text, n int, gone int, name text, room int NOT NULL, id int NOT NULL);
                ALTER TABLE t.attached_8 DROP COLUMN gone;
                INSERT INTO t.attached_8 VALUES ('secret', 5, 'old', 8, 0);
                ALTER TABLE t.attached ATTACH PARTITION t.attached_8 FOR VALUES IN (8)`,
        then: (id) => `INSERT INTO t.attached_8 VALUES ('secret', 5, 'c', 8, ${id})`,
        whole: (id) => [`attached/8 insert t.attached {"id":${id},"room":8,"name":"c","n":5}`],
    },
    detached: {
        make: () => CASES.attached.make().replaceAll('attached', 'detached'),
        firstEvents: () => CASES.attached.firstEvents().map((text) => text.replaceAll('attached', 'detached')),
        alter: 'ALTER TABLE t.detached DETACH PARTITION t.detached_7',
        then: (id) => usual.then('detached_7', id),
        whole: () => [],
    },
    rewatched: {
        alter: `SELECT herald.watch('t.rewatched', channel => 'rewatched/{n}/x', columns => '{id,big}', numbers => 'native')`,
        make: () => `${usual.make('rewatched')}; ALTER TABLE t.rewatched ADD COLUMN big bigint DEFAULT 3`,
        firstEvents: () => firstEvents('rewatched').map((text) => text.replace('"n":5}', '"n":5,"big":"3"}')),
        whole: (id) => [`rewatched/5/x insert t.rewatched {"id":${id},"big":3}`],
    },
    in_bulk: {
        alter: `SELECT herald.watch('t.in_bulk', channel => 'in_bulk/{room}', exclude => '{hidden,n}', mode => 'statement')`,
        whole: (id) => [row('in_bulk', 'insert', { id, room: 7, name: 'c' })],
    },
    unwatched: { alter: `SELECT herald.unwatch('t.unwatched')`, whole: () => [], isGone: true },
    // Each TRUNCATE goes to the channels of its own template, and is not mistaken for that of another.
    emptied: {
        alter: `SELECT herald.watch('t.emptied', channel => 'emptied-{n}', exclude => '{hidden}'); TRUNCATE t.emptied;
                INSERT INTO t.emptied VALUES (9, 7, 'd', 6, 'secret'); TRUNCATE t.emptied; TRUNCATE t.emptied;
                SELECT herald.watch('t.emptied', channel => 'emptied/{room}', exclude => '{hidden}'); TRUNCATE t.emptied; TRUNCATE t.emptied`,
        firstEvents: () => [...firstEvents('emptied'), 'emptied-6 insert t.emptied {"id":9,"room":7,"name":"d","n":6}', 'emptied-6 truncate t.emptied null',
            'emptied/7 truncate t.emptied null'],
        whole: (id) => [row('emptied', 'insert', { id, room: 7, name: 'c', n: 5 })],
    },
    // Its shape is gone, as after a partial restore: nobody can know what the rows mean.
    forgotten: {
        alter: `UPDATE herald.outbox SET shape = shape + 1 WHERE shape IN (SELECT number FROM herald.shape WHERE description ->> 'table' = 'forgotten')`,
        firstEvents: () => Array(4).fill('skipped stale'),
        isUnknown: true,
        whole: (id) => [row('forgotten', 'insert', { id, room: 7, name: 'c', n: 5 })],
    },
};

const of = (name, what, ...args) => (CASES[name][what] ?? ((...more) => usual[what](name, ...more)))(...args);
const count = (list) => list.reduce((sums, reason) => sums.set(reason, (sums.get(reason) ?? 0) + 1), new Map());

for (const hasTriggers of [true, false]) {
    describe(hasTriggers ? 'event triggers follow' : 'nobody follows until the server comes', () => {
        let world;
        const cases = Object.keys(CASES).filter((name) => hasTriggers || !CASES[name].needsTriggers);
        const change = (name, id) => of(name, 'then', id);
        const seen = (name, id) => (hasTriggers ? CASES[name].whole : CASES[name].stale ?? CASES[name].whole)(id);
        const expected = new Map(cases.map((name) => [name,
            [...(CASES[name].firstEvents ?? (() => firstEvents(name)))(), ...seen(name, 3), ...seen(name, 4)]]));

        before(async () => {
            world = await World.start({ server: false, sql: 'CREATE SCHEMA t; CREATE SCHEMA u;' });
            const { postgres } = world;
            if (!hasTriggers) {
                await postgres.query('DROP EVENT TRIGGER herald_ddl; DROP EVENT TRIGGER herald_drop');
            }
            const each = async (what) => {
                for (const name of cases) {
                    await postgres.query(what(name)).catch((error) => assert.fail(`${name}: ${error.message}: ${what(name)}`));
                }
            };
            await each((name) => of(name, 'make'));
            await postgres.query('SELECT herald.refresh()');
            await each((name) => of(name, 'first'));
            await each((name) => CASES[name].alter);
            await each((name) => change(name, 3));
            await each((name) => change(name, 4));
            const captured = await postgres.query('SELECT old, new FROM herald.outbox');
            assert.ok(captured.length > cases.length * 3);
            assert.doesNotMatch(JSON.stringify(captured), /secret/, 'what is hidden is not even captured');
            await world.serve();
            await until('the outbox to be empty', async () => Number(await postgres.value('SELECT pending_rows FROM herald.lag()')) === 0);
        });
        after(() => world?.stop());

        const events = async (from = 0) => (await world.postgres.query(`
            SELECT concat(channel, ' ', payload #>> '{data,action}', ' ', payload #>> '{data,schema}', '.', payload #>> '{data,table}', ' ',
                          coalesce(payload #> '{data,new}', 'null')::text, '|', coalesce(payload #> '{data,old}', 'null')::text, '|', payload #>> '{data,reduced}') AS text
              FROM herald.log WHERE id > $1 ORDER BY id`, [from])).map(({ text }) => {
            const [, head, fresh, old, reduced] = text.match(/^(.* )(\{.*\}|null)\|(\{.*\}|null)\|(.*)$/);
            return `${head}${fresh === 'null' ? old : fresh}${reduced && ` ${reduced}`}`;
        });
        const eventsOf = (all, name) => all.filter((text) => text.match(/^[a-z_]+/)[0] === { there: 'land' }[name] || text.match(/^[a-z_]+/)[0] === name
            || name === 'there' && text.startsWith('country.'));

        test('what was captured is read by its own shape, and in its order', async () => {
            const all = await events();
            assert.doesNotMatch(await world.postgres.value(`SELECT string_agg(payload::text, ' ') FROM herald.log`), /secret/);
            for (const name of cases) {
                assert.deepEqual(eventsOf(all, name), expected.get(name).filter((text) => !text.startsWith('skipped')), name);
            }
            assert.equal(all.length, [...expected.values()].flat().filter((text) => !text.startsWith('skipped')).length, 'nothing else is there');
        });

        test('what did not come whole is counted, with its reason', async () => {
            const texts = [...expected.values()].flat();
            const found = await metrics(world.server);
            const reduced = count(texts.filter((text) => !text.startsWith('skipped')).map((text) => text.match(/(?:\}|null) ?(\w*)$/)[1]));
            const left = count(texts.filter((text) => text.startsWith('skipped')).map((text) => text.split(' ')[1]));
            for (const reason of ['size', 'stale', 'unprintable', 'channel', 'template']) {
                assert.equal(found.get(`changes_reduced_total{reason="${reason}"}`), reduced.get(reason) ?? 0, `reduced: ${reason}`);
                assert.equal(found.get(`changes_skipped_total{reason="${reason}"}`), left.get(reason) ?? 0, `skipped: ${reason}`);
            }
            const wanted = Object.fromEntries(cases.filter((name) => !CASES[name].isGone).map((name) => {
                const known = CASES[name].isUnknown ? [] : expected.get(name);
                return [name.replace('old_name', 'new_name'), `${known.filter((text) => /[}] \w+$/.test(text)).length} ${known.filter((text) => text.startsWith('skipped')).length}`];
            }));
            const watches = () => world.postgres.query(`SELECT w.reduced, w.skipped, c.relname AS name FROM herald.watches w JOIN pg_class c ON c.oid = w."table"`);
            let last;
            await until('the counts to be in herald.watches', async () => {
                last = Object.fromEntries((await watches()).filter(({ name }) => name in wanted).map((w) => [w.name, `${w.reduced} ${w.skipped}`]));
                return Object.keys(wanted).every((name) => wanted[name] === last[name]);
            }, 15 * SECOND).catch(() => assert.deepEqual(last, wanted));
            if (cases.includes('forgotten')) {
                assert.equal(Number(await world.postgres.value(`SELECT skipped FROM herald.watch_count WHERE key = '' AND reason = 'stale'`)), 4);
            }
        });

        test('the server follows, and all is whole again', async () => {
            const { postgres } = world;
            await until('no watch to be stale', async () => Number(await postgres.value('SELECT count(*) FROM herald.watches WHERE stale')) === 0, 30 * SECOND);
            const newest = await postgres.value('SELECT max(id) FROM herald.log');
            await postgres.query(cases.map((name) => change(name, 5)).join(';'));
            await until('the outbox to be empty', async () => Number(await postgres.value('SELECT pending_rows FROM herald.lag()')) === 0);
            const all = await events(newest);
            for (const name of cases) {
                assert.deepEqual(eventsOf(all, name), CASES[name].whole(5).filter((text) => !text.startsWith('skipped')), name);
            }
        });
    });
}
