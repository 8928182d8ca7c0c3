// SPDX-License-Identifier: PostgreSQL
// pgherald tail: a session as a page has it, on a terminal. What it prints is what a client gets, over cuts and TLS; what
// refuses it is told in the server's words.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { World, DURABLE, OPEN, READ_ONLY } from './lib/world.js';
import { SanitizerLog, binary, pgherald } from './lib/server.js';
import { Process, freePort, temporaryDirectory } from './lib/process.js';
import { mint, secretFlags } from './lib/token.js';
import { SECOND, until } from './lib/wait.js';

const dir = temporaryDirectory('tail');
const file = (name) => join(dir, name);
let world;
let tls; // port
before(async () => {
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '9', '-subj', '/CN=localhost',
        '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', file('key'), '-out', file('crt')], { stdio: 'ignore' });
    tls = await freePort();
    world = await World.start({
        rules: { 'room/*': DURABLE, 'loose/*': OPEN, 'orders/*': READ_ONLY, 'known/*': {} },
        sql: `CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL, note text);
              SELECT herald.watch('orders', channel => 'orders/{customer}')`,
        flags: [...secretFlags(), '--tls-listen', `127.0.0.1:${tls}`, '--tls-cert-file', file('crt'), '--tls-key-file', file('key')],
    });
});
after(() => world?.stop());

const url = (path = '') => `ws://127.0.0.1:${world.server.port}${path}`;
const env = () => ({ PGHERALD_DATABASE_URL: world.postgres.url({ user: 'herald_server' }), PGHERALD_LISTEN: `127.0.0.1:${world.server.port}` });
const tail = (...args) => pgherald(['tail', ...args], { env: env() });

// One that runs: its lines come as it says them.
class Tail {
    constructor(...args) {
        this.sanitizers = new SanitizerLog();
        this.process = new Process(binary, ['tail', ...args], { env: { ...this.sanitizers.env, ...env() } });
    }

    says(what, options) {
        return this.process.says(what, options);
    }

    line(what) {
        return this.process.says(what, { stream: 'stdout' });
    }

    async interrupt() {
        this.process.signal('SIGINT');
        assert.deepEqual(await this.process.end(10 * SECOND), { code: 0, signal: null }, this.process.stderr);
        this.sanitizers.assertEmpty(this.process.stderr);
    }
}

test('events, changes and messages, one a line; Ctrl-C ends it with 0', async () => {
    const room = new Tail('room/1');
    const orders = new Tail('orders/7');
    await room.says(/on room\/1, at \S+\/0\n/);
    await orders.says(/on orders\/7/);
    await world.publish('room/1', { a: 1 });
    await room.line(/^\d{4}-\d\d-\d\dT[\d:.]+Z #1 event - \{"a": ?1\}\n/);
    const ann = await world.member('room/1', null, { token: mint({ dbo_id: 12, row_id: 34 }) });
    ann.raw('{"action":"message","options":{"channel":"room/1"},"payload":{"x":\n"\u009b\u007f"}}');
    await room.line(/Z #2 message 12\/34 \{"x": "\\u009b\\u007f"\}\n/);
    await world.postgres.query(`INSERT INTO orders VALUES (1, 7, 'x'); UPDATE orders SET note = 'y'; DELETE FROM orders`);
    await orders.line(/#1 insert public\.orders \{"id":1,"customer":7,"note":"x"\}\n.*#2 update public\.orders .*"y"\}\n.*#3 delete public\.orders .*"y"\}\n/);
    await room.interrupt();
    await orders.interrupt();
});

test('--json is the frame, --limit the end, --history and --since the beginning', async () => {
    const past = await tail('room/1', '--history', '-n', '2', '--json');
    assert.equal(past.code, 0, past.stderr);
    const frames = past.stdout.trimEnd().split('\n').map((line) => JSON.parse(line));
    assert.deepEqual(frames.map(({ action, options }) => [action, options.channel, options.id]), [['event', 'room/1', 1], ['message', 'room/1', 2]]);
    assert.deepEqual(frames[1].payload, { x: '\u009b\u007f' });
    const epoch = /at (\S+)\/2\n/.exec(past.stderr)[1];
    const since = await tail('room/1', '--since', `${epoch}/1`, '--limit', '1');
    assert.match(since.stdout, /^\S+ #2 message 12\/34 /);
    const ahead = new Tail('room/1', '--since', 'another/1');
    await ahead.says(/gap: what happened on room\/1 meanwhile cannot be told any more/);
    await ahead.interrupt();
});

test('after a cut it goes on where it was, and says so', async () => {
    const room = new Tail('room/2');
    await room.says(/on room\/2/);
    await world.publish('room/2', 'before');
    await room.line(/#1 event - "before"\n/);
    await world.server.kill();
    await room.says(/cut: 1006/);
    await world.publish('room/2', 'meanwhile');
    await room.says(/cannot connect to 127\.0\.0\.1 port/);
    world.server = await world.server.again();
    await room.says(/again on room\/2/, { deadlineMs: 30 * SECOND });
    await room.line(/#2 event - "meanwhile"\n/);
    await world.publish('room/2', 'after');
    await room.line(/#3 event - "after"\n$/);
    assert.equal(room.process.stdout.split('\n').length, 4, 'nothing twice');
    await room.interrupt();
});

test('what refuses it, in the words of who refuses', async () => {
    const refused = async (said, code, ...args) => {
        const result = await tail(...args);
        assert.deepEqual([result.code, said.test(result.stderr), result.stdout], [code, true, ''], result.stderr);
    };
    await Promise.all([
        refused(/Anonymous clients cannot join this channel\. \(anonymous_refused\)/, 1, 'known/1'),
        refused(/No such channel\. \(no_channel\) pgherald why 'nowhere' --anonymous says who decides/, 1, 'nowhere'),
        refused(/pgherald why '\$\(it\)'\\''s' --anonymous says/, 1, "$(it)'s"),
        refused(/refuses, HTTP 404: no such canonical; what stands behind \/rt\//, 1, 'room/1', '--url', url('/rt/wrong')),
        refused(/cannot connect to 127\.0\.0\.1 port 1: Connection refused/, 1, 'room/1', '--url', 'ws://127.0.0.1:1/rt/x'),
        refused(/begins with neither ws:\/\/ nor wss:\/\//, 64, 'room/1', '--url', '127.0.0.1'),
        refused(/--since wants EPOCH\/OFFSET/, 64, 'room/1', '--since', 'abc'),
        refused(/the token is empty, or has control characters/, 64, 'room/1', '--token', ''),
        refused(/the token is empty, or has control characters/, 64, 'room/1', '--token', 'a\r\nForwarded: for=1.2.3.4'),
        refused(/--token and --token-file are two tokens: give one of them/, 64, 'room/1', '--token', 'a', '--token-file', '/none'),
        refused(/cannot read --token-file \/none/, 78, 'room/1', '--token-file', '/none'),
    ]);
    await world.postgres.query('SELECT herald.set_enabled(false)');
    await world.server.waitReady(503);
    await refused(/refuses, HTTP 503: realtime is switched off/, 1, 'room/1');
    await world.postgres.query('SELECT herald.set_enabled(true)');
    await world.server.waitReady();
    const without = await pgherald(['tail', 'room/1', '--url', url()], { env: { PGHERALD_DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none' } });
    assert.deepEqual([without.code, /cannot connect.*--url ws:\/\/HOST:PORT\/rt\/<canonical> says it without/s.test(without.stderr)], [78, true], without.stderr);
});

test('a token, also from a file; one that is not accepted is told, and then it is anonymous', async () => {
    writeFileSync(file('token'), `${mint({ dbo_id: 12, row_id: 34 })}\n`);
    const known = new Tail('known/1', '--token-file', file('token'));
    await known.says(/on known\/1/);
    await world.postgres.query(`SELECT herald.publish('known/1', '"mine"'::jsonb, dbo_id => 12, row_id => 34), herald.publish('known/1', '"his"'::jsonb, dbo_id => 12, row_id => 35)`);
    await known.line(/#1 event 12\/34 "mine"\n/);
    await world.postgres.query(`SELECT herald.disconnect(channel => 'known/1')`);
    assert.deepEqual(await known.process.end(10 * SECOND), { code: 1, signal: null });
    assert.match(known.process.stderr, /\(removed\)/);
    assert.doesNotMatch(known.process.stdout, /his/);
    const old = await tail('known/1', '--token', mint({ dbo_id: 12, row_id: 34, exp: 1 }));
    assert.equal(old.code, 1);
    assert.match(old.stderr, /The token has expired[^]*Anonymous clients cannot join/);
    const loose = new Tail('loose/1', '--token', 'not a word\u00e9'.slice(0, 10).replaceAll(' ', '/'));
    await loose.says(/The token was not accepted[^]*on loose\/1/);
    await loose.interrupt();
});

test('TLS: a certificate that is trusted, one that is not, another name', async () => {
    const secure = `wss://localhost:${tls}`;
    const good = new Tail('loose/1', '--url', secure, '--ca-file', file('crt'));
    await good.says(/on loose\/1/);
    const big = 'y'.repeat(50000); // several records
    await world.publish('loose/1', big);
    await good.line(new RegExp(`#1 event - "${big}"\n`));
    await good.interrupt();
    const address = new Tail('loose/1', '--url', `wss://127.0.0.1:${tls}`, '--ca-file', file('crt'));
    await address.says(/on loose\/1/);
    await address.interrupt();
    const stranger = await tail('loose/1', '--url', secure);
    assert.deepEqual([stranger.code, /the certificate of localhost is not trusted: self.signed certificate\. --ca-file names/.test(stranger.stderr)], [1, true], stranger.stderr);
    const other = await tail('loose/1', '--url', `wss://127.0.0.2:${tls}`, '--ca-file', file('crt'));
    assert.deepEqual([other.code, /cannot connect|IP address mismatch/.test(other.stderr)], [1, true], other.stderr);
    const plain = await tail('loose/1', '--url', `wss://127.0.0.1:${world.server.port}`, '--ca-file', file('crt'));
    assert.deepEqual([plain.code, /no TLS with 127\.0\.0\.1 port/.test(plain.stderr)], [1, true], plain.stderr);
    const none = await tail('loose/1', '--url', secure, '--ca-file', file('key'));
    assert.deepEqual([none.code, /there is no certificate, PEM, in/.test(none.stderr)], [78, true], none.stderr);
});

test('it ends with who reads it', async () => {
    const child = spawn('/bin/sh', ['-c', `"${binary}" tail loose/9 --quiet --limit 40 | head -1`], { env: { ...process.env, ...env() }, stdio: ['ignore', 'pipe', 'pipe'] });
    let ended = false;
    let stderr = '';
    child.stderr.on('data', (data) => { stderr += data; });
    child.once('close', () => { ended = true; });
    await until('both to have ended', async () => {
        await world.publish('loose/9', 1);
        return ended;
    });
    assert.equal(stderr, '', 'whoever has read enough needs no word about it');
});

// A server that never stops talking: what it says to begin with is an answer to the handshake.
const talker = async (...words) => {
    const frame = (text) => Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)]);
    const burst = Buffer.concat(Array(1000).fill(frame('{"action":"event","options":{},"payload":{"data":1}}')));
    const server = createServer((socket) => socket.on('error', () => {}).once('data', (request) => {
        const key = /Sec-WebSocket-Key: (\S+)/.exec(request)[1];
        const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
        socket.write(`HTTP/1.1 101 x\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
        words.forEach((word) => socket.write(word));
        const talk = () => {
            while (!socket.destroyed && socket.write(burst)) ;
            socket.once('drain', talk);
        };
        talk();
    })).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return server;
};

test('Ctrl-C ends it also where events never cease', async () => {
    const server = await talker();
    const busy = new Tail('room/1', '--url', `ws://127.0.0.1:${server.address().port}/rt/x`);
    await busy.line(/event - 1\n/);
    await busy.interrupt();
    server.close();
});

test('a server that is none of ours writes nothing else on the terminal', async () => {
    const payload = Buffer.concat([Buffer.from([1008 >> 8, 1008 & 255]), Buffer.from('\u001b[31m\u009b')]);
    const server = await talker(Buffer.concat([Buffer.from([0x88, payload.length]), payload]));
    const { code, stderr } = await tail('room/1', '--url', `ws://127.0.0.1:${server.address().port}/rt/x`);
    assert.deepEqual([code, stderr], [1, 'pgherald: the server has closed: 1008 \\x1b[31m\\u009b\n']);
    server.close();
});

test('somebody who is no such server', async () => {
    const stranger = createServer((socket) => socket.on('error', () => {}).once('data', () => socket.end('SSH-2.0\r\n\r\n'))).listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    const { code, stderr } = await tail('room/1', '--url', `ws://127.0.0.1:${stranger.address().port}/rt/x`);
    assert.deepEqual([code, /does not answer a handshake: it does not speak HTTP/.test(stderr)], [1, true], stderr);
    stranger.close();
});
