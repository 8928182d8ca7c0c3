// SPDX-License-Identifier: PostgreSQL
// One live table of a page: a Map that is kept as a client has to keep it, and a look at each frame whether it may be so.
import { isDeepStrictEqual } from 'node:util';
import { keyOf, maySee } from './tables.js';

const LAST_FRAMES = 12;
const LATE_MS = 3000;

// As the server orders: texts by their bytes, NULL last in both directions, then the key.
function order(table, columns, a, b) {
    for (const column of [...columns, ...table.key]) {
        const [name, direction] = column.split('.');
        const [x, y] = [a[name], b[name]];
        if (x !== y) {
            return x === null ? 1 : y === null ? -1 : (x < y ? -1 : 1) * (direction === 'desc' ? -1 : 1);
        }
    }
    return 0;
}

// What both have; a row that was read before a column was added lacks it, until the snapshot that follows.
function differs(held, told) {
    return Object.keys(held).some((name) => name in told && !isDeepStrictEqual(held[name], told[name]));
}

export class View {
    // spec: { channel, table, room, filter, snapshot: true or { limit, order } }
    constructor(page, spec) {
        Object.assign(this, { page, ...spec });
        this.limit = spec.snapshot.limit ?? 0;
        this.forget();
    }

    forget() {
        this.rows = new Map(); // key → row; null: it is known by its key only
        this.position = null;
        this.known = null; // the rows that it lacked at the end of a round, if it had them then already; null: not
        this.isComplete = true;
        this.isOwed = false; // rows that it asked for, or was about to: a cut does not pay
        this.unplug();
    }

    // Its connection is gone, and with it what came of a snapshot so far.
    unplug() {
        this.staging = null;
        this.told = []; // rows of the snapshot, as they came
        this.name = null;
        this.isReady = false;
        this.isAwaiting = false; // acknowledged, and the first rows are not here
        this.askAt = 0; // when the rows are to be asked for again; 0: not
        this.lastId = 0;
        this.frames = [];
    }

    // Rows from before their table was altered are read anew, as soon as the page is told; so are those that it asked for, or went
    // on with, before the server knew.
    get isExact() {
        return !(this.table.alteredAt + LATE_MS >= this.answeredAt);
    }

    get state() {
        return this.staging ?? this.rows;
    }

    fault(kind, what, key) {
        const { run, name } = this.page;
        const old = key === undefined ? '' : `\n    the Map had: ${JSON.stringify(this.state.get(key))}`;
        run.fault(kind, `${name} (${JSON.stringify(this.page.who)}) ${this.channel} ${JSON.stringify(this.filter.tree)} ${JSON.stringify(this.snapshot)}: ${what}${old}
    ready ${this.isReady}, staging ${this.staging !== null}, position ${JSON.stringify(this.position)}\n    last frames:\n      ${this.frames.join('\n      ')}`);
    }

    // ---- frames ----

    take(frame) {
        this.frames.push(frame.text.slice(0, 400));
        if (this.frames.length > LAST_FRAMES) {
            this.frames.shift();
        }
        if (frame.action === 'join') {
            this.takeJoin(frame.payload, frame.client === null);
        } else if (frame.action === 'snapshot') {
            this.takeRows(frame.payload);
        } else if (frame.action === 'event') {
            this.takeEvent(frame);
        }
    }

    // The answer to a join; or, unasked, that something was missed.
    takeJoin({ resumed, gap, epoch, offset }, isUnasked) {
        const { count } = this.page.run;
        this.answeredAt = isUnasked ? this.answeredAt : this.askedAt; // what it has until then is older
        if (isUnasked) {
            count.told++;
            this.ask();
        } else if (resumed) {
            count.resumed++;
            this.lastId = this.position.offset;
            this.position = { ...this.position, epoch };
            this.isReady = true;
            if (this.isOwed) {
                this.ask();
            }
        } else {
            count.gaps += gap ? 1 : 0;
            this.lastId = offset;
            this.isAwaiting = true;
        }
    }

    takeRows({ rows = [], reduced = [], first, last, complete, epoch, offset }) {
        if (first) {
            this.staging = new Map();
            this.told = [];
            this.isAwaiting = false;
        } else if (!this.staging) {
            this.fault('a frame that is out of place', 'rows without a first frame');
            return;
        }
        for (const row of rows) {
            this.look('snapshot', row);
            this.put(row, 'snapshot');
            this.told.push(row);
        }
        this.nReduced = (first ? 0 : this.nReduced) + reduced.length;
        reduced.forEach((row) => this.staging.set(keyOf(this.table, row), null));
        if (last) {
            this.takeLast(complete, { epoch, offset });
        }
    }

    takeLast(isComplete, position) {
        this.page.run.count.snapshots++;
        this.page.run.count.rows += this.staging.size;
        this.rows = this.staging;
        this.staging = null;
        this.isComplete = isComplete;
        this.known = null;
        this.checkFirst();
        this.isOwed = this.askAt !== 0;
        this.position = position;
        this.lastId = Math.max(this.lastId, position.offset);
        this.isReady = true;
        if (!this.limit && !isComplete) {
            this.fault('an incomplete snapshot', 'complete is false, and there was no limit');
        }
    }

    // Of a limited snapshot: the first rows, in order, and no more; fewer only if there are no more.
    checkFirst() {
        const n = this.told.length + this.nReduced;
        if (this.limit && (n > this.limit || !this.isComplete && n < this.limit)) {
            this.fault('a first page of another length', `${n} rows, the limit is ${this.limit}, complete: ${this.isComplete}`);
        }
        const wrong = this.snapshot.order ? this.told.findIndex((row, i) => i > 0 && order(this.table, this.snapshot.order, this.told[i - 1], row) > 0) : -1;
        if (wrong >= 0) {
            this.fault('rows out of order', `${JSON.stringify(this.told[wrong - 1])} before ${JSON.stringify(this.told[wrong])}`);
        }
        this.told = [];
    }

    // Where a browser would go on after it was closed for a while.
    copy() {
        return { rows: new Map(this.rows), position: this.position, known: this.known, isComplete: this.isComplete };
    }

    goBack({ rows, ...rest }) {
        Object.assign(this, rest, { rows: new Map(rows) });
    }

    put(row, from) {
        const key = keyOf(this.table, row);
        if (from === 'snapshot' && this.staging.has(key)) {
            this.fault('a row twice', `in one snapshot: ${JSON.stringify(row)}`, key);
        }
        this.state.set(key, row);
    }

    takeEvent({ options, payload: { data } }) {
        this.page.run.count.events++;
        if (options.id <= this.lastId) {
            this.fault('an event twice or out of order', `event ${options.id} after ${this.lastId}`);
        }
        if (this.isAwaiting) {
            this.fault('an event twice or out of order', `event ${options.id} between the answer and the rows`);
        }
        this.lastId = options.id;
        if (!this.staging) {
            this.position = { ...this.position, offset: options.id };
        }
        if (data.action === 'truncate') {
            this.state.clear();
        } else if (data.truncated_to_key || options.moved === 'unknown') {
            this.takeReduced(data, options.moved === 'unknown');
        } else {
            this.takeChange(data, options.moved);
        }
    }

    takeChange({ action, old, new: fresh }, moved) {
        if (!{ insert: !old && fresh, update: old && fresh, delete: old && !fresh }[action]) {
            this.fault('a frame that is wrong', `${action} with ${JSON.stringify({ old, new: fresh })}`);
        } else if (moved !== undefined && moved !== { insert: 'enter', delete: 'leave' }[action]) {
            this.fault('a frame that is wrong', `${action} with moved ${moved}`);
        } else if (action === 'update' && isDeepStrictEqual(old, fresh)) {
            this.fault('a frame that tells of hidden changes', JSON.stringify(fresh));
        }
        if (old) {
            this.look('old', old);
            this.remove(old);
        }
        if (fresh) {
            this.look('new', fresh);
            const key = keyOf(this.table, fresh);
            // A row that is known by its key only may have passed the filter or not.
            if (this.state.get(key) && this.isExact) {
                this.fault('a row that was there already', `${action} ${moved ?? ''} of ${JSON.stringify(fresh)}`, key);
            }
            this.put(fresh, 'event');
        }
    }

    remove(old) {
        const key = keyOf(this.table, old);
        const held = this.state.get(key);
        if (!this.isExact) {
            this.page.run.count.forgiven++;
        } else if (held === undefined && !this.limit) {
            this.fault('an old row that was not there', JSON.stringify(old), key);
        } else if (held && differs(held, old)) {
            this.fault('an old row that was another', JSON.stringify(old), key);
        }
        this.state.delete(key);
    }

    // By its key; whether it passes the filter only the server can say, when it is asked again.
    takeReduced({ old, new: fresh }, isUnknown) {
        if (old) {
            this.state.delete(keyOf(this.table, old));
        }
        if (fresh) {
            this.state.set(keyOf(this.table, fresh), null);
        }
        if (isUnknown || fresh) {
            this.ask();
        }
    }

    // Nobody may be told what he may not see, and what he does not want is no fault of his.
    look(what, row) {
        const { who, run } = this.page;
        run.count.looked++;
        if (maySee(this.table, row, who) === false) {
            this.fault('a row that may not be seen', `${what}: ${JSON.stringify(row)}`);
        } else if (this.filter.test(row) !== true) {
            this.fault('a row that is not wanted', `${what}: ${JSON.stringify(row)}`);
        } else if (!this.table.isOpen && ('team' in row || 'shade' in row)) {
            this.fault('a kept column', JSON.stringify(row));
        } else if (this.room !== null && row.room !== this.room) {
            this.fault('a row of another channel', `${what}: ${JSON.stringify(row)}`);
        }
    }

    // ---- asking ----

    ask() {
        this.askAt = this.askAt || performance.now() + 300;
        this.isOwed = true;
    }

    get isAtRest() {
        return this.isReady && this.staging === null && this.askAt === 0;
    }

    // ---- the end of a round ----

    // A first page that was not whole lacks rows; those it has not lacked at the end of the round before it must have been told of since.
    remember(expected) {
        this.known = new Set([...expected.keys()].filter((key) => !this.rows.has(key)));
    }

    mayLack(key) {
        return this.limit > 0 && !this.isComplete && (!this.known || this.known.has(key));
    }

    // What is wrong; null: nothing. expected: key → row; large: keys of rows that come by their key and may pass.
    compare(expected) {
        for (const [key, row] of this.rows) {
            const wanted = expected.get(key);
            if (!wanted) {
                return { key, why: 'is in the Map and should not be' };
            } else if (wanted.isLarge !== (row === null)) {
                return { key, why: `is ${row === null ? '' : 'not '}known by its key only: ${JSON.stringify(wanted.row)}` };
            } else if (row && !isDeepStrictEqual(row, wanted.row)) {
                return { key, why: `should be ${JSON.stringify(wanted.row)}` };
            }
        }
        for (const [key, wanted] of expected) {
            if (!this.rows.has(key) && !this.mayLack(key) && wanted.isSure) {
                return { key, why: `is not in the Map and should be: ${JSON.stringify(wanted.row)}` };
            }
        }
        return null;
    }
}
