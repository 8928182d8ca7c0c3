// SPDX-License-Identifier: PostgreSQL
// Bad input gets the answer that the design promises, and nobody else notices: after every case a bystander still talks.
import { test, before, after, afterEach } from 'node:test';
import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { World, OPEN, DURABLE } from './lib/world.js';
import { refusal } from './lib/client.js';
import { installed, Postgres } from './lib/postgres.js';
import { pgherald } from './lib/server.js';
import { temporaryDirectory } from './lib/process.js';
import { until, within, SECOND } from './lib/wait.js';

let world;
let bystander;
before(async () => {
    world = await World.start({
        rules: { 'room/*': DURABLE, 'fleeting/*': OPEN },
        env: { PGHERALD_OUTQUEUE_BYTES: '256KiB', PGHERALD_MAX_CHANNELS: '5', PGHERALD_HANDSHAKE_TIMEOUT: '1s', PGHERALD_MAX_SESSIONS: '50' },
    });
    bystander = await world.member('fleeting/bystander');
});
after(() => world?.stop());
afterEach(async () => {
    const mark = Math.random();
    bystander.message('fleeting/bystander', mark);
    await bystander.waitFor({ payload: mark });
});

const LIMIT = 65536;
const message = (payload) => `{"action":"message","options":{"channel":"fleeting/bad"},"payload":${payload}}`;

test('frames that are not understood: an error with its code', async () => {
    const cases = [
        ['', 'bad_json'], ['x', 'bad_json'], ['{', 'bad_json'], ['[]', 'bad_json'], ['1', 'bad_json'], ['null', 'bad_json'], ['"join"', 'bad_json'],
        ['{"action":"join"}{}', 'bad_json'], ['{"action":"join",}', 'bad_json'], [message('01'), 'bad_json'], [message('"\u0001"'), 'bad_json'],
        [message('NaN'), 'bad_json'], [message("'a'"), 'bad_json'], [message('"\\x"'), 'bad_json'], [message('1,'), 'bad_json'],
        ['{}', 'bad_action'], ['{"action":null}', 'bad_action'], ['{"action":7,"options":{"channel":"a"}}', 'bad_action'],
        ['{"action":"shout","options":{"channel":"a"}}', 'bad_action'], ['{"action":"event","options":{"channel":"a"}}', 'bad_action'],
        ['{"action":"join"}', 'bad_channel'], ['{"action":"join","options":null}', 'bad_channel'], ['{"action":"join","options":{}}', 'bad_channel'],
        ['{"action":"join","options":{"channel":7}}', 'bad_channel'], ['{"action":"join","options":{"channel":""}}', 'bad_channel'],
        ['{"action":"join","options":{"channel":"room/*"}}', 'bad_channel'], ['{"action":"join","options":{"channel":"a\\u0000b"}}', 'bad_channel'],
        ['{"action":"join","options":{"channel":"a\\u001fb"}}', 'bad_channel'], ['{"action":"join","options":{"channel":"a\\u0085b"}}', 'bad_channel'],
        [`{"action":"join","options":{"channel":"${'x'.repeat(256)}"}}`, 'bad_channel'], [`{"action":"join","options":{"channel":"${'\u00e9'.repeat(128)}"}}`, 'bad_channel'],
    ];
    for (const [text, code] of cases) {
        const client = await world.client();
        client.socket.send(text, { binary: false });
        const frame = await client.waitFor((f) => f.action === 'error').catch((error) => {
            error.message += `\nafter ${JSON.stringify(text.toString())}`;
            throw error;
        });
        assert.equal(frame.payload.code, code, text.toString().slice(0, 100));
        assert.equal(client.closed, null, 'one mistake closes nothing');
        await client.close();
    }
});

test('text that is not UTF-8: 1007, as RFC 6455 demands (8.1)', async () => {
    for (const bytes of [[0x22, 0xff, 0x22], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]]) {
        const client = await world.client();
        client.socket.send(Buffer.from(bytes), { binary: false });
        assert.equal((await client.closes()).code, 1007);
    }
});

test('255 bytes are a channel name', async () => {
    const client = await world.client();
    await client.join(`room/${'\u00e9'.repeat(125)}`);
});

test('nesting: deep is fine or refused, never a crash', async () => {
    const client = await world.member('fleeting/bad');
    for (const depth of [50, 127, 128, 129, 1000, 30000]) {
        client.raw(message(`${'['.repeat(depth)}${']'.repeat(depth)}`));
        const frame = await client.waitFor((f) => f.action === 'error' || f.action === 'message');
        assert.ok(frame.action === 'message' || frame.payload.code === 'bad_json');
        assert.ok(depth > 50 || frame.action === 'message');
    }
});

test('repeated: 1008', async () => {
    const client = await world.client();
    for (let i = 0; i < 100; i++) {
        client.raw('garbage');
    }
    assert.equal((await client.closes()).code, 1008);
    assert.ok(client.frames.length < 100);
});

test('a frame over the limit: 1009, announced, in fragments or whole', async () => {
    const fits = await world.member('fleeting/bad');
    const padding = LIMIT - message('""').length;
    fits.raw(message(`"${'x'.repeat(padding)}"`));
    await fits.waitFor({ action: 'message' });
    fits.raw(message(`"${'x'.repeat(padding + 1)}"`));
    assert.equal((await fits.closes()).code, 1009);

    const parts = await world.client();
    parts.raw(Array(70).fill('x'.repeat(1000)));
    assert.equal((await parts.closes()).code, 1009);

    const huge = await socket();
    huge.write(Buffer.from([0x81, 0xff, 0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4]));
    assert.equal(await closeCode(huge), 1009);
});

// A raw TCP connection after a good handshake.
async function socket() {
    const tcp = connect(world.server.port, '127.0.0.1');
    tcp.on('error', () => {});
    tcp.write(`GET /rt/${world.canonical} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n');
    const [head] = await within('the handshake', once(tcp, 'data'));
    assert.match(head.toString(), /^HTTP\/1\.1 101 .*\r\n(.*\r\n)*Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/i);
    return tcp;
}

async function closeCode(tcp) {
    const chunks = [];
    tcp.on('data', (chunk) => chunks.push(chunk));
    await within('the server to close', once(tcp, 'close'));
    const bytes = Buffer.concat(chunks);
    assert.equal(bytes[0], 0x88, `a close frame, not ${bytes.toString('hex').slice(0, 40)}`);
    return bytes.readUInt16BE(2);
}

test('broken WebSocket frames: the close code that RFC 6455 names', async () => {
    for (const [name, bytes, codes] of [
        ['not masked', [0x81, 0x01, 0x78], [1002]],
        ['a reserved bit', [0xc1, 0x81, 0, 0, 0, 0, 0x78], [1002]],
        ['a reserved opcode', [0x83, 0x80, 0, 0, 0, 0], [1002]],
        ['a long ping', [0x89, 0xfe, 0x00, 0x7e, 0, 0, 0, 0], [1002]],
        ['a ping in fragments', [0x09, 0x80, 0, 0, 0, 0], [1002]],
        ['a continuation of nothing', [0x80, 0x80, 0, 0, 0, 0], [1002]],
        ['a text inside a text', [0x01, 0x80, 0, 0, 0, 0, 0x81, 0x80, 0, 0, 0, 0], [1002]],
        ['binary', [0x82, 0x80, 0, 0, 0, 0], [1003]],
        ['a close with one byte', [0x88, 0x81, 0, 0, 0, 0, 0x03], [1002]],
        ['a close with a reserved code', [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xed], [1002]],
    ]) {
        const tcp = await socket();
        tcp.write(Buffer.from(bytes));
        assert.ok(codes.includes(await closeCode(tcp)), name);
    }
});

test('one byte at a time is slow, not wrong', async () => {
    const tcp = await socket();
    tcp.setNoDelay(true);
    const text = Buffer.from('{"action":"join","options":{"channel":"room/slow"},"payload":null}');
    const answered = once(tcp, 'data');     // from now on: it may come before we have turned round
    for (const byte of [0x81, 0x80 | text.length, 0, 0, 0, 0, ...text]) {
        tcp.write(Buffer.from([byte]));
        await new Promise((resolve) => setImmediate(resolve));
    }
    const [answer] = await within('the acknowledgement', answered);
    assert.match(answer.toString(), /"action":"join"/);
    tcp.destroy();
});

// Sends bytes and resolves with the status of the answer, or null if the connection was closed without one.
async function http(text, deadlineMs = 10 * SECOND) {
    const tcp = connect(world.server.port, '127.0.0.1');
    tcp.on('error', () => {});
    let answer = '';
    tcp.on('data', (chunk) => (answer += chunk));
    tcp.write(text);
    await within(`an answer to ${text.slice(0, 60)}`, once(tcp, 'close'), deadlineMs);
    const status = answer.match(/^HTTP\/1\.1 (\d+) /)?.[1];
    return status ? Number(status) : null;
}

test('HTTP requests that are not ours', async () => {
    const upgrade = `GET /rt/${world.canonical} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n`;
    for (const [text, ...statuses] of [
        ['GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n', 404],
        ['GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n', 404, 400],
        ['POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n', 405],
        ['GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 411],
        ['GET /health HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n', 417],
        ['nonsense\r\n\r\n', 400],
        ['GET /health HTTP/1.0\r\n\r\n', 200],
        ['HEAD /ready HTTP/1.0\r\nConnection: close\r\n\r\n', 200],
        ['GET /metrics HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n', 401], // as nginx asks for somebody, unless told otherwise
        ['POST /health HTTP/1.0\r\n\r\n', 405],
        ['GET /health HTTP/3.0\r\nHost: x\r\n\r\n', 400, 505],
        ['GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n', 400],
        ['GET /health HTTP/1.1\r\nHost : x\r\n\r\n', 400],
        ['GET /health HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n', 400],
        [`GET /${'x'.repeat(9000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 414, 431],
        [`GET /health HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20000)}\r\n\r\n`, 431],
        [`${upgrade}Sec-WebSocket-Version: 13\r\n\r\n`, 400],
        [`${upgrade}Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`, 426, 400],
        [`${upgrade}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n`, 400],
        [`GET /rt/${world.canonical} HTTP/1.1\r\nHost: x\r\n\r\n`, 400, 404, 426],
        ['GET /rt/ HTTP/1.1\r\nHost: x\r\n\r\n', 400, 404, 426],
        ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400, null],
    ]) {
        const status = await http(text);
        assert.ok(statuses.includes(status), `${status} for ${text.slice(0, 80)}`);
    }
});

test('a handshake that never ends is ended', async () => {
    const start = performance.now();
    const status = await http('GET /health HTTP/1.1\r\nHost: x\r\nX-Slow', 8 * SECOND);
    assert.ok(status === 408 || status === null);
    assert.ok(performance.now() - start > 900);
});

test('too many channels', async () => {
    const client = await world.client();
    for (let i = 0; i < 5; i++) {
        await client.join(`room/many/${i}`);
    }
    client.send('join', 'room/many/5');
    assert.equal(await client.error('room/many/5'), 'too_many_channels');
    client.send('leave', 'room/many/0');
    await client.join('room/many/5');
});

test('too many sessions: 503, and room again when somebody goes', async () => {
    world.clients.filter((c) => c !== bystander && !c.closed).forEach((c) => c.socket.terminate());
    const crowd = [];
    let status = 0;
    while (crowd.length < 60) {
        try {
            crowd.push(await world.client());
        } catch {
            status = await refusal(world.server, { canonical: world.canonical });
            break;
        }
    }
    assert.equal(status, 503);
    assert.ok(crowd.length >= 45 && crowd.length < 50, `${crowd.length} got in`);
    await Promise.all(crowd.map((c) => c.close()));
    await until('room for one more', () => world.client().catch(() => false));
});

test('a slow reader gets 1013 and slows nobody', async () => {
    const fast = await world.member('fleeting/flood');
    const slow = await world.member('fleeting/flood');
    slow.socket.pause();
    const body = 'x'.repeat(30000);
    let sent = 0;
    // Until the kernel's buffers and the queue are full: the fast one hears everything all the while.
    while (!world.server.process.stderr.match(/slow|1013/i) && sent < 3000) {
        for (let i = 0; i < 20; i++) {
            fast.message('fleeting/flood', [sent++, body]);
        }
        await fast.waitFor((f) => f.action === 'message' && f.payload[0] === sent - 1);
    }
    slow.socket.resume();
    assert.equal((await slow.closes(20 * SECOND)).code, 1013);
    assert.ok(sent < 3000);
    assert.deepEqual(fast.on('fleeting/flood', 'message').map((f) => f.payload[0]), [...Array(sent).keys()]);
});

// ---- the command line ------------------------------------------------------------------------------------------------

test('bad usage: 64, bad configuration: 78, one sentence each', async () => {
    const directory = temporaryDirectory('conf');
    const file = (name, text) => {
        writeFileSync(join(directory, name), text);
        return join(directory, name);
    };
    for (const [code, args, env = {}] of [
        [64, []],
        [64, ['dance']],
        [64, ['serve', '--no-such-option']],
        [64, ['serve', '--listen']],
        [64, ['serve', '--listen', 'here']],
        [64, ['serve', '--workers', 'many']],
        [64, ['serve', 'surplus']],
        [64, ['watch']],
        [78, ['serve'], { PGHERALD_WORKERS: 'many' }],
        [78, ['serve', '-c', join(directory, 'missing.conf')]],
        [78, ['serve', '-c', file('syntax.conf', 'listen = = "x"\n')]],
        [78, ['serve', '-c', file('unknown.conf', 'colour = "red"\n')]],
        [78, ['serve', '-c', file('value.conf', 'workers = "many"\n')]],
        [78, ['config', '--check', '-c', file('value2.conf', 'max-frame-bytes = "1"\n')]],
    ]) {
        const result = await pgherald(args, { env });
        assert.equal(result.code, code, `${args.join(' ')} ${JSON.stringify(env)}: ${result.stderr}`);
        assert.ok(result.stderr.trim().length > 10);
        assert.equal(result.stdout, '');
    }
});

test('help and version', async () => {
    for (const args of [['--help'], ['serve', '--help'], ['dev', '--help'], ['install', '--help'], ['watch', '--help']]) {
        const result = await pgherald(args);
        assert.equal(result.code, 0, args.join(' '));
        assert.ok(result.stdout.length > 100);
    }
    const { code, stdout } = await pgherald(['--version']);
    assert.equal(code, 0);
    assert.match(stdout, /^pgherald \d+\.\d+\.\d+/);
    for (const library of [/libwebsockets.*4\.\d/, /libuv.*1\.\d/, /jansson.*2\.\d/, /libpq.*1\d/, /OpenSSL.*3\.\d/i]) {
        assert.match(stdout, library);
    }
});

test('a port in use: 75, and it says which', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    const { port } = blocker.address();
    const result = await pgherald(['serve', '--listen', `127.0.0.1:${port}`], { env: { PGHERALD_DATABASE_URL: world.postgres.url({ user: 'herald_server' }) } });
    blocker.close();
    assert.equal(result.code, 75);
    assert.match(result.stderr, new RegExp(String(port)));
    const taken = await pgherald(['serve', '--listen', `127.0.0.1:${world.server.port}`], { env: { PGHERALD_DATABASE_URL: world.postgres.url({ user: 'herald_server' }) } });
    assert.equal(taken.code, 75, 'SO_REUSEPORT must not let two servers share a port');
});

test('a missing schema: 78, and what to do', async () => {
    await world.postgres.query('CREATE DATABASE bare');
    const result = await pgherald(['serve', '--listen', '127.0.0.1:0'], {
        env: { PGHERALD_DATABASE_URL: world.postgres.url({ user: 'herald_server', database: 'bare' }) },
    });
    assert.equal(result.code, 78, result.stderr);
    assert.match(result.stderr, /pgherald install/);
    assert.equal(result.stdout, '');
});

test('installing twice is fine, and uninstall leaves nothing in the database', async () => {
    await world.postgres.query('CREATE DATABASE twice');
    const env = { PGHERALD_DATABASE_URL: world.postgres.url({ database: 'twice' }) };
    assert.equal((await pgherald(['uninstall'], { env })).code, 64, 'not without --yes');
    for (const args of [['install'], ['install'], ['upgrade'], ['uninstall', '--yes']]) {
        const result = await pgherald(args, { env });
        assert.equal(result.code, 0, `${args.join(' ')}: ${result.stderr}`);
    }
    const session = await world.postgres.connect({ database: 'twice' });
    const { rows } = await session.query(`SELECT nspname FROM pg_namespace WHERE nspname ~ 'herald'`);
    assert.deepEqual(rows, []);
    await session.end();
});

const ROLES = `SELECT rolname, shobj_description(oid, 'pg_authid') AS purpose FROM pg_roles WHERE rolname LIKE 'herald\\_%' ORDER BY rolname`;

test('install --roles-only makes the roles and nothing else, in a database of any kind, as often as one likes', async () => {
    const elsewhere = await Postgres.start();
    try {
        await elsewhere.query(`CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`);
        const env = { PGHERALD_DATABASE_URL: elsewhere.url({ database: 'latin' }) };
        assert.match((await pgherald(['install'], { env })).stderr, /database in UTF8/);
        assert.deepEqual(await elsewhere.query(ROLES), [], 'a refused install leaves no roles');

        const password = join(temporaryDirectory('password'), 'password');
        writeFileSync(password, 'secret\n');
        for (const args of [['--roles-only'], ['--roles-only', '--server-password-file', password]]) {
            const result = await pgherald(['install', ...args], { env });
            assert.equal(result.code, 0, result.stderr);
            assert.match(result.stdout, /roles of pgherald are there/);
        }
        const made = await elsewhere.query(ROLES);
        assert.deepEqual(made, await world.postgres.query(ROLES));
        assert.ok(made.length > 0 && made.every(({ purpose }) => /^pgherald: /.test(purpose)), 'each says what it is for');
        assert.ok(await elsewhere.value(`SELECT rolpassword IS NOT NULL FROM pg_authid WHERE rolname = 'herald_server'`));
        const session = await elsewhere.connect({ database: 'latin' });
        assert.equal((await session.query(`SELECT FROM pg_namespace WHERE nspname ~ 'herald'`)).rowCount, 0);
        await session.end();
    } finally {
        await elsewhere.stop();
    }
});

test('with the roles, a dump can be restored in a cluster that never saw pgherald', async () => {
    // Where pg_dump is older than the server it is an upgrade, too.
    const [old, elsewhere] = await Promise.all([Postgres.start({}, undefined, installed), Postgres.start()]);
    const ask = async (postgres, sql) => {
        const session = await postgres.connect({ database: 'moves' });
        const { rows } = await session.query(sql);
        await session.end();
        return rows;
    };
    const env = (postgres) => ({ PGHERALD_DATABASE_URL: postgres.url({ database: 'moves' }) });
    try {
        await old.query('CREATE DATABASE moves');
        assert.equal((await pgherald(['install'], { env: env(old) })).code, 0);
        await ask(old, 'CREATE TABLE moved (id int PRIMARY KEY)');
        await ask(old, `SELECT herald.watch('moved')`);
        const file = join(elsewhere.directory, 'dump');
        await old.tool('pg_dump', '-Fc', '-f', file, 'moves');

        await elsewhere.query('CREATE DATABASE moves');
        const restore = () => elsewhere.tool('pg_restore', '--exit-on-error', '--single-transaction', '-d', 'moves', file);
        await assert.rejects(restore, /role "herald_\w+" does not exist/);
        assert.equal((await pgherald(['install', '--roles-only'], { env: env(elsewhere) })).code, 0);
        await restore();
        assert.match((await pgherald(['install'], { env: env(elsewhere) })).stdout, /is up to date/);
        await ask(elsewhere, 'INSERT INTO moved VALUES (1)');
        assert.equal((await ask(elsewhere, 'SELECT FROM herald.outbox WHERE shape IS NOT NULL')).length, 1, 'the watch works');
    } finally {
        await Promise.all([old.stop(), elsewhere.stop()]);
    }
});
