// SPDX-License-Identifier: PostgreSQL
/**
 * A channel as one holder has it: a component, a page. Several may hold the same one, with wishes of their own; to the server
 * they are one member (pgherald-membership.js).
 *
 * Each holder has its own place in the channel: the newest durable frame that it was handed. After a cut the channel is
 * joined where the one that is furthest behind was, and nobody is handed a frame twice.
 */
import { checkOptions, Emitter, HeraldError, Stream, whenAborted } from './pgherald-emitter.js';

const EVENTS = ['join', 'message', 'event', 'history', 'gap', 'presence', 'presence_full', 'presence_update', 'error'];

/** What a table needs besides. */
const INNER_EVENTS = [...EVENTS, 'snapshot'];

const OPTIONS = ['history', 'presence', 'resume', 'since', 'filter', 'signal'];

const PRESENCES = [true, false, 'state'];

/**
 * Events: `join`, `message`, `event`, `history`, `gap`, `presence_full`, `presence_update`, `error`; each handler gets the
 * whole {@link Frame} (for `gap` that of the join). And `presence`, after every change of the list, with the list itself.
 *
 * `join` comes once for each connection, also to a holder that came late; a `history` to those that asked for one, and
 * always means: this replaces all you have.
 *
 * An error of code `removed` ends the membership: the server has taken us out of the channel, or a rule shuts us out.
 * A channel that was removed does not join again by itself, only when it is told to (`join()`, a new holder). One whose join was
 * refused tries again with each new connection, perhaps as somebody else.
 */
export class Channel extends Emitter {
    /** @type {import('./pgherald-membership.js').Membership} */
    #membership;
    #streams = new Set();
    #hasLeft = false;
    /** A history was asked for and has not come yet. */
    #wantsHistory = false;
    /** Durable frames that arrived while a history is on its way: it may contain them or not. @type {Frame[]|null} */
    #held = null;
    /** The rows of a snapshot are coming. */
    #isRead = false;
    #settle;
    #ignoreSignal;
    /** It was told that we are in, on the present connection. */
    _isIn = false;
    /** @type {Position|null} */
    _position;

    /** @param {import('./pgherald-membership.js').Membership} membership @param {object} options see {@link Client#channel}
     * @param {boolean} [isInner]  it is a table's own: nobody holds the channel by it */
    constructor(membership, options, isInner = false) {
        super(isInner ? INNER_EVENTS : EVENTS);
        this.#membership = membership;
        this._isInner = isInner;
        this.options = options;
        this._position = options.since ?? null;
        /** @type {Promise<Channel>} we are in for the first time. Rejects with what the server says against it; the channel
         * tries again with the next connection, all the same. */
        this.ready = new Promise((resolve, reject) => { this.#settle = { resolve, reject }; });
        this.ready.catch(() => {});     // who does not wait for it hears of it by `error`
        this.#ignoreSignal = whenAborted(options.signal, () => queueMicrotask(() => this.leave()));
    }

    static _check(options) {
        checkOptions('channel()', options, OPTIONS);
        if (!PRESENCES.includes(options.presence ?? false)) throw new TypeError(`presence is true, false or 'state'`);
    }

    /** @returns {string} */
    get name() { return this.#membership.name; }
    /** @returns {boolean} it has a filter: there is no talking here, that is for the channel itself */
    get isView() { return this.#membership.isView; }
    /** @returns {string|undefined} the server's name for the view, from the first join on */
    get view() { return this.#membership.view; }
    /** @returns {boolean} the server has acknowledged the join on the present connection */
    get joined() { return this.#membership.joined && !this.#hasLeft; }
    /** @returns {Member|null} how others see us; the socketId changes with every connection */
    get self() { return this.#membership.self; }
    /** @returns {Member[]} who is here, ourselves included, if joined with `presence` and where the rule lists members;
     * empty without a connection. Each change makes a new array. */
    get presence() { return this.#wantsPresence ? this.#membership.presence.members : NOBODY; }

    /** @returns {Position|null} to go on from, later or elsewhere (`since`): all up to here has been handed over */
    get position() { return this._position; }

    /**
     * Sends to everybody in the channel, ourselves included: our own message comes back. Without a connection it waits.
     * @param {*} payload any JSON value
     * @param {object} [options]
     * @param {boolean} [options.authenticated]  true: only authenticated clients get it
     * @param {string} [options.socketId]        a private message: only this member gets it, and we; it is never kept
     * @param {{dbo_id: number, row_id: number|string}} [options.to]  likewise, to all sessions of somebody. Nobody is told
     *                                           whether there are any
     * @param {boolean|string} [options.idempotent]  the message has a key, under which the server takes it once: so it is sent
     *                                           again after a cut. A key of one's own (16 to 64 characters) says that it is one
     *                                           that an earlier page has sent already; false: at most once
     * @param {boolean} [options.queue]          false: without a connection it is not worth sending later
     * @param {AbortSignal} [options.signal]     it is not wanted any more; one that has gone out is not called back
     * @returns {Promise<{offset?: number, epoch?: string, duplicate?: boolean, dropped?: boolean}>} the server has it; its place, if it is
     *                                           kept. Rejects with a {@link HeraldError}
     */
    async send(payload = null, options = {}) {
        if (this.isView) throw new TypeError('a filter has rows; messages are for the channel itself: channel(name)');
        if (this.#hasLeft) throw new HeraldError('left', 'This holder has left the channel.');
        return this.#membership.send(payload, options);
    }

    /** What the others see of us, in `presence` (`member.state`): an object of at most 1 KiB, or null. With those of other
     * holders of this channel it is merged. @param {object|null} state */
    setState(state) {
        if (this.options.presence !== 'state') throw new TypeError(`a state is for channel(name, { presence: 'state' })`);
        if (!this.#hasLeft) this.#membership.presence.set(this, state);
    }

    /** Asks for the newest messages and events; the answer is a `history` event.
     * @returns {boolean} false: there is no connection */
    history() {
        return this.joined && this.#membership._askHistory([this]);
    }

    /** Asks to be let in once more, after `removed` or a join that was refused; now, or as soon as there is a connection. */
    join() {
        if (!this.#hasLeft) this.#membership.enter();
    }

    /** Ends what this holder has of it. A second after the last one the channel is left, unless somebody holds it again. */
    leave() {
        if (this.#hasLeft) return;
        this.#hasLeft = true;
        this.#membership.release(this);
        this.#settle.reject(new HeraldError('left', 'This holder has left the channel.'));
        [...this.#streams].forEach((stream) => stream.end());
        this.#ignoreSignal();
        this._silence();
    }

    /** What comes from now on, one by one, for `for await`. Who lets more than 1000 wait gets an error: {@link Lagged}.
     * @param {string[]} actions  of frames: `message`, `event`, `history`, …; none: messages and events
     * @returns {AsyncIterableIterator<Frame>} */
    frames(...actions) {
        const wanted = actions.length > 0 ? actions : ['message', 'event'];
        const stream = new Stream(() => {
            wanted.forEach((action) => this.off(action, push));
            this.#streams.delete(stream);
        });
        const push = (frame) => stream.push(frame);
        wanted.forEach((action) => this.on(action, push));
        if (this.#hasLeft) stream.end();
        else this.#streams.add(stream);
        return stream;
    }

    [Symbol.asyncIterator]() {
        return this.frames();
    }

    get #wantsPresence() {
        return Boolean(this.options.presence);
    }

    /** What a table shows. */
    get _rows() {
        return this.#membership.rows;
    }

    /* ---- what the membership tells ---- */

    /** It holds a channel that is joined already. */
    _late(frame, position) {
        this._isIn = true;
        this._position = position;
        this.#wantsHistory = Boolean(this.options.history);
        if (this.#wantsHistory) this.#membership._askHistory([this]);
        queueMicrotask(() => {
            if (!this._isIn || this.#hasLeft) return;
            this._emit('join', frame);
            if (this.presence.length > 0) this._emit('presence', this.presence);
            this.#settle.resolve(this);
        });
    }

    /** @param {Frame} frame @param {{since?: Position, history: boolean}} asked  what the server answers
     * @param {boolean} isSomebodyElse  than before, or than a table has seen @returns {boolean} it wants a history that does not come by itself */
    _acknowledged(frame, asked, isSomebodyElse) {
        const { epoch, offset, resumed = false, gap = false } = frame.payload ?? {};
        const { history = false, resume = true } = this.options;
        const isResumed = resumed && resume && this._position?.epoch === asked.since?.epoch;
        const isElsewhere = resumed && resume && this._position !== null && !isResumed;
        this._isIn = true;
        // Resumed: the position moves by the frames that are replayed now, one by one, so that a cut among them is safe.
        // With rows on their way there is none before the last of them, so that a cut among them asks for all again.
        if (!isResumed) {
            this._position = epoch === undefined || this.#membership.snapshot ? null : { epoch, offset };
        }
        // Somebody else may see more of what was, or less: what the application has of it is not right any more.
        if (!isResumed || isSomebodyElse) this.#wantsHistory = history;
        this._emit('join', frame);
        if (gap || isElsewhere) this._emit('gap', frame);
        this.#settle.resolve(this);
        return this.#wantsHistory && (asked.since !== undefined || !asked.history);
    }

    /** Its join was refused, or what it asked. @returns {boolean} the application hears of it */
    _failed(frame) {
        const isHeard = this._emit('error', frame) && !this._isInner;
        if (!this.joined) this.#settle.reject(HeraldError.of(frame));
        return isHeard;
    }

    _lost() {
        this._isIn = false;
        this.#isRead = false;
        this.#held = null;          // not handed over, so not behind our position either: they will be replayed
    }

    /** Something has happened that cannot be told. @returns {boolean} it wants a history */
    _interrupted(frame) {
        const { epoch, offset } = frame.payload;
        this._position = { epoch, offset };
        this._emit('gap', frame);
        return Boolean(this.options.history);
    }

    _awaitHistory() {
        this.#wantsHistory = true;
        this.#held ??= [];
    }

    _deliver(frame) {
        const { id } = frame.options;
        if (!this._isIn) return;
        if (this.#held && id !== undefined) {
            this.#held.push(frame);
            return;
        }
        if (id !== undefined && this._position) {
            if (id <= this._position.offset) return;
            this._position = { epoch: this._position.epoch, offset: id };
        }
        this._emit(frame.action, frame);
    }

    _read(frame) {
        const { first = false, last = false, epoch, offset } = frame.payload;
        if (!first && !this.#isRead) return;        // the rest of one that somebody else has asked for
        this.#isRead = !last;
        this._position = last ? { epoch, offset } : null;
        if (this._isInner) this._emit('snapshot', frame);
    }

    _replaced(frame) {
        const newest = frame.payload?.history?.at(-1)?.options?.id ?? 0;
        if (this._position && newest > this._position.offset) this._position = { epoch: this._position.epoch, offset: newest };
        this._emit('history', frame);
        this._letGo();
    }

    /** The history has come, or will not: nothing may wait for ever. */
    _letGo() {
        const held = this.#held ?? [];
        this.#wantsHistory = false;
        this.#held = null;
        held.forEach((frame) => this._deliver(frame));
    }

    _presenceChanged(frame) {
        if (!this.#wantsPresence) return;
        if (frame) this._emit(frame.action, frame);
        this._emit('presence', this.presence);
    }
}

const NOBODY = [];
