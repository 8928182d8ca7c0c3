// SPDX-License-Identifier: PostgreSQL
// What rows cost whose subscribers filter, or may not see all: CPU per change, of the server over all its threads, of its first one
// alone, and of the backends that judge; how long after the last change the last delivery came; and what a crowd of snapshots costs.
// CPU is the scheduler's (schedstat), so that neighbours on the machine count for little; times are not. A case is beside the first
// one of its kind. This client is one thread of JavaScript: where it is what cannot keep up, `late` says so, and CPU still counts.
//
//   node tests/bench/live.js [CASE…]     after make; BENCH_SECONDS=5, RATE= changes/s of all cases; needs about 12 000 descriptors
import { readdirSync, readFileSync } from 'node:fs';
import WebSocket from '../node_modules/ws/wrapper.mjs';
import { metric } from '../integration/lib/metrics.js';
import { Postgres } from '../integration/lib/postgres.js';
import { Server, install } from '../integration/lib/server.js';
import { secretFlags, user } from '../integration/lib/token.js';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 5);
const ROWS = 100; // of a snapshot
const CROWD_MS = 120000; // at most, for all to have their rows
const LIMITS = Object.fromEntries(Object.entries({ LOG_LEVEL: 'warn', WORKERS: 2, PROXY_HANDSHAKES: 0, USER_SESSIONS: 0, MAX_SESSIONS: 20000, CHANNEL_MEMBERS: 0 })
    .map(([name, value]) => [`PGHERALD_${name}`, String(value)]));
const JUDGED = ['--role-claim', 'role', '--judge-roles', 'b_clerk'];
const OWN = '{"org": {"eq": {"identity": "extras.org"}}}';
const OWN_OR_PUBLIC = '{"or": [{"org": {"eq": {"identity": "extras.org"}}}, {"note": "public"}]}';

// who: sessions; join: what the i-th one joins with; hit: rows are for so many of them only, all unless it says so; groups: so many of org there are among them; rate: changes/s.
const filters = (who, join, rate = 1000, kind = 'filter') => ({ kind, who, join, rate, visible: '"everybody"' });
const trees = (who, groups, { visible = OWN, note = 'x', rate = 1000 } = {}) => ({ kind: 'tree', who, groups, visible, note, rate });
const policies = (groups, rate) => ({ kind: 'policy', who: groups, groups, rate, visible: '"policy"' });
const crowd = (who, wishes) => ({ kind: 'crowd', who, wishes, visible: '"everybody"' });
const cases = {
    nobody: filters(1, () => ({ filter: { owner: -1 } }), 1000, 'nobody'),
    plain: filters(1000, () => ({}), 50, 'equal'),
    equal_1000: filters(1000, () => ({ filter: { note: 'x' } }), 50, 'equal'),
    equal_10000: filters(10000, () => ({ filter: { note: 'x' } }), 5, 'equal'),
    different_1: filters(1, (i) => ({ filter: { owner: i } }), 1000, 'one'),
    different_1000: filters(1000, (i) => ({ filter: { owner: i } })),
    different_10000: filters(10000, (i) => ({ filter: { owner: i } })),
    different_10000_hit_1000: { ...filters(10000, (i) => ({ filter: { owner: i } })), hit: 1000 },
    branches_10000: filters(10000, (i) => ({ filter: { or: [{ owner: i }, { note: `n${i}` }] } })),
    tree_1000: trees(1000, 1000),
    tree_10000: trees(10000, 1000),
    tree_10000_own_or_public: trees(10000, 1000, { visible: OWN_OR_PUBLIC }),
    tree_10000_everybody: trees(10000, 1000, { visible: OWN_OR_PUBLIC, note: 'public', rate: 5 }),
    policy_10: policies(10, 100),
    policy_100: policies(100, 100),
    policy_1000: policies(1000, 20),
    crowd_equal: crowd(10000, 1),
    crowd_100: crowd(10000, 100),
};

const used = (pid, task) => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]) / 1000;

function cpu(pid) {
    const sum = { all: 0, hub: 0 };
    for (const task of readdirSync(`/proc/${pid}/task`)) {
        sum.all += used(pid, task);
        sum.hub += task === String(pid) ? used(pid, task) : 0;
    }
    return sum;
}

async function judges(postgres) {
    const rows = await postgres.query(`SELECT pid FROM pg_stat_activity WHERE usename = 'herald_judge'`);
    return rows.reduce((sum, { pid }) => sum + used(pid, pid), 0);
}

const memory = (pid) => Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmHWM:\s*(\d+)/)[1]) / 1024;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));

// Opened, and joined if there is what to join with. Frames of rows are counted; of gaps, too.
function open(world, i, payload) {
    const { server, canonical, seen, test } = world;
    const token = test.groups && user(1, String(i), { org: `o${i % test.groups}`, role: 'b_clerk' });
    return new Promise((resolve, reject) => {
        const socket = new WebSocket(server.socketUrl(canonical), token ? [token] : [], { perMessageDeflate: false });
        socket.join = (wish) => socket.send(JSON.stringify({ action: 'join', options: { channel: 'live' }, payload: wish }));
        socket.on('open', () => payload ? socket.join(payload) : resolve(socket));
        socket.on('message', (data) => {
            const text = data.toString('latin1');
            if (text.startsWith('{"action":"join"')) {
                seen.gaps += text.includes('"gap":true');
                resolve(socket);
            } else if (text.startsWith('{"action":"error"')) {
                seen.refused++;
                socket.onRefused?.() ?? reject(new Error(text));
            } else {
                seen.n++;
                seen.last = performance.now();
                seen.whole += text.includes('"last":true');
            }
        });
        socket.on('error', reject);
        socket.on('close', () => reject(new Error('closed')));
    });
}

async function openAll(world, payload) {
    const { who } = world.test, sockets = world.sockets;
    for (let i = 0; i < who; i += 50) {
        sockets.push(...await Promise.all([...Array(Math.min(50, who - i))].map((_, k) => open(world, i + k, payload?.(i + k)))));
    }
}

async function start(test) {
    const postgres = await Postgres.start();
    await install(postgres);
    const canonical = await postgres.value('SELECT herald.rotate_canonical()');
    await postgres.query('CREATE TABLE live (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner int, org text, note text)');
    await postgres.query(`SELECT herald.set_rule('live', anonymous_clients => true)`);
    if (test.kind === 'policy') {
        await postgres.query(`CREATE ROLE b_clerk; GRANT b_clerk TO herald_judge; GRANT SELECT ON live TO b_clerk; ALTER TABLE live ENABLE ROW LEVEL SECURITY;
            CREATE POLICY own ON live USING (org = current_setting('request.jwt.claims')::json ->> 'org')`);
    }
    await postgres.query(`SELECT herald.watch('live', channel => 'live', snapshot => true, visible => $1${test.kind === 'policy' ? `, claims => '{org}'` : ''})`, [test.visible]);
    await postgres.query(test.kind === 'crowd' ? `INSERT INTO live (owner, org, note) SELECT g, 'o', 'x' FROM generate_series(1, ${ROWS}) g` : 'SELECT 1');
    const flags = [...secretFlags(), ...(test.kind === 'policy' ? JUDGED : [])];
    const server = await Server.start({ database: postgres.url({ user: 'herald_server' }), flags, env: LIMITS });
    return { test, postgres, server, canonical, sockets: [], seen: { n: 0, gaps: 0, whole: 0, refused: 0, last: 0 } };
}

async function changes({ test, postgres }, rate) {
    const ticks = SECONDS * 20, n = Math.max(1, Math.round(rate / 20)), step = 1000 * n / rate, from = performance.now();
    for (let tick = 0; tick < ticks; tick++) {
        await postgres.query(`INSERT INTO live (owner, org, note) SELECT (g * 7919 + $1) % $2, 'o' || (g * 7919 + $1) % $4, $5 FROM generate_series(1, $3) g`,
            [tick * n, test.hit ?? test.who, n, test.groups ?? 1000, test.note ?? 'x']);
        await pause(from + (tick + 1) * step - performance.now());
    }
    return ticks * n;
}

// Until nothing has come for three seconds: the first of many groups to be judged may take its time.
async function calm({ seen }) {
    for (let n = -1; n !== seen.n;) {
        n = seen.n;
        await pause(3000);
    }
}

const firsts = {};
const beside = (kind, name, value) => {
    firsts[kind] ??= { name, value };
    return firsts[kind].name === name ? '' : ` (${(value / firsts[kind].value).toFixed(2)} × ${firsts[kind].name})`;
};

async function runChanges(name, world) {
    const { test, postgres, server: { process: { pid } }, seen } = world;
    await openAll(world, test.join ?? (() => ({})));
    const rate = Number(process.env.RATE ?? test.rate), joined = cpu(pid), judged = await judges(postgres), before = seen.n;
    const n = await changes(world, rate), end = performance.now();
    await calm(world);
    const after = cpu(pid), per = (value) => value / n, deliveries = (seen.n - before) / n;
    const all = per(after.all - joined.all), each = all / Math.max(1, deliveries), cells = (await judges(postgres) - judged) / n / (test.groups ?? 1);
    console.log(`| ${name} | ${test.who} | ${rate} | ${deliveries.toFixed(2)} | ${all.toFixed(0)} µs | ${per(after.hub - joined.hub).toFixed(0)} µs | ${each.toFixed(1)} µs${beside(test.kind, name, each)} | `
        + `${test.kind === 'policy' ? `${cells.toFixed(0)} µs a group` : ''} | ${Math.max(0, (seen.last - end) / 1000).toFixed(1)} s | ${seen.gaps} |`);
}

async function runCrowd(name, world) {
    const { test, server, seen } = world, { pid } = server.process;
    await openAll(world);
    const joined = cpu(pid), before = memory(pid), from = performance.now();
    world.sockets.forEach((socket, i) => {
        const join = () => socket.join({ snapshot: true, filter: { note: 'x', owner: { nin: [-1 - i % test.wishes] } } });
        socket.onRefused = () => setTimeout(join, 500 + 1000 * Math.random()) && true; // as a client would
        join();
    });
    while (seen.whole < test.who && performance.now() - from < CROWD_MS) {
        await pause(20);
    }
    if (seen.whole < test.who) {
        console.log(`| ${name} | only ${seen.whole} of ${test.who} have their rows after ${CROWD_MS / 1000} s; ${seen.refused} joins were refused |`);
        return;
    }
    const all = (cpu(pid).all - joined.all) / test.who, reads = await metric(server, 'snapshot_reads_total');
    console.log(`| ${name} | ${test.who} | ${test.wishes} | ${((seen.last - from) / 1000).toFixed(1)} s | ${reads} | ${seen.refused} | ${all.toFixed(0)} µs${beside(test.kind, name, all)} | ${(memory(pid) - before).toFixed(0)} MiB |`);
}

const heads = {
    changes: '| case | sessions | changes/s | deliveries a change | server, CPU a change | its first thread | CPU a delivery | judges, CPU a change | late | gaps |\n|---|---|---|---|---|---|---|---|---|---|',
    crowd: `\n| crowd of snapshots, ${ROWS} rows each | sessions | different wishes | until the last has its rows | reads | joins refused, and tried again | server, CPU a session | memory |\n|---|---|---|---|---|---|---|---|`,
};
const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(cases);
for (const [kind, isOf] of [['changes', (test) => test.kind !== 'crowd'], ['crowd', (test) => test.kind === 'crowd']]) {
    const names = wanted.filter((name) => isOf(cases[name]));
    if (names.length > 0) {
        console.log(heads[kind]);
    }
    for (const name of names) {
        const world = await start(cases[name]);
        await (kind === 'crowd' ? runCrowd : runChanges)(name, world);
        world.sockets.forEach((socket) => socket.removeAllListeners('close').terminate());
        await world.server.kill();
        await world.postgres.stop();
    }
}
