// SPDX-License-Identifier: PostgreSQL
// What rows cost whose subscribers filter or may not see all: the server's CPU per change (schedstat, over all threads and of the
// hub's alone), at a steady rate on one channel. The cost must not grow with filters that do not match.
//
//   node tests/bench/live.js [CASE…]     after make; RATE=1000 changes/s, BENCH_SECONDS=5; needs about 12 000 descriptors
import { readdirSync, readFileSync } from 'node:fs';
import WebSocket from '../node_modules/ws/wrapper.mjs';
import { Postgres } from '../integration/lib/postgres.js';
import { Server, install } from '../integration/lib/server.js';
import { secretFlags, user } from '../integration/lib/token.js';

const RATE = Number(process.env.RATE ?? 1000);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 5);
const LIMITS = { PGHERALD_LOG_LEVEL: 'warn', PGHERALD_PROXY_HANDSHAKES: '0', PGHERALD_USER_SESSIONS: '0', PGHERALD_MAX_SESSIONS: '20000', PGHERALD_MAX_CHANNEL_MEMBERS: '0' };

// who: how many sessions; join: what the i-th one joins with; visible: of the table.
const cases = {
    nobody: { who: 1, join: () => ({ filter: { owner: -1 } }) },
    plain: { who: 1000, join: () => ({}) },
    equal: { who: 1000, join: () => ({ filter: { note: 'x' } }) },
    different_1000: { who: 1000, join: (i) => ({ filter: { owner: i } }) },
    different_10000: { who: 10000, join: (i) => ({ filter: { owner: i } }) },
    visible_1000: { who: 1000, join: () => ({}), visible: 'org' },
    visible_10000: { who: 10000, join: () => ({}), visible: 'org' },
};

function cpu(pid) {
    const sum = { all: 0, hub: 0 };
    for (const task of readdirSync(`/proc/${pid}/task`)) {
        const used = Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]) / 1000;
        sum.all += used;
        sum.hub += task === String(pid) ? used : 0;
    }
    return sum;
}

function open(server, canonical, token, payload, seen) {
    return new Promise((resolve, reject) => {
        const socket = new WebSocket(server.socketUrl(canonical), token ? [token] : [], { perMessageDeflate: false });
        socket.on('open', () => socket.send(JSON.stringify({ action: 'join', options: { channel: 'live' }, payload })));
        socket.on('message', (data) => {
            if (data.toString().startsWith('{"action":"join"')) {
                resolve(socket);
            } else {
                seen.n++;
            }
        });
        socket.on('error', reject);
        socket.on('close', () => reject(new Error('closed')));
    });
}

async function run(name, { who, join, visible }) {
    const postgres = await Postgres.start();
    await install(postgres);
    const canonical = await postgres.value('SELECT herald.rotate_canonical()');
    await postgres.query('CREATE TABLE live (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner int, org text, note text)');
    await postgres.query(`SELECT herald.set_rule('live', anonymous_clients => true)`);
    await postgres.query(`SELECT herald.watch('live', channel => 'live', visible => $1)`, [visible ? '{"org": {"eq": {"identity": "extras.org"}}}' : '"everybody"']);
    const server = await Server.start({ database: postgres.url({ user: 'herald_server' }), flags: secretFlags(), env: LIMITS });
    const seen = { n: 0 }, sockets = [];
    const start = performance.now(), before = cpu(server.process.pid);
    for (let i = 0; i < who; i += 50) {
        const some = [...Array(Math.min(50, who - i))].map((_, k) => open(server, canonical, visible && user(1, String(i + k), { org: `o${(i + k) % 1000}` }), join(i + k), seen));
        sockets.push(...await Promise.all(some));
    }
    const opened = performance.now() - start, joined = cpu(server.process.pid);
    const ticks = SECONDS * 20, n = Math.round(RATE / 20), from = performance.now();
    for (let tick = 0; tick < ticks; tick++) {
        await postgres.query(`INSERT INTO live (owner, org, note) SELECT (g * 7919 + $1) % $2, 'o' || (g * 7919 + $1) % 1000, 'x' FROM generate_series(1, $3) g`, [tick * n, who, n]);
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, from + (tick + 1) * 50 - performance.now())));
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const after = cpu(server.process.pid), changes = ticks * n;
    const figure = (kind) => ((after[kind] - joined[kind]) / changes).toFixed(1);
    console.log(`${name.padEnd(16)} ${String(who).padStart(6)} sessions: ${figure('all')} µs a change, the first thread ${figure('hub')}; ${(seen.n / changes).toFixed(2)} deliveries a change; `
        + `a join ${((joined.all - before.all) / who).toFixed(0)} µs, ${(opened / 1000).toFixed(1)} s in all`);
    sockets.forEach((socket) => socket.removeAllListeners('close').terminate());
    await server.kill();
    await postgres.stop();
}

for (const name of process.argv.length > 2 ? process.argv.slice(2) : Object.keys(cases)) {
    await run(name, cases[name]);
}
