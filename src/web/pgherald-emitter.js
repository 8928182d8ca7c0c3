// SPDX-License-Identifier: PostgreSQL
/**
 * How the client tells the application: events, what `for await` reads, and errors. What is misspelled throws at once: an
 * event that never comes, or an option that nobody reads, is found in no log.
 */

/** What a reader may leave unread before it has failed. */
const MAX_UNREAD = 1000;

/**
 * What was asked is refused: by the server, with its code and sentence, or by the client itself (codes `offline`,
 * `queue_full`, `too_large`, `too_old`, `lost`, `identity_changed`, `left`, `closed`, `timeout`, `lagged`).
 */
export class HeraldError extends Error {
    /** @param {string} code @param {string} message @param {number} [retryAfter] seconds */
    constructor(code, message, retryAfter) {
        super(message);
        this.name = 'HeraldError';
        this.code = code;
        if (retryAfter !== undefined) this.retryAfter = retryAfter;
    }

    /** @param {import('./pgherald.js').Frame} frame  an `error` */
    static of({ payload }) {
        return new HeraldError(payload?.code, payload?.message, payload?.retry_after);
    }
}

/** A `for await` was slower than what came. */
export class Lagged extends HeraldError {
    constructor() {
        super('lagged', `More than ${MAX_UNREAD} were waiting to be read.`);
    }
}

/** @param {string} what @param {object} options @param {string[]} names those that there are */
export function checkOptions(what, options, names) {
    const unknown = Object.keys(options).find((name) => !names.includes(name));
    if (unknown !== undefined) throw new TypeError(`${what} has no option '${unknown}'; there are ${names.join(', ')}`);
}

/** Calls back when the signal is aborted, or is already. A signal may live for as long as the page, and would keep alive what
 * has long ended: so who has ended takes it back.
 * @param {AbortSignal|undefined} signal @param {function()} action @returns {function()} it is not to be called any more */
export function whenAborted(signal, action) {
    if (signal?.aborted) action();
    else signal?.addEventListener('abort', action, { once: true });
    return () => signal?.removeEventListener('abort', action);
}

/** A handler that throws must not take the event away from the others. */
export class Emitter {
    #handlers = new Map();
    #names;

    /** @param {string[]} names of all events that there are */
    constructor(names) {
        this.#names = names;
    }

    /** @param {string} name @param {Function} handler @param {{signal?: AbortSignal}} [options] @returns {this} */
    on(name, handler, { signal } = {}) {
        if (!this.#names.includes(name)) throw new TypeError(`there is no event '${name}'; there are ${this.#names.join(', ')}`);
        this.#handlers.set(name, [...(this.#handlers.get(name) ?? []), handler]);
        whenAborted(signal, () => this.off(name, handler));
        return this;
    }

    /** @param {string} name @param {Function} handler @param {{signal?: AbortSignal}} [options] @returns {this} */
    once(name, handler, options) {
        const first = (value) => {
            this.off(name, first);
            handler(value);
        };
        first.handler = handler;
        return this.on(name, first, options);
    }

    /** @param {string} name @param {Function} handler @returns {this} */
    off(name, handler) {
        const stays = (each) => each !== handler && each.handler !== handler;
        this.#handlers.set(name, (this.#handlers.get(name) ?? []).filter(stays));
        return this;
    }

    /** For the client's modules only, like all with such a name. @returns {boolean} whether anybody listens */
    _emit(name, value) {
        const handlers = this.#handlers.get(name) ?? [];
        for (const handler of handlers) {
            try {
                handler(value);
            } catch (error) {
                queueMicrotask(() => { throw error; });
            }
        }
        return handlers.length > 0;
    }

    _silence() {
        this.#handlers.clear();
    }
}

/** What comes one by one, for one `for await`: from the moment on when it is made. */
export class Stream {
    #unread = [];
    /** Who waits for the next one. */
    #readers = [];
    #isOver = false;
    #error = null;
    #onEnd;

    /** @param {function(Stream)} onEnd  nothing more is wanted */
    constructor(onEnd) {
        this.#onEnd = onEnd;
    }

    push(value) {
        const reader = this.#readers.shift();
        if (reader) reader({ value, done: false });
        else if (this.#unread.length < MAX_UNREAD) this.#unread.push(value);
        else this.#fail(new Lagged());
    }

    #fail(error) {
        this.#unread = [];
        this.#error = error;
        this.end();
    }

    end() {
        if (this.#isOver) return;
        this.#isOver = true;
        this.#onEnd(this);
        this.#readers.forEach((reader) => reader({ value: undefined, done: true }));
        this.#readers = [];
    }

    async next() {
        if (this.#unread.length > 0) return { value: this.#unread.shift(), done: false };
        const error = this.#error;
        this.#error = null;
        if (error) throw error;
        if (this.#isOver) return { value: undefined, done: true };
        return new Promise((resolve) => this.#readers.push(resolve));
    }

    async return() {
        this.#unread = [];
        this.end();
        return { value: undefined, done: true };
    }

    [Symbol.asyncIterator]() {
        return this;
    }
}
