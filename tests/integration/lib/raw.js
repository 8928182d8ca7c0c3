// SPDX-License-Identifier: PostgreSQL
// A client made of bytes: what no library would send, and what it would not show of the answer.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import tls from 'node:tls';
import { within, SECOND } from './wait.js';

export const FIN = 0x80;
export const CONTINUATION = 0x0;
export const TEXT = 0x1;
export const BINARY = 0x2;
export const CLOSE = 0x8;
export const PING = 0x9;
export const PONG = 0xa;

const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d]); // the one of RFC 6455, section 5.7
export const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='; // and of section 1.3
export const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

// A frame of a client. first: the first byte, FIN and opcode. size: how its length is written (0, 2 or 8 bytes).
export function frame(first, payload = '', { mask = MASK, size, announced } = {}) {
    const data = Buffer.from(payload);
    const length = BigInt(announced ?? data.length);
    const bytes = size ?? (length < 126n ? 0 : length < 65536n ? 2 : 8);
    const head = Buffer.alloc(2 + bytes);
    head[0] = first;
    head[1] = (mask ? 0x80 : 0) | (bytes === 0 ? Number(length) : bytes === 2 ? 126 : 127);
    if (bytes === 2) {
        head.writeUInt16BE(Number(length), 2);
    } else if (bytes === 8) {
        head.writeBigUInt64BE(length, 2);
    }
    return mask ? Buffer.concat([head, mask, data.map((byte, i) => byte ^ mask[i & 3])]) : Buffer.concat([head, data]);
}

export const text = (payload) => frame(FIN | TEXT, payload);
export const close = (code, reason = '') => frame(FIN | CLOSE, code === undefined ? '' : closePayload(code, reason));

export function closePayload(code, reason = '') {
    const head = Buffer.alloc(2);
    head.writeUInt16BE(code);
    return Buffer.concat([head, Buffer.from(reason)]);
}

export class Raw {
    // options: { tls } are those of tls.connect.
    static async connect(port, options = {}) {
        const raw = new Raw();
        raw.bytes = Buffer.alloc(0); // received and not yet taken
        raw.isEnded = false;
        raw.wake = () => {};
        raw.socket = options.tls ? tls.connect({ port, host: '127.0.0.1', ...options.tls }) : connect(port, '127.0.0.1');
        raw.socket.setNoDelay(true);
        raw.socket.on('error', () => {}); // a reset is an end too
        raw.socket.on('data', (chunk) => {
            raw.bytes = Buffer.concat([raw.bytes, chunk]);
            raw.wake();
        });
        raw.ended = new Promise((resolve) => {
            for (const event of ['end', 'close']) {
                raw.socket.on(event, () => {
                    raw.isEnded = true;
                    raw.wake();
                    resolve();
                });
            }
        });
        await within('a connection', new Promise((resolve) => {
            raw.socket.once(options.tls ? 'secureConnect' : 'connect', resolve);
            raw.socket.once('error', resolve);
        }));
        return raw;
    }

    // An open session. fields: more header lines. first: bytes that follow the head in the same packet.
    static async open(server, { fields = '', first, ...options } = {}) {
        const raw = await Raw.connect(options.port ?? server.port, options);
        const head = Buffer.from(upgrade(server.canonical, { fields }));
        raw.write(first ? Buffer.concat([head, first]) : head);
        const answer = await raw.head();
        assert.equal(answer.status, 101, answer.text);
        return raw;
    }

    write(...parts) {
        this.socket.write(Buffer.concat(parts.map((part) => Buffer.from(part))));
    }

    async writeBytewise(bytes) {
        for (const byte of Buffer.from(bytes)) {
            await new Promise((resolve) => this.socket.write(Buffer.from([byte]), resolve));
            await new Promise((resolve) => setImmediate(resolve));
        }
    }

    // Waits until take() finds what it looks for in the bytes; null if the connection ends before.
    async next(what, take, deadlineMs = 10 * SECOND) {
        const found = async () => {
            for (;;) {
                const value = take();
                if (value !== undefined || this.isEnded) {
                    return value ?? null;
                }
                await new Promise((resolve) => (this.wake = resolve));
            }
        };
        return within(what, found(), deadlineMs);
    }

    // The head of an HTTP answer: { status, fields: lower-case name → value, text }, or null.
    async head(deadlineMs) {
        return this.next('the head of an answer', () => {
            const end = this.bytes.indexOf('\r\n\r\n');
            if (end < 0) {
                return undefined;
            }
            const text = this.bytes.subarray(0, end).toString('latin1');
            this.bytes = this.bytes.subarray(end + 4);
            const [line, ...lines] = text.split('\r\n');
            const fields = Object.fromEntries(lines.map((l) => [l.slice(0, l.indexOf(':')).toLowerCase(), l.slice(l.indexOf(':') + 1).trim()]));
            return { status: Number(line.match(/^HTTP\/1\.1 (\d{3}) /)[1]), fields, text };
        }, deadlineMs);
    }

    // The next frame of the server: { first, opcode, payload }, or null. None of it is ever masked (5.1).
    async frame(deadlineMs) {
        return this.next('a frame', () => {
            const { bytes } = this;
            if (bytes.length < 2) {
                return undefined;
            }
            assert.equal(bytes[1] & 0x80, 0, 'a server does not mask');
            const short = bytes[1] & 0x7f;
            const start = short === 126 ? 4 : short === 127 ? 10 : 2;
            if (bytes.length < start) {
                return undefined;
            }
            const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
            if (bytes.length < start + length) {
                return undefined;
            }
            this.bytes = bytes.subarray(start + length);
            return { first: bytes[0], opcode: bytes[0] & 0xf, payload: Buffer.from(bytes.subarray(start, start + length)) };
        }, deadlineMs);
    }

    // The next text frame, parsed; other frames before it are a failure.
    async message() {
        const got = await this.frame();
        assert.ok(got, 'the connection ended before a message');
        assert.equal(got.first, FIN | TEXT, `a text frame, not ${got.first.toString(16)} ${got.payload.toString('hex').slice(0, 40)}`);
        return JSON.parse(got.payload);
    }

    async join(channel) {
        this.write(text(JSON.stringify({ action: 'join', options: { channel }, payload: null })));
        const answer = await this.message();
        assert.equal(answer.action, 'join', JSON.stringify(answer));
        return answer;
    }

    // Reads to the end: every frame before the close frame, the close's { code, reason }, and that nothing follows it.
    // code: null if the connection ended without one, 1005 if it carried none.
    async closed(deadlineMs) {
        const before = [];
        let got;
        while ((got = await this.frame(deadlineMs)) !== null && got.opcode !== CLOSE) {
            before.push(got);
        }
        await within('the server to end the connection', this.ended, deadlineMs);
        assert.equal(this.bytes.length, 0, 'nothing follows a close frame');
        this.socket.destroy();
        if (got === null) {
            return { code: null, before };
        }
        assert.equal(got.first, FIN | CLOSE);
        const code = got.payload.length === 0 ? 1005 : got.payload.readUInt16BE(0);
        return { code, reason: got.payload.subarray(2).toString(), before };
    }

    destroy() {
        this.socket.destroy();
    }
}

// The head of a handshake. without: names of lines to leave out.
export function upgrade(canonical, { fields = '', without = [], line = `GET /rt/${canonical} HTTP/1.1` } = {}) {
    const lines = [
        ['Host', '127.0.0.1'], ['Upgrade', 'websocket'], ['Connection', 'Upgrade'], ['Sec-WebSocket-Version', '13'], ['Sec-WebSocket-Key', KEY],
    ].filter(([name]) => !without.includes(name)).map(([name, value]) => `${name}: ${value}\r\n`);
    return `${line}\r\n${lines.join('')}${fields}\r\n`;
}
