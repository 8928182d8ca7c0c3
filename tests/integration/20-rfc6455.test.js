// SPDX-License-Identifier: PostgreSQL
// RFC 6455, section by section, as bytes: what a server must refuse and with which code, and what it must accept. Numbers
// in brackets are cases of the public Autobahn suite that say the same; those of its sections 12 and 13 are about an
// extension that is never negotiated here. Our server has no echo, so what was understood shows by a message that comes
// back to its sender, or by an error frame that names its channel.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World, OPEN } from './lib/world.js';
import { until } from './lib/wait.js';
import {
    Raw, frame, text, close, closePayload, upgrade, ACCEPT, KEY, FIN, CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG,
} from './lib/raw.js';

const CHANNEL = 'room/1';
const LIMIT = 65536;
let world;
before(async () => {
    world = await World.start({ rules: { 'room/*': OPEN } });
});
after(() => world?.stop());

const envelope = (payload) => `{"action":"message","options":{"channel":"${CHANNEL}"},"payload":${payload}}`;
// A message whose frame has exactly so many bytes of payload.
const sized = (bytes) => envelope(`"${'x'.repeat(bytes - envelope('""').length)}"`);
const utf8 = (hex) => Buffer.from(hex.replaceAll(' ', ''), 'hex');

async function member() {
    const raw = await Raw.open(world.server);
    await raw.join(CHANNEL);
    return raw;
}

async function echoes(raw, payload) {
    const message = await raw.message();
    assert.equal(message.action, 'message', JSON.stringify(message).slice(0, 200));
    assert.deepEqual(message.payload, payload);
}

async function fails(code, bytes) {
    const raw = await Raw.open(world.server);
    raw.write(...bytes);
    const { code: got, before: frames } = await raw.closed();
    assert.equal(got, code);
    assert.deepEqual(frames, []);
}

// ---- 4: the handshake ------------------------------------------------------------------------------------------------

const line = (method, version) => `${method} /rt/${world.canonical} HTTP/${version}`;
const swap = (name, value) => ({ without: [name], fields: value.map((v) => `${name}: ${v}\r\n`).join('') });

for (const [section, name, options, status, field] of [
    ['4.2.1', 'the handshake of section 1.2', () => ({}), 101],
    ['4.2.1', 'header names and tokens in any case, blanks around values', () => ({
        without: ['Upgrade', 'Connection'], fields: 'uPGRADE:  \t WebSocket \t\r\ncONNECTION:keep-alive , UPGRADE\r\n' }), 101],
    ['4.2.1', 'websocket in a list of protocols', () => swap('Upgrade', ['h2c, websocket']), 101],
    ['4.2.1', 'Connection in two lines', () => swap('Connection', ['keep-alive', 'upgrade']), 101],
    ['4.2.1', 'an absolute target', () => ({ line: `GET http://127.0.0.1/rt/${world.canonical} HTTP/1.1` }), 101],
    ['4.2.1', 'an absolute target of another host', () => ({ line: `GET http://example.com/rt/${world.canonical} HTTP/1.1` }), 400],
    ['4.2.1', 'unknown header lines', () => ({ fields: 'X-Anything: at all\r\nCookie: a=b\r\n' }), 101],
    ['4.2.1', 'an Origin of a browser', () => ({ fields: 'Origin: http://example.com\r\n' }), 101],
    ['4.2.1', 'POST', () => ({ line: line('POST', '1.1') }), 405, 'allow'],
    ['4.2.1', 'HEAD', () => ({ line: line('HEAD', '1.1') }), 400],
    ['4.2.1', 'a method in lower case', () => ({ line: line('get', '1.1') }), 405, 'allow'],
    ['4.2.1', 'HTTP/1.0', () => ({ line: line('GET', '1.0') }), 426, 'upgrade'],
    ['4.2.1', 'HTTP/2.0', () => ({ line: line('GET', '2.0') }), 505],
    ['4.2.1', 'no Host', () => ({ without: ['Host'] }), 400],
    ['4.2.1', 'two Hosts', () => ({ fields: 'Host: b\r\n' }), 400],
    ['4.2.1', 'no Upgrade', () => ({ without: ['Upgrade'] }), 426],
    ['4.2.1', 'another Upgrade', () => swap('Upgrade', ['h2c']), 426],
    ['4.2.1', 'no Connection', () => ({ without: ['Connection'] }), 426],
    ['4.2.1', 'Connection without upgrade', () => swap('Connection', ['keep-alive, upgraded']), 426],
    ['4.2.1', 'no key', () => ({ without: ['Sec-WebSocket-Key'] }), 400],
    ['4.2.1', 'an empty key', () => swap('Sec-WebSocket-Key', ['']), 400],
    ['4.2.1', 'two keys', () => ({ fields: `Sec-WebSocket-Key: ${KEY}\r\n` }), 400],
    ['4.2.1', 'a key of 15 bytes', () => swap('Sec-WebSocket-Key', [Buffer.alloc(15, 1).toString('base64')]), 400],
    ['4.2.1', 'a key of 17 bytes', () => swap('Sec-WebSocket-Key', [Buffer.alloc(17, 1).toString('base64')]), 400],
    ['4.2.1', 'a key that is no base64', () => swap('Sec-WebSocket-Key', ['dGhlIHNhbXBsZSBub25jZ!==']), 400],
    ['4.2.1', 'a key without its padding', () => swap('Sec-WebSocket-Key', [KEY.slice(0, 22)]), 400],
    ['4.2.1', 'a body', () => ({ fields: 'Content-Length: 5\r\n' }), 400],
    ['4.2.2', 'no version', () => ({ without: ['Sec-WebSocket-Version'] }), 426, 'sec-websocket-version'],
    ['4.2.2', 'two versions', () => ({ fields: 'Sec-WebSocket-Version: 13\r\n' }), 400],
    ...['0', '8', '12', '14', '013', '13, 8', '255', '-13', ''].map((version) =>
        ['4.2.2', `version "${version}"`, () => swap('Sec-WebSocket-Version', [version]), 426, 'sec-websocket-version']),
    ['4.2.2', 'a resource that is not there', () => ({ line: 'GET /rt/nobody HTTP/1.1' }), 404],
    ['4.2.2', 'a resource that is no WebSocket', () => ({ line: 'GET /health HTTP/1.1' }), 200],
    ['4.2.2', 'a malformed subprotocol', () => ({ fields: 'Sec-WebSocket-Protocol: a b\r\n' }), 400],
    ['4.2.2', 'an empty subprotocol', () => ({ fields: 'Sec-WebSocket-Protocol: \r\n' }), 400],
    ['RFC 9112, 5.2', 'a folded line', () => ({ fields: 'X-Folded: a\r\n b\r\n' }), 400],
    ['RFC 9112, 5.1', 'a blank before the colon', () => ({ fields: 'X-Blank : a\r\n' }), 400],
    ['RFC 9112, 2.2', 'lines that end with LF', () => ({ fields: 'X: a\n' }), 400],
    ['RFC 9112, 2.2', 'NUL in a value', () => ({ fields: 'X: a\0b\r\n' }), 400],
    ['RFC 9112, 6.1', 'Transfer-Encoding', () => ({ fields: 'Transfer-Encoding: chunked\r\n' }), 411],
    ['RFC 6585, 5', 'a header of 20 KB', () => ({ fields: `X: ${'x'.repeat(20000)}\r\n` }), 431],
    ['RFC 6585, 5', '100 headers', () => ({ fields: 'X: x\r\n'.repeat(100) }), 431],
]) {
    test(`${section} ${name}: ${status}`, async () => {
        const raw = await Raw.connect(world.server.port);
        raw.write(upgrade(world.canonical, options()));
        const answer = await raw.head();
        assert.equal(answer?.status, status, answer?.text);
        if (field) {
            assert.ok(answer.fields[field], answer.text);
        }
        if (status === 101) {
            await raw.join(CHANNEL);
            raw.destroy();
        } else {
            assert.equal(answer.fields['sec-websocket-accept'], undefined);
            await raw.ended;
        }
    });
}

test('4.2.2 the answer: accept key, no extension, no subprotocol that was not offered', async () => {
    const raw = await Raw.connect(world.server.port);
    raw.write(upgrade(world.canonical, { fields: 'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x\r\n' }));
    const { status, fields } = await raw.head();
    assert.equal(status, 101);
    assert.equal(fields['sec-websocket-accept'], ACCEPT);
    assert.equal(fields.upgrade.toLowerCase(), 'websocket');
    assert.equal(fields.connection.toLowerCase(), 'upgrade');
    assert.equal(fields['sec-websocket-extensions'], undefined);
    assert.equal(fields['sec-websocket-protocol'], undefined);
    raw.destroy();
});

test('4.2.2 the first offered subprotocol comes back, whatever its length and in however many lines', async () => {
    const long = `t.${'x'.repeat(4000)}`;
    for (const [lines, expected] of [['a', 'a'], ['b, c', 'b'], ['d\r\nSec-WebSocket-Protocol: e', 'd'], [`${long}, f`, long]]) {
        const raw = await Raw.connect(world.server.port);
        raw.write(upgrade(world.canonical, { fields: `Sec-WebSocket-Protocol: ${lines}\r\n` }));
        assert.equal((await raw.head()).fields['sec-websocket-protocol'], expected);
        raw.destroy();
    }
});

test('4.1 a handshake of single bytes, and one cut at every place', async () => {
    const raw = await Raw.connect(world.server.port);
    await raw.writeBytewise(upgrade(world.canonical));
    assert.equal((await raw.head()).status, 101);
    raw.destroy();
    const whole = Buffer.from(upgrade(world.canonical));
    await Promise.all(Array.from({ length: whole.length - 1 }, async (_, i) => {
        const cut = await Raw.connect(world.server.port);
        cut.write(whole.subarray(0, i + 1));
        await new Promise((resolve) => setImmediate(resolve));
        cut.write(whole.subarray(i + 1));
        assert.equal((await cut.head()).status, 101, `cut at ${i + 1}`);
        cut.destroy();
    }));
});

test('4.1 frames that follow the handshake in the same packet are read', async () => {
    const join = text(JSON.stringify({ action: 'join', options: { channel: CHANNEL }, payload: null }));
    const raw = await Raw.open(world.server, { first: Buffer.concat([join, text(envelope('"early"')), frame(FIN | PING, 'p')]) });
    const seen = [];
    while (seen.length < 3) {
        const { opcode, payload } = await raw.frame();
        seen.push(opcode === PONG ? `pong ${payload}` : JSON.parse(payload).action);
    }
    assert.deepEqual(seen.sort(), ['join', 'message', 'pong p']);
    raw.destroy();
});

// ---- 5.1, 5.2: framing -----------------------------------------------------------------------------------------------

for (const [name, code, bytes] of [
    ['5.1 a frame that is not masked', 1002, [frame(FIN | TEXT, 'x', { mask: null })]],
    ['5.1 an empty frame that is not masked', 1002, [frame(FIN | TEXT, '', { mask: null })]],
    ['5.1 a ping that is not masked', 1002, [frame(FIN | PING, '', { mask: null })]],
    ['5.1 a close that is not masked', 1002, [frame(FIN | CLOSE, '', { mask: null })]],
    ...[1, 2, 3, 4, 5, 6, 7].map((rsv) => [`5.2 reserved bits ${rsv} [3.${rsv}]`, 1002, [frame(FIN | rsv << 4 | TEXT, 'x')]]),
    ...[1, 4, 7].map((rsv) => [`5.2 reserved bits ${rsv} of a ping`, 1002, [frame(FIN | rsv << 4 | PING, 'x')]]),
    ...[1, 4, 7].map((rsv) => [`5.2 reserved bits ${rsv} of a close [3.7]`, 1002, [frame(FIN | rsv << 4 | CLOSE, '')]]),
    ...[3, 4, 5, 6, 7].map((op, i) => [`5.2 opcode ${op} [4.1.${i + 1}]`, 1002, [frame(FIN | op, 'x')]]),
    ...[11, 12, 13, 14, 15].map((op, i) => [`5.2 opcode ${op} [4.2.${i + 1}]`, 1002, [frame(FIN | op, '')]]),
    ...[0, 1, 125].flatMap((n) => [2, 8].map((size) =>
        [`5.2 ${n} bytes, their length in ${size}`, 1002, [frame(FIN | TEXT, 'x'.repeat(n), { size })]])),
    ['5.2 65535 bytes, their length in 8', 1002, [frame(FIN | TEXT, 'x'.repeat(65535), { size: 8 })]],
    ['5.2 a length of 2^63', 1002, [frame(FIN | TEXT, '', { size: 8, announced: 2n ** 63n })]],
    ['5.2 a length of 2^64 - 1', 1002, [frame(FIN | TEXT, '', { size: 8, announced: 2n ** 64n - 1n })]],
    ['5.2, 7.4.1 a length of 2^63 - 1, as soon as it is announced', 1009, [frame(FIN | TEXT, '', { size: 8, announced: 2n ** 63n - 1n })]],
    ['5.2, 7.4.1 one byte more than the limit [9.1]', 1009, [frame(FIN | TEXT, '', { announced: LIMIT + 1 })]],
    ['5.4, 7.4.1 one byte more than the limit in two fragments [9.3]', 1009, [
        frame(TEXT, 'x'.repeat(40000)), frame(FIN | CONTINUATION, '', { announced: LIMIT - 40000 + 1 })]],
    ['5.6, 7.4.1 binary [1.2.1]', 1003, [frame(FIN | BINARY, '')]],
    ['5.6, 7.4.1 binary in fragments', 1003, [frame(BINARY, 'x'), frame(FIN | CONTINUATION, 'x')]],
]) {
    test(`${name}: ${code}`, () => fails(code, bytes));
}

for (const [id, bytes] of [['1.1.2', 125], ['1.1.3', 126], ['1.1.4', 127], ['1.1.5', 128], ['1.1.6', 65535], ['1.1.7', LIMIT]]) {
    test(`5.2 a text of ${bytes} bytes [${id}]`, async () => {
        const raw = await member();
        raw.write(text(sized(bytes)));
        await echoes(raw, JSON.parse(sized(bytes)).payload);
        raw.destroy();
    });
}

test('5.2 an empty text is a message [1.1.1]', async () => {
    const raw = await Raw.open(world.server);
    raw.write(text(''));
    assert.equal((await raw.message()).payload.code, 'bad_json');
    raw.destroy();
});

test('5.2 64 KiB in pieces of 997 bytes [1.1.8]', async () => {
    const raw = await member();
    const whole = text(sized(LIMIT));
    for (let at = 0; at < whole.length; at += 997) {
        await new Promise((resolve) => raw.socket.write(whole.subarray(at, at + 997), resolve));
    }
    await echoes(raw, JSON.parse(sized(LIMIT)).payload);
    raw.destroy();
});

test('5.3 masks of zeros, of ones, and a new one for each frame', async () => {
    const raw = await member();
    for (const mask of [[0, 0, 0, 0], [255, 255, 255, 255], [0, 1, 2, 3], [0x7f, 0x80, 0, 0xff]]) {
        raw.write(frame(FIN | TEXT, envelope('"masked \u00fc"'), { mask: Buffer.from(mask) }));
        await echoes(raw, 'masked \u00fc');
    }
    raw.destroy();
});

test('5.2 what was right before a violation is still done, and nothing after it [3.2, 4.1.3]', async () => {
    const raw = await member();
    raw.write(text(envelope('"before"')), frame(FIN | 0x20 | TEXT, 'x'), text(envelope('"after"')), frame(FIN | PING, 'p'));
    const { code, before: frames } = await raw.closed();
    assert.equal(code, 1002);
    assert.deepEqual(frames.filter((f) => f.payload.includes('"after"') || f.opcode === PONG), []);
});

// ---- 5.4: fragmentation ----------------------------------------------------------------------------------------------

for (const [name, code, bytes] of [
    ['5.4 a ping in two fragments [5.1]', 1002, [frame(PING, 'a'), frame(FIN | CONTINUATION, 'b')]],
    ['5.4 a pong in two fragments [5.2]', 1002, [frame(PONG, 'a'), frame(FIN | CONTINUATION, 'b')]],
    ['5.4 a close in two fragments', 1002, [frame(CLOSE, closePayload(1000))]],
    ['5.4 a continuation of nothing [5.9]', 1002, [frame(FIN | CONTINUATION, 'x')]],
    ['5.4 a continuation of nothing that is not the last [5.12]', 1002, [frame(CONTINUATION, 'x')]],
    ['5.4 a continuation behind a whole message [5.11]', 1002, [text('x'), frame(FIN | CONTINUATION, 'x')].slice(1)],
    ['5.4 a text inside a text [5.18]', 1002, [frame(TEXT, 'a'), frame(FIN | TEXT, 'b')]],
    ['5.4 a binary inside a text', 1002, [frame(TEXT, 'a'), frame(FIN | BINARY, 'b')]],
    ['5.4 a fragmented text inside a text', 1002, [frame(TEXT, 'a'), frame(TEXT, 'b'), frame(FIN | CONTINUATION, 'c')]],
    ['5.4 a continuation with reserved bits', 1002, [frame(TEXT, 'a'), frame(FIN | 0x40 | CONTINUATION, 'b')]],
]) {
    test(`${name}: ${code}`, () => fails(code, bytes));
}

const MESSAGE = envelope('"put together"');

test('5.4 two fragments, in one packet and byte by byte [5.3, 5.5]', async () => {
    const raw = await member();
    const parts = [frame(TEXT, MESSAGE.slice(0, 20)), frame(FIN | CONTINUATION, MESSAGE.slice(20))];
    raw.write(...parts);
    await echoes(raw, 'put together');
    await raw.writeBytewise(Buffer.concat(parts));
    await echoes(raw, 'put together');
    raw.destroy();
});

test('5.4 fragments of a byte, and empty ones between, before and behind [6.1.2, 6.1.3]', async () => {
    const raw = await member();
    raw.write(frame(TEXT, ''), ...[...MESSAGE].flatMap((c) => [frame(CONTINUATION, c), frame(CONTINUATION, '')]), frame(FIN | CONTINUATION, ''));
    await echoes(raw, 'put together');
    raw.destroy();
});

test('5.4 three empty fragments are an empty text [6.1.2]', async () => {
    const raw = await Raw.open(world.server);
    raw.write(frame(TEXT, ''), frame(CONTINUATION, ''), frame(FIN | CONTINUATION, ''));
    assert.equal((await raw.message()).payload.code, 'bad_json');
    raw.destroy();
});

test('5.4 pings, pongs and their answers between fragments [5.6, 5.19]', async () => {
    const raw = await member();
    raw.write(frame(TEXT, MESSAGE.slice(0, 9)), frame(FIN | PING, 'between'), frame(FIN | PONG, 'between'), frame(CONTINUATION, MESSAGE.slice(9, 11)));
    const pong = await raw.frame();
    assert.deepEqual([pong.first, pong.payload.toString()], [FIN | PONG, 'between'], 'answered before the message ends');
    raw.write(frame(FIN | PING, 'again'), frame(FIN | CONTINUATION, MESSAGE.slice(11)));
    assert.equal((await raw.frame()).payload.toString(), 'again');
    await echoes(raw, 'put together');
    raw.destroy();
});

test('5.4 a close between fragments ends the connection, and the message was never one [7.1.5]', async () => {
    const raw = await member();
    raw.write(frame(TEXT, MESSAGE.slice(0, 9)), close(1000), frame(FIN | CONTINUATION, MESSAGE.slice(9)));
    const { code, before: frames } = await raw.closed();
    assert.deepEqual([code, frames], [1000, []]);
});

// ---- 5.5: control frames ---------------------------------------------------------------------------------------------

for (const opcode of [CLOSE, PING, PONG]) {
    test(`5.5 a control frame ${opcode.toString(16)} of 126 bytes [2.5, 7.3.6]: 1002`, () =>
        fails(1002, [frame(FIN | opcode, Buffer.concat([closePayload(1000), Buffer.alloc(124, 0x2a)]))]));
}

test('5.5.2, 5.5.3 a ping comes back as a pong: empty, text, any bytes, 125 of them, byte by byte [2.1-2.4, 2.6]', async () => {
    const raw = await Raw.open(world.server);
    for (const payload of ['', 'Hello', Buffer.from([0, 255, 254, 253, 0xc0]), Buffer.alloc(125, 0xfe)]) {
        raw.write(frame(FIN | PING, payload));
        const pong = await raw.frame();
        assert.equal(pong.first, FIN | PONG);
        assert.deepEqual(pong.payload, Buffer.from(payload));
    }
    await raw.writeBytewise(frame(FIN | PING, 'slow'));
    assert.equal((await raw.frame()).payload.toString(), 'slow');
    raw.destroy();
});

test('5.5.3 a pong that nobody asked for is not answered [2.7-2.9]', async () => {
    const raw = await Raw.open(world.server);
    raw.write(frame(FIN | PONG, ''), frame(FIN | PONG, 'unasked'), frame(FIN | PONG, Buffer.alloc(125, 1)), frame(FIN | PING, 'asked'));
    assert.equal((await raw.frame()).payload.toString(), 'asked');
    raw.destroy();
});

test('5.5.3 of many pings the newest is answered, others in their order or not at all [2.10, 2.11]', async () => {
    const raw = await Raw.open(world.server);
    raw.write(...Array.from({ length: 100 }, (_, i) => frame(FIN | PING, String(i))));
    const answered = [];
    do {
        const pong = await raw.frame();
        assert.equal(pong.first, FIN | PONG);
        answered.push(Number(pong.payload));
    } while (answered.at(-1) !== 99);
    assert.deepEqual(answered, [...answered].sort((a, b) => a - b));
    raw.destroy();
});

// ---- 5.5.1, 7: closing -----------------------------------------------------------------------------------------------

for (const [id, code] of [['7.3.1', undefined], ['7.3.3', 1000], ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999].map(
    (c, i) => [`7.7.${i + 1}`, c])]) {
    test(`7.4 a close with ${code ?? 'no code'} comes back [${id}]`, async () => {
        const raw = await Raw.open(world.server);
        raw.write(close(code));
        const got = await raw.closed();
        assert.deepEqual([got.code, got.before], [code ?? 1005, []]);
    });
}

for (const code of [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]) {
    test(`7.4 a close with ${code} [7.9, 7.13]: 1002`, () => fails(1002, [close(code)]));
}

test('5.5.1 a close with half a code [7.3.2]: 1002', () => fails(1002, [frame(FIN | CLOSE, '\u0003')]));
for (const hex of ['ff', 'c3', 'eda080', 'c080', 'f4908080', 'cebae1bdb9cf83cebcceb5eda080656469746564']) {
    test(`5.5.1, 8.1 a reason that is not UTF-8, ${hex} [7.5.1]: 1007`, () => fails(1007, [close(1000, utf8(hex))]));
}

test('5.5.1 a reason of 123 bytes, of many scripts, of NUL [7.3.4, 7.3.5]', async () => {
    for (const reason of ['x'.repeat(123), '\u03ba\u1f79\u03c3\u03bc\u03b5 \u{10ffff}', '\0']) {
        const raw = await Raw.open(world.server);
        raw.write(close(4000, reason));
        assert.equal((await raw.closed()).code, 4000);
    }
});

test('7.1.1, 5.5.1 nothing after a close counts: data, pings, a second close, a violation [7.1.2-7.1.4]', async () => {
    for (const after of [text(envelope('"late"')), frame(FIN | PING, 'late'), close(1001), frame(FIN | 3, 'late'), Buffer.from([1, 2, 3, 4])]) {
        const bystander = await member();
        const raw = await member();
        raw.write(close(1000), after);
        const { code, before: frames } = await raw.closed();
        assert.deepEqual([code, frames], [1000, []]);
        bystander.write(text(envelope('"probe"')));
        await echoes(bystander, 'probe');
        bystander.destroy();
    }
});

test('5.5.1 what was sent before the close is still done [7.1.1, 7.1.6]', async () => {
    const bystander = await member();
    const raw = await member();
    raw.write(text(sized(LIMIT)), text(envelope('"last words"')), close(1000), frame(FIN | PING, ''));
    assert.equal((await raw.closed()).code, 1000);
    await echoes(bystander, JSON.parse(sized(LIMIT)).payload);
    await echoes(bystander, 'last words');
    bystander.destroy();
});

test('7.1.2 the server closes first: one close frame, then the answer ends it; what else comes is ignored', async () => {
    const raw = await Raw.open(world.server);
    const { client } = await raw.join(CHANNEL);
    await world.postgres.query('SELECT herald.disconnect(socket_id => $1)', [client.socketId]);
    assert.equal((await raw.message()).payload.code, 'removed');
    const got = await raw.frame();
    assert.deepEqual([got.first, got.payload.readUInt16BE(0)], [FIN | CLOSE, 1008]);
    raw.write(text(envelope('"ignored"')), frame(FIN | PING, 'ignored'));
    assert.equal(raw.isEnded, false);
    raw.write(close(1008));
    assert.deepEqual(await raw.closed(), { code: null, before: [] });
});

test('7.1.2 both close at once: each sends one close frame', async () => {
    for (let i = 0; i < 10; i++) {
        const raw = await Raw.open(world.server);
        const { client } = await raw.join(CHANNEL);
        const order = world.postgres.query('SELECT herald.disconnect(socket_id => $1)', [client.socketId]);
        if (i % 2 === 0) {
            await until('the order to be on its way', async () => raw.bytes.length > 0);
        }
        raw.write(close(1001));
        const { code } = await raw.closed();
        assert.ok([1001, 1008].includes(code), String(code));
        await order;
    }
});

test('7.1.1 a client that does not answer the close is cut', async () => {
    const raw = await Raw.open(world.server);
    const { client } = await raw.join(CHANNEL);
    await world.postgres.query('SELECT herald.disconnect(socket_id => $1)', [client.socketId]);
    const { code } = await raw.closed(15000);
    assert.equal(code, 1008);
});

test('7.1.1 after a violation too the server ends TCP, and the close frame arrives although more was on its way', async () => {
    const raw = await Raw.open(world.server);
    raw.write(frame(FIN | 3, 'x'), Buffer.alloc(1 << 20, 0x2a));
    assert.equal((await raw.closed()).code, 1002);
});

test('7.1.1 TCP closed without a word, with a half frame and with half a handshake', async () => {
    for (const bytes of [[], [0x81], [0x81, 0xfe, 1]]) {
        const raw = await member();
        raw.write(Buffer.from(bytes));
        raw.socket.end();
        await raw.ended;
    }
    const raw = await Raw.connect(world.server.port);
    raw.write('GET /rt');
    raw.socket.end();
    await raw.ended;
});

// ---- 8.1: UTF-8 ------------------------------------------------------------------------------------------------------

const GOOD = [
    ['6.2.1', '48 65 6c 6c 6f 2d c2 b5 40 c3 9f c3 b6'], ['6.5.1', 'ce ba e1 bd b9 cf 83 ce bc ce b5'], ['6.6.1', 'ce ba'],
    ['6.7.1', 'c2 80'], ['6.7.2', 'df bf'], ['6.9.1', 'e0 a0 80'], ['6.9.2', 'ed 9f bf'], ['6.9.3', 'ee 80 80'], ['6.9.4', 'ef bf bd'],
    ['6.11.1', 'f0 90 80 80'], ['6.11.5', 'f4 8f bf bf'], ['6.22.1', 'ef bf be'], ['6.22.2', 'ef bf bf'], ['6.22.3', 'f0 9f bf be'],
    ['6.22.34', 'f4 8f bf be'], ['6.23.1', 'ef bf b9'], ['6.23.7', 'ef bf bf'],
];
const BAD = [
    ['6.3.1', 'ce ba e1 bd b9 cf 83 ce bc ce b5 ed a0 80 65'], ['6.6.2', 'ce ba e1'], ['6.6.3', 'ce ba e1 bd'], ['6.8.1', 'f8 88 80 80 80'],
    ['6.8.2', 'fc 84 80 80 80 80'], ['6.10.1', 'f7 bf bf bf'], ['6.10.2', 'fb bf bf bf bf'], ['6.10.3', 'fd bf bf bf bf bf'],
    ['6.11.6', 'f4 90 80 80'], ['6.12.1', '80'], ['6.12.2', 'bf'], ['6.12.8', '80 81 82 83 84 85 86 87 88 89 8a'], ['6.13.1', 'c0 20 c1 20 c2 20'],
    ['6.13.2', 'e0 20 e1 20'], ['6.13.3', 'f0 20 f1 20'], ['6.14.1', 'c0'], ['6.14.2', 'e0 80'], ['6.14.3', 'f0 80 80'], ['6.14.6', 'df'],
    ['6.14.7', 'ef bf'], ['6.14.8', 'f7 bf bf'], ['6.15.1', 'c0 e0 80 f0 80 80 f8 80 80 80'], ['6.16.1', 'fe'], ['6.16.2', 'ff'],
    ['6.17.1', 'c0 af'], ['6.17.2', 'e0 80 af'], ['6.17.3', 'f0 80 80 af'], ['6.17.5', 'fc 80 80 80 80 af'], ['6.18.1', 'c1 bf'],
    ['6.18.2', 'e0 9f bf'], ['6.18.3', 'f0 8f bf bf'], ['6.19.1', 'c0 80'], ['6.19.2', 'e0 80 80'], ['6.20.1', 'ed a0 80'],
    ['6.20.2', 'ed ad bf'], ['6.20.7', 'ed bf bf'], ['6.21.1', 'ed a0 80 ed b0 80'], ['6.21.8', 'ed af bf ed bf bf'],
];
const [FRONT, BACK] = envelope('"|"').split('|');
const quoted = (hex) => Buffer.concat([Buffer.from(FRONT), utf8(hex), Buffer.from(BACK)]);

test(`8.1 text that is UTF-8 [${GOOD.map(([id]) => id).join(', ')}]`, async () => {
    const raw = await member();
    for (const [, hex] of GOOD) {
        raw.write(text(quoted(hex)));
        await echoes(raw, utf8(hex).toString());
    }
    raw.destroy();
});

test('8.1 code points cut between fragments, at each byte [6.2.2-6.2.4]', async () => {
    const raw = await member();
    for (const [, hex] of GOOD) {
        const bytes = quoted(hex);
        raw.write(frame(TEXT, ''), ...[...bytes].map((byte) => frame(CONTINUATION, Buffer.from([byte]))), frame(FIN | CONTINUATION, ''));
        await echoes(raw, utf8(hex).toString());
    }
    raw.destroy();
});

for (const [id, hex] of BAD) {
    test(`8.1 text that is not UTF-8: ${hex} [${id}]: 1007`, async () => {
        await fails(1007, [text(utf8(hex))]);
        const bytes = quoted(hex);
        const at = FRONT.length + 1;
        await fails(1007, [frame(TEXT, bytes.subarray(0, at)), frame(FIN | CONTINUATION, bytes.subarray(at))]);
    });
}

test('8.1 a ping holds any bytes, and those between the fragments of a text are not of the text', async () => {
    const raw = await member();
    const bytes = quoted('e2 82 ac');
    raw.write(frame(TEXT, bytes.subarray(0, FRONT.length + 1)), frame(FIN | PING, utf8('ff')), frame(FIN | CONTINUATION, bytes.subarray(FRONT.length + 1)));
    assert.deepEqual((await raw.frame()).payload, utf8('ff'));
    await echoes(raw, '\u20ac');
    raw.destroy();
});
