// SPDX-License-Identifier: PostgreSQL
/**
 * What a channel is to be told: messages in their order, each kept until the server has said what became of it.
 *
 * A message of a channel that keeps its messages has a key, under which the server takes it once. So after a cut it is
 * simply sent again, before all that has waited since: it is neither lost nor there twice. One that is not kept (of another
 * channel, a private one) goes out at most once; if the line breaks before its receipt, nobody knows what became of it, and
 * its sender is told just that.
 */
import { checkOptions, HeraldError, whenAborted } from './pgherald-emitter.js';

/** The server forgets a key after an hour. */
const MAX_AGE_MS = 50 * 60_000;

const OPTIONS = ['authenticated', 'socketId', 'to', 'idempotent', 'queue', 'signal'];

const KEY = /^.{16,64}$/su;

/** @returns {string} 32 hex digits that nobody guesses. (crypto.randomUUID is there only in secure contexts.) */
export function secret() {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function bytesOf(text) {
    return new TextEncoder().encode(text).length;
}

/**
 * @typedef {object} Entry
 * @property {*} payload               as it was when it was said: who said it may go on with his object
 * @property {object} options          as they travel
 * @property {string|null} key         under which the server takes it once; null: it may go out once
 * @property {number} bytes            of the frame; 0: not known yet
 * @property {number} queuedAt
 * @property {boolean} isUnderWay      handed to the present connection
 * @property {function(object)} resolve
 * @property {function(*)} reject
 * @property {function()} ignoreSignal
 */

export class Outbox {
    /** @type {import('./pgherald-membership.js').Membership} */
    #membership;
    #maxQueued;
    /** In the order in which they were said. @type {Entry[]} */
    #entries = [];

    constructor(membership, maxQueued) {
        this.#membership = membership;
        this.#maxQueued = maxQueued;
    }

    /** See {@link Channel#send}. @returns {Promise<object>} */
    send(payload, options) {
        checkOptions('send()', options, OPTIONS);
        const { idempotent = true, queue = true, signal, ...others } = options;
        if (typeof idempotent === 'string' && !KEY.test(idempotent)) throw new TypeError('a key of a message has 16 to 64 characters');
        const said = JSON.parse(JSON.stringify({ payload, options: others }));     // what is no JSON throws here, and is never in the queue
        return new Promise((resolve, reject) => {
            signal?.throwIfAborted();
            this.#checkRoom(queue);
            const entry = { ...said, key: null, bytes: 0, queuedAt: Date.now(), isUnderWay: false, resolve, reject };
            if (idempotent && !others.socketId && !others.to) entry.key = idempotent === true ? secret() : idempotent;
            entry.ignoreSignal = whenAborted(signal, () => this.#reject(entry, signal.reason));
            this.#entries.push(entry);
            if (this.#membership.joined) this.#transmit(entry);
        });
    }

    #checkRoom(mayWait) {
        if (this.#entries.length >= this.#maxQueued) {
            throw new HeraldError('queue_full', `${this.#maxQueued} messages wait already.`);
        }
        if (!mayWait && !this.#membership.joined) throw new HeraldError('offline', 'There is no connection, or we are not in the channel.');
    }

    /** What the line took with it, and what has waited. */
    flush() {
        this.expire();
        this.#entries.filter(({ isUnderWay }) => !isUnderWay).forEach((entry) => this.#transmit(entry));
    }

    expire() {
        const oldest = Date.now() - MAX_AGE_MS;
        this.#rejectAll(({ isUnderWay, queuedAt }) => !isUnderWay && queuedAt < oldest, 'too_old', 'There was no connection for too long.');
    }

    /** The line broke. */
    lost() {
        this.#rejectAll(({ isUnderWay, key }) => isUnderWay && key === null, 'lost', 'The line broke before the receipt: nobody knows whether it has arrived.');
        this.#entries.forEach((entry) => { entry.isUnderWay = false; });
    }

    /** @param {string} code @param {string} message  why nothing of it will be sent */
    end(code, message) {
        this.#rejectAll(() => true, code, message);
    }

    /** The biggest under way: what closed the line by its size. @returns {Entry|null} */
    get biggest() {
        return this.#entries.filter(({ isUnderWay }) => isUnderWay).reduce((a, b) => (b.bytes > (a?.bytes ?? 0) ? b : a), null);
    }

    /** @param {Entry} entry */
    refuseAsTooBig(entry) {
        this.#reject(entry, new HeraldError('too_large', 'The message is larger than the server takes.'));
    }

    #transmit(entry) {
        const { name, limits, isAnonymous } = this.#membership;
        const isKept = limits.durable === true && entry.key !== null;
        const keys = isKept ? { id_key: entry.key, ...(isAnonymous && { by: this.#membership.secret }) } : {};
        const frame = { action: 'message', options: { ...entry.options, channel: name, ...keys }, payload: entry.payload };
        entry.bytes = bytesOf(JSON.stringify(frame)) + '"ref":"0000000",'.length;
        if (entry.bytes > (limits.message_bytes ?? Infinity)) {
            this.refuseAsTooBig(entry);
            return;
        }
        if (!isKept) entry.key = null;
        entry.isUnderWay = this.#membership.request(frame, (answer) => this.#answered(entry, answer)) !== null;
    }

    #answered(entry, frame) {
        // A rule has changed: what is not kept any more takes no key.
        if (frame.payload?.code === 'bad_json' && entry.key !== null && entry.isUnderWay) {
            entry.key = null;
            this.#transmit(entry);
        } else if (frame.action === 'error') this.#reject(entry, HeraldError.of(frame));
        else if (this.#remove(entry)) entry.resolve({ ...frame.payload });
    }

    #remove(entry) {
        const i = this.#entries.indexOf(entry);
        entry.ignoreSignal();
        return i >= 0 && this.#entries.splice(i, 1).length > 0;
    }

    #reject(entry, error) {
        if (this.#remove(entry)) entry.reject(error);
    }

    #rejectAll(isMeant, code, message) {
        this.#entries.filter(isMeant).forEach((entry) => this.#reject(entry, new HeraldError(code, message)));
    }
}
