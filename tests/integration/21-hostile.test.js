// SPDX-License-Identifier: PostgreSQL
// Clients that mean harm. Whatever one of them does, the others still talk, the server's memory is what it was (within a
// bound: AddressSanitizer keeps freed blocks for a while), and no sanitizer has anything to say. A flood may be answered or
// cut short; what the tests hold is what everybody else sees.
import { test, before, after, afterEach } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { World, OPEN, DURABLE } from './lib/world.js';
import { Raw, frame, text, close, upgrade, FIN, TEXT, CONTINUATION, PING } from './lib/raw.js';
import { freePort, temporaryDirectory } from './lib/process.js';
import { until, within, SECOND } from './lib/wait.js';

const MIB = 1 << 20;
const GROWTH = 128 * MIB; // of the resident set, over the whole file
const SANITIZER = 'quarantine_size_mb=16:allocator_release_to_os_interval_ms=100';
const directory = temporaryDirectory('hostile');
const files = Object.fromEntries(['cert', 'key', 'jwe'].map((name) => [name, join(directory, `${name}.pem`)]));

let world;
let bystander;
let tlsPort;
let start;
let startDescriptors;
before(async () => {
    const openssl = (...args) => execFileSync('openssl', args, { stdio: 'pipe' });
    openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', files.key, '-out', files.cert, '-subj', '/CN=localhost', '-days', '2');
    openssl('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:4096', '-out', files.jwe);
    tlsPort = await freePort();
    world = await World.start({
        rules: {
            'room/*': { ...OPEN, presence: true, private_messaging: true }, 'kept/*': DURABLE, 'bystander/*': OPEN, 'open': OPEN,
        },
        sql: 'CREATE ROLE mallory LOGIN',
        flags: [
            '--tls-listen', `127.0.0.1:${tlsPort}`, '--tls-cert-file', files.cert, '--tls-key-file', files.key,
            '--token-key-file', files.jwe, '--token-key-algorithm', 'RSA-OAEP-256',
        ],
        env: {
            PGHERALD_HANDSHAKE_TIMEOUT: '1s', PGHERALD_OUTQUEUE_BYTES: '256KiB', PGHERALD_MAX_SESSIONS: '2000', ASAN_OPTIONS: SANITIZER,
        },
    });
    bystander = await world.member('bystander/1');
    for (let i = 0; i < 200; i++) {
        await trip();
    }
    start = memory();
    startDescriptors = descriptors();
});
after(() => world?.stop());
afterEach(async (context) => {
    const ms = await trip();
    const grown = memory() - start;
    const peak = field('VmHWM') - start;
    context.diagnostic(`grown ${(grown / MIB).toFixed(1)} MiB (peak ${(peak / MIB).toFixed(1)}), round trip ${ms.toFixed(1)} ms`);
    assert.ok(grown < GROWTH, `${grown} bytes more than at the start`);
    assert.equal(world.server.sanitizers.text(), '');
});

const field = (name) => Number(readFileSync(`/proc/${world.server.process.pid}/status`, 'utf8').match(new RegExp(`${name}:\\s*(\\d+) kB`))[1]) * 1024;
const memory = () => field('VmRSS');
const descriptors = () => readdirSync(`/proc/${world.server.process.pid}/fd`).length;

// The bystander's message comes back; in milliseconds.
let trips = 0;
async function trip() {
    const mark = ++trips;
    const at = performance.now();
    bystander.message('bystander/1', mark);
    await bystander.waitFor({ payload: mark });
    bystander.frames.length = 0;
    bystander.taken.clear();
    return performance.now() - at;
}

// Does the bystander's round trip all the while; resolves with the attack's result, and fails if one took too long.
async function under(attack, mostMs = 3 * SECOND) {
    let isOver = false;
    const run = attack().finally(() => (isOver = true));
    run.catch(() => {});
    while (!isOver) {
        const ms = await trip();
        assert.ok(ms < mostMs, `a round trip of ${ms} ms meanwhile`);
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return run;
}

const json = (value) => text(JSON.stringify(value));
const send = (action, channel, payload = null, options = {}) => json({ action, options: { ...options, channel }, payload });
const open = (options) => Raw.open(world.server, options);
const many = (n, make) => Promise.all(Array.from({ length: n }, (_, i) => make(i)));

// Writes without reading, as fast as the server takes it, until all is written or the connection is over.
async function pour(raw, bytes, times) {
    for (let i = 0; i < times && !raw.isEnded; i++) {
        await new Promise((resolve) => {
            raw.socket.write(bytes, resolve);
            raw.ended.then(resolve);
        });
        raw.bytes = Buffer.alloc(0);
    }
}

// ---- what is sent ----------------------------------------------------------------------------------------------------

test('JSON: malformed, deep, huge, and made to be slow', async () => {
    const envelope = (payload, channel = '"room/json"', rest = '') => `{"action":"message","options":{"channel":${channel}${rest}},"payload":${payload}}`;
    const deep = (n, a, b) => a.repeat(n) + b.repeat(n);
    for (const body of [
        '{'.repeat(60000), '['.repeat(60000), '{"a":'.repeat(10000), '"'.repeat(60000), '\\'.repeat(60000), '-', '1e', '\ufeff{}', '{"action":"join"}\0',
        envelope(deep(5000, '[', ']')), envelope(deep(20, '{"a":', '}').replace('{"a":}', '{}')), envelope('1', deep(5000, '[', ']')),
        envelope('1', '"room/json"', `,"x":${deep(20000, '[', ']')}`), envelope('1', '"room/json"', `,"x":${deep(2000, '{"a":[', ']}')}`),
        envelope('1', '"room/json"', Array.from({ length: 4000 }, (_, i) => `,"k${i}":${i}`).join('')),
        envelope('1', '"room/json"', ',"a":1'.repeat(5000)), envelope('1', '"room/json"', ',"channel":"room/other"'),
        envelope(`1e${'9'.repeat(60000)}`), envelope('9'.repeat(60000)), envelope(`-0.${'0'.repeat(60000)}1`), envelope('1', '"room/json"', ',"socketId":1e999'),
        envelope(`"${'\\u0000'.repeat(10000)}"`), envelope(`"${'\\ud800'.repeat(5000)}"`), envelope('"\\ud800\\u0041"'), envelope('"\\uDBFF\\uDFFF"'),
        envelope(`{${Array.from({ length: 5000 }, (_, i) => `"k${i}":0`).join(',')}}`), envelope(`{"__proto__":{"a":1},"constructor":{"prototype":1}}`),
        envelope(' '.repeat(60000) + '1'), envelope('[' + '1,'.repeat(30000) + '1]'), envelope('[' + ','.repeat(30000) + ']'),
        envelope('1', '{"channel":"room/json"}'), envelope('1', '"room/json"', ',"authenticated":"yes"'), envelope('1', '"room/json"', `,"socketId":"${'x'.repeat(60000)}"`),
        `{"action":"${'x'.repeat(60000)}","options":{"channel":"room/json"}}`, '{"action":{"a":1},"options":{"channel":"room/json"}}',
        '{"action":"join","options":[{"channel":"room/json"}]}', '{"action":"join","options":"channel"}',
        '{"action":"join","options":{"channel":"room/json"},"payload":{"since":{"epoch":[],"offset":{}}}}',
        '{"action":"join","options":{"channel":"room/json"},"payload":{"since":{"epoch":"x","offset":-1}}}',
        '{"action":"join","options":{"channel":"room/json"},"payload":{"since":{"epoch":"x","offset":1e308},"history":{"a":[]},"presence":9}}',
        '{"action":"join","options":{"channel":"kept/json"},"payload":{"since":{"epoch":"\\u0000","offset":18446744073709551616},"history":true}}',
    ]) {
        const raw = await open();
        await raw.join('room/json');
        raw.write(text(body.slice(0, 65536)));
        const { action, payload } = await raw.message();
        assert.ok(action === 'message' || action === 'join' || action === 'error', `${action} for ${body.slice(0, 60)}`);
        assert.ok(action !== 'error' || payload.code);
        raw.destroy();
    }
});

test('50 clients of random bytes, of which half begin well', async () => {
    await under(() => many(50, async (i) => {
        const raw = i % 2 ? await Raw.connect(world.server.port) : await open();
        for (let n = 0; n < 20 && !raw.isEnded; n++) {
            raw.write(i % 4 ? randomBytes(1000) : frame(FIN | TEXT, randomBytes(200)), i % 4 ? '' : frame(FIN | PING, randomBytes(50)));
            await new Promise((resolve) => setImmediate(resolve));
        }
        await raw.closed().catch(() => {}); // an answer to HTTP is no frame
        raw.destroy();
    }));
});

test('floods of messages, pings, pongs, empty fragments and nonsense', async () => {
    const repeat = (bytes, n) => Buffer.concat(Array(n).fill(bytes));
    await under(() => Promise.all([
        [repeat(send('message', 'room/flood', 'x'.repeat(100)), 100), 100],
        [repeat(send('message', 'kept/flood', 1), 100), 20],
        [repeat(send('history', 'kept/flood'), 20), 20],
        [repeat(frame(FIN | PING, 'x'.repeat(125)), 1000), 50],
        [repeat(frame(FIN | 0xa, ''), 5000), 20],
        [Buffer.concat([frame(TEXT, ''), repeat(frame(CONTINUATION, ''), 5000)]), 1, repeat(frame(CONTINUATION, ''), 5000)],
        [repeat(text('nonsense'), 500), 10],
    ].map(async ([bytes, times, more]) => {
        const raw = await open();
        raw.write(send('join', 'room/flood'), send('join', 'kept/flood'));
        await pour(raw, bytes, times);
        await pour(raw, more ?? '', more ? 20 : 0);
        raw.destroy();
    })), 8 * SECOND);
});

test('joins and leaves without end, one channel and many', async () => {
    const rounds = (channel) => Buffer.concat(Array.from({ length: 100 }, (_, i) => [send('join', channel(i), { presence: true }), send('leave', channel(i))]).flat());
    await under(() => Promise.all([
        (i) => `room/turn/${i}`, () => 'room/same', () => 'kept/same', () => 'nobody/rules/this',
    ].map(async (channel) => {
        const raw = await open();
        await pour(raw, rounds(channel), 20);
        raw.destroy();
    })), 8 * SECOND);
});

test('a join bomb: 40 sessions, each in as many channels as it gets, none of them twice', async () => {
    await under(async () => {
        const bombs = await many(40, async (i) => {
            const raw = await open();
            raw.write(...Array.from({ length: 120 }, (_, n) => send('join', `room/bomb/${i}/${n}/${'x'.repeat(200)}`, { history: true, presence: true })));
            return raw;
        });
        await Promise.all(bombs.map(async (raw) => {
            raw.write(frame(FIN | PING, 'end'));
            const codes = new Set();
            for (let n = 0; n < 120;) {
                const got = await raw.frame(60 * SECOND);
                if (!got || got.opcode === 8) {
                    break;
                }
                const { action, payload } = got.opcode === TEXT ? JSON.parse(got.payload) : {};
                n += action === 'join' || action === 'error' ? 1 : 0;
                codes.add(action === 'error' ? payload.code : action);
            }
            assert.ok(codes.has('too_many_channels') || codes.has('rate_limited'), [...codes].join());
        }));
        bombs.forEach((raw) => raw.destroy());
    }, 8 * SECOND);
});

// ---- who he says he is -----------------------------------------------------------------------------------------------

test('frames that only a server sends, and senders who lie about themselves', async () => {
    const victim = await world.member('room/forged', { presence: true });
    const raw = await open();
    const { client } = await raw.join('room/forged');
    const lies = { client: { socketId: victim.joined.client.socketId, extras: { admin: true }, permissions: { dbo_id: 1, row_id: 1 } } };
    for (const action of ['event', 'presence_update', 'presence_full', 'error', 'connect', 'disconnect', 'ready', 'JOIN', 'message\0']) {
        raw.write(json({ action, ...lies, options: { channel: 'room/forged', id: 9, at: 'x', replayed: true }, payload: { data: { forged: true }, history: [], presence: [] } }));
        let answer;
        do {
            answer = await raw.message();
        } while (answer.action !== 'error');
        assert.equal(answer.payload.code, 'bad_action', action);
    }
    raw.write(json({ action: 'history', ...lies, options: { channel: 'room/forged', socketId: lies.client.socketId }, payload: { history: [{ action: 'event' }] } }));
    raw.write(json({ action: 'message', ...lies, options: { channel: 'room/forged', id: 9, at: 'x', replayed: true, extra: 'x' }, payload: 'true' }));
    const seen = await victim.waitFor({ action: 'message' });
    assert.deepEqual(seen.client, client, 'the server says who it was');
    assert.deepEqual(Object.keys(seen.options).sort(), ['authenticated', 'channel', 'socketId'], 'and what is its own is not the sender\'s to say');
    await victim.barrier();
    assert.deepEqual(victim.frames.filter((f) => f.text.includes('forged":')), []);
    assert.deepEqual(victim.on('room/forged').map((f) => f.action).filter((a) => !/^(join|presence_full|presence_update|message)$/.test(a)), []);
    raw.destroy();
    await victim.close();
});

test('socketIds are not to be guessed, and a wrong one says nothing about who is elsewhere', async () => {
    const elsewhere = await world.member('room/elsewhere');
    const there = await world.member('room/guess');
    const id = there.joined.client.socketId;
    const guesser = await world.member('room/guess');
    const guesses = [
        elsewhere.joined.client.socketId, id.slice(0, -1), `${id}x`, id.toLowerCase() === id ? id.toUpperCase() : id.toLowerCase(), ` ${id}`, `${id}\0`,
        '%', '*', '0', '../', "' OR true --", ...Array.from({ length: 200 }, () => randomBytes(12).toString('base64url')),
    ];
    for (const socketId of guesses) {
        guesser.send('message', 'room/guess', 'hit?', { socketId });
    }
    await guesser.barrier();
    const answers = guesser.frames.filter((f) => f.action === 'error' && f.options.channel === 'room/guess');
    assert.equal(answers.length, guesses.length);
    assert.deepEqual([...new Set(answers.map((f) => `${f.payload.code} ${f.payload.message}`))].length, 1);
    await there.barrier();
    await elsewhere.barrier();
    assert.equal(there.on('room/guess', 'message').length + elsewhere.on('room/guess', 'message').length, 0);
    const ids = new Set(await many(50, async () => {
        const raw = await open();
        const { client } = await raw.join('room/ids');
        raw.destroy();
        return client.socketId;
    }));
    assert.equal(ids.size, 50);
    assert.ok([...ids].every((each) => /^[\w-]{16}$/.test(each)), '96 random bits');
    await Promise.all([there, elsewhere, guesser].map((c) => c.close()));
});

test('names of channels: odd ones are names like others, bad ones are refused, none is more than a name', async () => {
    const client = await world.client();
    const odd = [
        'room/%2f', 'room/%00', 'room/../../etc/passwd', 'room/..', 'room//', 'room/ ', "room/'; DROP TABLE herald.log; --", 'room/$1', 'room/\\',
        'room/"quoted"', 'room/\u2028', 'room/\ufeff', 'room/\u202eabc', 'room/\u{1f980}', 'room/{id}', `room/${'x'.repeat(250)}`, 'room/__proto__', 'room/%s%n%x',
    ];
    for (const channel of odd) {
        const joined = await client.join(channel, { history: true });
        assert.equal(joined.options.channel, channel);
        client.message(channel, channel);
        assert.equal((await client.waitFor({ action: 'message', options: { channel } })).payload, channel);
        client.send('leave', channel);
        await client.waitFor({ action: 'leave', options: { channel } });
    }
    const bad = ['', 'room/\0', 'room/\x1f', 'room/\x7f', 'room/\u0085', 'room/\u009f', 'room/*', '*', `room/${'x'.repeat(251)}`, `room/${'x'.repeat(60000)}`];
    for (const [i, channel] of bad.entries()) {
        if (i % 4 === 0) {
            await client.join('room/fine');
        }
        const raw = await open();
        raw.write(send('join', channel), send('message', channel), send('leave', channel), send('history', channel));
        for (let n = 0; n < 4; n++) {
            assert.equal((await raw.message()).payload.code, 'bad_channel', JSON.stringify(channel.slice(0, 20)));
        }
        raw.destroy();
    }
    await client.close();
});

test('tokens that cost: 200 of them for a private key of 4096 bits', async () => {
    const part = (value) => Buffer.from(value).toString('base64url');
    const jwe = () => [JSON.stringify({ alg: 'RSA-OAEP-256', enc: 'A256GCM' }), randomBytes(512), randomBytes(12), randomBytes(64), randomBytes(16)].map(part).join('.');
    const codes = await under(() => many(200, async () => {
        const raw = await Raw.connect(world.server.port);
        raw.write(upgrade(world.canonical, { fields: `Sec-WebSocket-Protocol: ${jwe()}\r\n` }), send('join', 'room/tokens'));
        // Who waits too long for his turn is cut like anybody who does not get a handshake done.
        const code = (await raw.head())?.status === 101 ? (await raw.message()).payload.code : 'cut';
        raw.destroy();
        return code;
    }), 5 * SECOND);
    assert.ok(codes.includes('token_invalid'));
    assert.deepEqual([...new Set(codes)].filter((code) => code !== 'token_invalid' && code !== 'cut'), []);
});

test('floods of forged notifications from a role that may nothing', async () => {
    const mallory = await world.postgres.connect({ user: 'mallory' });
    const member = await world.member('room/notified');
    await under(async () => {
        for (const payload of ['', 'x', '{"action":"event","channel":"room/notified","payload":1}', '{"kind":"disconnect","dbo_id":null}', 'x'.repeat(7999)]) {
            await mallory.query(`SELECT pg_notify('herald', $1 || n) FROM generate_series(1, $2) n`, [payload.slice(0, 7990), payload.length > 1000 ? 200 : 2000]);
            await mallory.query('SELECT pg_notify($1, $2)', ['herald', payload]);
        }
    });
    await assert.rejects(mallory.query(`SELECT herald.publish('room/notified', '1')`), /permission denied/);
    await mallory.end();
    await world.publish('room/notified', 'real');
    await member.waitFor({ action: 'event' });
    assert.equal(member.on('room/notified', 'event').length, 1);
    await member.close();
});

// ---- how he connects -------------------------------------------------------------------------------------------------

test('slowloris: 300 heads that never end, byte by byte or not at all, are cut', async () => {
    const sockets = await under(() => many(300, async (i) => {
        const raw = await Raw.connect(i % 3 === 0 ? tlsPort : world.server.port);
        raw.drip = setInterval(() => !raw.isEnded && i % 2 && raw.socket.write(i % 3 === 0 ? '\x16' : upgrade(world.canonical).slice(0, 40)[raw.at = ((raw.at ?? -1) + 1) % 40]), 100);
        return raw;
    }));
    await under(() => Promise.all(sockets.map((raw) => within('a slow head to be cut', raw.ended, 20 * SECOND))));
    sockets.forEach((raw) => clearInterval(raw.drip) ?? raw.destroy());
});

test('slow frames: 100 sessions with a frame that never ends cost what they have sent', async () => {
    const sockets = await many(100, async (i) => {
        const raw = await open();
        raw.write(frame(FIN | TEXT, 'x'.repeat(60000)).subarray(0, 7 + i * 10), i % 2 ? '' : 'y');
        return raw;
    });
    await trip();
    assert.ok(memory() - start < GROWTH);
    sockets.forEach((raw) => raw.destroy());
});

test('3000 connections that go at once: reset, closed, or in the middle of a word', async () => {
    await under(async () => {
        for (let round = 0; round < 30; round++) {
            await many(100, async (i) => {
                const raw = i % 10 ? await Raw.connect(i % 10 === 1 ? tlsPort : world.server.port) : await open();
                raw.write([upgrade(world.canonical), 'GET / HT', '', close(1000)][i % 4]);
                if (i % 2) {
                    raw.socket.resetAndDestroy();
                } else {
                    raw.destroy();
                }
            });
        }
    }, 5 * SECOND);
    await until('the server to forget them', () => descriptors() <= startDescriptors + 10);
});

test('TLS: nonsense, a plain request, a record cut short, silence after a hello, renegotiation', async () => {
    const tls = { rejectUnauthorized: false };
    const hello = Buffer.from('16030100310100002d0303', 'hex');
    for (const bytes of [randomBytes(4000), Buffer.from(upgrade(world.canonical)), hello, Buffer.concat([hello, randomBytes(38)]), Buffer.from('1703030001ff', 'hex'), Buffer.alloc(20000, 0x16)]) {
        const raw = await Raw.connect(tlsPort);
        raw.write(bytes);
        await within('nonsense on the port of TLS to be cut', raw.ended, 10 * SECOND);
        raw.destroy();
    }
    const raw = await open({ port: tlsPort, tls: { ...tls, maxVersion: 'TLSv1.2' } });
    await raw.join('room/tls');
    const outcome = await new Promise((resolve) => {
        raw.socket.once('close', () => resolve('closed'));
        if (raw.socket.renegotiate(tls, (error) => resolve(error ? 'refused' : 'done')) === false) {
            resolve('refused');
        }
    });
    assert.notEqual(outcome, 'done');
    raw.destroy();
    for (const maxVersion of ['TLSv1', 'TLSv1.1']) {
        const old = await Raw.connect(tlsPort, { tls: { ...tls, minVersion: 'TLSv1', maxVersion, ciphers: 'ALL:@SECLEVEL=0' } });
        await within('an old version to be refused', old.ended, 5 * SECOND);
    }
    const slow = await open({ port: tlsPort, tls });
    await slow.join('room/tls');
    await slow.writeBytewise(send('message', 'room/tls', 'one record a byte'));
    assert.equal((await slow.message()).payload, 'one record a byte');
    slow.destroy();
});

// ---- the one who does not read ---------------------------------------------------------------------------------------

const READERS = 100;
const EVENTS = 5000;
const BITE = 200;

// Reads frames of the channel's events and keeps no more than the order of their offsets.
async function reader(channel) {
    const raw = await open();
    const { payload } = await raw.join(channel);
    const state = { raw, next: payload.offset + 1, isWrong: false };
    let rest = raw.bytes;
    raw.socket.removeAllListeners('data');
    raw.socket.on('data', (chunk) => {
        rest = rest.length ? Buffer.concat([rest, chunk]) : chunk;
        let at = 0;
        while (rest.length - at >= 4 && rest.length - at >= 4 + rest.readUInt16BE(at + 2)) {
            const size = rest.readUInt16BE(at + 2);
            const id = rest.indexOf('"id":', at + 4);
            state.isWrong ||= rest[at] !== 0x81 || rest[at + 1] !== 126 || parseInt(rest.toString('latin1', id + 5, id + 16), 10) !== state.next;
            state.next++;
            at += 4 + size;
        }
        rest = rest.subarray(at);
    });
    return state;
}

// In bites that a reader on a busy machine keeps up with; the time of each until all have it, sorted.
async function publishTo(channel, readers) {
    const times = [];
    for (let n = 0; n < EVENTS; n += BITE) {
        const end = readers[0].next + BITE;
        const at = performance.now();
        await world.postgres.query(`SELECT herald.publish($1, to_jsonb(n || repeat('x', 300))) FROM generate_series(1, $2) n`, [channel, BITE]);
        await until('every reader to have every event', () => readers.every((r) => r.next >= end), 20 * SECOND);
        assert.ok(readers.every((r) => !r.isWrong && r.next === end), 'complete and in order');
        times.push(performance.now() - at);
    }
    return times.sort((a, b) => a - b);
}

test(`${READERS} readers get ${EVENTS} events the same whether one more does not read; that one gets 1013`, async (context) => {
    const readers = await many(READERS, () => reader('room/stalled'));
    const alone = await publishTo('room/stalled', readers);
    const stalled = await open();
    await stalled.join('room/stalled');
    stalled.socket.pause();
    const from = world.server.process.stderr.length;
    const beside = await under(() => publishTo('room/stalled', readers));
    const middle = (times) => Math.round(times[times.length >> 1]);
    context.diagnostic(`${BITE} events take ${middle(alone)} ms without him (worst ${Math.round(alone.at(-1))}), ${middle(beside)} with him (${Math.round(beside.at(-1))})`);
    assert.ok(middle(beside) < 3 * middle(alone) + 200);
    await world.server.process.says(/closes: 1013 slow reader/, { from });
    stalled.socket.resume();
    const { code, before: frames } = await stalled.closed(20 * SECOND);
    assert.ok(code === 1013 || code === null, `${code}`); // null: he was too slow even for that
    assert.ok(frames.length < EVENTS);
    readers.forEach(({ raw }) => raw.destroy());
});

test('100 who open, ask for a lot and never read', async () => {
    await world.postgres.query(`SELECT herald.publish('kept/much', to_jsonb(repeat('x', 5000))) FROM generate_series(1, 300)`);
    await world.publish('room/done', 1);
    const silent = await under(() => many(100, async (i) => {
        const raw = await open();
        raw.socket.pause();
        raw.write(send('join', i % 2 ? 'kept/much' : 'room/crowd', { history: true, presence: true }), ...Array(5).fill(send('history', 'kept/much')));
        return raw;
    }), 8 * SECOND);
    await trip();
    silent.forEach((raw) => raw.destroy());
});
