// SPDX-License-Identifier: PostgreSQL
// What several nodes cost beside one: the same flow to the same number of subscribers, spread over 1, 2 and 3 nodes. Cores are few, so
// what is told is CPU per delivery of all nodes together, CPU per event of all of Postgres, and bytes on the bus; times only beside
// each other: how much later what one node stored is on another than on itself.
//
//   node tests/bench/nodes.js [rows messages ephemeral presence]     after make; BENCH_SECONDS=5, RATE=500, SUBSCRIBERS=300, MEMBERS=10000
import { readdirSync, readFileSync } from 'node:fs';
import WebSocket from '../node_modules/ws/wrapper.mjs';
import { metrics } from '../integration/lib/metrics.js';
import { Nats } from '../integration/lib/nats.js';
import { Postgres } from '../integration/lib/postgres.js';
import { Server, install } from '../integration/lib/server.js';
import { until, SECOND } from '../integration/lib/wait.js';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 5);
const RATE = Number(process.env.RATE ?? 500);
const SUBSCRIBERS = Number(process.env.SUBSCRIBERS ?? 300);
const MEMBERS = Number(process.env.MEMBERS ?? 10000);
const TICK_MS = 10;
const LIMITS = Object.fromEntries(Object.entries({ LOG_LEVEL: 'warn', WORKERS: 1, PROXY_HANDSHAKES: 0, PROXY_SESSIONS: 0, USER_SESSIONS: 0, MAX_SESSIONS: 20000, DRAIN: '0s' })
    .map(([name, value]) => [`PGHERALD_${name}`, String(value)]));

const used = (pid) => readdirSync(`/proc/${pid}/task`).reduce((sum, task) =>
    sum + Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]) / 1000, 0);
const resident = (pid) => Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s*(\d+)/)[1]);
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? NaN;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
const sum = (list) => list.reduce((a, b) => a + b, 0);

function cpuOf(pids) {
    return sum(pids.map((each) => {
        try {
            return used(each);
        } catch {
            return 0; // it has ended
        }
    }));
}

// The postmaster and all that it has started.
function postgresCpu({ process: { pid } }) {
    const children = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && (() => {
        try {
            return readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')[1].split(' ')[1] === String(pid);
        } catch {
            return false; // it has ended
        }
    })());
    return cpuOf([pid, ...children]);
}

// The sessions of the nodes that do not lead.
async function followersCpu(postgres) {
    return cpuOf(await postgres.value("SELECT coalesce(json_agg(pid), '[]') FROM pg_stat_activity WHERE application_name ~ '^node[1-9]'"));
}

class World {
    static async start(n) {
        const world = new World();
        world.nats = await Nats.start();
        world.postgres = await Postgres.start();
        await install(world.postgres);
        world.canonical = await world.postgres.value('SELECT herald.rotate_canonical()');
        await world.postgres.query(`CREATE TABLE flow (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sent float8, note text);
            SELECT herald.watch('flow', channel => 'rows', numbers => 'native');
            SELECT herald.set_rule('rows', anonymous_clients => true);
            SELECT herald.set_rule('kept', anonymous_clients => true, public_messaging => true, message_history => 10);
            SELECT herald.set_rule('fleeting', anonymous_clients => true, public_messaging => true);
            SELECT herald.set_rule('people', anonymous_clients => true, presence => true)`);
        world.servers = [];
        for (let i = 0; i < n; i++) { // one after the other: the first one leads
            world.servers.push(await Server.start({ database: `${world.postgres.url({ user: 'herald_server' })}?application_name=node${i}`, flags: n > 1 ? world.nats.flags : [], env: LIMITS }));
        }
        await until('the nodes to know one another', async () => n === 1
            || (await Promise.all(world.servers.map(metrics))).every((m) => m.get('bus_peers{state="alive"}') === n - 1), 20 * SECOND);
        world.sockets = [];
        return world;
    }

    // On node i % n; onFrame(frame, node).
    open(i, channel, payload, onFrame) {
        const node = i % this.servers.length;
        return new Promise((resolve, reject) => {
            const socket = new WebSocket(this.servers[node].socketUrl(this.canonical), [], { perMessageDeflate: false });
            socket.on('open', () => socket.send(JSON.stringify({ action: 'join', options: { channel }, payload })));
            socket.on('message', (data) => {
                const frame = JSON.parse(data);
                if (frame.action === 'join' || frame.action === 'error') {
                    frame.action === 'join' ? resolve(socket) : reject(new Error(String(data)));
                } else {
                    onFrame?.(frame, node, socket);
                }
            });
            socket.on('error', reject);
            this.sockets.push(socket);
        });
    }

    async openAll(n, ...rest) {
        for (let i = 0; i < n; i += 50) {
            await Promise.all([...Array(Math.min(50, n - i))].map((_, k) => this.open(i + k, ...rest)));
        }
    }

    async measure() {
        const counted = await Promise.all(this.servers.map(metrics));
        return {
            servers: sum(this.servers.map(({ process: { pid } }) => used(pid))),
            postgres: postgresCpu(this.postgres),
            followers: await followersCpu(this.postgres),
            bus: sum(counted.map((m) => m.get('bus_sent_bytes_total') ?? 0)),
        };
    }

    async stop() {
        this.sockets.forEach((socket) => socket.terminate());
        await Promise.all(this.servers.map((server) => server.kill()));
        await this.postgres.stop();
        await this.nats.down();
    }
}

// Sends `each` at the rate, in ticks, and waits until nothing comes any more.
async function flow(world, each, seen) {
    const n = Math.max(1, Math.round(RATE * TICK_MS / 1000)), ticks = SECONDS * 1000 / TICK_MS, from = performance.now();
    for (let tick = 0; tick < ticks; tick++) {
        await each(n);
        await pause(from + (tick + 1) * TICK_MS - performance.now());
    }
    for (let last = -1; last !== seen.n; await pause(500)) {
        last = seen.n;
    }
    return n * ticks;
}

// origin: the node that stores or sends.
async function runFlow(name, world, channel, each, origin) {
    const seen = { n: 0, here: [], there: [] };
    await world.openAll(SUBSCRIBERS, channel, {}, (frame, node) => {
        seen.n++;
        const sent = frame.payload?.data?.new?.sent ?? frame.payload?.sent;
        if (sent && seen.n % 7 === 0) {
            (node === origin ? seen.here : seen.there).push(performance.now() - sent);
        }
    });
    const send = await each(world);
    await flow(world, send, { n: 0 }); // warm
    seen.here.length = seen.there.length = seen.n = 0;
    const before = await world.measure();
    const n = await flow(world, send, seen);
    const after = await world.measure();
    const per = (key, by) => ((after[key] - before[key]) / by).toFixed(2);
    return [name, world.servers.length, (seen.n / n).toFixed(1), per('servers', seen.n), per('postgres', n),
        world.servers.length > 1 ? ((after.followers - before.followers) / n / (world.servers.length - 1)).toFixed(1) : '', per('bus', n),
        median(seen.here).toFixed(1), world.servers.length > 1 ? median(seen.there).toFixed(1) : ''];
}

const insert = async (world) => {
    const session = await world.postgres.connect();
    return async (n) => {
        for (let i = 0; i < n; i++) {
            await session.query('INSERT INTO flow (sent, note) VALUES ($1, $2)', [performance.now(), 'a note of some length, as they are']);
        }
    };
};

// From the last node: one that does not lead, if there are others.
const send = (channel) => async (world) => {
    const socket = await world.open(world.servers.length - 1, channel, {});
    return (n) => {
        for (let i = 0; i < n; i++) {
            socket.send(JSON.stringify({ action: 'message', options: { channel }, payload: { sent: performance.now(), note: 'a note of some length, as they are' } }));
        }
    };
};

async function runPresence(world) {
    const before = world.servers.map(({ process: { pid } }) => resident(pid)), from = performance.now(), was = await world.measure();
    await world.openAll(MEMBERS, 'people', {});
    const joined = performance.now();
    const watchers = new Map();
    for (let node = 0; node < world.servers.length; node++) {
        await until(`node ${node} to list all`, () => new Promise((resolve) => {
            world.open(node, 'people', { presence: true }, (frame, _node, socket) => {
                if (frame.action === 'presence_full') {
                    watchers.set(node, frame.payload.presence.length);
                    socket.terminate();
                    resolve(frame.payload.presence.length >= MEMBERS);
                }
            });
        }), 60 * SECOND);
    }
    const listed = performance.now(), is = await world.measure();
    const more = world.servers.map(({ process: { pid } }, i) => resident(pid) - before[i]);
    return [world.servers.length, MEMBERS, ((joined - from) / 1000).toFixed(1), ((listed - joined) / 1000).toFixed(1), ((is.bus - was.bus) / MEMBERS).toFixed(0),
        (Math.max(...more) * 1024 / MEMBERS).toFixed(0), ((is.servers - was.servers) / MEMBERS).toFixed(0)];
}

const FLOWS = {
    rows: (world) => runFlow('rows', world, 'rows', insert, 0),
    messages: (world) => runFlow('messages with history', world, 'kept', send('kept'), world.servers.length - 1),
    ephemeral: (world) => runFlow('messages without', world, 'fleeting', send('fleeting'), world.servers.length - 1),
};
const line = (cells) => console.log(`| ${cells.join(' | ')} |`);
const head = (cells) => [cells, cells.map(() => '---')].forEach(line);
const wanted = process.argv.length > 2 ? process.argv.slice(2) : [...Object.keys(FLOWS), 'presence'];

async function each(run) {
    for (const n of [1, 2, 3]) {
        const world = await World.start(n);
        try {
            line(await run(world));
        } finally {
            await world.stop();
        }
    }
}

const flows = wanted.filter((name) => FLOWS[name]);
if (flows.length > 0) {
    head(['flow', 'nodes', 'deliveries an event', 'servers, CPU µs a delivery', 'Postgres, CPU µs an event', '… of which for each node that does not lead', 'bus, bytes sent an event', 'p50 ms, on the node that stored or sent it', '… on the others']);
}
for (const name of flows) {
    await each(FLOWS[name]);
}
if (wanted.includes('presence')) {
    console.log('');
    head(['nodes', 'members', 'until all have joined, s', 'until each node lists all, s', 'bus, bytes a member', 'memory of the largest node, bytes a member', 'servers, CPU µs a member']);
    await each(runPresence);
}
