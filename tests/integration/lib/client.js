// SPDX-License-Identifier: PostgreSQL
// A bare WebSocket client that keeps every frame with its text, in the order of arrival.
import assert from 'node:assert/strict';
import WebSocket from 'ws';
import { within, SECOND } from './wait.js';

export class Client {
    static async open(server, options = {}) {
        const client = new Client(server, options);
        await within('the WebSocket to open', client.opened);
        return client;
    }

    constructor(server, { canonical, token, headers, localAddress, tls } = {}) {
        this.frames = []; // { action, client, options, payload, text }
        this.taken = new Set(); // frames that a waitFor() has had
        this.waiting = [];
        this.closed = null; // { code, reason }
        this.onFrame = null;
        this.socket = new WebSocket(server.socketUrl(canonical), token === undefined ? [] : [token], {
            perMessageDeflate: false,
            headers,
            localAddress, // 127.0.0.2 is somebody else than 127.0.0.1
            ...tls, // options of tls.connect
        });
        this.socket.once('upgrade', ({ headers: answer }) => (this.answer = answer)); // the headers of the 101
        this.opened = new Promise((resolve, reject) => {
            this.socket.once('open', resolve);
            this.socket.once('error', reject);
            this.socket.once('close', (code) => reject(new Error(`closed with ${code} before it opened`)));
        });
        this.opened.catch(() => {});
        this.ended = new Promise((resolve) => {
            this.socket.on('close', (code, reason) => {
                this.closed = { code, reason: reason.toString() };
                this.look();
                resolve(this.closed);
            });
        });
        this.socket.on('error', () => {});
        this.socket.on('message', (data, isBinary) => {
            assert.equal(isBinary, false, 'the server sends text frames only');
            const text = data.toString();
            const frame = JSON.parse(text);
            assert.deepEqual(Object.keys(frame).filter((k) => !['action', 'client', 'options', 'payload'].includes(k)), []);
            frame.text = text;
            this.frames.push(frame);
            this.onFrame?.(frame);
            this.look();
        });
    }

    look() {
        this.waiting = this.waiting.filter((waiter) => !waiter());
    }

    // Any text as one message; fragments: an array of texts as one fragmented message.
    raw(text) {
        if (Array.isArray(text)) {
            text.forEach((part, i) => this.socket.send(part, { fin: i === text.length - 1, binary: false }));
        } else {
            this.socket.send(text);
        }
    }

    send(action, channel, payload = null, options = {}) {
        this.raw(JSON.stringify({ action, options: { ...options, channel }, payload }));
    }

    message(channel, payload) {
        this.send('message', channel, payload);
    }

    // The first frame, of those no earlier waitFor took, that fits: a predicate or the fields that must be equal.
    async waitFor(what, deadlineMs = 10 * SECOND) {
        const fits = typeof what === 'function' ? what : (frame) => matches(frame, what);
        const description = typeof what === 'function' ? what.toString() : JSON.stringify(what);
        let resolve;
        const found = new Promise((r) => (resolve = r));
        const waiter = () => {
            const frame = this.frames.find((f) => !this.taken.has(f) && fits(f));
            if (!frame && !this.closed) {
                return false;
            }
            if (frame) {
                this.taken.add(frame);
            }
            resolve(frame ?? null);
            return true;
        };
        if (!waiter()) {
            this.waiting.push(waiter);
        }
        const seen = () => this.frames.slice(-10).map((f) => f.text.slice(0, 300)).join('\n  ');
        let frame;
        try {
            frame = await within(`a frame ${description}`, found, deadlineMs);
        } catch (error) {
            this.waiting = this.waiting.filter((w) => w !== waiter);
            error.message += `\nlast frames:\n  ${seen()}`;
            throw error;
        }
        if (!frame) {
            throw new Error(`closed (${JSON.stringify(this.closed)}) while waiting for ${description}\nlast frames:\n  ${seen()}`);
        }
        return frame;
    }

    // Joins and resolves with the acknowledgement.
    async join(channel, payload = {}, deadlineMs) {
        this.send('join', channel, payload);
        return this.waitFor({ action: 'join', options: { channel } }, deadlineMs);
    }

    // An error frame's code.
    async error(channel, deadlineMs) {
        const wanted = channel === undefined ? { action: 'error' } : { action: 'error', options: { channel } };
        const frame = await this.waitFor(wanted, deadlineMs);
        assert.equal(typeof frame.payload.message, 'string');
        return frame.payload.code;
    }

    // Everything sent before this has been handled and its answers are here: frames of a socket are handled strictly in
    // order, and an unknown action is answered by an error. Only for channels, not for what comes through the log.
    async barrier() {
        const channel = `barrier-${(Client.barriers = (Client.barriers ?? 0) + 1)}`;
        this.send('message', channel, 'barrier');
        await this.error(channel);
    }

    on(channel, action) {
        return this.frames.filter((f) => f.options?.channel === channel && (action === undefined || f.action === action));
    }

    // Resolves with the close { code, reason }.
    async closes(deadlineMs = 10 * SECOND) {
        return within('the server to close the socket', this.ended, deadlineMs);
    }

    async close() {
        this.socket.close(1000);
        await within('the close handshake', this.ended, 10 * SECOND);
    }
}

function matches(value, wanted) {
    if (wanted === null || typeof wanted !== 'object') {
        return value === wanted;
    }
    return value !== null && typeof value === 'object' && Object.entries(wanted).every(([k, w]) => matches(value[k], w));
}

// The HTTP status with which a handshake is refused.
export async function refusal(server, options) {
    const client = new Client(server, options);
    return within('the handshake to be refused', new Promise((resolve, reject) => {
        client.socket.on('unexpected-response', (_request, response) => {
            response.resume();
            resolve(response.statusCode);
        });
        client.socket.on('open', () => reject(new Error('the handshake was accepted')));
    }));
}
