// SPDX-License-Identifier: PostgreSQL
// What can befall several nodes and what stands between them, one function each. A fault leaves everything as it has to be for the
// next one: all nodes run, no line is cut. It does not wait until all is well again.
import { between, pause, pick, random } from '../chaos/chance.js';
import { until, SECOND } from '../integration/lib/wait.js';
import { areSeparate, everyHost } from './hosts.js';

const MINUTE_MS = 60 * SECOND;
const AWAKE_MS = 10 * SECOND;
const CAUGHT_UP = 1000; // events, while others write on
const TAKEN_OVER_MS = 4 * SECOND; // of three that are promised: this machine has other things to do, too

const anyNode = ({ cluster }) => cluster.nodes[pick(cluster.nodes.length)];
const leaderOf = async (run) => (await run.cluster.leader()) ?? anyNode(run);

// isDeaf: it can hear of nothing meanwhile, neither from the database nor from the bus.
async function during(run, node, trouble, { isDeaf = false, ms = between(500, 6000) } = {}) {
    Object.assign(node, { isTroubled: true, isDeaf });
    try {
        await trouble();
        await pause(ms);
    } finally {
        node.host.heal();
        node.server.process.exit === null && node.thaw();
        Object.assign(node, { isTroubled: false, isDeaf: false, calmSince: performance.now() });
    }
}

async function kill(run, node) {
    node.isTroubled = true;
    await node.kill();
}

async function comeBack(run, node) {
    await pause(between(0, 3000));
    await node.up({ ready: false });
    Object.assign(node, { isTroubled: false, calmSince: performance.now() });
}

// Somebody leads, soon enough: another one than the old leader, if that lives.
async function takenOver(run, old, what) {
    const begun = performance.now();
    await until(`a node to lead when the leader was ${what}`, () => run.cluster.leader(old), 20 * SECOND).catch((error) => run.violation('the lead was not taken over', error.message));
    const ms = Math.round(performance.now() - begun);
    run.takeoverMs[what] = Math.max(run.takeoverMs[what] ?? 0, ms);
    if (ms > TAKEN_OVER_MS && run.stalledAt < begun) {
        run.violation('the lead was not taken over', `after ${ms} ms, when the leader was ${what}`);
    }
}

async function away(run, trouble) {
    run.isDatabaseAway = true;
    try {
        await trouble();
        await run.database.up();
    } finally {
        Object.assign(run, { isDatabaseAway: false, databaseSince: performance.now() });
    }
}

const hostsOf = {
    database: ({ database }) => database.homes,
    bus: ({ cluster }) => [cluster.nats.host],
};

const CUTS = {
    // Not from us: its clients stay, and must not be left in the dark.
    async 'a node cut off from the database'(run) {
        const node = anyNode(run);
        await during(run, node, () => node.host.cut(hostsOf.database(run)));
    },
    async 'the leader cut off from the database'(run) {
        const node = await leaderOf(run);
        await during(run, node, () => {
            node.host.cut(hostsOf.database(run));
            return takenOver(run, node, 'cut off from the database');
        });
    },
    async 'the leader not heard by the database'(run) {
        const node = await leaderOf(run);
        await during(run, node, () => {
            node.host.mute(hostsOf.database(run));
            return takenOver(run, node, 'not heard by the database');
        });
    },
    async 'a node that hears nothing from the database'(run) {
        const node = anyNode(run);
        await during(run, node, () => hostsOf.database(run).forEach((host) => host.mute([node.host])));
    },
    async 'a node cut off from the bus'(run) {
        const node = anyNode(run);
        await during(run, node, () => node.host.cut(hostsOf.bus(run)), { ms: between(500, 9000) });
    },
    async 'a node not heard on the bus'(run) {
        const node = anyNode(run);
        await during(run, node, () => node.host.mute(hostsOf.bus(run)), { ms: between(500, 9000) });
    },
    async 'a node that hears nothing on the bus'(run) {
        const node = anyNode(run);
        await during(run, node, () => hostsOf.bus(run).forEach((host) => host.mute([node.host])), { ms: between(500, 9000) });
    },
    async 'a node cut off from database and bus'(run) {
        const node = anyNode(run);
        await during(run, node, () => node.host.cut([...hostsOf.database(run), ...hostsOf.bus(run)]), { isDeaf: true });
    },
    async 'a host cut off from everything'(run) {
        const node = anyNode(run);
        await during(run, node, () => {
            node.host.cut(everyHost);
            run.terminate(node);
        }, { isDeaf: true });
    },
    async 'the leader cut off from everything'(run) {
        const node = await leaderOf(run);
        await during(run, node, () => {
            node.host.cut(everyHost);
            run.terminate(node);
            return takenOver(run, node, 'cut off from everything');
        }, { isDeaf: true });
    },
    async 'all connections to NATS reset'({ cluster: { nats } }) {
        for (let n = 1 + pick(4); n > 0; n--) {
            nats.host.reset(nats.port);
            await pause(between(0, 1500));
        }
    },
    async 'a narrow line'(run) {
        const node = anyNode(run);
        await during(run, node, () => node.host.narrow(1000 + pick(3000)), { isDeaf: true, ms: between(1000, 4000) });
    },
    async 'failover to a standby that lagged'(run) {
        const { database } = run;
        await database.makeStandby();
        await pause(between(100, 800));
        database.cutStandby();
        await pause(between(300, 2500));
        await away(run, async () => {
            await database.primary.down('immediate');
            const old = await database.promote();
            run.forgetKicks();
            await run.newLine((look) => database.bury(old, look, run.cluster.nodes.map(({ host }) => host)));
        });
    },
};

export const FAULTS = {
    async 'a node killed (-9)'(run) {
        const node = anyNode(run);
        await kill(run, node);
        await comeBack(run, node);
    },
    async 'the leader killed (-9)'(run) {
        const node = await leaderOf(run);
        await kill(run, node);
        await Promise.all([comeBack(run, node), takenOver(run, null, 'killed')]); // itself, perhaps: it is a new process then
    },
    async 'a node stopped (SIGSTOP)'(run) {
        const node = anyNode(run);
        await during(run, node, () => node.freeze(), { isDeaf: true, ms: between(300, 8000) });
    },
    // What it knew is old in all respects: who leads, who is present, who was thrown out, how far the log is.
    async 'a node stopped for a minute'(run) {
        const node = await leaderOf(run);
        await during(run, node, () => node.freeze(), { isDeaf: true, ms: MINUTE_MS });
        const begun = performance.now();
        await until(`${node.name} to follow`, async () => {
            const state = await node.state();
            return state?.role === 'follower' && state.lag_events < CAUGHT_UP;
        }, AWAKE_MS).catch((error) => run.violation('woke with what was old', error.message));
        await run.listsAreRight('a node stopped for a minute');
        run.say(`${node.name} follows ${Math.round(performance.now() - begun)} ms after its minute`);
    },
    async 'the leader stopped (SIGSTOP)'(run) {
        const node = await leaderOf(run);
        await during(run, node, () => {
            node.freeze();
            return takenOver(run, node, 'stopped');
        }, { isDeaf: true, ms: between(0, 3000) });
    },
    async 'a rolling restart'(run) {
        for (const node of run.cluster.nodes) {
            node.isTroubled = true;
            await node.stop();
            await node.up();
            Object.assign(node, { isTroubled: false, calmSince: performance.now() });
        }
    },
    async 'NATS killed (-9)'({ cluster }) {
        await cluster.nats.down();
        await pause(between(0, 4000));
        await cluster.nats.up();
    },
    async 'NATS stopped (SIGSTOP)'({ cluster }) {
        cluster.nats.process.signal('SIGSTOP');
        await pause(between(300, 8000));
        cluster.nats.process.signal('SIGCONT');
    },
    async 'NATS restarted'({ cluster }) {
        await cluster.nats.down('SIGTERM');
        await cluster.nats.up();
    },
    async 'the balancer restarted'({ cluster }) {
        await cluster.balancer.down();
        await cluster.balancer.up();
    },
    async 'Postgres restarted (fast)'(run) {
        await away(run, () => run.database.primary.down('fast').then(() => pause(between(0, 1000))));
    },
    async 'Postgres crashed (immediate)'(run) {
        await away(run, () => run.database.primary.down('immediate').then(() => pause(between(0, 1000))));
    },
    async 'Postgres crashed and a node killed at once'(run) {
        const node = random() < 0.5 ? await leaderOf(run) : anyNode(run);
        await away(run, () => Promise.all([run.database.primary.down('immediate'), kill(run, node).then(() => comeBack(run, node))]));
    },
    ...CUTS,
};

// Why a fault cannot be made here; undefined: it can.
export const obstacle = (name) => (name in CUTS && !areSeparate ? 'there are no hosts of their own here' : undefined);
