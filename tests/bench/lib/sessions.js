// SPDX-License-Identifier: PostgreSQL
// Scenarios in which sessions come, sit there, and come back.
import { load } from './load.js';
import { pgherald, pgheraldTls, relay, chatPeers } from './servers.js';

// Fewer only to try the scenarios out.
const SESSIONS = Number(process.env.BENCH_SESSIONS ?? 10000);

export const sessions = [
    {
        name: 'idle',
        title: `Idle: ${SESSIONS} sessions`,
        text: 'All joined, nothing happens. Bytes: what the process has grown by, per session.',
        columns: { sessions: 'sessions', bytes_per_session: 'bytes/session', idle_cpu_percent: 'CPU % while idle', errors: 'errors' },
        async run(bench) {
            const one = await bench.each([relay, pgherald, pgheraldTls, ...chatPeers], (server) =>
                load('connect', server, { prefix: 'chat', members: SESSIONS, seconds: 5 }));
            const [own] = await bench.each([pgherald], (server) =>
                load('connect', server, { prefix: 'chat', channels: SESSIONS, seconds: 5 }));
            return [...one, { ...own, server: 'pgherald, a channel each' }];
        },
        targets: [
            { text: 'bytes of an idle, joined session', most: 2048, value: (m) => m('pgherald').bytes_per_session },
            { text: 'the same with TLS', most: 24576, value: (m) => m('pgherald, TLS').bytes_per_session },
        ],
    },
    {
        name: 'storm',
        title: 'Connect storm: 8000 sessions',
        text: '256 being set up at a time. Handshake only, and with the join acknowledged.',
        columns: { connects_per_s: 'connects/s', cpu_us: 'CPU µs/connect', db_cpu_us: 'Postgres µs/connect', errors: 'errors' },
        async run(bench) {
            const options = { prefix: 'chat', members: 8000, concurrency: 256, seconds: 1 };
            const bare = await bench.each([relay, pgherald, pgheraldTls, ...chatPeers], (server) =>
                load('connect', server, { ...options, members: server.load ? 2000 : 8000, 'no-join': 1 }));
            const [joined] = await bench.each([pgherald], (server) => load('connect', server, options));
            return [...bare, { ...joined, server: 'pgherald, with a join' }];
        },
        targets: [{ text: 'CPU per connect ÷ bare loop', most: 1.5, value: (m) => m('pgherald').cpu_us / m('bare loop').cpu_us }],
    },
    {
        name: 'presence',
        title: `Presence: ${SESSIONS} members of one channel`,
        text: 'All come, each with the list and its news; then half drop and a quarter leave. After both every list must be right.',
        columns: {
            seconds_to_come: 's to come', seconds_to_leave: 's to leave', cpu_s: 'CPU s', lists: 'lists', news: 'news', gigabytes: 'GB sent',
            peak_bytes: 'peak memory, bytes', errors: 'errors',
        },
        run: (bench) => bench.each([pgherald], (server) => load('presence', server, { prefix: 'crowd', members: SESSIONS, concurrency: 512 })),
        targets: [],
    },
    {
        name: 'resume',
        title: 'Resume storm: 10 000 sessions',
        text: 'All come back at once, 100 in each of 100 channels, each with a position that is 20 messages old.',
        columns: {
            seconds: 's until all have all', sessions_per_s: 'sessions/s', cpu_us: 'CPU µs/session', db_cpu_us: 'Postgres µs/session',
            peak_bytes: 'peak memory, bytes', errors: 'errors',
        },
        run: (bench) => bench.each([pgherald], (server) =>
            load('resume', server, { prefix: 'kept', channels: 100, members: 100, expect: 20 })),
        targets: [],
    },
];
