// SPDX-License-Identifier: PostgreSQL
/**
 * The browser's side of pgherald, served by every server at `/pgherald.js`: an ES module that needs nothing but those beside
 * it, `pgherald-….js`.
 *
 *     import { connect } from '/pgherald.js';
 *
 *     const herald = connect({ canonical: '…' });
 *     const room = herald.channel('room/1', { history: true });
 *     room.on('history', (frame) => frame.payload.history.forEach(show));
 *     room.on('message', (frame) => show(frame));
 *     await room.send({ text: 'hello' });
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
 * `send()` is answered by the server, with the place of what was said, or with what it has against it. Where messages are
 * kept they have a key, and what was on its way when the line broke is sent again: it is neither lost nor there twice.
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
 *
 * How it is made: pgherald-line.js is the connection, pgherald-token.js who we are; pgherald-membership.js is a channel as the
 * server knows it, with its pgherald-outbox.js and pgherald-presence.js, pgherald-channel.js as one of its holders does, and
 * pgherald-table.js the rows. Here is what holds them together.
 */
import { Channel } from './pgherald-channel.js';
import { checkOptions, Emitter, HeraldError, Lagged, whenAborted } from './pgherald-emitter.js';
import { Line } from './pgherald-line.js';
import { Membership } from './pgherald-membership.js';
import { secret } from './pgherald-outbox.js';
import { Table } from './pgherald-table.js';

export { Channel, HeraldError, Lagged, Table };

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

/** @typedef {import('./pgherald-line.js').Status} Status */
/** @typedef {import('./pgherald-token.js').Token} Token */

const OPTIONS = ['url', 'canonical', 'token', 'WebSocket', 'fetch', 'maxQueued'];
const TABLE_OPTIONS = ['filter', 'key', 'order', 'limit', 'signal'];

const MAX_QUEUED = 1000;
const TXID_MS = 10_000;

/** The order of keys in a filter says nothing. */
function sorted(value) {
    if (value === null || typeof value !== 'object') return value;
    if (Array.isArray(value)) return value.map(sorted);
    return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
}

/**
 * The client. Events: `status` ({@link Status}), `error`: a {@link Frame} that is about the token or the connection, or that
 * no channel took.
 */
export class Client extends Emitter {
    /** By name; of views by name, a line's end (which no name has) and what tells them apart here. @type {Map<string, Membership>} */
    #memberships = new Map();
    /** Who waits for a transaction. @type {Set<function()>} */
    #waiting = new Set();
    #secret = null;

    /** @param {object} options see {@link connect} */
    constructor(options) {
        super(['status', 'error']);
        checkOptions('connect()', options, OPTIONS);
        const { url = globalThis.location?.origin, canonical, token = null, WebSocket = globalThis.WebSocket, fetch = globalThis.fetch, maxQueued = MAX_QUEUED } = options;
        if (!url || !canonical || !WebSocket) throw new TypeError('connect needs url, canonical and a WebSocket class');
        this._maxQueued = maxQueued;
        /** @type {{messageBytes?: number}} what the server takes, known from the first acknowledgement on */
        this.limits = {};
        this._line = new Line({ url, canonical, token, WebSocket, fetch }, this);
        this._line.open();
    }

    /** @returns {Status} */
    get status() { return this._line.status; }

    /**
     * Joins a channel, now or as soon as there is a connection, and again after each cut. Each call makes a holder of its own;
     * all that hold the same name and filter share one membership, which ends a second after the last of them has left.
     * @param {string} name
     * @param {object} [options]
     * @param {boolean} [options.history]    send the newest messages and events first, as one `history` event
     * @param {boolean|'state'} [options.presence]  tell who is there: `channel.presence`, where the rule lists members. 'state':
     *                                       with what each lets the others know (`setState`)
     * @param {boolean} [options.resume]     after a cut go on where we were; true unless said otherwise
     * @param {Position} [options.since]     begin where an earlier page stopped; two holders cannot begin at different places
     * @param {object} [options.filter]      only changes of rows that pass: `{status: {in: ['new', 'late']}}`. A row that comes
     *                                       to pass is told as an insert, one that ceases to as a delete (`options.moved`).
     *                                       Messages and publishes are no rows: they go to the channel without a filter
     * @param {AbortSignal} [options.signal]  leaves
     * @returns {Channel}
     */
    channel(name, options = {}) {
        Channel._check(options);
        const { filter } = options;
        return this.#hold(name, filter ? { filter } : {}, options);
    }

    /**
     * The rows of a watched table (`watch(…, snapshot => true)`): those that are announced in this channel, that pass the
     * filter, and that we may see. They are read once, and followed from then on.
     * @param {string} name                  of the channel
     * @param {object} [options]
     * @param {object} [options.filter]      as for a channel
     * @param {string|string[]} [options.key]  the column, or the columns, that tell a row from all others; `id`
     * @param {string[]} [options.order]     `['created_at.desc', 'id']`: how the rows stand here, NULL last. With a limit: which
     *                                       rows are the first
     * @param {number} [options.limit]       no more than so many rows; without an order the first by key
     * @param {AbortSignal} [options.signal]  closes it
     * @returns {Table}
     */
    table(name, options = {}) {
        checkOptions('table()', options, TABLE_OPTIONS);
        const { filter, key = 'id', order = [], limit, signal } = options;
        const snapshot = limit ? { limit, ...(order.length > 0 && { order }) } : true;
        const channel = this.#hold(name, { filter, snapshot, key: [key].flat(), order, limit }, {});
        return new Table(channel._rows, channel, signal);
    }

    /**
     * Waits until all that a transaction wrote has been handed to us, as far as we see it: then the page shows it.
     * @param {string|bigint|number} txid    pg_current_xact_id() of the transaction
     * @param {object} [options]
     * @param {number} [options.timeout]     ms
     * @param {AbortSignal} [options.signal]
     * @returns {Promise<void>} rejects with a HeraldError: `timeout`, `unavailable` if the server could not tell, …
     */
    async txid(txid, options = {}) {
        checkOptions('txid()', options, ['timeout', 'signal']);
        const { timeout = TXID_MS, signal } = options;
        const text = String(txid);
        if (!/^\d{1,20}$/.test(text)) throw new TypeError(`a transaction is named by a number, not by ${text}`);
        signal?.throwIfAborted();
        await new Promise((resolve, reject) => this.#await(text, timeout, signal, { resolve, reject }));
    }

    /** Who we are from the next connection on: after signing in, or with a fresh token before the old one expires.
     * @param {Token} token @returns {this} for `setToken(token).reconnect()`, which is to be somebody else now */
    setToken(token) {
        this._line.setToken(token);
        return this;
    }

    /** Drops the connection, if any, and opens a new one now. Nothing is missed: the channels resume. After a change of
     * identity a channel with history asks for it anew, because somebody else may see more of it, or less. */
    reconnect() {
        this._line.reconnect();
    }

    /** Ends it: no more events, no way back but {@link Client#reconnect}. What waits to be sent is refused. */
    close() {
        this._line.close();
    }

    #hold(name, what, options) {
        const key = what.filter || what.snapshot ? `${name}\n${JSON.stringify(sorted(what))}` : name;
        const membership = this.#memberships.get(key) ?? new Membership(this, key, name, what);
        this.#memberships.set(key, membership);
        return membership.hold(options);
    }

    #await(text, timeout, signal, { resolve, reject }) {
        const settle = (how) => (value) => {
            clearTimeout(timer);
            ignoreSignal();
            this.#waiting.delete(waiter);
            how(value);
        };
        const timer = setTimeout(() => waiter.reject(new HeraldError('timeout', `Transaction ${text} has not come within ${timeout} ms.`)), timeout);
        const answer = (frame) => (frame.action === 'error' ? waiter.reject(HeraldError.of(frame)) : waiter.resolve());
        const waiter = {
            resolve: settle(resolve),
            reject: settle(reject),
            ask: () => this._line.request({ action: 'txid', payload: text }, answer),
        };
        this.#waiting.add(waiter);
        const ignoreSignal = whenAborted(signal, () => waiter.reject(signal.reason));
        if (this.status.status === 'closed') waiter.reject(new HeraldError('closed', 'The connection is closed.'));
        waiter.ask();
    }

    /* ---- for the modules of the client ---- */

    /** What only we know, so that nobody says something in our name. */
    get _secret() {
        this.#secret ??= secret();
        return this.#secret;
    }

    _learned({ message_bytes: messageBytes }) {
        if (messageBytes !== undefined && messageBytes !== this.limits.messageBytes) this.limits = { messageBytes };
    }

    /** A join of this channel, or of a view of it, is on its way. */
    _isAsking(name) {
        return [...this.#memberships.values()].some((each) => each.name === name && each.isAsking);
    }

    _forget(membership) {
        this.#memberships.delete(membership.key);
    }

    /** Those that the server calls by this name: it takes filters for one that differ only in how they are written. */
    _those(name, view) {
        const isMeant = (each) => each.name === name && (view === undefined ? !each.isView : each.view === view);
        return [...this.#memberships.values()].filter(isMeant);
    }

    /** Rows that are refused end the view, also for others here who are in it, whom the error does not name. They go on where
     * they are. */
    _viewEnded(refused) {
        const wish = JSON.stringify(refused.snapshot);
        const isLike = (each) => each !== refused && each.joined && each.name === refused.name && JSON.stringify(each.snapshot) === wish;
        refused.leftBehind();
        [...this.#memberships.values()].filter(isLike).forEach((each) => each.enterAgain());
    }

    /* ---- for the line ---- */

    _statusChanged(status) {
        if (status.status === 'closed') {
            const why = status.reason || 'The connection is closed.';
            this.#memberships.forEach(({ outbox }) => outbox.end('closed', why));
            this.#waiting.forEach(({ reject }) => reject(new HeraldError('closed', why)));
        }
        this._emit('status', status);
    }

    _opened() {
        this.#memberships.forEach((each) => each.join());
        this.#waiting.forEach(({ ask }) => ask());
    }

    /** @param {Frame} frame  that answers no request */
    _received(frame) {
        const { channel: name, view } = frame.options;
        const isRemoval = frame.action === 'error' && frame.payload?.code === 'removed';
        const those = isRemoval ? [...this.#memberships.values()].filter((each) => each.name === name) : this._those(name, view);
        those.forEach((each) => each.receive(frame));
        if (those.length === 0 && frame.action === 'error') this._emit('error', frame);
    }

    _lost(code) {
        if (code === 1009) this.#refuseBiggest();
        [...this.#memberships.values()].forEach((each) => each.lost());
    }

    /** What the server would not take by its size, it will not take the next time. */
    #refuseBiggest() {
        const biggest = [...this.#memberships.values()].map(({ outbox }) => ({ outbox, entry: outbox.biggest })).filter(({ entry }) => entry)
            .reduce((a, b) => (a && a.entry.bytes >= b.entry.bytes ? a : b), null);
        biggest?.outbox.refuseAsTooBig(biggest.entry);
    }

    /** A new token may have opened what was shut. */
    _renewed(member) {
        [...this.#memberships.values()].forEach((each) => each.renewed(member));
    }

    _tokenRefused(frame) {
        if (this._emit('error', frame)) return;
        const { channel: name, view } = frame.options;
        this._those(name, view).forEach((each) => each.tellTokenRefused(frame));
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
 * @param {typeof fetch} [options.fetch]  asks why a handshake was refused
 * @param {number} [options.maxQueued]    messages of a channel that may wait, those under way included; 1000
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
