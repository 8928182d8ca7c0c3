// SPDX-License-Identifier: PostgreSQL
// Coming back: a crowd is served from memory, deep resumes are read in pages, a gap is said only where there is one, and
// what happens during a replay comes after it, once.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World, READ_ONLY } from './lib/world.js';
import { until, SECOND } from './lib/wait.js';

const SESSIONS = 2000;
const CHANNELS = 20;
const MISSED = 10;
const DEEP = 50000;
const PAGE_ROWS = 1000;

let world;

before(async () => {
    world = await World.start({
        settings: { track_functions: 'pl' },
        rules: { '*': READ_ONLY },
        // A memory that holds what a crowd misses and not what a deep resume does; an out-queue that holds a page.
        env: { PGHERALD_RECENT_ROWS: '1000', PGHERALD_RESUME_MAX_ROWS: '55000', PGHERALD_OUTQUEUE_BYTES: '1MiB', PGHERALD_LOG_LEVEL: 'info' },
    });
});

after(() => world.stop());

// How often the server has read. Postgres reports what a session did up to ten seconds late, so one read more is made,
// which must be among them.
let n_marks = 0;
async function reads() {
    const count = () => world.postgres.value(
        "SELECT coalesce(sum(calls), 0)::int FROM pg_stat_user_functions WHERE schemaname = 'herald' AND funcname = 'read_channel'");
    const before = await count();
    const marker = await world.client();
    await marker.join(`mark/${n_marks++}`);
    await until('the figures to have the read', async () => (await count()) > before, 30 * SECOND);
    await marker.close();
    return count();
}

async function publish(channel, from, to) {
    await world.postgres.query('SELECT herald.publish($1, to_jsonb(i)) FROM generate_series($2::int, $3::int) i', [channel, from, to]);
}

async function waves(list, size, each) {
    for (let i = 0; i < list.length; i += size) {
        await Promise.all(list.slice(i, i + size).map(each));
    }
}

const offsets = (client, channel) => client.on(channel, 'event').map((frame) => frame.options.id);
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
// Resolves once the client has had the event with this offset; cheap for tens of thousands of frames.
async function reaches(client, channel, offset, deadlineMs = 60 * SECOND) {
    await until(`offset ${offset} of ${channel}`, () => {
        assert.equal(client.closed, null);
        return client.frames.at(-1)?.options.id >= offset && client.frames.at(-1).options.channel === channel;
    }, deadlineMs);
}

test('a crowd that was cut off resumes from memory', { timeout: 300 * SECOND }, async () => {
    const seats = range(0, SESSIONS - 1).map((i) => ({ channel: `crowd/${i % CHANNELS}` }));
    await waves(seats, 100, async (seat) => {
        const client = await world.client();
        seat.position = (await client.join(seat.channel)).payload;
        seat.before = client;
    });
    const before = await reads();
    await world.postgres.query('SELECT herald.set_enabled(false)');
    for (const { before: client } of seats) {
        assert.equal((await client.closes(30 * SECOND)).code, 1012);
    }
    for (let c = 0; c < CHANNELS; c++) {
        await publish(`crowd/${c}`, 1, MISSED);
    }
    await world.postgres.query('SELECT herald.set_enabled(true)');
    await world.server.waitReady();
    await waves(seats, 100, async (seat) => {
        seat.client = await world.client();
    });
    const started = Date.now();
    for (const { client, channel, position } of seats) {
        client.send('join', channel, { since: { epoch: position.epoch, offset: position.offset } });
    }
    for (const { client, channel, position } of seats) {
        await reaches(client, channel, position.offset + MISSED);
    }
    const took = Date.now() - started;
    for (let c = 0; c < CHANNELS; c++) {
        await publish(`crowd/${c}`, MISSED + 1, MISSED + 1);
    }
    for (const { client, channel, position } of seats) {
        await reaches(client, channel, position.offset + MISSED + 1);
        assert.deepEqual(client.frames.map((f) => f.action), ['join', ...Array(MISSED + 1).fill('event')]);
        assert.equal(client.frames[0].payload.resumed, true);
        assert.equal(client.frames[0].payload.gap, false);
        assert.equal(client.frames[0].payload.offset, position.offset + MISSED);
        assert.deepEqual(offsets(client, channel), range(position.offset + 1, position.offset + MISSED + 1));
        assert.deepEqual(client.frames.slice(1).map((f) => f.options.replayed ?? false), [...Array(MISSED).fill(true), false]);
    }
    const read = (await reads()) - before - 1;
    console.log(`# ${SESSIONS} sessions resumed in ${took} ms with ${read} reads`);
    assert.equal(read, 0);
    seats.forEach(({ client }) => client.socket.terminate());
});

test('a gap is said where rows were trimmed, and only there', async () => {
    await publish('old', 1, 10);
    const { payload: { epoch } } = await (await world.client()).join('old');
    await until('the events to be in the log', async () => (await world.postgres.value("SELECT count(*)::int FROM herald.log WHERE channel = 'old'")) === 10);
    await world.postgres.query("UPDATE herald.log SET at = at - interval '30 days'");
    await world.postgres.query("SELECT herald.trim('7 days', 100000)");
    await publish('push', 1, 1100); // The memory is full of others.
    const push = await world.client();
    await until('the others to be told', async () => (await push.join('push')).payload.offset === 1100);
    await publish('old', 11, 12);
    for (const [offset, isGap] of [[3, true], [9, true], [10, false], [11, false], [13, true]]) {
        const client = await world.client();
        const { payload } = await client.join('old', { since: { epoch, offset } });
        if (payload.offset < 12) {
            continue; // It asked before the two were there; the next ones will not.
        }
        assert.deepEqual([payload.gap, payload.resumed], [isGap, !isGap], `since ${offset}`);
        if (!isGap) {
            await reaches(client, 'old', 12);
            assert.deepEqual(offsets(client, 'old'), range(offset + 1, 12));
        }
    }
    const other = await (await world.client()).join('old', { since: { epoch: 'other', offset: 12 } });
    assert.equal(other.payload.gap, true);
});

test('a deep resume is read in pages; live events come after it, once', { timeout: 300 * SECOND }, async () => {
    await publish('deep', 1, DEEP);
    const watcher = await world.client();
    await until('all to be in the log', async () => (await world.postgres.value("SELECT herald.head_of('deep')::int")) === DEEP, 60 * SECOND);
    const { payload: { epoch } } = await watcher.join('deep');
    const before = await reads();
    const client = await world.client();
    const slow = await world.client();
    const started = Date.now();
    client.send('join', 'deep', { since: { epoch, offset: 0 } });
    slow.send('join', 'deep', { since: { epoch, offset: 0 } });
    await slow.waitFor({ action: 'join' });
    slow.socket.pause(); // It takes nothing for a while: its replay waits, nobody else does.
    await reaches(client, 'deep', PAGE_ROWS);
    for (let i = 1; i <= 20; i++) {
        await publish('deep', DEEP + i, DEEP + i);
    }
    await reaches(client, 'deep', DEEP + 20);
    const took = Date.now() - started;
    slow.socket.resume();
    await reaches(slow, 'deep', DEEP + 20);
    for (const one of [client, slow]) {
        assert.equal(one.frames[0].payload.resumed, true);
        assert.equal(one.frames[0].payload.gap, false);
        const head = one.frames[0].payload.offset;
        assert.deepEqual(offsets(one, 'deep'), range(1, DEEP + 20));
        assert.equal(one.on('deep', 'event').findIndex((f) => !f.options.replayed), head);
    }
    const read = (await reads()) - before - 1;
    console.log(`# ${DEEP} events resumed in ${took} ms; ${read} reads for two sessions`);
    assert.ok(read >= 2 * (DEEP / PAGE_ROWS - 2), `${read} reads`);
});

test('deep resumes do not hold up those who join', { timeout: 300 * SECOND }, async () => {
    const { payload: { epoch } } = await (await world.client()).join('deep');
    const crowd = await Promise.all(range(1, 30).map(() => world.client()));
    crowd.forEach((client) => client.send('join', 'deep', { since: { epoch, offset: 30000 } }));
    await Promise.all(crowd.map((client) => client.waitFor({ action: 'join' }, 60 * SECOND)));
    let n_joined = 0;
    const isOver = () => crowd.every((client) => client.frames.at(-1).options.id === DEEP + 20);
    const joiner = await world.client();
    while (!isOver() && n_joined < 90) {
        await joiner.join(`fair/${n_joined++}`);
    }
    console.log(`# ${n_joined} joins were answered during thirty deep resumes`);
    assert.ok(n_joined > 1); // had it been held up until they were over, that would have been the only one
    for (const client of crowd) {
        await reaches(client, 'deep', DEEP + 20);
        assert.deepEqual(offsets(client, 'deep'), range(30001, DEEP + 20));
    }
});

test('more than is allowed is a gap', { timeout: 120 * SECOND }, async () => {
    const head = DEEP + 6000;
    await publish('deep', DEEP + 21, head);
    const client = await world.client();
    await until('all to be told', async () => (await client.join('deep')).payload.offset === head, 60 * SECOND);
    const { payload: { epoch } } = client.frames[0];
    const beyond = await world.member('deep', { since: { epoch, offset: head - 55001 } });
    assert.deepEqual(beyond.joined.payload, { epoch, offset: head, resumed: false, gap: true });
    const within = await world.client();
    const { payload } = await within.join('deep', { since: { epoch, offset: head - 55000 } });
    assert.deepEqual(payload, { epoch, offset: head, resumed: true, gap: false });
});
