// SPDX-License-Identifier: PostgreSQL
/**
 * The client's modules, a socket that does what the test says, and time that is the test's too: nothing here waits. For
 * tests of the client alone.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

const web = fileURLToPath(new URL('../../src/web', import.meta.url));
const names = readdirSync(web).filter((name) => /^pgherald.*\.js$/.test(name));

export const sources = names.map((name) => readFileSync(join(web, name), 'utf8'));

// From a directory that says so: a browser is told by `type="module"` what these files are, node by a package.json.
const copy = mkdtempSync(join(tmpdir(), 'pgherald-client-'));
process.on('exit', () => rmSync(copy, { recursive: true }));
writeFileSync(join(copy, 'package.json'), '{"type":"module"}');
names.forEach((name, i) => writeFileSync(join(copy, name), sources[i]));

export const { channelName, connect, HeraldError, Lagged } = await import(pathToFileURL(join(copy, 'pgherald.js')));

export class FakeSocket {
    static all = [];
    /** Pings are answered by themselves. */
    static isAlive = false;
    OPEN = 1;
    readyState = 0;
    /** What was sent, without the refs, which have no meaning but to the answers. */
    sent = [];
    #listeners = {};
    /** What waits for an answer: action and ref, oldest first. */
    #asked = [];

    constructor(url, protocols) {
        Object.assign(this, { url, protocols });
        FakeSocket.all.push(this);
    }

    static get last() {
        return FakeSocket.all.at(-1);
    }

    addEventListener(type, listener) {
        this.#listeners[type] = listener;
    }

    send(text) {
        const frame = JSON.parse(text);
        const { ref, ...options } = frame.options;
        if (ref !== undefined) this.#asked.push({ action: frame.action, ref });
        this.sent.push({ ...frame, options });
        if (frame.action === 'ping' && FakeSocket.isAlive) this.answers('ping', 'pong');
    }

    close(code) {
        this.readyState = 3;
        this.closedWith ??= code;
    }

    /** What was sent of that kind. */
    sentOf(wanted) {
        return this.sent.filter(({ action }) => action === wanted);
    }

    // What the other side does:

    open() {
        this.readyState = 1;
        this.#listeners.open({});
    }

    drop(code, reason = '') {
        this.readyState = 3;
        this.#listeners.close({ code, reason });
    }

    says(action, payload = null, options = {}, client = null) {
        this.#listeners.message({ data: JSON.stringify({ action, client, options: { channel: 'room/1', ...options }, payload }) });
    }

    /** To the oldest request of that kind. */
    answers(asked, action, payload = null, options = {}, client = null) {
        const i = this.#asked.findIndex((each) => each.action === asked);
        if (i < 0) throw new Error(`nobody asked: ${asked}`);
        const [{ ref }] = this.#asked.splice(i, 1);
        this.says(action, payload, { ref, ...options }, client);
        return ref;
    }

    refuses(asked, code, more = {}, options = {}) {
        return this.answers(asked, 'error', { code, message: 'Why.', ...more }, options);
    }
}

const real = { setTimeout, clearTimeout, queueMicrotask, now: Date.now, random: Math.random };
let now;

/** @type {{action: function(), ms: number, at: number}[]} that wait, oldest first; none runs by itself */
let timers;

beforeEach(() => {
    Object.assign(FakeSocket, { all: [], isAlive: false });
    timers = [];
    now = 1_000_000;
    Math.random = () => 1;
    Date.now = () => now;
    globalThis.setTimeout = (action, ms = 0) => {
        const timer = { action, ms, at: now + ms };
        timers.push(timer);
        return timer;
    };
    globalThis.clearTimeout = (timer) => { timers = timers.filter((each) => each !== timer); };
});

afterEach(() => {
    Object.assign(globalThis, { setTimeout: real.setTimeout, clearTimeout: real.clearTimeout, queueMicrotask: real.queueMicrotask });
    Object.assign(Math, { random: real.random });
    Object.assign(Date, { now: real.now });
});

function run(timer) {
    timers = timers.filter((each) => each !== timer);
    now = Math.max(now, timer.at);
    timer.action();
}

/** Time goes on, and what is due happens. */
export function advance(ms) {
    const end = now + ms;
    for (let next; (next = timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]);) run(next);
    now = end;
}

/** What will happen within that time. */
export const due = (ms) => timers.filter(({ at }) => at <= now + ms);

/** What was planned last happens. */
export const runNewest = () => run(timers.at(-1));

/** Promises that are settled have been heard. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));

/** The line breaks and the client comes back. */
export function comeBack(code = 1006) {
    FakeSocket.last.drop(code);
    runNewest();
    FakeSocket.last.open();
    return FakeSocket.last;
}
