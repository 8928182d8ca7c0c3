#!/usr/bin/env node
// SPDX-License-Identifier: PostgreSQL
// The doorbell (sql/0007_sequencer.sql), all its interleavings: two writers and a server, each of whose steps is one lock, one
// look at the clock, one part of a commit; between any two of them anybody else may take any number of steps, and the clock may
// move on, so that whoever stands still does so everywhere. A writer writes twice, the first time perhaps in a savepoint that
// he rolls back, and commits or not. Perhaps a stranger holds the doorbell, and lets go at some time.
//
// Lost is a wake-up if the server sleeps, its lease is valid, no notification is on its way to it, and a row is committed that it
// has not seen. (With a lease that is over its next step is to wake: stay_asleep sees the clock.) The same search must find lost
// wake-ups in each protocol that lacks a part, or it would prove nothing.
//
//   node tests/sql/doorbell-model.js [slots of the clock, default 3]

const [BELL, SILENCE, LEASE] = [1, 2, 2]; // locks are bits; LEASE << slot is the key of slot 1, 2, …
const LAST_SLOT = Number(process.argv[2] ?? 3);
const leaseOf = (slot) => LEASE << slot;

// A writer: where he is, the slot he saw, the locks of transaction and savepoint, who of them rings, what he has written.
const writer = (n, hasSavepoint) => ({ at: 'insert', n, level: hasSavepoint ? 1 : 0, slot: 0, locks: [0, 0], rings: [0, 0], rows: [0, 0], visible: 0, seen: 0 });
const start = (n, hasStranger) => ({
    clock: 1, stranger: hasStranger ? BELL : 0, writers: [writer(n, true), writer(1, false)],
    server: { at: 'look', locks: 0, slot: 0, ring: 0 },
});

function* writerSteps(state, i, parts) {
    const me = state.writers[i];
    const to = (change, all = {}) => ({ ...state, ...all, writers: state.writers.map((w, k) => (k === i ? { ...w, ...change } : w)) });
    const set = (list, value) => list.map((old, level) => (level === me.level ? old | value : old));
    const share = (lock, got, refused) => ((state.server.locks | state.stranger) & lock ? to({ at: refused }) : to({ at: got, locks: set(me.locks, lock) }));
    switch (me.at) {
        case 'insert': yield to({ at: 'bell', n: me.n - 1, rows: set(me.rows, 1) }); break;
        case 'bell': yield share(BELL, 'next', 'clock'); break;
        case 'clock': yield to({ at: 'lease', slot: state.clock }); break;
        case 'lease': yield share(leaseOf(me.slot), parts.silence ? 'silence' : 'again', 'ring'); break;
        case 'silence': yield share(SILENCE, 'again', 'ring'); break;
        case 'again': yield to({ at: state.clock === me.slot || !parts.again ? 'next' : 'ring' }); break;
        case 'ring': yield to({ at: 'next', rings: set(me.rings, 1) }); break;
        case 'next': // the savepoint ends this way or that, then another row, then the transaction ends this way or that
            if (me.level === 1) {
                yield to({ level: 0, locks: [me.locks[0], 0], rings: [me.rings[0], 0], rows: [me.rows[0], 0] });
                yield to({ level: 0, locks: [me.locks[0] | me.locks[1], 0], rings: [me.rings[0] | me.rings[1], 0], rows: [me.rows[0] | me.rows[1], 0] });
            } else if (me.n > 0) {
                yield to({ at: 'insert' });
            } else {
                yield to({ at: 'unlock', visible: me.rows[0] });
                yield to({ at: 'gone', locks: [0, 0], rings: [0, 0] });
            }
            break;
        case 'unlock': yield to({ at: 'signal', locks: [0, 0] }); break;
        case 'signal': yield to({ at: 'gone', rings: [0, 0] }, { server: { ...state.server, ring: state.server.ring | me.rings[0] } }); break;
    }
}

function* serverSteps(state, parts) {
    const me = state.server;
    const to = (change) => ({ ...state, server: { ...me, ...change } });
    const taken = state.stranger | state.writers.reduce((all, w) => all | w.locks[0] | w.locks[1], 0);
    const take = (lock, got, refused) => (taken & lock ? to({ at: refused }) : to({ at: got, locks: me.locks | lock }));
    const drop = (lock, at) => to({ at, locks: me.locks & ~lock });
    const look = (found, nothing) => {
        const isFound = state.writers.some((w) => w.visible && !w.seen);
        const writers = state.writers.map((w) => ({ ...w, seen: w.visible }));
        return { ...to({ at: isFound ? found : nothing, ring: 0 }), writers };
    };
    switch (me.at) {
        case 'look': yield look('look', 'clock'); break;
        case 'clock': yield to({ at: 'bell', slot: state.clock }); break;
        case 'bell': yield take(BELL, 'lease', 'look'); break;
        case 'lease': yield take(leaseOf(me.slot), 'next', 'drop bell'); break;
        case 'next': yield take(leaseOf(me.slot + 1), parts.silence ? 'silence' : 'last', 'drop lease'); break;
        case 'silence': yield take(SILENCE, 'drop silence', 'drop next'); break;
        case 'drop silence': yield drop(SILENCE, parts.last ? 'last' : 'asleep'); break;
        case 'drop next': yield drop(leaseOf(me.slot + 1), 'drop lease'); break;
        case 'drop lease': yield drop(leaseOf(me.slot), 'drop bell'); break;
        case 'drop bell': yield drop(BELL, 'look'); break;
        case 'last': // something found: it may let go, or look once more under the locks
            yield look('last', 'asleep');
            yield look('drop next', 'asleep');
            break;
        case 'asleep':
            if (me.ring) {
                yield to({ at: 'last' });
            } else if (state.clock === me.slot + 1) {
                yield take(leaseOf(me.slot + 2), 'move', 'drop next');
            } else if (state.clock > me.slot + 1) {
                yield to({ at: parts.late ? 'drop next' : 'take now', slot: parts.late ? me.slot : state.clock });
            }
            break;
        case 'move': yield to({ at: 'asleep', locks: me.locks & ~leaseOf(me.slot), slot: me.slot + 1 }); break;
        case 'take now': yield take(leaseOf(me.slot), 'asleep', 'look'); break; // only where parts.late is missing
    }
}

function* steps(state, parts) {
    for (let i = 0; i < state.writers.length; i++) {
        yield* writerSteps(state, i, parts);
    }
    yield* serverSteps(state, parts);
    if (state.clock < LAST_SLOT) {
        yield { ...state, clock: state.clock + 1 };
    }
    if (state.stranger) {
        yield { ...state, stranger: 0 };
    }
}

function isLost({ clock, server, writers }) {
    return server.at === 'asleep' && !server.ring && clock >= server.slot && clock <= server.slot + 1
        && writers.some((w) => w.visible && !w.seen) && !writers.some((w) => (w.at === 'unlock' || w.at === 'signal') && w.rings[0]);
}

// What no longer matters is left out: there would be several times as many states that differ in nothing.
const isSlotSeen = { lease: true, silence: true, again: true };
const keyOf = ({ clock, stranger, server, writers }) => `${clock},${stranger},${server.at},${server.locks},${server.ring},${server.at === 'look' || server.at === 'clock' ? 0 : server.slot};`
    + writers.map((w) => (w.at === 'gone' ? Number(w.visible && !w.seen)
        : `${w.at},${w.n},${w.level},${isSlotSeen[w.at] ? w.slot : 0},${w.locks},${w.rings},${w.rows},${w.visible},${w.seen}`)).join(';');

function search(parts) {
    const known = new Set();
    const todo = [start(2, false), start(1, true)];
    for (let state = todo.pop(); state; state = todo.pop()) {
        for (const next of steps(state, parts)) {
            const key = keyOf(next);
            if (!known.has(key)) {
                known.add(key);
                if (isLost(next)) {
                    return { n: known.size, lost: next };
                }
                todo.push(next);
            }
        }
    }
    return { n: known.size };
}

let failures = 0;
function check(name, parts, isExpected) {
    const { n, lost } = search({ silence: true, again: true, last: true, late: true, ...parts });
    const isRight = Boolean(lost) === isExpected;
    failures += !isRight;
    console.log(`${isRight ? 'ok' : 'not ok'} - ${name}: ${lost ? 'loses a wake-up' : 'loses none'} (${n} states)`);
    if (!isRight && lost) {
        console.log(JSON.stringify(lost));
    }
}
check('the doorbell', {}, false);
check('without the lock of the silent', { silence: false }, true);
check('without looking at the clock again', { again: false }, true);
check('without a look after try_sleep', { last: false }, true);
check('with a lease that is taken anew when it was over', { late: false }, true);
process.exit(failures > 0 ? 1 : 0);
