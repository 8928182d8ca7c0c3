// SPDX-License-Identifier: PostgreSQL
/**
 * A table as a browser has it: `herald.table()` of pgherald.js makes one, of a channel that brings the rows and what happens
 * to them. The rule is that what is shown is whole: rows that are coming wait aside, with all that happens to them meanwhile,
 * and take the place of the old ones in one step.
 */

/** Between two readings of the same rows. */
const ASK_AGAIN_MS = 1000;
const MAX_DELAY_MS = 30_000;

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
 * JSON). With an order it is iterated in that order.
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
    #options;
    #compare;
    /** @type {Map<string, object>} */
    #rows = new Map();
    /** The rows that are coming, with what happened to them since. @type {Map<string, object>|null} */
    #coming = null;
    #isReady = false;
    #settle;
    /** Rows to be had: with less, there are others to ask for. 0: these are all. */
    #wanted = 0;
    #self = null;
    #timer = null;
    #askedAt = 0;
    #failures = 0;

    /** @param {import('./pgherald.js').Channel} channel
     * @param {{key: string[], order: string[], limit: number|undefined}} options  see Client.table() */
    constructor(channel, options) {
        this.#options = options;
        this.#compare = comparator([...options.order, ...options.key]);
        /** @type {import('./pgherald.js').Channel} where it comes from: for its `join`, `gap`, `position` and `joined` */
        this.channel = channel;
        /** @type {Promise<Table>} the rows are here for the first time. Rejects with what the server says against it (an Error
         * with a `code`); the table tries again with the next connection, all the same. */
        this.ready = new Promise((resolve, reject) => { this.#settle = { resolve, reject }; });
        channel.on('join', (frame) => this.#joined(frame));
        channel.on('gap', ({ client }) => { if (client === null) this.#askAgain(); });    // after an answer the rows come by themselves
        channel.on('snapshot', (frame) => this.#guard(() => this.#read(frame)));
        channel.on('event', (frame) => this.#guard(() => this.#happened(frame)));
        channel.on('error', (frame) => this.#failed(frame));
    }

    /** @returns {number} */
    get size() { return this.#rows.size; }
    /** @returns {boolean} there are rows behind the last one, as far as we know */
    get isPartial() { return this.#wanted > 0; }
    /** @param {...*} key of the row: the value, or the values, of its key columns @returns {object|undefined} */
    get(...key) { return this.#rows.get(this.#keyText(key)); }
    /** @param {...*} key @returns {boolean} */
    has(...key) { return this.#rows.has(this.#keyText(key)); }
    entries() { return this.#entries().values(); }
    keys() { return this.#entries().map(([key]) => key).values(); }
    /** @returns {Iterator<object>} the rows */
    values() { return this.#entries().map(([, row]) => row).values(); }
    [Symbol.iterator]() { return this.entries(); }

    /** @param {function(Change)} callback after each change @returns {function()} ends it */
    onChange(callback) {
        this.channel.on('change', callback);
        return () => this.channel.off('change', callback);
    }

    /** Follows no longer; the rows stay as they are. A `ready` that waits will not be settled. */
    close() {
        clearTimeout(this.#timer);
        this.channel.leave();
    }

    #entries() {
        const { order, limit } = this.#options;
        const entries = [...this.#rows];
        return order.length > 0 || limit ? entries.sort(([, a], [, b]) => this.#compare(a, b)) : entries;
    }

    #keyText(values) {
        return values.length === 1 ? String(values[0]) : JSON.stringify(values.map(String));
    }

    #keyOf(row) {
        const missing = this.#options.key.find((column) => row[column] === undefined);
        if (missing === undefined) return this.#keyText(this.#options.key.map((column) => row[column]));
        throw new TypeError(`table('${this.channel.name}'): a row has no column '${missing}'; say which tell a row from all others: { key: … }`);
    }

    /** A row that cannot be told from others is the application's mistake: whoever waits is told, or the console is. */
    #guard(action) {
        try {
            action();
        } catch (error) {
            this.close();
            if (this.#isReady) throw error;
            this.#settle.reject(error);
        }
    }

    /** What happens to rows that are not shown yet is not told. */
    #tell(change) {
        if (!this.#coming) this.channel._emit('change', change);
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
        reduced.forEach((row) => this.#coming.set(this.#keyOf(row), { ...this.#rows.get(this.#keyOf(row)), ...row }));
        if (!last) return;
        [this.#rows, this.#coming] = [this.#coming, null];
        if (complete) this.#wanted = 0;
        this.#failures = 0;
        this.#isReady = true;
        while (this.#hasTooMany()) this.#cut();
        this.#tell({ action: 'snapshot', frame });
        this.#settle.resolve(this);
        this.#fill();
    }

    #hasTooMany() {
        return this.#rows.size > (this.#options.limit ?? Infinity);
    }

    /** The row behind all others goes. */
    #cut() {
        const [key, old] = this.#last();
        this.#rows.delete(key);
        this.#wanted = this.#options.limit;
        return { key, old };
    }

    #last() {
        return [...this.#rows].reduce((a, b) => (this.#compare(a[1], b[1]) < 0 ? b : a));
    }

    #fill() {
        if (!this.#coming && this.#rows.size < this.#wanted) this.#askAgain();
    }

    #happened(frame) {
        const { action, new: now, old, truncated_to_key: isReduced } = frame.payload.data;
        const isUnknown = frame.options.moved === 'unknown';
        const rows = this.#coming ?? this.#rows;
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
        if (rows === this.#rows && old && this.isPartial && this.#compare(old, row) < 0 && this.#last()[0] === key) this.#askAgain();
    }

    /** The rows, at most once a second, or after more than that. A cut until then asks for them as well. */
    #askAgain(delayMs = ASK_AGAIN_MS) {
        this.channel.position = null;
        this.#timer ??= setTimeout(() => {
            this.#timer = null;
            this.#askedAt = Date.now();
            this.channel.position = null; // a read that ended meanwhile has set it
            this.channel._join();
        }, Math.max(0, this.#askedAt + delayMs - Date.now()));
    }

    #failed(frame) {
        const { code, message } = frame.payload;
        this.#coming = null;
        if (code === 'unavailable' || code === 'rate_limited') {
            this.#askedAt = Date.now();
            this.#askAgain(Math.min(MAX_DELAY_MS, ASK_AGAIN_MS * 2 ** this.#failures++) * (1 + Math.random()));
            return;
        }
        this.channel.position = null;
        this.#rows.clear();
        this.#wanted = 0;
        this.#tell({ action: 'error', frame });
        this.#settle.reject(Object.assign(new Error(message), { code }));
    }
}
