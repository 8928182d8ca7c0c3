// SPDX-License-Identifier: PostgreSQL
// The ledger of snapshots: writers at full speed, pages with live tables that are cut and come back, tables that are altered,
// a server and a database that fail. After each round all is quiet, and every page has to have exactly the rows that
// SELECT … WHERE filter AND visible gives; and every frame until then had to fit what the page had.
//
//   LEDGER_SECONDS  60: how long; a round is LEDGER_ROUND seconds (12)
//   LEDGER_PAGES    200, LEDGER_WRITERS 6
//   LEDGER_ONLY     only alterations and faults whose names contain one of these, separated by |; none: leave all in peace
//   CHAOS_SEED      repeats the random choices (not the timing)
import { pause, pick, random, seed, shuffle } from '../chaos/chance.js';
import { Postgres } from '../integration/lib/postgres.js';
import { Server, install } from '../integration/lib/server.js';
import { freePort } from '../integration/lib/process.js';
import { secretFlags, user } from '../integration/lib/token.js';
import { until, SECOND } from '../integration/lib/wait.js';
import { ALTERATIONS, FAULTS, disturb } from './alter.js';
import { Page } from './page.js';
import { everything, randomFilter } from './rules.js';
import { CHANNELS, MAX_BYTES, SCHEMA, TABLES, keyOf } from './tables.js';
import { Writer } from './writer.js';

const N_FILTERS = 24; // of a channel: the server tries no more than 64 on each row that no index finds
const N_PEOPLE = 12;
const MAX_FAULTS = 20; // are told in full

const ORDERS = [['n.desc'], ['status', 'n'], ['id']];

export class Ledger {
    constructor({ seconds = 60, pages = 200, writers = 6, round = 12, only } = {}) {
        Object.assign(this, { seconds, nPages: pages, nWriters: writers, nPeople: N_PEOPLE, roundMs: round * SECOND, maxPauseMs: 2500 });
        this.count = {
            transactions: 0, prepared: 0, connections: 0, snapshots: 0, rows: 0, events: 0, resumed: 0, gaps: 0, told: 0, looked: 0, unavailable: 0,
            compared: 0, forgiven: 0, rounds: 0,
        };
        this.names = Object.keys({ ...ALTERATIONS, ...FAULTS }).filter((name) => only === undefined || only.split('|').some((part) => part !== '' && name.includes(part)));
        this.made = Object.fromEntries(this.names.map((name) => [name, 0]));
        this.faults = [];
        this.notes = new Map();
        this.isOver = false;
        this.begun = performance.now();
        this.setQuiet(true);
        this.alter = (sql) => this.tryToAlter(sql);
    }

    say(text) {
        console.log(`# ${((performance.now() - this.begun) / SECOND).toFixed(1).padStart(7)} s  ${text}`);
    }

    fault(kind, text) {
        this.faults.push(kind);
        if (this.faults.length <= MAX_FAULTS) {
            this.say(`FAULT ${kind}: ${text}`);
        }
    }

    // Failures that something else explains; shown only if there are faults.
    note(error) {
        const text = error.message.slice(0, 120);
        this.notes.set(text, (this.notes.get(text) ?? 0) + 1);
    }

    setQuiet(isQuiet) {
        this.isQuiet = isQuiet;
        if (isQuiet) {
            this.on = new Promise((resolve) => (this.endQuiet = resolve));
        } else {
            this.endQuiet();
        }
    }

    async isOn() {
        while (this.isQuiet && !this.isOver) {
            await this.on;
        }
    }

    // ---- begin ----

    async start() {
        this.postgres = await Postgres.start({ max_prepared_transactions: '20' });
        await install(this.postgres);
        await this.postgres.query(`SELECT herald.set_rule('*', anonymous_clients => true)`);
        await this.postgres.query(SCHEMA);
        this.canonical = await this.postgres.value('SELECT herald.rotate_canonical()');
        this.port = await freePort();
        this.flags = [...secretFlags(), '--anonymous-role', 'visitor', '--hook-timeout', '10s'];
        await this.serve();
        this.writers = [...Array(this.nWriters).keys()].map((i) => new Writer(this, i));
        this.pages = this.makePages();
        this.lives = [...this.writers, ...this.pages].map((each) => each.live());
        if (this.names.length > 0) {
            this.lives.push(disturb(this, this.names));
        }
    }

    async serve() {
        this.server = await Server.start({
            database: this.postgres.url({ user: 'herald_server' }), listen: `127.0.0.1:${this.port}`, flags: this.flags,
            env: { PGHERALD_LOG_LEVEL: 'info', PGHERALD_BATCH_ROWS: ['20', '200', '2000'][pick(3)] },
        });
    }

    makePages() {
        const filters = new Map(CHANNELS.map(({ channel }) => [channel, [everything, ...[...Array(N_FILTERS)].map(() => randomFilter())]]));
        const people = [...Array(N_PEOPLE).keys()].map((i) => ({
            row_id: i + 1, org: ['a', 'b', "c'd", null][pick(4)], teams: random() < 0.2 ? null : shuffle([0, 1, 2, 3, 4, 5]).slice(0, pick(4)),
        }));
        const token = ({ row_id, org, teams }) => user(12, row_id, { ...(org && { org }), ...(teams && { teams }) });
        return [...Array(this.nPages).keys()].map((i) => {
            const who = random() < 0.1 ? null : people[pick(N_PEOPLE)];
            const specs = shuffle(CHANNELS).slice(0, 1 + pick(3)).map((place) => ({
                ...place, filter: filters.get(place.channel)[pick(N_FILTERS + 1)], snapshot: this.randomWish(),
            }));
            return new Page(this, `page ${i}`, { who, token: who ? token(who) : undefined, specs });
        });
    }

    randomWish() {
        const dice = random();
        return dice < 0.65 ? true : dice < 0.75 ? { order: ORDERS[pick(3)] } : { limit: 1 + pick(60), order: ORDERS[pick(3)] };
    }

    async tryToAlter(sql) {
        const session = await this.postgres.connect();
        session.on('error', () => {});
        try {
            await session.query(`SET lock_timeout = '2s'; SET deadlock_timeout = '100ms'; SET client_min_messages = 'error'`);
            await session.query(sql);
            return true;
        } catch (error) {
            this.note(error);
            return false;
        } finally {
            await session.end().catch(() => {});
        }
    }

    // ---- a round ----

    async round() {
        this.setQuiet(false);
        await pause(this.roundMs);
        this.setQuiet(true);
        await this.settle();
        await this.compare();
        this.count.rounds++;
    }

    async settle() {
        const { postgres } = this;
        await until('what disturbs to end', () => !this.isDisturbed, 60 * SECOND);
        await until('the writers to pause', async () =>
            (await postgres.query(`SELECT FROM pg_stat_activity WHERE application_name = 'writer' AND state <> 'idle'`)).length === 0, 60 * SECOND);
        for (const { gid } of await postgres.query('SELECT gid FROM pg_prepared_xacts')) {
            // Its writer may have come to it meanwhile.
            await postgres.query(`${random() < 0.7 ? 'COMMIT' : 'ROLLBACK'} PREPARED '${gid}'`).catch((error) => this.note(error));
        }
        await this.server.waitReady(200, 60 * SECOND);
        await until('the outbox to be empty', async () => Number(await postgres.value('SELECT pending_rows FROM herald.lag()')) === 0, 60 * SECOND);
        await until('all pages to be at rest', () => this.pages.every((page) => page.isAtRest), 60 * SECOND).catch((error) => {
            const tired = this.pages.flatMap((page) => page.views).find((view) => !view.isAtRest);
            tired?.fault('not at rest', error.message);
        });
    }

    // What the database says that a view has to show: key → { row, isLarge: by its key only, isSure: it passes }.
    async expected({ table, room, filter, page: { who } }) {
        const filterSql = filter.sql();
        const rows = await this.postgres.query(`
            SELECT to_jsonb(${table.name}.*) - '{${table.isOpen ? '' : 'team,shade'}}'::text[] AS row, octet_length(note) >= ${MAX_BYTES} AS is_large, coalesce(${filterSql}, false) AS passes
              FROM ${table.name} WHERE (${table.visible[table.at].sql(who)}) ${room === null ? '' : `AND room = ${room}`}`);
        return new Map(rows.map(({ row, is_large, passes }) => [keyOf(table, row), { row, isLarge: is_large, isSure: passes }])
            .filter(([, { isLarge, isSure }]) => isSure || isLarge));
    }

    async compare() {
        const views = this.pages.flatMap((page) => page.views);
        const expected = await Promise.all(views.map((view) => this.expected(view)));
        const wrong = () => views.filter((view, i) => !view.isAtRest || view.compare(expected[i]));
        // What is on its way arrives; what is wrong stays so.
        await until('all pages to have what there is', () => wrong().length === 0, 10 * SECOND).catch(() => {});
        views.forEach((view, i) => {
            const found = view.compare(expected[i]);
            this.count.compared += expected[i].size;
            if (found) {
                view.fault('a Map that is wrong', `${found.key} ${found.why}`, found.key);
                view.forget(); // or the next rounds would tell the same
                view.page.client.socket.terminate();
            }
            view.remember(expected[i]);
        });
        const { events, rows, snapshots } = this.count;
        this.say(`compared: ${views.length} live tables, ${Object.keys(TABLES).length} tables; so far ${events} events, ${snapshots} snapshots of ${rows} rows, ${this.faults.length} faults`);
    }

    // ---- all of it ----

    async run() {
        this.say(`seed ${seed}; ${this.nPages} pages, ${this.nWriters} writers`);
        await this.start();
        const end = performance.now() + this.seconds * SECOND;
        while (performance.now() < end) {
            await this.round();
        }
        return this.end();
    }

    async end() {
        this.isOver = true;
        this.endQuiet();
        this.pages.forEach(({ client }) => client?.socket.terminate());
        await Promise.all(this.lives);
        await this.server.stop();
        await this.postgres.stop();
        this.say(JSON.stringify(this.count));
        this.say(JSON.stringify(this.made));
        const kinds = new Map();
        this.faults.forEach((kind) => kinds.set(kind, (kinds.get(kind) ?? 0) + 1));
        if (kinds.size > 0) {
            this.say(`seed ${seed}; what failed besides: ${JSON.stringify([...this.notes])}`);
            this.say(`what the server said last:\n${this.server.process.stderr.slice(-3000)}`);
        }
        return kinds;
    }
}
