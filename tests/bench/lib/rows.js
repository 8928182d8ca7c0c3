// SPDX-License-Identifier: PostgreSQL
// Scenarios that begin with a row in a table.
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from '../../integration/lib/process.js';
import { binaries } from '../../integration/lib/postgres.js';
import { begin, load, write } from './load.js';
import { pgherald, notified, rowPeers } from './servers.js';

const MEMBERS = 100;

const STATEMENT = 'pgherald, mode statement';
const TABLES = { pgherald: 'bench_rows', [STATEMENT]: 'bench_statement' };
const tableFor = (server) => TABLES[server.name] ?? 'bench_notified';
const statementMode = async (bench) => ({ ...await pgherald(bench), name: STATEMENT });

// Subscribers, and rows written as `work` says.
async function changes(bench, server, { members = MEMBERS, ...work }) {
    const commits = join(temporaryDirectory('commits'), 'times');
    const options = { members, producers: work.connections, expect: work.rowsEach, seconds: 10, commits, prefix: 'rows', 'bare-name': 1 };
    const { finished } = await begin('listen', server, options);
    const writer = await write(bench.postgres.url(), { table: tableFor(server), commits, ...work });
    const values = await finished;
    rmSync(commits);
    return { ...values, writer_p50_us: writer.p50_us, writer_p99_us: writer.p99_us, writer_rows_per_s: writer.rows_per_s };
}

const servers = [notified, pgherald, ...rowPeers];
const ROAD = {
    rows_per_s: 'rows/s', deliveries_per_s: 'deliveries/s', cpu_us_per_row: 'CPU µs/row', db_cpu_us_per_row: 'Postgres µs/row',
    frame_bytes: 'bytes/frame', p50_us: 'p50 µs', p99_us: 'p99 µs', errors: 'errors',
};
const roadTargets = [
    { text: 'rows/s ÷ bare LISTEN loop', least: 0.7, value: (m) => m('pgherald').rows_per_s / m('bare LISTEN loop').rows_per_s },
    { text: 'CPU per row ÷ bare LISTEN loop', most: 4, value: (m) => m('pgherald').cpu_us_per_row / m('bare LISTEN loop').cpu_us_per_row },
];

// Each kind of work with each server, which is called by both.
async function eachWork(bench, some, works) {
    const rows = [];
    for (const [text, work] of Object.entries(works)) {
        const measured = await bench.each(some, (server) => changes(bench, server, work));
        rows.push(...measured.map((row) => ({ ...row, server: `${row.server}, ${text}` })));
    }
    return rows;
}

function residentBytes(pid) {
    return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096;
}

const BIG = 100000;

// One UPDATE of everything, while two other channels go on talking.
async function bigUpdate(bench, server) {
    await bench.sql("SELECT herald.unwatch('bench_big')").catch(() => {});
    await bench.sql('TRUNCATE bench_big RESTART IDENTITY');
    await bench.sql(`INSERT INTO bench_big (stamp, name, note, price)
        SELECT '-', 'some name', 'a note of medium length for this row', 12.50 FROM generate_series(1, ${BIG})`);
    await bench.sql('VACUUM ANALYZE bench_big');
    await bench.sql("SELECT herald.watch('bench_big', channel => 'big')");
    const before = residentBytes(server.pid);
    const { finished } = await begin('listen', server, { members: 10, expect: BIG, seconds: 30, prefix: 'big', 'bare-name': 1 });
    let peak = 0;
    const watch = setInterval(() => (peak = Math.max(peak, residentBytes(server.pid))), 20);
    const others = ['chat', 'kept'].map((prefix) => load('fanout', server, { prefix, channels: 10, members: 10, rate: 100, seconds: 8 }));
    await new Promise((resolve) => setTimeout(resolve, 2000)); // the talkers' warm-up
    const start = performance.now();
    await bench.sql(`UPDATE bench_big SET stamp =
        '@0000' || lpad(to_hex(id - 1), 8, '0') || lpad(to_hex(${process.hrtime.bigint()}), 16, '0') || '@'`);
    const updateSeconds = (performance.now() - start) / 1000;
    const values = await finished;
    const [chat, kept] = await Promise.all(others);
    clearInterval(watch);
    return {
        update_s: updateSeconds,
        drained_s: values.max_us / 1e6 - updateSeconds,
        rows_per_s: values.rows_per_s,
        growth_mib: (peak - before) / 2 ** 20,
        chat_p99_us: chat.p99_us,
        chat_max_us: chat.max_us,
        kept_p99_us: kept.p99_us,
        kept_max_us: kept.max_us,
        errors: values.errors + chat.errors + kept.errors,
    };
}

export const rows = [
    {
        name: 'latency',
        title: 'Row change to browser',
        text: '8 connections insert single rows, synchronous_commit on; 100 subscribers. From the moment the writer has its commit\'s answer.',
        columns: {
            commit_p50_us: 'p50 µs', commit_p99_us: 'p99 µs', commit_max_us: 'max µs', writer_p50_us: 'a commit, p50 µs', writer_p99_us: 'p99 µs',
            cpu_us_per_row: 'CPU µs/row', db_cpu_us_per_row: 'Postgres µs/row', errors: 'errors',
        },
        async run(bench) {
            const works = Object.fromEntries([200, 1000].map((rate) => [`${rate}/s`, { connections: 8, rowsEach: rate * 5 / 8, rate }]));
            const plain = await write(bench.postgres.url(), { table: 'bench_plain', ...works['1000/s'] });
            return [{ server: 'no trigger, 1000/s', writer_p50_us: plain.p50_us, writer_p99_us: plain.p99_us }, ...await eachWork(bench, servers, works)];
        },
        targets: [
            ...[['200/s', 600], ['1000/s', 1300]].map(([rate, most]) => ({
                text: `p50 at ${rate} over the bare LISTEN loop's, µs`, most, value: (m) => m(`pgherald, ${rate}`).commit_p50_us - m(`bare LISTEN loop, ${rate}`).commit_p50_us,
            })),
            { text: 'p99 at 1000/s, µs', most: 8000, value: (m) => m('pgherald, 1000/s').commit_p99_us },
        ],
    },
    {
        name: 'rows',
        title: 'Row change to 100 subscribers, single rows',
        text: '16 connections insert row after row. Here the writers\' commits and triggers set the pace.',
        columns: ROAD,
        run: (bench) => bench.each(servers, (server) => changes(bench, server, { connections: 16, rowsEach: 1000 })),
        targets: roadTargets,
    },
    {
        name: 'bulk',
        title: 'Row change to 100 subscribers and to one, 100 rows an INSERT',
        text: '4 connections insert 100 rows a statement, into a table watched with row triggers (the default) and with statement triggers.',
        columns: ROAD,
        run: (bench) => eachWork(bench, [notified, pgherald, statementMode, ...rowPeers],
            Object.fromEntries([100, 1].map((members) => [`to ${members}`, { members, connections: 4, rowsEach: 20000, rowsPerInsert: 100 }]))),
        targets: [['pgherald', 0.8], [STATEMENT, 1]].flatMap(([name, least]) => [100, 1].map((n) => ({
            text: `rows/s, ${name}, to ${n} ÷ bare LISTEN loop`, least, value: (m) => m(`${name}, to ${n}`).rows_per_s / m(`bare LISTEN loop, to ${n}`).rows_per_s,
        }))),
    },
    {
        name: 'update',
        title: 'One UPDATE of 100 000 rows, 10 subscribers',
        text: 'Meanwhile two groups of 10 × 10 clients talk at 100 messages/s, one of them with history.',
        columns: {
            update_s: 'UPDATE s', drained_s: 'until the last row, s', rows_per_s: 'rows/s', growth_mib: 'memory grew, MiB',
            chat_p99_us: 'chat p99 µs', chat_max_us: 'max µs', kept_p99_us: 'with history p99 µs', kept_max_us: 'max µs', errors: 'errors',
        },
        run: (bench) => bench.each([pgherald], (server) => bigUpdate(bench, server)),
        targets: [{ text: 'rows/s that the sequencer drains', least: 20000, value: (m) => m('pgherald').rows_per_s }],
    },
    {
        name: 'writers',
        title: 'What capture costs the writers',
        text: 'tests/bench/writers.sh: tps with and without the trigger, sequenced meanwhile.',
        columns: { clients: 'clients', without: 'tps without', with: 'tps with', ratio: 'ratio' },
        async run() {
            const script = fileURLToPath(new URL('../writers.sh', import.meta.url));
            const { stdout, stderr, status } = spawnSync(script, { encoding: 'utf8', timeout: 300000, env: { ...process.env, PGBIN: binaries } });
            if (status !== 0) {
                throw new Error(`writers.sh failed: ${stderr}`);
            }
            return [...stdout.matchAll(/^(as it is|1 ms more) +(\d+) +(\d+) +(\d+) +([\d.]+)$/gm)].map(([, commit, ...numbers]) => {
                const [clients, without, withTrigger, ratio] = numbers.map(Number);
                return { server: `commit ${commit}, ${clients}`, clients, without, with: withTrigger, ratio };
            });
        },
        targets: [[16, 0.95], [32, 0.88]].map(([n, least]) => ({
            text: `tps with ÷ without, ${n} clients, commits 1 ms dearer`, least, value: (m) => m(`commit 1 ms more, ${n}`).ratio,
        })),
    },
];
