// SPDX-License-Identifier: PostgreSQL
// The order test, end to end: nothing lost, duplicated or reordered, offsets dense, while everything is killed.
//
// 16 writers commit out of order (random delays, rollbacks, savepoints) row changes and publishes; senders send messages
// on durable channels; followers listen and resume from their last position after every cut. Meanwhile the server is
// killed (-9), and its sessions at Postgres are terminated, at random. At the end three things are compared:
//   the ledger  what was committed: a table that each transaction writes together with its changes, and for messages
//               what the senders know;
//   the log     herald.log;
//   the streams what each follower received.
// Order is checked where somebody could tell: each writer's own sequence, each sender's, a row that all update (its
// counter must count), and "committed before the other began" through a shared clock that commits carry.
//
// ORDER_SECONDS (30) sets the length, ORDER_SEED repeats the random choices (not the timing).
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World } from './lib/world.js';
import { Client } from './lib/client.js';
import { freePort } from './lib/process.js';
import { until, within, SECOND } from './lib/wait.js';

const RUN_MS = Number(process.env.ORDER_SECONDS ?? 30) * SECOND;
const WRITERS = 16;
const SENDERS = 4;
const FOLLOWERS = 4;
const HOT_ROWS = 3;
const CHANNELS = [
    'row/0', 'row/1', 'row/2', 'row/3', 'pub/0', 'pub/1', 'pub/2', 'msg/0', 'msg/1',
    ...[...Array(HOT_ROWS).keys()].map((i) => `hot/${i}`),
];

const seed = Number(process.env.ORDER_SEED ?? Date.now() % 1e9);
const random = ((state) => () => {
    state = (state + 0x6d2b79f5) | 0; // mulberry32
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
})(seed);
const pick = (n) => Math.floor(random() * n);

let world;
let isOver = false;
const kills = { server: 0, session: 0 };

before(async () => {
    world = await World.start({
        server: false,
        rules: {
            'row/*': { anonymous_clients: true }, 'pub/*': { anonymous_clients: true }, 'hot/*': { anonymous_clients: true },
            'msg/*': { public_messaging: true, message_history: 1000000 },
        },
        sql: `
            CREATE TABLE item (id bigserial PRIMARY KEY, channel int, writer int, n int, began int);
            CREATE TABLE hot (id int PRIMARY KEY, n int NOT NULL);
            INSERT INTO hot SELECT i, 0 FROM generate_series(0, ${HOT_ROWS - 1}) i;
            CREATE TABLE ledger (channel text, writer int, n int, began int);
            SELECT herald.watch('item', channel => 'row/{channel}', numbers => 'native');
            SELECT herald.watch('hot', channel => 'hot/{id}');`,
    });
    await world.serve({ listen: `127.0.0.1:${await freePort()}` });
});
after(() => world?.stop());

// ---- writers ---------------------------------------------------------------------------------------------------------

let clock = 0; // commits that have returned: what began at clock c must come after every commit numbered <= c
const commits = new Map(); // "writer/n" → its number

async function transaction(session, writer, counter) {
    const began = clock;
    const mine = [];
    const add = async () => {
        const n = ++counter.n;
        if (random() < 0.5) {
            const channel = pick(4);
            await session.query('INSERT INTO item (channel, writer, n, began) VALUES ($1, $2, $3, $4)', [channel, writer, n, began]);
            await session.query('INSERT INTO ledger VALUES ($1, $2, $3, $4)', [`row/${channel}`, writer, n, began]);
        } else {
            const channel = `pub/${pick(3)}`;
            await session.query('SELECT herald.publish($1, $2::jsonb)', [channel, JSON.stringify({ writer, n, began })]);
            await session.query('INSERT INTO ledger VALUES ($1, $2, $3, $4)', [channel, writer, n, began]);
        }
        mine.push(`${writer}/${n}`);
    };
    await session.query('BEGIN');
    for (let i = 1 + pick(3); i > 0; i--) {
        if (random() < 0.25) {
            await session.query('SAVEPOINT s');
            const kept = mine.length;
            await add();
            if (random() < 0.5) {
                await session.query('ROLLBACK TO s');
                mine.length = kept;
            }
        } else {
            await add();
        }
        if (random() < 0.5) {
            await session.query('SELECT pg_sleep($1)', [random() * (random() < 0.05 ? 0.6 : 0.03)]);
        }
    }
    if (random() < 0.2) {
        await session.query('UPDATE hot SET n = n + 1 WHERE id = $1', [pick(HOT_ROWS)]);
    }
    if (random() < 0.15) {
        await session.query('ROLLBACK');
        return;
    }
    await session.query('COMMIT');
    clock++;
    mine.forEach((key) => commits.set(key, clock));
}

async function writer(number) {
    const session = await world.postgres.connect();
    const counter = { n: 0 };
    while (!isOver) {
        await transaction(session, number, counter);
    }
    await session.end();
}

// ---- clients that come back ------------------------------------------------------------------------------------------

// One client after another, each resuming where the last one ended; `stream` is what the user of it has seen.
class Resuming {
    constructor(channels) {
        this.channels = channels;
        this.stream = new Map(channels.map((c) => [c, []])); // channel → frames
        this.epoch = null;
        this.joins = 0;
        this.replayed = 0;
    }

    async connect() {
        const { server } = world; // may be on its way down or up: then this fails, and is tried again
        const client = new Client(server, { canonical: world.canonical });
        client.onFrame = (frame) => this.onFrame(frame);
        await within('the handshake', client.opened);
        for (const channel of this.channels) {
            const since = this.epoch === null ? undefined : { epoch: this.epoch, offset: this.stream.get(channel).length };
            const ack = await client.join(channel, since ? { since } : {}, 15 * SECOND);
            assert.equal(ack.payload.gap, false, `a gap on ${channel}`);
            if (this.epoch === null) {
                assert.equal(ack.payload.offset, 0, 'the first join is before the first event');
            } else {
                assert.equal(ack.payload.epoch, this.epoch, 'the epoch has changed');
                assert.equal(ack.payload.resumed, true);
            }
            this.firstEpoch = ack.payload.epoch;
            this.joins++;
        }
        this.epoch ??= this.firstEpoch;
        this.client = client;
        return client;
    }

    onFrame(frame) {
        if (frame.action !== 'message' && frame.action !== 'event') {
            if (frame.action === 'error') {
                this.onError?.(frame);
            }
            return;
        }
        this.replayed += frame.options.replayed ? 1 : 0;
        this.stream.get(frame.options.channel).push({ id: frame.options.id, action: frame.action, payload: frame.payload });
        this.onEvent?.(frame);
    }

    // Keeps a connection for as long as the test runs.
    async stay() {
        while (!isOver) {
            let client;
            try {
                client = await this.connect();
            } catch (error) {
                if (error instanceof assert.AssertionError) {
                    throw error;
                }
                this.client?.socket.terminate();
                await until('the server to be back', () => isOver || world.server.waitReady(200, 100), 30 * SECOND);
                continue;
            }
            await Promise.race([client.ended, over]);
        }
    }
}

let beginAll;
let endAll;
const begin = new Promise((resolve) => (beginAll = resolve)); // everybody has joined
const over = new Promise((resolve) => (endAll = resolve));

// A sender: numbers its messages, a few at a time, and goes on when each of them came back or cannot any more because its
// socket has died. It never repeats a number, so a number that is twice in the log was doubled by the server.
class Sender extends Resuming {
    constructor(number) {
        super([`msg/${number % 2}`]);
        this.number = number;
        this.sent = 0;
        this.echoed = new Set();
        this.refused = new Set();
        this.pending = new Set();
        this.onEvent = (frame) => {
            if (frame.payload.sender === number) {
                this.echoed.add(frame.payload.n);
                this.pending.delete(frame.payload.n);
            }
        };
        this.onError = (frame) => { // of the oldest one: answers come in order
            assert.equal(frame.payload.code, 'unavailable', frame.text);
            const [n] = this.pending;
            this.refused.add(n);
            this.pending.delete(n);
        };
    }

    async send(client) {
        while (!isOver && !client.closed) {
            this.pending.clear();
            for (let i = 1 + pick(5); i > 0; i--) {
                this.pending.add(++this.sent);
                client.message(this.channels[0], { sender: this.number, n: this.sent });
            }
            await until('the echoes', () => this.pending.size === 0 || client.closed, 30 * SECOND);
        }
    }

    async connect() {
        const client = await super.connect();
        this.sending = begin.then(() => this.send(client));
        this.sending.catch(() => {});
        return client;
    }
}

// ---- the killer ------------------------------------------------------------------------------------------------------

async function killer() {
    while (!isOver) {
        await Promise.race([over, until('the moment to strike', (() => {
            const at = performance.now() + 500 + random() * 2500;
            return () => performance.now() > at;
        })())]);
        if (isOver) {
            return;
        }
        if (random() < 0.4) {
            await world.server.kill();
            world.server = await world.server.again();
            kills.server++;
        } else {
            kills.session += await world.postgres.terminate(random() < 0.5 ? 'true' : 'random() < 0.5');
        }
    }
}

// ---- the comparison --------------------------------------------------------------------------------------------------

function dense(log, channel) {
    return log.every((row, i) => row.channel_offset === i + 1) ? 0 : assert.fail(`${channel}: offsets are not dense`);
}

test(`${WRITERS} writers, ${SENDERS} senders, kills: nothing lost, doubled or reordered`, async (t) => {
    const followers = [...Array(FOLLOWERS)].map(() => new Resuming(CHANNELS));
    const senders = [...Array(SENDERS).keys()].map((i) => new Sender(i));
    for (const each of [...followers, ...senders]) {
        // The first join of all of them is at offset 0, before anything is written.
        await each.connect();
    }
    beginAll();
    const staying = [...followers, ...senders].map(async (each) => {
        await Promise.race([each.client.ended, over]);
        await each.stay();
    });
    const killing = killer();
    const writing = [...Array(WRITERS).keys()].map(writer);
    const end = performance.now() + RUN_MS;
    await Promise.race([
        until('the end', () => performance.now() > end, RUN_MS + 10 * SECOND),
        Promise.all([killing, ...writing, ...staying]).then(() => assert.fail('somebody ended early')),
    ]);
    isOver = true;
    endAll();
    await Promise.all([killing, ...writing, ...staying]);
    await Promise.allSettled(senders.map((s) => s.sending));

    // Everything committed gets into the log, and everybody gets all of the log.
    const ledger = await world.postgres.query('SELECT * FROM ledger');
    const committed = ledger.length + Number(await world.postgres.value('SELECT sum(n) FROM hot'));
    await world.server.waitReady();
    await until('the log to hold all that was committed', async () => {
        const n = await world.postgres.value(`SELECT count(*)::int FROM herald.log WHERE channel !~ '^msg/'`);
        return n >= committed;
    }, 30 * SECOND);
    await until('messages to be stored and the outbox to be read', async () => {
        const [{ pending_rows: rows }] = await world.postgres.query('SELECT * FROM herald.lag()');
        return Number(rows) === 0;
    }, 30 * SECOND);
    for (const each of [...followers, ...senders]) {
        if (each.client.closed || each.client.socket.readyState !== 1) {
            isOver = false;
            await each.connect();
            isOver = true;
        }
        await Promise.allSettled([each.sending]);
    }
    const rows = await world.postgres.query(
        'SELECT id::float8, channel, channel_offset::float8, action, payload::text FROM herald.log ORDER BY id');
    const log = new Map(CHANNELS.map((c) => [c, []]));
    rows.forEach((row) => log.get(row.channel).push({ ...row, payload: JSON.parse(row.payload) }));
    const total = (stream) => [...stream.values()].reduce((sum, list) => sum + list.length, 0);
    for (const each of [...followers, ...senders]) {
        const wanted = each.channels.reduce((sum, c) => sum + log.get(c).length, 0);
        await until(`a stream of ${wanted}`, () => total(each.stream) >= wanted, 30 * SECOND).catch((error) => {
            error.message += `; it has ${total(each.stream)}`;
            throw error;
        });
    }

    const count = { events: rows.length, lost: 0, duplicated: 0, reordered: 0, holes: 0 };
    rows.forEach((row, i) => (count.holes += row.id === i + 1 ? 0 : 1));
    log.forEach((list, channel) => (count.holes += dense(list, channel)));

    // Rows and publishes against the ledger.
    const facts = (row) => (row.channel.startsWith('row/') ? row.payload.data.new : row.payload.data);
    const logged = new Map();
    for (const [channel, list] of log) {
        if (!/^(row|pub)\//.test(channel)) {
            continue;
        }
        const lastOfWriter = new Map();
        let largestBegan = 0;
        for (const row of list) {
            const { writer, n, began } = facts(row);
            const key = `${channel} ${writer}/${n}`;
            count.duplicated += logged.has(key) ? 1 : 0;
            logged.set(key, row);
            count.reordered += (lastOfWriter.get(writer) ?? 0) >= n ? 1 : 0;
            lastOfWriter.set(writer, n);
            // Somebody before us in the log began when our commit had already returned: that is the wrong way round.
            count.reordered += largestBegan >= commits.get(`${writer}/${n}`) ? 1 : 0;
            largestBegan = Math.max(largestBegan, began);
        }
    }
    const wanted = new Set(ledger.map((l) => `${l.channel} ${l.writer}/${l.n}`));
    assert.equal(wanted.size, ledger.length);
    wanted.forEach((key) => (count.lost += logged.has(key) ? 0 : 1));
    logged.forEach((_, key) => assert.ok(wanted.has(key), `${key} was never committed, but is in the log`));

    // The row that all update counts.
    for (let i = 0; i < HOT_ROWS; i++) {
        log.get(`hot/${i}`).forEach((row, k) => (count.reordered += row.payload.data.new.n === k + 1 ? 0 : 1));
        const n = await world.postgres.value('SELECT n FROM hot WHERE id = $1', [i]);
        count.lost += n - log.get(`hot/${i}`).length;
    }

    // Messages: each number at most once and ascending; each that was echoed is there; each that is there was sent.
    let unanswered = 0;
    for (const sender of senders) {
        const numbers = log.get(sender.channels[0]).filter((r) => r.payload.sender === sender.number).map((r) => r.payload.n);
        numbers.forEach((n, i) => (count.reordered += i > 0 && numbers[i - 1] > n ? 1 : 0));
        count.duplicated += numbers.length - new Set(numbers).size;
        sender.echoed.forEach((n) => (count.lost += numbers.includes(n) ? 0 : 1));
        assert.ok(numbers.every((n) => n >= 1 && n <= sender.sent && !sender.refused.has(n)));
        unanswered += sender.sent - numbers.length - sender.refused.size;
    }

    // Every stream is the log.
    for (const each of [...followers, ...senders]) {
        for (const channel of each.channels) {
            const expected = log.get(channel).map((r) => ({ id: r.channel_offset, action: r.action, payload: r.payload }));
            const stream = each.stream.get(channel);
            stream.forEach((f, i) => assert.deepEqual(f, expected[i], `${channel}: position ${i} of a follower's stream`));
            assert.equal(stream.length, expected.length);
        }
    }
    const messages = log.get('msg/0').length + log.get('msg/1').length;
    const streamed = [...followers, ...senders].reduce((sum, each) => sum + total(each.stream), 0);
    t.diagnostic(`seed ${seed}, ${RUN_MS / SECOND} s, kills: server ${kills.server}, sessions ${kills.session}; ` +
        `resumes ${followers.concat(senders).reduce((s, e) => s + e.joins, 0)}, ` +
        `replayed ${followers.concat(senders).reduce((s, e) => s + e.replayed, 0)}`);
    t.diagnostic(`events ${count.events} (messages ${messages}, unanswered at a kill ${unanswered}), streamed ${streamed}: ` +
        `lost ${count.lost}, duplicated ${count.duplicated}, reordered ${count.reordered}, holes ${count.holes}`);
    assert.deepEqual([count.lost, count.duplicated, count.reordered, count.holes], [0, 0, 0, 0]);
    assert.ok(kills.server > 0 && kills.session > 0, 'the killer was at work');
    assert.ok(count.events > 100, 'there was something to order');
    assert.ok(unanswered <= kills.server * SENDERS * 5, 'only a killed server loses messages that it never answered');
    followers.concat(senders).forEach((each) => each.client.socket.terminate());
});
