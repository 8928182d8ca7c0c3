// SPDX-License-Identifier: PostgreSQL
// The comparison, in two steps:
//
//   the log against the ledger    what a line of history holds at its end: every commit once, in an order that nobody can
//                                 contradict: each writer's own, "committed before the other began", a row's insert
//                                 before its delete; a TRUNCATE between rows of two eras, and no other; offsets and ids dense;
//                                 nothing that did not commit
//   the streams against the log   each follower's stretches are what the log of their epoch holds from where they began,
//                                 as far as its identity may see
//
// A line of history ends at a failover and at a restore, and the run's own at each check. An epoch belongs to one line:
// what its rows were is told by that line's end.
import { clock } from './writer.js';
import { POOL, facts, maySee, pendingKeys } from './ledger.js';

// What a line of history holds above `base`: { rows, keys (of the ledger), pending (committed, not taken yet), epoch }.
export async function readLine(database, base, where) {
    const client = await database.connect(where);
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    const ask = async (text, values) => (await client.query(text, values)).rows;
    const line = {
        epoch: (await ask('SELECT epoch FROM herald.state'))[0].epoch,
        keys: new Set((await ask(`SELECT channel || ' ' || key AS key FROM ledger`)).map((row) => row.key)),
        rows: await ask(`SELECT id::float8, channel, channel_offset::float8, epoch, action, options, payload::text FROM herald.log
                          WHERE id > $1 ORDER BY id`, [base]),
        era: (await ask('SELECT n FROM era'))[0].n,
        // Not every row of the outbox: those that were taken lie there until they are swept.
        pending: await ask(`SELECT left(o.action, 1) AS action, split_part(o.channel, E'\\n', 1) AS channel, o.old, o.new, s.description
            FROM herald.outbox o LEFT JOIN herald.shape s ON s.number = o.shape
            CROSS JOIN (SELECT * FROM herald.cursor ORDER BY position DESC LIMIT 1) c
            WHERE NOT pg_visible_in_snapshot(o.xid, c.done)
              AND NOT (c.reading IS NOT NULL AND pg_visible_in_snapshot(o.xid, c.reading) AND o.id <= c.reading_id)`),
    };
    await client.end();
    for (const row of line.rows) {
        row.payload = JSON.parse(row.payload);
        row.text = JSON.stringify(row.payload);
        Object.assign(row, { facts: facts(row) });
        row.key = `${row.channel} ${row.facts.key}`;
    }
    line.isSettled = line.pending.length === 0;
    line.pending = new Set(line.pending.flatMap(pendingKeys));
    return line;
}

// The keys of the ledger that are not in the log.
export function missing({ keys, rows }) {
    const logged = new Set(rows.map((row) => row.key));
    return [...keys].filter((key) => !logged.has(key));
}

// base: { id, heads }: where the line was at the last check. forgiven: keys that a restored dump had in its outbox.
export function checkLine(line, { base, forgiven, refused, violation }) {
    const heads = new Map(base.heads);
    const seen = new Set();
    const lastOfWriter = new Map();
    const largestBegan = new Map();
    const eras = new Map();
    let id = base.id;
    for (const row of line.rows) {
        const { channel, key, channel_offset: offset } = row;
        if (row.id !== ++id || offset !== (heads.get(channel) ?? 0) + 1) {
            violation('lost', `the log has a hole before ${row.id} or ${channel} ${offset}`);
            id = row.id;
        }
        heads.set(channel, offset);
        checkEra(row, eras, violation);
        if (row.facts.action === 'truncate') {
            continue;
        }
        if (seen.has(key)) {
            violation('duplicated', `${key} is in the log twice, at ${row.id} again`);
        }
        seen.add(key);
        checkOrder(row, { lastOfWriter, largestBegan, seen, violation });
        if (row.action === 'message' ? refused.has(row.facts.key) : !line.keys.has(key) && !forgiven.has(key)) {
            violation('shown without a commit', key);
        }
    }
    for (const key of missing(line)) {
        if (!line.pending.has(key) && !forgiven.has(key)) {
            violation('lost', `${key} committed and is not in the log, which ended at ${id} in epoch ${line.epoch}`);
        }
    }
    for (const { key, era, epoch, isEmptied } of eras.values()) {
        if (line.isSettled && epoch === line.epoch && (era !== line.era) !== isEmptied) {
            violation(isEmptied ? 'shown without a commit' : 'lost', `a TRUNCATE after ${key} of era ${era}, and it is ${line.era} now`);
        }
    }
    return { id, heads };
}

// What an older epoch had in its outbox may be gone, TRUNCATEs too.
function checkEra({ channel, key, epoch, facts: { era, action } }, eras, violation) {
    const last = eras.get(channel);
    if (!POOL.includes(channel)) {
        return;
    } else if (action === 'truncate') {
        if (last) {
            last.isEmptied = true;
        }
        return;
    }
    if (last?.epoch === epoch && (last.era !== era) !== last.isEmptied) {
        violation(last.isEmptied ? 'shown without a commit' : 'lost', `a TRUNCATE between ${last.key} of era ${last.era} and ${key} of era ${era}`);
    } else if (last?.epoch === epoch && last.era > era) {
        violation('reordered', `${key} of era ${era} after ${last.key} of era ${last.era}`);
    }
    eras.set(channel, { key, era, epoch, isEmptied: false });
}

function checkOrder({ channel, key, facts: { writer, n, began, action } }, { lastOfWriter, largestBegan, seen, violation }) {
    if (action === 'delete') {
        return; // it repeats what the row was written with
    }
    const own = `${channel} ${writer}`;
    if ((lastOfWriter.get(own) ?? 0) >= n) {
        violation('reordered', `${key} after ${lastOfWriter.get(own)}`);
    }
    lastOfWriter.set(own, n);
    if (seen.has(key.replace(' row ', ' delete ')) && key.includes(' row ')) {
        violation('reordered', `${key} after its delete`);
    }
    if (began !== undefined) {
        // Somebody before us in the log began when our commit had already returned: the wrong way round.
        if ((largestBegan.get(channel) ?? -1) >= (clock.commits.get(key.slice(channel.length + 1)) ?? Infinity)) {
            violation('reordered', `${key} after a transaction that began when it had committed`);
        }
        largestBegan.set(channel, Math.max(largestBegan.get(channel) ?? -1, began));
    }
}

// What all epochs since the last check gave out: epoch → channel → rows. An epoch that an abandoned line has ended is
// never touched again: what follows on another line is not its own.
export class Archive {
    constructor() {
        this.epochs = new Map();
        this.ended = new Set();
    }

    add(line, { isAbandoned = false } = {}) {
        const epochs = new Set([line.epoch, ...line.rows.map((row) => row.epoch)]);
        for (const epoch of [...epochs].filter((e) => !this.ended.has(e))) {
            this.epochs.set(epoch, new Map());
            if (isAbandoned) {
                this.ended.add(epoch);
            }
            for (const row of line.rows.filter((r) => r.epoch === epoch)) {
                const channels = this.epochs.get(epoch);
                channels.set(row.channel, channels.get(row.channel) ?? []);
                channels.get(row.channel).push(row);
            }
        }
    }

    // What a stretch should have got so far.
    expected(stretch, identity) {
        const rows = this.epochs.get(stretch.epoch)?.get(stretch.channel) ?? [];
        return rows.filter((row) => row.channel_offset > stretch.start && maySee(row.options, identity));
    }
}

// isLive: it is in the channel now, so it must have everything.
export function checkStretch(stretch, expected, { name, isLive, violation }) {
    const wanted = new Map(expected.map((row) => [row.channel_offset, row]));
    const got = new Set();
    let last = stretch.start;
    for (const event of stretch.events) {
        const where = `${name}: ${stretch.channel} ${event.id} of epoch ${stretch.epoch}`;
        const row = wanted.get(event.id);
        if (got.has(event.id)) {
            violation('duplicated', where);
        } else if (event.id <= last) {
            violation('reordered', `${where} after ${last}`);
        }
        if (!row || row.text !== event.text || row.action !== event.action) {
            violation('shown without a commit', `${where} is ${event.text}, and the log has ${row?.text}`);
        }
        got.add(event.id);
        last = Math.max(last, event.id);
    }
    const end = isLive ? Infinity : last;
    for (const row of expected.filter((r) => r.channel_offset <= end && !got.has(r.channel_offset))) {
        // What is missing right behind the position of a resume was lost by the resume: nobody said so.
        const isByResume = stretch.resumes.some((position) => position < row.channel_offset
            && !stretch.events.some((event) => event.id > position && event.id < row.channel_offset));
        violation(isByResume ? 'silent gap' : 'lost', `${name}: ${row.key} (${row.channel_offset} of epoch ${stretch.epoch}) was not sent`);
    }
    return stretch.events.length;
}
