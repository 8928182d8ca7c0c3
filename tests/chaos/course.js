// SPDX-License-Identifier: PostgreSQL
// The course of a run: its people, its rounds of faults, the comparison at the end of each, and what is said of it. run.js has what it
// is for; tests/cluster/ has another one, over several nodes.
import { Database } from './database.js';
import { Disk } from './disk.js';
import { between, pause, pick, random, seed, shuffle } from './chance.js';
import { readFileSync, readdirSync } from 'node:fs';
import { Archive, checkLine, checkStretch, missing, readLine } from './check.js';
import { DBO_ID, DURABLE, FLEETING, ROOMS, RULES, SCHEMA } from './ledger.js';
import { FAULTS, obstacle } from './faults.js';
import { Confirmer } from './confirmer.js';
import { Chatter, Follower } from './follower.js';
import { Insister } from './insister.js';
import { Writer, clock } from './writer.js';
import { mutate, mutation } from './mutations.js';
import { Server, binary, pgherald } from '../integration/lib/server.js';
import { freePort } from '../integration/lib/process.js';
import { mint, secretFlags } from '../integration/lib/token.js';
import { until, within, SECOND } from '../integration/lib/wait.js';

const RUN_MS = Number(process.env.CHAOS_SECONDS ?? 180) * SECOND;
const MAX_PAUSE_MS = Number(process.env.CHAOS_PAUSE ?? 1.5) * SECOND;
const WRITERS = Number(process.env.CHAOS_WRITERS ?? 6);
const MIN_FAULTS = Number(process.env.CHAOS_MIN_FAULTS ?? 12); // in a round of few kinds
const SHOWN = 12; // violations of one kind

const CHECKS = ['lost', 'duplicated', 'reordered', 'silent gap', 'needless gap', 'shown without a commit', 'confirmed too early', 'ephemeral out of order',
    'a write failed', 'refused', 'the server failed', 'a fault was not made', 'it grows'];

// What is measured after each round (the writers' own table grows, as it must), and by how much the last third of the
// rounds may exceed the one before. The first third is not judged: a table is as large as what stood in it before a vacuum
// came, and its index half as large again.
const SIZES = {
    'resident memory, KiB': { factor: 1.2, more: 8192 },
    'file descriptors': { factor: 1, more: 8 },
    'schema herald, KiB': { factor: 1.2, more: 16384 },
    'herald.log, KiB': { factor: 1.2, more: 8192 },
    'herald.outbox, KiB': { factor: 1.2, more: 8192 },
    'herald.cursor, KiB': { factor: 1.2, more: 1024 },
};
const MIN_ROUNDS_TO_JUDGE = 6;
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

export class Run {
    // faults: name → function. obstacle: (name, run) → why a fault cannot be made here. checks: besides those of every run.
    constructor({ faults = FAULTS, cannot = obstacle, checks = [] } = {}) {
        this.checks = [...CHECKS, ...checks];
        Object.assign(this, { name: 'chaos', kinds: faults, cannot });
        this.count = {
            transactions: 0, prepared: 0, rolledBack: 0, cutTransactions: 0, connections: 0, resumes: 0, replayed: 0, gaps: 0, fleeting: 0, refused: 0, insisted: 0, duplicates: 0, confirmed: 0,
            logged: 0, streamed: 0, epochs: 0, rounds: 0, forgiven: 0, abandoned: 0,
        };
        this.faults = Object.fromEntries(Object.keys(faults).map((name) => [name, 0]));
        this.backMs = {}; // fault → the longest time from its end until the server served again
        this.violations = new Map(this.checks.map((check) => [check, []]));
        this.violation = (check, text) => this.violations.get(check).push(text);
        this.sizes = []; // of each round; its server's process is `pid`
        this.notes = new Map();
        this.isOver = false;
        this.begun = performance.now();
        this.setQuiet(true);
    }

    // A failure that the fault explains; shown only to who looks for the reason of something else.
    note(error) {
        this.notes.set(error.message, (this.notes.get(error.message) ?? 0) + 1);
    }

    say(text) {
        console.log(`${((performance.now() - this.begun) / SECOND).toFixed(1).padStart(7)} s  ${text}`);
    }

    // ---- quiet, and not ----

    setQuiet(isQuiet) {
        this.isQuiet = isQuiet;
        if (isQuiet) {
            this.endQuiet?.();
            this.beginQuiet?.();
            this.on = new Promise((resolve) => (this.endQuiet = resolve));
        } else {
            this.quiet = new Promise((resolve) => (this.beginQuiet = resolve));
            this.endQuiet();
        }
    }

    async isOn() {
        while (this.isQuiet && !this.isOver) {
            await this.on;
        }
    }

    // ---- the server ----

    // It is not waited for: the database may be away.
    async makeServer(way = random() < 0.5 ? 'hosts' : 'address', port = this.port) {
        const server = await Server.start({
            database: this.database.serverUrl(way), listen: `127.0.0.1:${port}`, ready: false, flags: this.flags,
            // With small batches what one transaction wrote is taken in pieces, and a fault finds it half done.
            env: { PGHERALD_QUERY_TIMEOUT: '3s', PGHERALD_LOG_LEVEL: 'info', PGHERALD_BATCH_ROWS: ['20', '200', '2000'][pick(3)] },
        });
        Object.assign(server, { way, port });
        server.process.ended.then((exit) => {
            if (!server.isEnding) {
                this.violation('the server failed', `it ended by itself: ${JSON.stringify(exit)}\n${server.process.stderr.slice(-3000)}`);
            }
        });
        return server;
    }

    async startServer(way) {
        this.server = await this.makeServer(way);
    }

    async endServer(end, server = this.server) {
        server.isEnding = true;
        await end(server).catch((error) => this.violation('the server failed', error.message));
    }

    killServer(server) {
        return this.endServer((each) => each.kill(), server);
    }

    stopServer() {
        return this.endServer((server) => server.stop());
    }

    // Where somebody connects to.
    target() {
        return this.server;
    }

    serves() {
        return this.server.waitReady(200, 60 * SECOND);
    }

    async isServing() {
        return (await this.server.get('/ready')).status === 200;
    }

    // ---- lines of history ----

    // Before a dump becomes the database: what it has in its outbox is not taken over (the epoch is another).
    async forgive(where) {
        const keys = missing(await readLine(this.database, this.base.id, where));
        keys.forEach((key) => this.forgiven.add(key));
        this.count.forgiven += keys.length;
    }

    // The line until now is at its end, and `last` lets us look at it for the last time.
    async newLine(last) {
        await last(async (where) => {
            const line = await readLine(this.database, this.base.id, where);
            this.say(`a line of history ends: ${line.rows.length} events, ${line.pending.size} not in the log yet, epoch ${line.epoch}`);
            checkLine(line, this);
            this.archive.add(line, { isAbandoned: true });
            this.count.abandoned++;
        });
    }

    get refused() {
        return new Set(this.chatters.flatMap((c) => [...c.refused].map((n) => `message ${c.number}/${n}`)));
    }

    // ---- begin ----

    async start() {
        this.database = await Database.start(new Disk());
        await this.prepare();
        this.port = await freePort();
        await this.startServer();
        await this.serves();
        await this.begin();
    }

    async prepare() {
        const { database } = this;
        const installed = await pgherald(['install'], { env: { PGHERALD_DATABASE_URL: database.adminUrl() }, deadlineMs: 60 * SECOND });
        if (installed.code !== 0) {
            throw new Error(installed.stderr);
        }
        for (const [pattern, settings] of Object.entries(RULES)) {
            await database.query(`SELECT herald.set_rule('${pattern}', ${settings})`);
        }
        await database.query(SCHEMA);
        if (mutation) {
            await mutate(database);
        }
        this.canonical = await database.value('SELECT herald.rotate_canonical()');
        this.flags = secretFlags();
    }

    async begin() {
        this.makePeople();
        await this.beginRound({ id: 0, heads: new Map() });
        this.lives = [...this.writers, ...this.followers, ...this.confirmers.map(({ writer }) => writer)].map((each) => each.live());
        await this.everybodyIsHere();
    }

    makePeople() {
        const everything = [...DURABLE, ...FLEETING];
        const exp = Math.floor(Date.now() / 1000) + 30 * 86400;
        const member = (row_id) => ({
            identity: { dbo_id: DBO_ID, row_id }, token: mint({ dbo_id: DBO_ID, row_id: Number(row_id), exp }),
        });
        this.writers = [...Array(WRITERS).keys()].map((i) => new Writer(this, i + 1));
        this.chatters = [...Array(4).keys()].map((i) => new Chatter(this, i, {
            name: `chatter ${i}`, channels: [ROOMS[i % 2], FLEETING[i % 2]],
        }));
        this.insisters = [...Array(4).keys()].map((i) => new Insister(this, 10 + i, {
            name: `insister ${i}`, channels: [ROOMS[i % 2]], ...(i < 2 ? member(`${34 + i}`) : {}),
        }, i < 2 ? null : `${i}`.repeat(32)));
        this.confirmers = [...Array(2).keys()].map((i) => new Confirmer(this, 21 + i, { name: `confirmer ${i}`, channels: DURABLE }));
        this.followers = [
            ...this.chatters,
            ...this.insisters,
            ...this.confirmers,
            new Follower(this, { name: 'anonymous', channels: everything }),
            new Follower(this, { name: 'user 34', channels: everything, ...member('34') }),
            ...[...Array(6).keys()].map((i) => new Follower(this, {
                name: `visitor ${i}`, channels: everything, isVisitor: true, ...(i % 3 === 2 ? member('35') : {}),
            })),
        ];
    }

    async beginRound(base) {
        this.base = base;
        this.archive = new Archive();
        this.forgiven = new Set();
        await this.database.query('TRUNCATE ledger');
        while (await this.database.value(`SELECT herald.trim('0 s', 10000) = 10000`)); // or a run of hours would fill the disk
        clock.commits.clear();
        this.followers.forEach((follower) => follower.forget(base.heads));
    }

    everybodyIsHere() {
        return until('everybody to be in all channels', () => this.followers.every((follower) => follower.isComplete), 90 * SECOND);
    }

    // ---- a round ----

    async round(kinds, isLate) {
        this.setQuiet(false);
        let deck = shuffle(kinds);
        while (deck.length < MIN_FAULTS) {
            deck = [...deck, ...shuffle(kinds)];
        }
        for (const name of deck) {
            if (isLate()) {
                break;
            }
            await pause(between(200, MAX_PAUSE_MS));
            await this.strike(name);
        }
        this.setQuiet(true);
        await this.settle();
        const base = await this.compare();
        await this.measure();
        this.count.rounds++;
        await this.beginRound(base);
    }

    async strike(name) {
        const before = performance.now();
        const isMade = await this.kinds[name](this);
        if (isMade !== false) {
            this.faults[name]++;
        }
        this.say(`${name}${isMade === false ? ': no opportunity' : ''} (${Math.round(performance.now() - before)} ms)`);
        if (random() < 0.7) {
            const end = performance.now();
            await until(`the server to serve after: ${name}`, () => this.isServing(), 60 * SECOND);
            this.backMs[name] = Math.max(this.backMs[name] ?? 0, Math.round(performance.now() - end));
        }
    }

    // Writers stop, the outbox empties, everybody is in all channels and has what there is.
    async settle() {
        await this.database.up();
        await this.serves();
        await until('the writers to pause', async () =>
            (await this.database.query(`SELECT FROM pg_stat_activity WHERE application_name = 'writer' AND state <> 'idle'`)).length === 0, 60 * SECOND);
        await this.everybodyIsHere();
        await until('messages to be answered', () => this.chatters.every((chatter) => chatter.pending.size === 0)
            && this.insisters.every((insister) => !insister.isWaiting) && this.confirmers.every(({ writer }) => !writer.isWaiting), 60 * SECOND);
        await until('the outbox to be empty', async () =>
            Number(await this.database.value('SELECT pending_rows FROM herald.lag()')) === 0, 60 * SECOND);
    }

    async compare() {
        const line = await readLine(this.database, this.base.id);
        const { pending } = line;
        line.pending = new Set(); // there is nothing more to come
        if (pending.size > 0) {
            this.violation('lost', `lag() is 0, but ${[...pending].slice(0, 5)} are not in the log`);
        }
        const next = checkLine(line, this);
        this.archive.add(line);
        const stretches = () => this.followers.flatMap((follower) => [...follower.at.values()].map((stretch) => ({
            stretch, follower, expected: this.archive.expected(stretch, follower.identity),
        })));
        await until('everybody to have everything', () => stretches().every(({ stretch, expected }) =>
            stretch.position >= (expected.at(-1)?.channel_offset ?? 0)), 60 * SECOND).catch(() => {}); // said below, one by one
        for (const { stretch, follower } of stretches()) {
            if (stretch.epoch !== line.epoch) {
                this.violation('silent gap', `${follower.name}: ${stretch.channel} is still in epoch ${stretch.epoch}, not ${line.epoch}`);
            }
        }
        for (const follower of this.followers) {
            const judge = (stretch, isLive) => (this.count.streamed += checkStretch(
                stretch, this.archive.expected(stretch, follower.identity), { name: follower.name, isLive, violation: this.violation }));
            follower.stretches.forEach((stretch) => judge(stretch, false));
            follower.at.forEach((stretch) => judge(stretch, true));
        }
        this.insisters.forEach((insister) => insister.check(this.archive, this.violation));
        const logged = [...this.archive.epochs.values()].flatMap((channels) => [...channels.values()]).reduce((n, rows) => n + rows.length, 0);
        this.count.logged += logged;
        this.count.epochs += this.archive.epochs.size - 1;
        this.say(`checked: ${logged} events in ${this.archive.epochs.size} epochs; ${this.sum()}; disk ${this.database.disk.usedMb} MB`);
        return next;
    }

    async measure() {
        const { pid } = this.server.process;
        const [, resident] = readFileSync(`/proc/${pid}/status`, 'utf8').match(/^VmRSS:\s+(\d+) kB$/m);
        const size = async (what) => Math.round(Number(await this.database.value(`SELECT ${what}`)) / 1024);
        const values = [Number(resident), readdirSync(`/proc/${pid}/fd`).length,
            await size(`sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'herald'::regnamespace`)];
        for (const table of ['log', 'outbox', 'cursor']) {
            values.push(await size(`pg_total_relation_size('herald.${table}')`));
        }
        this.sizes.push({ pid, values });
        this.say(`sizes: ${Object.keys(SIZES).map((name, i) => `${name} ${values[i]}`).join('; ')}`);
    }

    // Only of a server that lived through all rounds: another one begins anew.
    judgeSizes() {
        const third = Math.floor(this.sizes.length / 3);
        if (this.sizes.length < MIN_ROUNDS_TO_JUDGE || new Set(this.sizes.map(({ pid }) => pid)).size > 1) {
            return;
        }
        console.log('\nsizes after a round, median of the second third and of the last (the greatest of all)');
        Object.entries(SIZES).forEach(([name, { factor, more }], i) => {
            const all = this.sizes.map(({ values }) => values[i]);
            const [middle, last] = [median(all.slice(third, -third)), median(all.slice(-third))];
            console.log(`    ${name}: ${middle} → ${last} (${Math.max(...all)})`);
            if (last > middle * factor + more) {
                this.violation('it grows', `${name}: from ${middle} to ${last}`);
            }
        });
    }

    sum() {
        return CHECKS.slice(0, 4).map((check) => `${check} ${this.violations.get(check).length}`).join(', ');
    }

    // ---- all of it ----

    async all() {
        const [only, spared] = [process.env.CHAOS_FAULTS, process.env.CHAOS_SPARE].map((list) => (list ?? '').split('|').filter(Boolean));
        const wanted = Object.keys(this.kinds).filter((name) => (only.length === 0 || only.some((part) => name.includes(part))) && !spared.some((part) => name.includes(part)));
        const kinds = wanted.filter((name) => {
            const why = this.cannot(name, this);
            if (why) {
                this.say(`cannot be made here: ${name}: ${why}`);
            }
            return !why;
        });
        const isLate = () => performance.now() - this.begun > RUN_MS;
        do {
            await this.round(kinds, () => this.count.rounds > 0 && isLate());
        } while (!isLate());
        kinds.filter((name) => this.faults[name] === 0).forEach((name) => this.violation('a fault was not made', name));
    }

    async stopAll() {
        if (this.server?.process.exit === null) {
            await this.stopServer();
        }
    }

    async end() {
        this.isOver = true;
        this.setQuiet(false);
        this.followers?.forEach((follower) => follower.client?.socket.terminate());
        await within('everybody to go', Promise.allSettled(this.lives ?? []), 30 * SECOND).catch((error) => this.note(error));
        await this.stopAll();
        await this.database?.stop();
    }

    report() {
        const { count } = this;
        const list = (object) => Object.entries(object).map(([name, n]) => `    ${String(n).padStart(7)}  ${name}`).join('\n');
        const faults = Object.entries(this.faults).map(([name, n]) => [`${name}; back in at most ${this.backMs[name] ?? '?'} ms`, n]);
        console.log(`\nfaults\n${list(Object.fromEntries(faults))}\ntraffic and evidence`);
        console.log(list({
            'rounds': count.rounds, 'transactions committed': count.transactions, '… in two phases': count.prepared, 'rolled back': count.rolledBack, 'cut by a fault': count.cutTransactions,
            'events in the log, each checked against the ledger': count.logged,
            'events in streams, each checked against the log': count.streamed,
            'ephemeral messages received in order': count.fleeting,
            'connections': count.connections, 'resumes': count.resumes, 'events replayed': count.replayed,
            'gaps said': count.gaps, 'changes of the epoch': count.epochs, 'lines of history abandoned': count.abandoned,
            'messages sent under keys, some again and again': count.insisted, '… known to be in the log already': count.duplicates,
            'transactions told as having reached their writer': count.confirmed,
            'messages refused as unavailable': count.refused, "events in a restored dump's outbox": count.forgiven,
        }));
        this.judgeSizes();
        const bad = this.checks.filter((check) => this.violations.get(check).length > 0);
        for (const check of bad) {
            const texts = this.violations.get(check);
            console.log(`\nnot ok: ${check}: ${texts.length}\n    ${texts.slice(0, SHOWN).join('\n    ')}`);
        }
        if (bad.length > 0) {
            const notes = [...this.notes].map(([text, n]) => `${n} × ${text}`);
            console.log(`\nalso seen:\n    ${notes.slice(0, 40).join('\n    ')}`);
        }
        console.log(`\nseed ${seed}: ${this.sum()}`);
        console.log(`${this.name}: ${this.checks.length - bad.length} passed, ${bad.length} failed`);
        return bad.length === 0;
    }
}

// A run from its beginning to the process's end.
export async function conduct(run, what) {
    console.log(`${what}: seed ${seed}, ${RUN_MS / SECOND} s, ${binary}`);
    try {
        await run.start();
        await run.all();
    } catch (error) {
        run.violation('the server failed', `${error.stack}\nserver:\n${run.server?.process.stderr.slice(-3000)}`);
    }
    await run.end().catch((error) => run.violation('the server failed', error.stack));
    process.exit(run.report() ? 0 : 1);
}
