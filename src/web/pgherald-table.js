// SPDX-License-Identifier: PostgreSQL
/**
 * A table as a browser has it: `herald.table()` of pgherald.js makes one, of a channel that brings the rows and what happens
 * to them. The rule is that what is shown is whole: rows that are coming wait aside, with all that happens to them meanwhile,
 * and take the place of the old ones in one step.
 */

import { Emitter, HeraldError, Stream, whenAborted } from './pgherald-emitter.js';

/** Between two readings of the same rows. */
const ASK_AGAIN_MS = 1000;

function keyText(values) {
    return values.length === 1 ? String(values[0]) : JSON.stringify(values.map(String));
}

/** What prints like a number is compared as one: bigint and numeric are strings. */
const NUMBER = /^-?(\d+(\.\d+)?|Infinity)$/;

function compareValues(a, b) {
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    const difference = NUMBER.test(a) && NUMBER.test(b) ? Number(a) - Number(b) : 0;
    return difference || (a < b ? -1 : Number(a > b));
}

/** By columns, `name` or `name.desc`; NULL comes last in both directions, as the server has it. */
function comparator(order) {
    const columns = order.map((text) => text.match(/^(.*?)(?:\.(asc|desc))?$/s));
    return (a, b) => columns.reduce((found, [, column, direction]) => {
        const [x, y] = [a[column] ?? null, b[column] ?? null];
        return found || (direction === 'desc' && x !== null && y !== null ? compareValues(y, x) : compareValues(x, y));
    }, 0);
}

/**
 * @typedef {object} Change
 * @property {'insert'|'update'|'delete'|'truncate'|'snapshot'|'error'} action  what it is to this table: an UPDATE by which a
 *                                      row comes to pass the filter is an insert, one of the key a delete and an insert.
 *                                      snapshot: all rows were replaced; error: they are gone, the frame says why
 * @property {string} [key]
 * @property {object} [row]             as it is now
 * @property {object} [old]             as it was here
 * @property {import('./pgherald.js').Frame} [frame]            what brought it; none: the row fell behind the last one of a limit
 */

/**
 * The rows of a watched table, as they are: a Map that cannot be written, whose keys are texts (of several columns, one as
 * JSON). With an order it is iterated in that order. Tables of the same arguments share one set of rows.
 *
 * After a cut it resumes; where that cannot be, or the server says so (the table was altered, what we may see has changed),
 * the rows are read again, and replaced in one step. A row that is too big to travel is here with its key, and with
 * what was known of it. What the server refuses leaves the table empty: rows that we may not see any more are not shown.
 *
 * With a limit it has the first rows, and follows all that come into their place. When one leaves, and there are more behind
 * the last, the rows are read again, at most once a second. To know which is the last it compares as PostgreSQL does, but for
 * texts that look like numbers.
 */
export class Table {
    #rows;
    #events = new Emitter(['change']);
    #streams = new Set();
    #isClosed = false;
    #ignoreSignal;

    /** @param {Rows} rows @param {import('./pgherald.js').Channel} channel @param {AbortSignal} [signal] */
    constructor(rows, channel, signal) {
        this.#rows = rows;
        /** @type {import('./pgherald.js').Channel} where it comes from: for its `join`, `gap`, `error`, `position` and `joined` */
        this.channel = channel;
        /** @type {Promise<Table>} the rows are here for the first time. Rejects with what the server says against it (a
         * HeraldError); the table tries again with the next connection, all the same. */
        this.ready = rows.ready.then(() => this);
        this.ready.catch(() => {});     // who does not wait for it hears of it by `error`
        rows.tables.add(this);
        this.#ignoreSignal = whenAborted(signal, () => queueMicrotask(() => this.close()));
    }

    /** @returns {number} */
    get size() { return this.#rows.byKey.size; }
    /** @returns {number} another one after each change */
    get version() { return this.#rows.version; }
    /** @returns {boolean} there are rows behind the last one, as far as we know */
    get isPartial() { return this.#rows.isPartial; }
    /** @param {...*} key of the row: the value, or the values, of its key columns @returns {object|undefined} */
    get(...key) { return this.#rows.byKey.get(keyText(key)); }
    /** @param {...*} key @returns {boolean} */
    has(...key) { return this.#rows.byKey.has(keyText(key)); }
    entries() { return this.#rows.entries().values(); }
    keys() { return this.#rows.entries().map(([key]) => key).values(); }
    /** @returns {Iterator<object>} the rows */
    values() { return this.#rows.entries().map(([, row]) => row).values(); }
    [Symbol.iterator]() { return this.entries(); }

    /** @param {function(Change)} callback after each change @param {{signal?: AbortSignal}} [options] @returns {function()} ends it */
    onChange(callback, options) {
        this.#events.on('change', callback, options);
        return () => this.#events.off('change', callback);
    }

    /** Each change, from now on. Who lets more than 1000 wait gets an error: {@link Lagged}. */
    [Symbol.asyncIterator]() {
        const stream = new Stream(() => this.#streams.delete(stream));
        if (this.#isClosed) stream.end();
        else this.#streams.add(stream);
        return stream;
    }

    /** Ends what this holder has of it. */
    close() {
        this.#isClosed = true;
        this.#ignoreSignal();
        this.#rows.tables.delete(this);
        this.#events._silence();
        [...this.#streams].forEach((stream) => stream.end());
        this.channel.leave();
    }

    _changed(change) {
        this.#events._emit('change', change);
        this.#streams.forEach((stream) => stream.push(change));
    }
}

/** What tables of the same arguments have in common. */
export class Rows {
    #options;
    #compare;
    #channel;
    #ask;
    /** The rows that are coming, with what happened to them since. @type {Map<string, object>|null} */
    #coming = null;
    #isReady = false;
    /** A row without a key was among them. */
    #isBroken = false;
    #settle;
    /** Rows to be had: with less, there are others to ask for. 0: these are all. */
    #wanted = 0;
    #self = null;
    #timer = null;
    #askedAt = 0;
    /** @type {Set<Table>} */
    tables = new Set();
    /** @type {Map<string, object>} */
    byKey = new Map();
    version = 0;

    /** @param {import('./pgherald.js').Channel} channel  inner
     * @param {function()} ask  for the rows
     * @param {{key: string[], order: string[], limit: number|undefined}} options  see Client.table() */
    constructor(channel, ask, options) {
        this.#options = options;
        this.#channel = channel;
        this.#ask = ask;
        this.#compare = comparator([...options.order, ...options.key]);
        this.#await();
        channel.on('join', (frame) => this.#joined(frame));
        channel.on('gap', ({ client }) => { if (client === null) this.#askAgain(); });    // after an answer the rows come by themselves
        channel.on('snapshot', (frame) => this.#guard(() => this.#read(frame)));
        channel.on('event', (frame) => this.#guard(() => this.#happened(frame)));
        channel.on('error', (frame) => this.#failed(frame));
    }

    get isPartial() { return this.#wanted > 0; }

    #await() {
        /** @type {Promise<void>} the rows are here, for tables that are made from now on */
        this.ready = new Promise((resolve, reject) => { this.#settle = { resolve, reject }; });
        this.ready.catch(() => {});
    }

    entries() {
        const { order, limit } = this.#options;
        const entries = [...this.byKey];
        return order.length > 0 || limit ? entries.sort(([, a], [, b]) => this.#compare(a, b)) : entries;
    }

    /** They stay as they are. */
    close() {
        clearTimeout(this.#timer);
        this.#settle.reject(new HeraldError('left', 'The table was closed.'));
    }

    #keyOf(row) {
        const missing = this.#options.key.find((column) => row[column] === undefined);
        if (missing === undefined) return keyText(this.#options.key.map((column) => row[column]));
        throw new TypeError(`table('${this.#channel.name}'): a row has no column '${missing}'; say which tell a row from all others: { key: … }`);
    }

    /** A row that cannot be told from others is the application's mistake: whoever waits is told, or the console is. */
    #guard(action) {
        if (this.#isBroken) return;
        try {
            action();
        } catch (error) {
            this.#isBroken = true;
            const isReady = this.#isReady;
            this.#settle.reject(error);
            this.tables.forEach((table) => table.close());
            if (isReady) throw error;
        }
    }

    /** What happens to rows that are not shown yet is not told. */
    #tell(change) {
        if (this.#coming) return;
        this.version++;
        this.tables.forEach((table) => table._changed(change));
    }

    /** Somebody else sees other rows: what was missed is not enough. */
    #joined({ client, payload }) {
        const self = JSON.stringify([client?.permissions, client?.extras]);
        this.#coming = null;
        if (payload?.resumed && this.#self !== null && this.#self !== self) this.#askAgain();
        this.#self = self;
    }

    #read(frame) {
        const { rows, reduced = [], first = false, last = false, complete = true } = frame.payload;
        if (first) [this.#coming, this.#wanted] = [new Map(), 0];
        this.#wanted += rows.length + reduced.length;
        rows.forEach((row) => this.#coming.set(this.#keyOf(row), row));
        reduced.forEach((row) => this.#coming.set(this.#keyOf(row), { ...this.byKey.get(this.#keyOf(row)), ...row }));
        if (!last) return;
        [this.byKey, this.#coming] = [this.#coming, null];
        if (complete) this.#wanted = 0;
        this.#isReady = true;
        while (this.#hasTooMany()) this.#cut();
        this.#tell({ action: 'snapshot', frame });
        this.#settle.resolve();
        this.#fill();
    }

    #hasTooMany() {
        return this.byKey.size > (this.#options.limit ?? Infinity);
    }

    /** The row behind all others goes. */
    #cut() {
        const [key, old] = this.#last();
        this.byKey.delete(key);
        this.#wanted = this.#options.limit;
        return { key, old };
    }

    #last() {
        return [...this.byKey].reduce((a, b) => (this.#compare(a[1], b[1]) < 0 ? b : a));
    }

    #fill() {
        if (!this.#coming && this.byKey.size < this.#wanted) this.#askAgain();
    }

    #happened(frame) {
        const { action, new: now, old, truncated_to_key: isReduced } = frame.payload.data;
        const isUnknown = frame.options.moved === 'unknown';
        const rows = this.#coming ?? this.byKey;
        if (!this.#coming && !this.#isReady) return;
        if (isReduced || isUnknown) this.#askAgain();
        if (action === 'truncate') {
            rows.clear();
            this.#wanted = 0;
            this.#tell({ action, frame });
            return;
        }
        const before = old ? this.#keyOf(old) : null;
        const after = now ? this.#keyOf(now) : null;
        if (before !== null && before !== after) this.#remove(rows, before, frame);
        const known = rows.get(after);
        // Whether an unknown one passes is not known: the rows that were asked for will tell.
        if (after !== null && (known || !isUnknown)) this.#set(rows, after, isReduced ? { ...known, ...now } : now, frame);
        this.#fill();
    }

    #remove(rows, key, frame) {
        const old = rows.get(key);
        if (rows.delete(key)) this.#tell({ action: 'delete', key, old, frame });
    }

    #set(rows, key, row, frame) {
        const old = rows.get(key);
        rows.set(key, row);
        const gone = this.#hasTooMany() ? this.#cut() : null;
        if (gone?.key === key) return;
        this.#tell({ action: old ? 'update' : 'insert', key, row, old, frame });
        if (gone) this.#tell({ action: 'delete', ...gone });
        // It went to the end: others, that are not here, may stand before it now.
        if (rows === this.byKey && old && this.isPartial && this.#compare(old, row) < 0 && this.#last()[0] === key) this.#askAgain();
    }

    /** The rows, at most once a second. A cut until then asks for them as well. */
    #askAgain() {
        this.#channel._position = null;
        this.#timer ??= setTimeout(() => {
            this.#timer = null;
            this.#askedAt = Date.now();
            this.#channel._position = null; // a read that ended meanwhile has set it
            this.#ask();
        }, Math.max(0, this.#askedAt + ASK_AGAIN_MS - Date.now()));
    }

    #failed(frame) {
        const { code } = frame.payload;
        this.#coming = null;
        if (code === 'unavailable' || code === 'rate_limited') return;     // it is asked again, later
        this.#channel._position = null;
        this.byKey.clear();
        this.#wanted = 0;
        this.#tell({ action: 'error', frame });
        this.#settle.reject(HeraldError.of(frame));
        this.#await();          // who comes later may have more luck
    }
}
