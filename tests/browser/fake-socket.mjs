// SPDX-License-Identifier: PostgreSQL
/**
 * The client module, a socket that does what the test says, and time that is the test's too: nothing here waits. For
 * tests of the module alone.
 */
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach } from 'node:test';

// By way of its text: a browser is told by `type="module"` what this file is, and node would want a package.json there.
export const sources = ['pgherald-table.js', 'pgherald.js'].map((name) => readFileSync(new URL(`../../src/web/${name}`, import.meta.url), 'utf8'));
const [table, client] = sources;
const asUrl = (text) => `data:text/javascript,${encodeURIComponent(text)}`;
export const { channelName, connect } = await import(asUrl(client.replace("'./pgherald-table.js'", `'${asUrl(table).replaceAll("'", '%27')}'`)));

export class FakeSocket {
    static all = [];
    OPEN = 1;
    readyState = 0;
    sent = [];
    #listeners = {};

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
        this.sent.push(JSON.parse(text));
    }

    close(code) {
        this.readyState = 3;
        this.closedWith ??= code;
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
}

const real = { setTimeout, clearTimeout, queueMicrotask, now: Date.now, random: Math.random };
let now;

/** @type {{action: function(), ms: number}[]} all that were set, oldest first; none runs by itself */
export let timers;

beforeEach(() => {
    FakeSocket.all = [];
    timers = [];
    now = 1_000_000;
    Math.random = () => 1;
    Date.now = () => now;
    globalThis.setTimeout = (action, ms) => timers.push({ action, ms });
    globalThis.clearTimeout = (number) => { if (number) timers[number - 1].action = () => {}; };
});

afterEach(() => {
    Object.assign(globalThis, { setTimeout: real.setTimeout, clearTimeout: real.clearTimeout, queueMicrotask: real.queueMicrotask });
    Object.assign(Math, { random: real.random });
    Object.assign(Date, { now: real.now });
});

export function advance(ms) {
    now += ms;
}

/** The line breaks and the client comes back. */
export function comeBack() {
    FakeSocket.last.drop(1006);
    timers.at(-1).action();
    FakeSocket.last.open();
    return FakeSocket.last;
}
