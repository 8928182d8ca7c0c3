// SPDX-License-Identifier: PostgreSQL
// Scenarios in which clients send to clients.
import { begin, load } from './load.js';
import { pgherald, relay, chatPeers } from './servers.js';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 4);
const servers = [relay, pgherald, ...chatPeers];

const COLUMNS = {
    deliveries_per_s: 'deliveries/s', cpu_us: 'CPU µs/delivery', p50_us: 'p50 µs', p99_us: 'p99 µs', max_us: 'max µs',
    server_cores: 'cores, server', load_cores: 'cores, load', errors: 'errors',
};

const rate = (m) => m('pgherald').deliveries_per_s / m('bare loop').deliveries_per_s;
const cpu = (m) => m('pgherald').cpu_us / m('bare loop').cpu_us;
const cpuSpeed = (m) => 1 / cpu(m);

const CROWDED = 'pgherald, 10 × 10 among 99 000 idle';

const fanout = (options) => (bench) =>
    bench.each(servers, (server) => load('fanout', server, { prefix: 'chat', seconds: SECONDS, ...options }));

export const chat = [
    {
        name: 'fanout',
        title: 'One channel, 1000 members, saturated',
        text: 'One member sends with 256 messages under way; all 1000 get each.',
        columns: COLUMNS,
        run: fanout({ members: 1000, window: 256 }),
        targets: [
            { text: 'deliveries/s ÷ bare loop', least: 0.9, value: rate },
            { text: 'deliveries per CPU second ÷ bare loop', value: cpuSpeed },
        ],
    },
    {
        name: 'short',
        title: 'The same with 64 messages under way',
        text: 'Backlogs are short: what a server does between reading and writing decides how large its bursts are.',
        columns: COLUMNS,
        run: fanout({ members: 1000, window: 64 }),
        targets: [
            { text: 'deliveries/s ÷ bare loop', value: rate },
            { text: 'deliveries per CPU second ÷ bare loop', value: cpuSpeed },
        ],
    },
    {
        name: 'rooms',
        title: '1000 rooms of 10, saturated',
        text: 'One member of each room sends in turn, with 4000 messages under way over all rooms.',
        columns: COLUMNS,
        run: fanout({ channels: 1000, members: 10, window: 4000 }),
        targets: [
            { text: 'deliveries/s ÷ bare loop', least: 0.85, value: rate },
            { text: 'deliveries per CPU second ÷ bare loop', value: cpuSpeed },
        ],
    },
    {
        name: 'paced',
        title: 'Paced: 20 000 deliveries/s',
        text: '20 messages a second to 1000 members: no backlog, each message leaves alone.',
        columns: COLUMNS,
        run: fanout({ members: 1000, rate: 20, seconds: Math.max(SECONDS, 5) }),
        targets: [{ text: 'CPU per delivery ÷ bare loop', most: 1.15, value: cpu }],
    },
    {
        name: 'chat',
        title: 'Chat with history: 100 rooms of 2',
        text: 'Each message goes through the log (one transaction per batch, synchronous_commit on) before anybody gets it.',
        columns: {
            messages_per_s: 'messages/s', cpu_us: 'CPU µs/delivery', db_cpu_us: 'Postgres µs/delivery',
            p50_us: 'p50 µs', p99_us: 'p99 µs', max_us: 'max µs', errors: 'errors',
        },
        async run(bench) {
            const rows = [];
            for (const [name, options] of [['saturated', { window: 4000 }], ['paced at 5000/s', { rate: 5000 }], ['paced at 20 000/s', { rate: 20000 }]]) {
                const [row] = await bench.each([pgherald], (server) =>
                    load('fanout', server, { prefix: 'kept', seconds: SECONDS, channels: 100, members: 2, ...options }));
                rows.push({ ...row, server: `pgherald, ${name}` });
            }
            return rows;
        },
        targets: [{ text: 'messages/s, saturated', least: 20000, value: (m) => m('pgherald, saturated').messages_per_s }],
    },
    {
        name: 'growth',
        title: 'Growth: CPU per delivery by size',
        text: 'Saturated; one channel with more and more members, then more and more channels of 10, then 10 while 1000 sessions sit in 99 000 others.',
        columns: COLUMNS,
        async run(bench) {
            const rows = [];
            for (const [channels, members] of [[1, 10], [1, 100], [1, 1000], [1, 8000], [10, 10], [100, 10], [800, 10]]) {
                const some = await bench.each([relay, pgherald], (server) =>
                    load('fanout', server, { prefix: 'chat', seconds: 2, channels, members, window: 64 * Math.ceil(channels / 10) }));
                rows.push(...some.map((row) => ({ ...row, server: `${row.server}, ${channels} × ${members}` })));
            }
            const [crowded] = await bench.each([pgherald], async (server) => {
                const { finished } = await begin('connect', server, { prefix: 'idle', members: 1000, also: 99, seconds: 8 });
                const values = await load('fanout', server, { prefix: 'chat', seconds: 2, channels: 10, members: 10, window: 64 });
                const crowd = await finished;
                return { ...values, errors: values.errors + crowd.errors };
            });
            rows.push({ ...crowded, server: CROWDED });
            return rows;
        },
        targets: [
            { text: 'CPU per delivery, 8000 members ÷ 1000', value: (m) => m('pgherald, 1 × 8000').cpu_us / m('pgherald, 1 × 1000').cpu_us },
            { text: 'CPU per delivery, 800 channels ÷ 10', value: (m) => m('pgherald, 800 × 10').cpu_us / m('pgherald, 10 × 10').cpu_us },
            { text: 'CPU per delivery, among 99 000 idle channels ÷ alone', value: (m) => m(CROWDED).cpu_us / m('pgherald, 10 × 10').cpu_us },
        ],
    },
    {
        name: 'workers',
        title: 'Workers: 1, 2 and 4',
        text: 'One channel, 1000 members, 100 messages a second. What counts is that a delivery costs the same on each; with more workers than free cores nothing gets faster.',
        columns: COLUMNS,
        async run(bench) {
            const rows = [];
            for (const n of [1, 2, 4]) {
                const [row] = await bench.each([(b) => pgherald(b, { PGHERALD_WORKERS: String(n) })], (server) =>
                    load('fanout', server, { prefix: 'chat', seconds: SECONDS, members: 1000, rate: 100 }));
                rows.push({ ...row, server: `pgherald, workers ${n}` });
            }
            return rows;
        },
        targets: [
            { text: 'CPU per delivery, 4 workers ÷ 1', value: (m) => m('pgherald, workers 4').cpu_us / m('pgherald, workers 1').cpu_us },
        ],
    },
];
