// SPDX-License-Identifier: PostgreSQL
/**
 * Who is in a channel, and what we let the others know of us: our state, an object which is the sum of those of all holders.
 * It is the connection's: after a cut it is told again. Nobody keeps it in a database.
 */
import { bytesOf } from './pgherald-outbox.js';
import { HeraldError } from './pgherald-emitter.js';

/** The server takes five a second. */
const EVERY_MS = 200;
const MAX_BYTES = 1024;

export class Presence {
    #send;
    #timer = null;
    #sentAt = 0;
    /** By holder. @type {Map<object, object>} */
    #states = new Map();
    /** What the server knows, as text. */
    #told = 'null';
    isJoined = false;
    /** @type {import('./pgherald.js').Member[]} each change makes a new array */
    members = [];

    /** @param {function(object|null)} send */
    constructor(send) {
        this.#send = send;
    }

    /** @param {object} payload  of presence_full or presence_update */
    changed(action, { action: verb, presence }) {
        if (action === 'presence_full') {
            this.members = presence;
            return;
        }
        const isHe = ({ socketId }) => socketId === presence.socketId;
        if (verb === 'update' && this.members.some(isHe)) this.members = this.members.map((each) => (isHe(each) ? presence : each));
        else if (verb === 'leave') this.members = this.members.filter((each) => !isHe(each));
        else this.members = [...this.members.filter((each) => !isHe(each)), presence];
    }

    /** @param {object} holder @param {object|null} state  null: nothing from him any more */
    set(holder, state) {
        if (state !== null && (typeof state !== 'object' || Array.isArray(state))) throw new TypeError('a state is an object, or null');
        const before = this.#states.get(holder);
        const copy = JSON.parse(JSON.stringify(state));     // what is no JSON throws here
        if (state === null) this.#states.delete(holder);
        else this.#states.set(holder, copy);
        if (bytesOf(this.#text) > MAX_BYTES) {
            this.#states.delete(holder);
            if (before) this.#states.set(holder, before);
            throw new HeraldError('too_large', `A state has at most ${MAX_BYTES} bytes.`);
        }
        this.#plan();
    }

    get #text() {
        return JSON.stringify(this.#states.size === 0 ? null : Object.assign({}, ...this.#states.values()));
    }

    /** On this connection nothing has been told. */
    joined() {
        this.isJoined = true;
        this.#told = 'null';
        this.#plan();
    }

    lost() {
        this.isJoined = false;
        clearTimeout(this.#timer);
        this.#timer = null;
        this.members = [];
    }

    /** However often it changes, the newest goes out at most five times a second, and always in the end. */
    #plan() {
        if (!this.isJoined || this.#timer !== null || this.#text === this.#told) return;
        const waitMs = this.#sentAt + EVERY_MS - Date.now();
        if (waitMs > 0) this.#timer = setTimeout(() => this.#tell(), waitMs);
        else this.#tell();
    }

    #tell() {
        this.#timer = null;
        this.#sentAt = Date.now();
        this.#told = this.#text;
        this.#send(JSON.parse(this.#told));
    }
}
