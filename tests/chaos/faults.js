// SPDX-License-Identifier: PostgreSQL
// The faults, one function each. A fault leaves everything as it has to be for the next one: the database answers, a
// server runs. It does not wait until the server serves again: the next fault may come while it is still busy with this one.
import { Pooler } from '../integration/lib/pooler.js';
import { between, pause, pick, random } from './chance.js';
import { noDump } from '../integration/lib/postgres.js';
import { NEIGHBOURS, writersGoOn } from './neighbours.js';
import { freePort } from '../integration/lib/process.js';
import { until, SECOND } from '../integration/lib/wait.js';

const LOCKS = 1751478881; // the class of the server's advisory locks; 2 is the leader's

const LEADER = `pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = ${LOCKS} AND objid = 2 AND granted)`;

const terminate = (run, condition) => run.database.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'herald_server' AND ${condition}`);

// Everybody has work under way: a fault in silence proves little.
const busy = (run) => pause(between(100, 800)).then(() => until('the server to serve', () => run.isServing(), 60 * SECOND));

export const FAULTS = {
    async 'server killed (-9)'(run) {
        await run.killServer();
        await pause(between(0, 500));
        await run.startServer();
    },

    async 'server stopped (SIGTERM) and started'(run) {
        await run.stopServer();
        await run.startServer();
    },

    // The first one is killed, stopped, or cut off from the database; clients go where the second is.
    async 'a second server takes over'(run) {
        const first = run.server;
        const port = await freePort();
        const second = await run.makeServer(first.way === 'spare' ? 'address' : 'spare', port);
        await until('the second one to wait', async () => (await second.get('/ready')).body.includes('another'), 30 * SECOND);
        await pause(between(0, 1000));
        const proxies = run.database.proxiesOf(first.way);
        const dice = random();
        if (dice < 0.3) {
            await run.stopServer();
        } else if (dice < 0.6) {
            await run.killServer();
        } else {
            proxies.forEach((proxy) => proxy.blackHole());
            await pause(between(0, 2000));
            await terminate(run, LEADER); // its keepalives would, later
        }
        Object.assign(run, { server: second, port });
        await until('the second one to serve', () => run.isServing(), 60 * SECOND);
        if (dice >= 0.6) {
            await pause(between(0, 2000));
            proxies.forEach((proxy) => proxy.heal());
            await until('the first one to send its clients away', () => run.followers.every(({ client }) =>
                client.closed || !client.socket.url.includes(`:${first.port}/`)), 60 * SECOND);
            await run.killServer(first);
        }
    },

    // It holds the fence then. Five seconds later Postgres ends its session, and the second one goes on.
    async 'server stands still (SIGSTOP) between take and store'(run) {
        const first = run.server;
        const port = await freePort();
        const second = await run.makeServer(first.way === 'spare' ? 'address' : 'spare', port);
        await until('the second one to wait', async () => (await second.get('/ready')).body.includes('another'), 30 * SECOND);
        if (!await stopWithFence(run)) {
            await run.killServer(second);
            return false;
        }
        Object.assign(run, { server: second, port });
        await writersGoOn(run, 'a server that stands still holds the fence');
        await until('the second one to serve', () => run.isServing(), 20 * SECOND)
            .catch((error) => run.violation('the server failed', error.message));
        first.process.signal('SIGCONT');
        await until('the first one to send its clients away', () => run.followers.every(({ client }) =>
            client.closed || !client.socket.url.includes(`:${first.port}/`)), 60 * SECOND);
        await run.killServer(first);
        return true;
    },

    async "sequencer's backend terminated"(run) {
        await terminate(run, LEADER);
    },

    async "reader's backends terminated"(run) {
        await terminate(run, `NOT ${LEADER}`);
    },

    async 'Postgres restarted (fast)'({ database }) {
        await database.primary.down('fast');
        await pause(between(0, 1000));
        await database.up();
    },

    async 'Postgres crashed (immediate)'({ database }) {
        await database.primary.down('immediate');
        await pause(between(0, 1000));
        await database.up();
    },

    // Nobody remembers what had been delivered.
    async 'Postgres crashed and server killed at once'(run) {
        await Promise.all([run.database.primary.down('immediate'), run.killServer()]);
        await run.database.up();
        await run.startServer();
    },

    // Postgres answers by ending all sessions and recovering.
    async "writer's backend killed (-9)"({ database }) {
        const writers = await database.query(
            `SELECT pid FROM pg_stat_activity WHERE application_name = 'writer' AND backend_xid IS NOT NULL`);
        if (writers.length === 0) {
            return false;
        }
        process.kill(writers[pick(writers.length)].pid, 'SIGKILL');
        await pause(200);
        await database.up();
        return true;
    },

    async 'network to the database dead (no RST)'({ database }) {
        database.proxies.forEach((proxy) => proxy.blackHole());
        await pause(between(1000, 6000)); // the server's deadline is 3 s: some of these it never notices
        database.proxies.forEach((proxy) => proxy.heal());
    },

    async 'answer of a COMMIT cut away'({ database }) {
        const links = await new Promise((resolve) => {
            const late = setTimeout(() => resolve(null), 5 * SECOND);
            for (const proxy of database.proxies) {
                proxy.onRequest = (link, chunk) => {
                    if (chunk.includes('"sender"')) { // a batch with a chatter's message
                        link.isMuted = true;
                        clearTimeout(late);
                        resolve([proxy, link]);
                    }
                    return true;
                };
            }
        });
        database.proxies.forEach((proxy) => (proxy.onRequest = null));
        if (!links) {
            return false;
        }
        await pause(between(0, 200));
        const [proxy, link] = links;
        if (random() < 0.5) {
            proxy.cutClient(link);
            await pause(between(500, 3000)); // then its keepalives tell Postgres, which holds the leader's lock until then
        }
        proxy.cut(link);
        return true;
    },

    async 'disk full'({ database }) {
        const { disk } = database;
        const end = performance.now() + between(3000, 8000);
        while (performance.now() < end) { // what is removed meanwhile, by a checkpoint for one, is filled again
            await disk.fill();
            await pause(500);
        }
        disk.free();
        await database.up();
    },

    async 'failover to a standby that lagged'(run) {
        const { database } = run;
        await database.makeStandby();
        await busy(run);
        database.cutStandby();
        await pause(between(300, 2500));
        const isServerHit = random() < 0.3;
        await Promise.all([database.primary.down('immediate'), isServerHit && run.killServer()]);
        const old = await database.promote();
        await run.newLine((look) => database.bury(old, look));
        await database.up();
        if (isServerHit) {
            await run.startServer();
        }
    },

    async 'older dump restored under the running server'(run) {
        await restore(run, false);
    },

    async 'older dump restored, server restarted'(run) {
        await restore(run, true);
    },

    // What the other faults do is done once more behind the pooler.
    async 'PgBouncer between (transaction mode)'(run) {
        const { database } = run;
        database.pooler = await Pooler.start(database.address.port);
        await run.stopServer();
        await run.startServer('pooled');
        await busy(run);
        await [
            () => run.killServer().then(() => run.startServer('pooled')),
            () => terminate(run, 'random() < 0.7'),
            () => database.pooler.down('SIGKILL').then(() => database.pooler.up()),
            () => FAULTS['Postgres crashed (immediate)'](run),
        ][pick(4)]();
        await busy(run);
        await run.stopServer();
        await database.pooler.down();
        await run.startServer();
    },

    ...NEIGHBOURS,
};

// Stops the server now and then, until it is in the middle of a batch.
async function stopWithFence({ server, database }) {
    for (let i = 0; i < 200; i++) {
        server.process.signal('SIGSTOP');
        await pause(5); // what Postgres was asked is done
        if (await database.value(`SELECT count(*) > 0 FROM pg_locks l JOIN pg_stat_activity a USING (pid)
            WHERE a.usename = 'herald_server' AND a.state = 'idle in transaction' AND l.relation = 'herald.state'::regclass AND l.mode = 'RowShareLock'`)) {
            return true;
        }
        server.process.signal('SIGCONT');
        await pause(between(0, 20));
    }
    return false;
}

async function restore(run, isServerDown) {
    const { database } = run;
    await database.dump();
    await pause(between(500, 3000));
    const restored = await database.restoreBeside();
    await run.forgive(restored);
    if (isServerDown) {
        await run.killServer();
    }
    const retired = await database.swap();
    await run.newLine(async (look) => {
        await look(retired);
        await database.drop(retired);
    });
    if (isServerDown) {
        await run.startServer();
    }
}

// Why a fault cannot be made here; undefined: it can.
export function obstacle(name, { database }) {
    const obstacles = { 'disk full': database.disk.why, 'older dump restored under the running server': noDump, 'older dump restored, server restarted': noDump };
    return obstacles[name] || undefined;
}
