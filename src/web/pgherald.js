// SPDX-License-Identifier: PostgreSQL
/**
 * The browser's side of pgherald, served by every server at `/pgherald.js`: an ES module that needs nothing but the one of
 * tables beside it, `pgherald-table.js`.
 *
 *     import { connect } from '/pgherald.js';
 *
 *     const herald = connect({ canonical: '…' });
 *     const room = herald.channel('room/1', { history: true });
 *     room.on('history', (frame) => frame.payload.history.forEach(show));
 *     room.on('message', (frame) => show(frame));
 *     room.message({ text: 'hello' });
 *
 * What it adds to a bare WebSocket is that a cut costs nothing. Every durable frame carries its offset in
 * `options.id`; the channel remembers the newest one it handed to the application, and after a reconnect joins with
 * `since` that position. The server then sends exactly what was missed, marked `options.replayed`, and the
 * application sees one unbroken sequence. Where the server cannot do that any more (the rows were trimmed, or the
 * database was restored) it says so: the channel emits `gap` and, if it was joined with history, asks for the history
 * anew. A `history` event therefore always means: this replaces all you have.
 *
 * `table()` is the rows themselves, of a watched table whose owner allows it: a Map that is read once, and follows from
 * then on, also through cuts.
 *
 *     const orders = await herald.table('live/orders', { filter: { status: 'new' } }).ready;
 *     orders.onChange(() => show([...orders.values()]));
 *
 * It deliberately keeps no queue of unsent messages: whether a message that was on its way when the line broke has
 * arrived is for the application to decide, which sees its own messages come back (the echo). `message()` says
 * whether the message could be handed to an open connection.
 *
 * Who we are is proved by a token, which goes out with each connection. It may be a function, which is asked for one at
 * every connect:
 *
 *     connect({ canonical: '…', token: async () => (await fetch('/my/token')).text() });
 *
 * A token that the server does not accept is never used to go on as somebody else. The server tells it (`token_expired`,
 * also in the midst of a connection, or `token_invalid`), the client emits `error`, drops the connection and asks the
 * function for another token. Where there is none it stays `closed`, until the application calls `setToken` and
 * `reconnect`. To go on as anonymous is its decision too: a token of null.
 *
 * Besides browsers it runs on any runtime with a WebSocket class; pass one as `WebSocket` where none is global.
 */
import { Table } from './pgherald-table.js';

/**
 * What travels, in both directions; `client` only from the server.
 * @typedef {object} Frame
 * @property {string} action            join, leave, message, event, history, snapshot, presence_full, presence_update, error
 * @property {Member|null} [client]     the sender
 * @property {FrameOptions} options
 * @property {*} payload                of an error: `{code, message}`
 */

/**
 * Somebody in a channel, as the server vouches for him. An anonymous client has no extras, and zeros.
 * @typedef {object} Member
 * @property {string} socketId          of this connection: the address for private messages
 * @property {object} extras            what the token says besides
 * @property {{dbo_id: number, row_id: number|string}} permissions  who he is: a row of a table
 */

/**
 * @typedef {object} FrameOptions
 * @property {string} [channel]
 * @property {number} [id]              the offset of a durable frame
 * @property {string} [at]              when it became durable, RFC 3339
 * @property {boolean} [replayed]       it was missed and is delivered late
 * @property {boolean} [authenticated]  a message that only authenticated clients get
 * @property {string} [socketId]        a private message: to whom
 * @property {string} [view]            the server's name for a filter on the channel: what is for its rows
 * @property {'enter'|'leave'|'unknown'} [moved]  a row came to pass the filter, or does not any more; what the table saw was
 *                                      an UPDATE. unknown: the row came by its key, which does not tell
 * @property {string} [txid]            the transaction that wrote it
 */

/**
 * A place in a channel: everything up to and including `offset` has been seen.
 * @typedef {{epoch: string, offset: number}} Position
 */

/**
 * @typedef {object} Status
 * @property {'connecting'|'connected'|'waiting'|'closed'} status
 * @property {number} [retryMs]         waiting: how long until the next attempt
 * @property {number} [code]            waiting, closed: the WebSocket close code
 * @property {string} [reason]          waiting, closed: what the server said
 */

/**
 * What proves who we are; null or nothing: anonymous. A function gets the token that the server has just refused, if it
 * did, so that one which keeps its token knows that it needs a new one. If it fails, that is a failed attempt to connect.
 * @typedef {string|null|function((string|null)): (string|null|Promise<string|null>)} Token
 */

/** The server's words for a token that it does not accept. */
const TOKEN_CODES = new Set(['token_expired', 'token_invalid']);

/** Codes after which coming back makes sense: the line broke, the server restarts, is full, or asks for it. */
const RECONNECT_CODES = new Set([1006, 1011, 1012, 1013, 1014, 4000]);

const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 30_000;

/** A connection that lived this long was a real one: the next back-off starts small again. A shorter one was not, so
 * that a server which accepts and then refuses is not hammered. */
const STABLE_MS = 10_000;

/** Refusals of what a channel's member does: a join is never answered by them. */
const NOT_ABOUT_JOINS = new Set(['not_joined', 'send_refused', 'private_refused', 'no_such_client', 'history_off']);

function isSamePerson(a, b) {
    return JSON.stringify(a?.permissions) === JSON.stringify(b?.permissions);
}

/** The smallest thing with `on`. A handler that throws must not take the frame away from the others. */
class Emitter {
    #handlers = new Map();

    /** @param {string} type @param {Function} handler @returns {this} */
    on(type, handler) {
        this.#handlers.set(type, [...(this.#handlers.get(type) ?? []), handler]);
        return this;
    }

    /** @param {string} type @param {Function} handler @returns {this} */
    off(type, handler) {
        this.#handlers.set(type, (this.#handlers.get(type) ?? []).filter((each) => each !== handler));
        return this;
    }

    /** For this module only. @returns {boolean} whether anybody listens */
    _emit(type, value) {
        const handlers = this.#handlers.get(type) ?? [];
        for (const handler of handlers) {
            try {
                handler(value);
            } catch (error) {
                queueMicrotask(() => { throw error; });
            }
        }
        return handlers.length > 0;
    }
}

/**
 * One channel of a client, or the rows of one that pass a filter. Events: `join`, `message`, `event`, `history`, `gap`,
 * `leave`, `presence_full`, `presence_update`, `error`; each handler gets the whole {@link Frame} (for `gap` that of the
 * join). And `presence`, after every change of the list, with the list itself.
 *
 * An error of code `removed` ends the membership: the server has taken us out of the channel, or a rule shuts us out.
 * A channel that was removed does not join again by itself, only when it is told to (`join()`). One whose join was
 * refused tries again with each new connection, perhaps as somebody else.
 */
export class Channel extends Emitter {
    #client;
    /** A history was asked for by the join and has not come yet. */
    #wantsHistory = false;
    /** Durable frames that arrived while a history is on its way: it may contain them or not. @type {Frame[]|null} */
    #held = null;
    #isRemoved = false;
    /** The rows of a snapshot are coming. */
    #isRead = false;

    /** @param {Client} client @param {string} name @param {object} options see {@link Client#channel} */
    constructor(client, name, options) {
        super();
        this.#client = client;
        this.name = name;
        this.options = options;
        /** @type {boolean} it has a filter or a snapshot: there is no talking here, that is for the channel itself */
        this.isView = Boolean(options.filter || options.snapshot);
        /** @type {string|undefined} the server's name for it, from the first join on */
        this.view = undefined;
        /** @type {boolean} the server has acknowledged the join on the present connection */
        this.joined = false;
        /** @type {Member|null} how others see us; the socketId changes with every connection */
        this.self = null;
        /** @type {Member[]} who is here, ourselves included, if joined with `presence` and where the rule lists members;
         * empty without a connection. Each change makes a new array. */
        this.presence = [];
        /** @type {Position|null} */
        this.position = options.since ?? null;
    }

    /** Sends to everybody in the channel, ourselves included: our own message comes back, which is how we know.
     * @param {*} payload any JSON value
     * @param {object} [options]
     * @param {boolean} [options.authenticated]  true: only authenticated clients get it
     * @param {string} [options.socketId]        a private message: only this member gets it, and we; it is never kept
     * @returns {boolean} false: there is no connection, nothing was sent */
    message(payload = null, options = {}) {
        return this._send('message', payload, options);
    }

    /** Asks for the newest messages and events; the answer is a `history` event.
     * @returns {boolean} false: there is no connection */
    history() {
        if (!this._send('history', null)) return false;
        this.#held ??= [];
        return true;
    }

    /** Asks to be let in once more, after `removed` or a join that was refused; now, or as soon as there is a connection. */
    join() {
        this.#isRemoved = false;
        if (!this.joined) this._join();
    }

    /** Leaves for good; `client.channel(name)` joins anew. */
    leave() {
        const isLast = this.#client._remove(this);
        // One that waits for its name leaves when it has it: _receive() is not told then, the client does it.
        if (isLast && (!this.isView || this.view !== undefined)) this._send('leave', null);
        this._lost();
    }

    _send(action, payload, options = {}) {
        const place = this.view === undefined || action === 'join' ? {} : { view: this.view };
        return this.#client._send({ action, options: { ...options, channel: this.name, ...place }, payload });
    }

    _join() {
        if (this.#isRemoved) return;
        const { history = false, presence = false, resume = true, filter, snapshot } = this.options;
        const payload = this.isView ? { history, filter, snapshot } : { history, presence };
        if (resume && this.position) payload.since = { ...this.position };
        if (this._send('join', payload)) this.#client._joining.push(this);
    }

    _lost() {
        this.joined = false;
        this.#isRead = false;
        this.#held = null;          // not handed over, so not behind our position either: they will be replayed
        if (this.presence.length > 0) this.#listed([]);
    }

    /** @param {Frame} frame */
    _receive(frame) {
        if (this._isInterrupted(frame)) this.#interrupted(frame);
        else if (frame.action === 'join') this.#acknowledged(frame);
        else if (frame.action === 'error') this.#failed(frame);
        else if (!this.joined) return;        // still meant for a membership that we left
        else if (frame.action === 'history') this.#replaced(frame);
        else if (frame.action === 'snapshot') this.#isBeingRead(frame);
        else if (frame.action === 'presence_full' || frame.action === 'presence_update') this.#presenceChanged(frame);
        else if (this.#held && frame.options.id !== undefined) this.#held.push(frame);
        else this.#deliver(frame);
    }

    /** Nobody asked: something has happened that cannot be told, and what we have is to be read anew. */
    _isInterrupted({ action, client, payload }) {
        return action === 'join' && this.joined && client === null && payload?.gap === true;
    }

    #interrupted(frame) {
        const { epoch, offset } = frame.payload;
        this.position = { epoch, offset };
        this._emit('gap', frame);
        if (this.options.history) this.history();
    }

    #acknowledged(frame) {
        const { epoch, offset, resumed = false, gap = false } = frame.payload ?? {};
        const { history = false, resume = true } = this.options;
        const asked = resume && this.position !== null;
        const wasSomebodyElse = this.self !== null && !isSamePerson(this.self, frame.client);
        this.joined = true;
        this.view = frame.options.view;
        this.self = frame.client ?? null;
        // Resumed: the position moves by the frames that are replayed now, one by one, so that a cut among them is safe.
        // With rows on their way there is none before the last of them, so that a cut among them asks for all again.
        if (!resumed) {
            this.position = epoch === undefined || this.options.snapshot ? null : { epoch, offset };
            this.#wantsHistory = history;
        }
        // Somebody else may see more of what was, or less: what the application has of it is not right any more.
        if (wasSomebodyElse) this.#wantsHistory = history;
        this._emit('join', frame);
        if (gap) this._emit('gap', frame);
        // A join with `since` brings no history: we ask when there was a gap, or when the cut came before the first one.
        if (asked && this.#wantsHistory) this.history();
    }

    #deliver(frame) {
        const { id } = frame.options;
        if (id !== undefined && this.position) {
            if (id <= this.position.offset) return;
            this.position = { epoch: this.position.epoch, offset: id };
        }
        this.#wantsHistory = false;           // live traffic comes after the history: there was none to send
        this._emit(frame.action, frame);
    }

    #isBeingRead(frame) {
        const { first = false, last = false, epoch, offset } = frame.payload;
        if (!first && !this.#isRead) return;        // the rest of one that somebody else has asked for
        this.#isRead = !last;
        this.position = last ? { epoch, offset } : null;
        this._emit('snapshot', frame);
    }

    #replaced(frame) {
        const newest = frame.payload?.history?.at(-1)?.options?.id ?? 0;
        if (this.position && newest > this.position.offset) {
            this.position = { epoch: this.position.epoch, offset: newest };
        }
        this.#wantsHistory = false;
        this._emit('history', frame);
        this.#letGo();
    }

    #presenceChanged(frame) {
        const { action, presence } = frame.payload;
        const others = () => this.presence.filter(({ socketId }) => socketId !== presence.socketId);
        this._emit(frame.action, frame);
        if (frame.action === 'presence_full') this.#listed(presence);
        else this.#listed(action === 'join' ? [...others(), presence] : others());
    }

    #listed(members) {
        this.presence = members;
        this._emit('presence', members);
    }

    #failed(frame) {
        if (frame.payload?.code === 'removed') {
            this.#isRemoved = true;
            this._lost();
        }
        // That a table listens does not mean that the application knows.
        const isHeard = this._emit('error', frame) && !this.options.snapshot;
        if (!isHeard) this.#client._emit('error', frame);
        this.#letGo();                        // perhaps the history was refused: nothing may wait for ever
    }

    #letGo() {
        const held = this.#held ?? [];
        this.#held = null;
        held.forEach((frame) => this.#deliver(frame));
    }
}

/**
 * The connection. Events: `status` ({@link Status}), `error`: a {@link Frame} that is about the token or the connection,
 * or that no channel took.
 */
export class Client extends Emitter {
    #url;
    /** @type {Token} */
    #token;
    /** What went out with the present connection. @type {string|null} */
    #shown = null;
    /** What the server did not accept. @type {string|null} */
    #refused = null;
    #WebSocket;
    #socket = null;
    #attempt = 0;
    #timer = null;
    #failures = 0;
    #openedAt = null;
    /** By name; of views by name, a line's end (which no name has) and what tells them apart here. */
    #channels = new Map();
    /** Joins that the server has not answered, in their order, which is that of the answers. @type {Channel[]} */
    _joining = [];
    #onOnline = () => { if (this.status.status !== 'closed') this.#reopen(); };

    /** @param {object} options see {@link connect} */
    constructor({ url = globalThis.location?.origin, canonical, token = null, WebSocket = globalThis.WebSocket }) {
        super();
        if (!url || !canonical || !WebSocket) throw new TypeError('connect needs url, canonical and a WebSocket class');
        this.#url = new URL(`/rt/${encodeURIComponent(canonical)}`, url);
        this.#url.protocol = this.#url.protocol.replace(/^http/, 'ws');
        this.#token = token;
        this.#WebSocket = WebSocket;
        /** @type {Status} */
        this.status = { status: 'closed' };
        this.#open();
    }

    /**
     * Joins a channel, now or as soon as there is a connection, and again after each cut. One object per name and filter.
     * @param {string} name
     * @param {object} [options]
     * @param {boolean} [options.history]    send the newest messages and events first, as one `history` event
     * @param {boolean} [options.presence]   tell who is there: `channel.presence`, where the rule lists members
     * @param {boolean} [options.resume]     after a cut go on where we were; true unless said otherwise
     * @param {Position} [options.since]     begin where an earlier page stopped
     * @param {object} [options.filter]      only changes of rows that pass: `{status: {in: ['new', 'late']}}`. A row that comes
     *                                       to pass is told as an insert, one that ceases to as a delete (`options.moved`).
     *                                       Messages and publishes are no rows: they go to the channel without a filter
     * @returns {Channel}
     */
    channel(name, options = {}) {
        const key = options.filter ? `${name}\n${JSON.stringify(options.filter)}` : name;
        return this.#channels.get(key) ?? this.#add(key, new Channel(this, name, options));
    }

    /**
     * The rows of a watched table (`watch(…, snapshot => true)`): those that are announced in this channel, that pass the
     * filter, and that we may see. They are read once, and followed from then on; each call makes a table of its own.
     * @param {string} name                  of the channel
     * @param {object} [options]
     * @param {object} [options.filter]      as for a channel
     * @param {string|string[]} [options.key]  the column, or the columns, that tell a row from all others; `id`
     * @param {string[]} [options.order]     `['created_at.desc', 'id']`: how the rows stand here, NULL last. With a limit: which
     *                                       rows are the first
     * @param {number} [options.limit]       no more than so many rows; without an order the first by key
     * @returns {import('./pgherald-table.js').Table}
     */
    table(name, { filter, key = 'id', order = [], limit } = {}) {
        const snapshot = limit ? { limit, ...(order.length > 0 && { order }) } : true;
        const channel = new Channel(this, name, { filter, snapshot });
        const table = new Table(channel, { key: [key].flat(), order, limit });
        this.#add(channel, channel);
        return table;
    }

    /** Who we are from the next connection on: after signing in, or with a fresh token before the old one expires.
     * @param {Token} token @returns {this} for `setToken(token).reconnect()`, which is to be somebody else now */
    setToken(token) {
        this.#token = token;
        return this;
    }

    /** Drops the connection, if any, and opens a new one now. Nothing is missed: the channels resume. After a change of
     * identity a channel with history asks for it anew, because somebody else may see more of it, or less. */
    reconnect() {
        this.#refused = null;
        this.#reopen();
    }

    /** Ends it: no more events, no way back but {@link Client#reconnect}. */
    close() {
        globalThis.removeEventListener?.('online', this.#onOnline);
        this.#drop(1000);
        this.#setStatus({ status: 'closed', code: 1000, reason: '' });
    }

    _send(frame) {
        if (this.#openedAt === null || this.#socket.readyState !== this.#socket.OPEN) return false;
        this.#socket.send(JSON.stringify(frame));
        return true;
    }

    #add(key, channel) {
        this.#channels.set(key, channel);
        if (this.#openedAt !== null) channel._join();
        return channel;
    }

    /** Those that the server calls by this name: it takes filters for one that differ only in how they are written. */
    #of(name, view) {
        const isMeant = (channel) => (view === undefined ? !channel.isView : channel.view === view);
        return [...this.#channels.values()].filter((channel) => channel.name === name && isMeant(channel));
    }

    /** For this module only, like all with such a name. @returns {boolean} it was here, and nobody else is in its place */
    _remove(channel) {
        const found = [...this.#channels].find(([, each]) => each === channel);
        return found !== undefined && this.#channels.delete(found[0]) && this.#of(channel.name, channel.view).length === 0;
    }

    #reopen() {
        this.#drop(4000);
        this.#open();
    }

    #open() {
        // After a sleep or a change of network the old socket is often dead without knowing it yet.
        globalThis.addEventListener?.('online', this.#onOnline);
        this.#setStatus({ status: 'connecting' });
        if (typeof this.#token === 'function') this.#askAndDial(++this.#attempt);
        else this.#dial(this.#token || null);
    }

    async #askAndDial(attempt) {
        try {
            const token = await this.#token(this.#refused);
            if (attempt === this.#attempt) this.#dial(token || null);
        } catch (error) {
            if (attempt === this.#attempt) this.#closed({ code: 1006, reason: error?.message ?? String(error) });
        }
    }

    #dial(token) {
        if (token !== null && token === this.#refused) {
            this.#setStatus({ status: 'closed', code: 4000, reason: 'there is no other token than the one that was refused' });
            return;
        }
        this.#shown = token;
        const socket = new this.#WebSocket(this.#url.href, token === null ? [] : [token]);
        const ifOurs = (handler) => (event) => { if (socket === this.#socket) handler(event); };
        this.#socket = socket;
        socket.addEventListener('open', ifOurs(() => this.#opened()));
        socket.addEventListener('message', ifOurs((event) => this.#received(event.data)));
        socket.addEventListener('close', ifOurs((event) => this.#closed(event)));
        socket.addEventListener('error', () => {});     // a close always follows, and says more
    }

    /** Forgets the socket first: what it still says is not ours any more. */
    #drop(code) {
        clearTimeout(this.#timer);
        this.#attempt++;            // a token that is still being fetched was for this connection
        const socket = this.#socket;
        this.#socket = null;
        this.#openedAt = null;
        this._joining = [];
        this.#channels.forEach((channel) => channel._lost());
        socket?.close(code);
    }

    #opened() {
        this.#openedAt = Date.now();
        this.#setStatus({ status: 'connected' });
        this.#channels.forEach((channel) => channel._join());
    }

    #received(text) {
        let frame;
        try {
            frame = JSON.parse(text);
        } catch {
            return;
        }
        frame.options ??= {};
        const isError = frame.action === 'error';
        if (isError && TOKEN_CODES.has(frame.payload?.code)) this.#tokenRefused(frame, this.#channels.get(frame.options.channel));
        else if (this.#isFor(frame).map((channel) => channel._receive(frame)).length === 0 && isError) this._emit('error', frame);
    }

    /** @param {Frame} frame @returns {Channel[]} */
    #isFor(frame) {
        const { channel: name, view } = frame.options;
        if (frame.payload?.code === 'removed' && frame.action === 'error') {
            return [...this.#channels.values()].filter((channel) => channel.name === name);
        }
        const those = this.#of(name, view);
        const asked = those.some((channel) => channel._isInterrupted(frame)) ? undefined : this.#answered(frame);
        if (!asked) return those;
        if (frame.action === 'error') this.#enterAgain(asked);
        if ([...this.#channels.values()].includes(asked)) return [asked];
        // It has left while it had no name yet.
        if (view !== undefined && those.length === 0) this._send({ action: 'leave', options: { channel: name, view }, payload: null });
        return [];
    }

    /** Rows that are refused end the view, also for others here who are in it, whom the error does not name. They go on where
     * they are. */
    #enterAgain(refused) {
        const wish = JSON.stringify(refused.options.snapshot);
        const isLike = (channel) => channel.joined && channel.name === refused.name && JSON.stringify(channel.options.snapshot) === wish;
        refused._lost();
        if (wish) [...this.#channels.values()].filter(isLike).forEach((channel) => channel._join());
    }

    /** Whose join a frame answers: there are no other words for it than the channel, and for views their order.
     * @returns {Channel|undefined} */
    #answered({ action, options, payload }) {
        if (action !== 'join' && (action !== 'error' || NOT_ABOUT_JOINS.has(payload?.code))) return undefined;
        const i = this._joining.findIndex(({ name }) => name === options.channel);
        return i < 0 ? undefined : this._joining.splice(i, 1)[0];
    }

    /** The server would go on with us as anonymous, or close in a moment. Neither is for us to wait for. */
    #tokenRefused(frame, channel) {
        const socket = this.#socket;
        this.#refused = this.#shown;
        if (!this._emit('error', frame)) channel?._emit('error', frame);
        if (socket === this.#socket) this.#closed({ code: 4000, reason: frame.payload.message });
    }

    #closed({ code, reason }) {
        const wasStable = this.#openedAt !== null && Date.now() - this.#openedAt >= STABLE_MS;
        this.#failures = wasStable ? 0 : this.#failures;
        this.#drop(1000);
        const hasNoOther = this.#refused !== null && this.#token === this.#refused;
        if (!RECONNECT_CODES.has(code) || hasNoOther) {
            this.#setStatus({ status: 'closed', code, reason });
            return;
        }
        // Half fixed, half random: after a restart of the server its clients must not all come back at the same moment.
        const ceiling = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#failures++);
        const retryMs = Math.round(ceiling * (0.5 + Math.random() / 2));
        this.#timer = setTimeout(() => this.#open(), retryMs);
        this.#setStatus({ status: 'waiting', retryMs, code, reason });
    }

    #setStatus(status) {
        this.status = status;
        this._emit('status', status);
    }
}

/**
 * Connects, and stays connected.
 * @param {object} options
 * @param {string} options.canonical      which workspace: the name in `/rt/<canonical>`
 * @param {string} [options.url]          `http(s)://` or `ws(s)://` and host; the page's own origin unless said otherwise
 * @param {Token} [options.token]         proves who we are; sent as the WebSocket's subprotocol, which has no room for
 *                                        blanks, quotes and `( ) , / : ; < = > ? @ [ \ ] { }`
 * @param {typeof WebSocket} [options.WebSocket]  where none is global
 * @returns {Client}
 */
export function connect(options) {
    return new Client(options);
}

/** What would look like a level, a pattern or another value, and control characters. */
const ENCODED = /[%/.*{}\u0001-\u001f\u007f-\u009f]/g;

const MAX_CHANNEL_BYTES = 255;

function encoded(text) {
    return text.replace(ENCODED, (char) => Array.from(new TextEncoder().encode(char), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''));
}

/** Only what JavaScript prints as PostgreSQL does. */
function spelled(name, value) {
    if (typeof value === 'string' || typeof value === 'boolean') return encoded(String(value));
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) return String(value);
    throw new RangeError(`how PostgreSQL prints ${name} cannot be told from ${JSON.stringify(value)}`);
}

/**
 * The channel of a row, by the template that its table is watched with:
 *
 *     channelName('user/{email}', { email: 'a.b@c' })     'user/a%2Eb@c'
 *
 * @param {string} template
 * @param {object} row      as payloads have it: `payload.data.new`
 * @returns {string|null}   null: none, as a column of the template is null or missing, or the name empty or too long
 * @throws {RangeError}     for what JavaScript cannot spell as channels have it: arrays, objects, and numbers that are no safe
 *                          integers. (Without `numbers => 'native'`, bigint and numeric come as strings. What JavaScript cannot
 *                          even see: a float of 1e+06, a native numeric of 5.0, text inside json. Not for such columns.)
 */
export function channelName(template, row) {
    let isNull = false;
    const name = template.replace(/{([^{}]+)}/g, (_, column) => {
        const value = Object.hasOwn(row, column) ? row[column] : null;
        isNull ||= value === null || value === undefined;
        return isNull ? '' : spelled(column, value);
    });
    const bytes = new TextEncoder().encode(name).length;
    return isNull || bytes === 0 || bytes > MAX_CHANNEL_BYTES ? null : name;
}
