// SPDX-License-Identifier: PostgreSQL
// Rows that are to be read anew although no event tells of them: what somebody may see is decided in another table (herald.reread), a part
// of a table is truncated or goes, a policy is another. Whoever has such rows hears of it in its place, or when he comes back.
import { test, describe, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World } from './lib/world.js';
import { secretFlags, user } from './lib/token.js';
import { until } from './lib/wait.js';

let world;
let postgres;

before(async () => {
    // No writer rings: what a watch says of itself comes with the rows, or seconds later.
    world = await World.start({ server: false, settings: { max_prepared_transactions: '5' }, flags: [...secretFlags(), '--anonymous-role', 'r_user'] });
    ({ postgres } = world);
    await postgres.query(`
        CREATE ROLE r_user;
        GRANT r_user TO herald_judge;
        CREATE FUNCTION whoever() RETURNS int LANGUAGE sql STABLE AS $$SELECT (nullif(current_setting('request.jwt.claims', true), '')::json ->> 'row_id')::int$$;
        CREATE TABLE r_member (who int, team int, PRIMARY KEY (who, team));
        INSERT INTO r_member VALUES (1, 1), (2, 1), (2, 2);
        CREATE FUNCTION reread() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN
            PERFORM herald.reread(12, coalesce(NEW.who, OLD.who));
            RETURN NULL;
        END $$;
        CREATE TRIGGER reread AFTER INSERT OR DELETE ON r_member FOR EACH ROW EXECUTE FUNCTION reread();
        CREATE TABLE r_doc (id int PRIMARY KEY, team int, title text);
        INSERT INTO r_doc SELECT i, 1 + i % 2, 't' FROM generate_series(1, 10) i;
        GRANT SELECT ON r_doc, r_member TO r_user;
        ALTER TABLE r_doc ENABLE ROW LEVEL SECURITY;
        CREATE POLICY team ON r_doc FOR SELECT USING (EXISTS (SELECT FROM r_member m WHERE m.who = whoever() AND m.team = r_doc.team));
        SELECT herald.watch('r_doc', channel => 'docs', visible => '"policy"', claims => '{row_id}', snapshot => true);
        CREATE TABLE r_open (id int PRIMARY KEY);
        SELECT herald.watch('r_open', channel => 'open', snapshot => true);
        CREATE TABLE r_parts (id int, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
        CREATE TABLE r_parts_1 PARTITION OF r_parts FOR VALUES IN (1);
        CREATE TABLE r_parts_2 PARTITION OF r_parts FOR VALUES IN (2);
        SELECT herald.watch('r_parts', channel => 'parts/{k}', snapshot => true);
        SELECT herald.set_rule('*', anonymous_clients => true, message_history => 1000)`);
    await world.serve();
});

after(() => world.stop());

const as = (who) => ({ token: user(12, who, {}) });
const isGap = (f) => f.action === 'join' && f.client === null && f.payload.gap === true;
const gaps = (client) => client.frames.filter(isGap);

async function snapshot(client, channel, since) {
    client.send('join', channel, { snapshot: true, ...(since && { since }) });
    const joined = await client.waitFor((f) => f.action === 'error' || f.action === 'join' && f.client !== null && f.options.view);
    assert.equal(joined.action, 'join', joined.text);
    const rows = [];
    for (let part = joined.payload.resumed ? { last: true } : {}; !part.last;) {
        ({ payload: part } = await client.waitFor({ action: 'snapshot' }));
        rows.push(...part.rows);
        if (part.last) {
            client.position = { epoch: part.epoch, offset: part.offset };
        }
    }
    return { ids: rows.map((r) => r.id).sort((a, b) => a - b), joined: joined.payload };
}

// Behind all that was committed until now.
async function passed(client, channel) {
    const mark = `passed ${Math.random()}`;
    await client.join(channel);
    await world.publish(channel, mark);
    await client.waitFor((f) => f.action === 'event' && f.payload?.data === mark);
}

const ALL = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
const ODD = [1, 3, 5, 7, 9];
const EVEN = [2, 4, 6, 8, 10];

describe('somebody may see other rows, though none has changed', () => {
    test('his pages read them anew, and nobody else\'s', async () => {
        const [ann, plain, bob] = [await world.client(as(1)), await world.member('docs', null, as(1)), await world.client(as(2))];
        assert.deepEqual((await snapshot(ann, 'docs')).ids, EVEN);
        assert.deepEqual((await snapshot(bob, 'docs')).ids, ALL);
        assert.deepEqual((await snapshot(ann, 'open')).ids, []);
        await postgres.query('INSERT INTO r_member VALUES (1, 2), (1, 3), (1, 4)');
        const gap = await ann.waitFor(isGap);
        assert.equal(gap.options.channel, 'docs');
        await plain.waitFor(isGap);
        assert.deepEqual((await snapshot(ann, 'docs')).ids, ALL);
        await Promise.all([ann, plain, bob].map((client) => passed(client, 'docs')));
        await passed(ann, 'open');
        assert.deepEqual([ann, plain, bob].map((client) => gaps(client).length), [1, 1, 0], 'once for all of a batch; not of tables that are judged without the database');
        plain.send('history', 'docs');
        const { payload: { history } } = await plain.waitFor({ action: 'history' });
        assert.ok(history.every((e) => typeof e.payload.data === 'string'), 'no history has it');
        await postgres.query('DELETE FROM r_member WHERE who = 1 AND team = 1');
        await ann.waitFor(isGap);
        assert.deepEqual((await snapshot(ann, 'docs')).ids, ODD);
        await postgres.query('INSERT INTO r_member VALUES (1, 1)');
    });

    test('it comes in order: who reads then has what was before', async () => {
        const ann = await world.client(as(1));
        await snapshot(ann, 'docs');
        await postgres.query(`BEGIN; INSERT INTO r_doc VALUES (11, 1, 'new'); DELETE FROM r_member WHERE who = 1 AND team = 1; COMMIT`);
        await ann.waitFor(isGap);
        assert.deepEqual((await snapshot(ann, 'docs')).ids, ODD);
        await postgres.query('INSERT INTO r_member VALUES (1, 1); DELETE FROM r_doc WHERE id = 11');
    });

    test('who was away reads them when he comes back, also to another server; who is not concerned goes on', async () => {
        await passed(await world.client(as(2)), 'docs');        // what the test before has done would be news to who comes back
        const [ann, bob] = [await world.client(as(1)), await world.client(as(2))];
        assert.deepEqual((await snapshot(ann, 'docs')).ids, ALL);
        assert.deepEqual((await snapshot(bob, 'docs')).ids, ALL);
        const fresh = await world.client(as(1));
        assert.equal((await snapshot(fresh, 'docs', ann.position)).joined.resumed, true);
        await Promise.all([ann, fresh].map((client) => client.close()));
        await postgres.query('DELETE FROM r_member WHERE who = 1 AND team = 2');
        await passed(bob, 'docs');
        for (const restarts of [false, true]) {
            if (restarts) {
                await world.server.stop();
                await world.serve();
            }
            const again = await world.client(as(1));
            const { joined, ids } = await snapshot(again, 'docs', ann.position);
            assert.equal(joined.gap, true);
            assert.deepEqual(ids, EVEN);
            const next = await world.client(as(1));
            assert.equal((await snapshot(next, 'docs', again.position)).joined.resumed, true);
            const other = await world.client(as(2));
            assert.equal((await snapshot(other, 'docs', bob.position)).joined.resumed, true);
        }
    });

    test('who comes back as somebody else has none of the rows of before', async () => {
        const [ann, bob] = [await world.client(as(1)), await world.client(as(2))];
        await snapshot(ann, 'docs');
        const { joined, ids } = await snapshot(bob, 'docs', ann.position);
        assert.deepEqual([joined.resumed, joined.gap, ids], [false, true, ALL]);
        await snapshot(ann, 'open');
        assert.equal((await snapshot(bob, 'open', ann.position)).joined.resumed, true, 'where all see the same, nothing is read');
    });

    test('a policy is another', async () => {
        const bob = await world.client(as(2));
        assert.deepEqual((await snapshot(bob, 'docs')).ids, ALL);
        await postgres.query('ALTER POLICY team ON r_doc USING (team = 1)');
        await bob.waitFor(isGap);
        assert.deepEqual((await snapshot(bob, 'docs')).ids, EVEN);
        await postgres.query('CREATE POLICY more ON r_doc FOR SELECT USING (id < 4)');
        await bob.waitFor(isGap);
        assert.deepEqual((await snapshot(bob, 'docs')).ids, [1, 2, 3, 4, 6, 8, 10]);
        await postgres.query('DROP POLICY more ON r_doc');
        await bob.waitFor(isGap);
        assert.deepEqual((await snapshot(bob, 'docs')).ids, EVEN);
    });
});

describe('a part of a table', () => {
    test('is truncated: who has rows of the whole is told, before what follows', async () => {
        await postgres.query('INSERT INTO r_parts SELECT i, k FROM generate_series(1, 3) i, generate_series(1, 2) k');
        const client = await world.client();
        const plain = await world.member('parts/1');
        assert.deepEqual((await snapshot(client, 'parts/1')).ids, [1, 2, 3]);
        await postgres.query('BEGIN; TRUNCATE r_parts_1; INSERT INTO r_parts VALUES (2, 1); COMMIT');
        await client.waitFor((f) => f.action === 'event' && f.options.view);
        const about = client.frames.filter((f) => isGap(f) || f.action === 'event' && f.options.view);
        assert.deepEqual(about.map((f) => f.action), ['join', 'event']);
        assert.deepEqual((await snapshot(client, 'parts/1')).ids, [2]);
        await passed(plain, 'parts/1');
        assert.deepEqual(gaps(plain), [], 'who has no rows of ours is not');
        const { position } = client;
        await client.close();
        await postgres.query('TRUNCATE r_parts_2');
        await passed(plain, 'parts/2');
        const again = await world.client();
        assert.equal((await snapshot(again, 'parts/1', position)).joined.gap, true);
    });

    test('comes, and goes', async () => {
        const client = await world.client();
        await postgres.query(`DELETE FROM r_parts; INSERT INTO r_parts VALUES (1, 1), (1, 2)`);
        assert.deepEqual((await snapshot(client, 'parts/1')).ids, [1]);
        for (const sql of ['ALTER TABLE r_parts DETACH PARTITION r_parts_2', 'ALTER TABLE r_parts ATTACH PARTITION r_parts_2 FOR VALUES IN (2)', 'CREATE TABLE r_parts_3 PARTITION OF r_parts FOR VALUES IN (3)',
            'DROP TABLE r_parts_3', 'TRUNCATE r_parts_2', 'DROP TABLE r_parts_1']) {
            await postgres.query(`BEGIN; ${sql}; INSERT INTO r_open SELECT coalesce(max(id), 0) + 1 FROM r_open; COMMIT`);
            await client.waitFor(isGap);
            assert.deepEqual((await snapshot(client, 'parts/1')).ids, sql === 'DROP TABLE r_parts_1' ? [] : [1], sql);
        }
    });
});

test('row level security that came unseen is seen by whoever asks for rows', async () => {
    const client = await world.client();
    await snapshot(client, 'open');
    await postgres.query('ALTER EVENT TRIGGER herald_ddl DISABLE; ALTER TABLE r_open ENABLE ROW LEVEL SECURITY');
    const asked = performance.now();
    const other = await world.client();
    other.send('join', 'open', { snapshot: true });
    assert.equal((await other.waitFor((f) => f.action === 'error' || f.action === 'snapshot')).payload.code, 'unavailable');
    await client.waitFor(isGap);
    assert.ok(performance.now() - asked < 5000, 'the server does not wait for its next look');
    other.send('join', 'open', { snapshot: true });
    const answer = await other.waitFor((f) => f.action === 'error' || f.action === 'snapshot');
    assert.ok(answer.action === 'error' || answer.payload.rows.length === 0, 'nobody is shown any');
    await postgres.query('ALTER EVENT TRIGGER herald_ddl ENABLE; ALTER TABLE r_open DISABLE ROW LEVEL SECURITY');
});

test('a table is altered: who has its rows hears of it before what was captured then', async () => {
    const client = await world.client();
    await snapshot(client, 'open');
    for (let i = 0; i < 5; i++) {
        const had = client.frames.length;
        await postgres.query(`BEGIN; ALTER TABLE r_open ADD COLUMN c${i} int; INSERT INTO r_open VALUES (${100 + i}); COMMIT`);
        await client.waitFor((f) => f.action === 'event' && f.payload.data.new?.id === 100 + i);
        const [first] = client.frames.slice(had).filter((f) => isGap(f) || f.action === 'event');
        assert.equal(first.action, 'join', `round ${i}`);
        await client.waitFor(isGap);
        await until('the rows', async () => (await snapshot(client, 'open')).ids.includes(100 + i));
    }
});
