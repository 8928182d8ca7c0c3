// SPDX-License-Identifier: PostgreSQL
// The chaos run over several nodes: its people are on all of them, directly and through the balancer, and come back to another one
// each time. What is compared is the same, so there is one order on all nodes or none; and besides: ephemeral messages that come
// late, lists of who is here, people who are served although they were thrown out, and how long nobody leads.
//
//   CLUSTER_SECONDS 60, CLUSTER_FAULTS, CLUSTER_SEED, CLUSTER_NODES 3; see tests/chaos/run.js
import { Run, conduct } from '../chaos/course.js';
import { Chatter } from '../chaos/follower.js';
import { DBO_ID, FLEETING } from '../chaos/ledger.js';
import { pick, random } from '../chaos/chance.js';
import { mint } from '../integration/lib/token.js';
import { until, SECOND } from '../integration/lib/wait.js';
import { Cluster, Node } from './cluster.js';
import { ClusterDatabase } from './database.js';
import { FAULTS, obstacle } from './faults.js';
import { Forger } from './forger.js';
import { areSeparate } from './hosts.js';
import { Guest, HERE, Member, flutter, kick, wrongList } from './people.js';

const NODES = Number(process.env.CLUSTER_NODES ?? 3);
const LATE_MS = 1500; // a second is promised, between nodes; the rest is ours
const SILENT_MS = 4 * SECOND; // who hears nothing of a ping for so long goes elsewhere
const GRACE_MS = 10 * SECOND;
// A node has its connection to NATS again in up to four seconds, takes another one for dead after five more, keeps its people for the
// grace, and counts anew whenever it did not run for half a second, which happens on a busy machine.
const PRESENCE_MS = 4 * SECOND + 5 * SECOND + GRACE_MS + 8 * SECOND;
const STALL_MS = 200; // we ourselves did not run
const WIDENED_MS = 4 * SECOND; // a narrow line is wide again
const MAX_ECHOES = 20000;

class ClusterRun extends Run {
    constructor() {
        super({
            faults: FAULTS, cannot: obstacle,
            checks: ['ephemeral late', 'presence wrong', 'served after a kick', 'the lead was not taken over', 'a forger was believed', 'began anew without need', 'woke with what was old'],
        });
        Object.assign(this, {
            name: 'cluster', mayMiss: true, takeoverMs: {}, presenceMs: 0, echoes: new Map(), heartbeats: new WeakMap(),
            isDatabaseAway: false, databaseSince: 0, stalledAt: -Infinity,
        });
        Object.assign(this.count, { kicks: 0, refusedByBus: 0 });
    }

    // ---- begin and end ----

    async start() {
        this.database = await ClusterDatabase.start();
        await this.prepare();
        await this.database.query(`SELECT herald.set_rule('${HERE}', public_messaging => true, presence => true)`);
        this.cluster = await Cluster.start({
            nodes: NODES, database: this.database, flags: this.flags,
            env: { PGHERALD_QUERY_TIMEOUT: '3s', PGHERALD_LOG_LEVEL: 'info', PGHERALD_BATCH_ROWS: ['20', '200', '2000'][pick(3)] },
        });
        this.cluster.onEnd = (node, exit) => this.violation('the server failed',
            `${node.name} ended by itself: ${JSON.stringify(exit)}\n${node.server.process.stderr.slice(-3000)}`);
        this.timers = [setInterval(() => this.beat(), SECOND), setInterval(() => this.watchOurselves(), 50)];
        await this.begin();
        [...this.members, ...this.guests].forEach((each) => each.live());
        this.forger = new Forger(this.cluster.nats);
        this.forger.live();
        kick(this, this.guests);
        flutter(this, this.members);
    }

    makePeople() {
        super.makePeople();
        const token = (row) => mint({ dbo_id: DBO_ID, row_id: row, exp: Math.floor(Date.now() / 1000) + 86400 });
        this.members = [...Array(12).keys()].map((i) => new Member(this, { name: `member ${i}`, token: i % 2 === 0 ? undefined : token(60 + i) }));
        this.guests = [...Array(8).keys()].map((i) => new Guest(this, { name: `guest ${i}`, row: `${40 + (i >> 1)}`, token: token(40 + (i >> 1)) }));
    }

    async stopAll() {
        this.timers?.forEach(clearInterval);
        this.forger?.stop();
        [...(this.members ?? []), ...(this.guests ?? [])].forEach(({ client }) => client?.socket.terminate());
        await this.cluster?.stop();
    }

    // ---- where people connect ----

    target() {
        const { nodes, balancer } = this.cluster;
        const good = nodes.filter((node) => !node.isTroubled);
        return random() < 0.3 || good.length === 0 ? balancer : good[pick(good.length)];
    }

    nodeOf({ via, client }) {
        return via instanceof Node ? via : this.cluster.nodes.find(({ name }) => name === client.answer?.['x-node']);
    }

    get everybody() {
        return [...this.followers, ...this.members, ...this.guests].filter(({ client }) => client && !client.closed);
    }

    terminate(node) {
        this.everybody.filter((each) => this.nodeOf(each) === node).forEach(({ client }) => client.socket.terminate());
    }

    // A browser's client does the same: a line that is cut says nothing.
    beat() {
        const now = performance.now();
        for (const { client } of this.everybody) {
            if (!this.heartbeats.has(client)) {
                this.heartbeats.set(client, now);
                client.socket.on('pong', () => this.heartbeats.set(client, performance.now()));
            }
            if (now - this.heartbeats.get(client) > SILENT_MS && !this.isStalled) {
                client.socket.terminate();
            } else if (client.socket.readyState === client.socket.OPEN) {
                client.socket.ping();
            }
        }
    }

    watchOurselves() {
        const now = performance.now();
        if (now - (this.watchedAt ?? now) > STALL_MS) {
            this.stalledAt = now;
        }
        this.watchedAt = now;
    }

    get isStalled() {
        return performance.now() - this.stalledAt < 3 * SECOND;
    }

    async serves() {
        await Promise.all(this.cluster.nodes.map((node) => until(`${node.name} to serve`, () => node.isReady(), 60 * SECOND)));
    }

    async isServing() {
        return (await Promise.all(this.cluster.nodes.map((node) => node.isReady()))).every(Boolean);
    }

    // ---- what is judged besides ----

    // No bus, no message that need not survive: who says it is told.
    expects(frame) {
        const isRefused = FLEETING.includes(frame.options?.channel) && frame.payload.code === 'no_bus';
        this.count.refusedByBus += isRefused;
        return isRefused;
    }

    // Late is what comes long after its sender's own node has given it to him: what that node did before, nobody else can know.
    onFleeting(follower, { sender, connection, n }) {
        const key = `${sender} ${connection} ${n}`;
        const now = performance.now();
        if (follower instanceof Chatter && follower.number === sender) {
            this.echoes.set(key, now);
            if (this.echoes.size > MAX_ECHOES) {
                this.echoes.delete(this.echoes.keys().next().value);
            }
        } else if (now - (this.echoes.get(key) ?? now) > LATE_MS && !this.isStalled && !this.isOnBadLine(follower)) {
            this.violation('ephemeral late', `${follower.name} on ${this.nodeOf(follower)?.name}: ${key}, ${Math.round(now - this.echoes.get(key))} ms`);
        }
    }

    // The line from its node to us is slow or cut, or was a moment ago, so that TCP still says again what it lost: what is late there
    // is none of the node's doing.
    isOnBadLine(follower) {
        const node = this.nodeOf(follower);
        return !node || node.host.isNarrow || performance.now() - node.host.narrowUntil < WIDENED_MS || (node.isDeaf && !node.isStopped);
    }

    forgetKicks() {
        this.guests.forEach(({ client }) => client && delete client.kickedAt);
    }

    async strike(name) {
        await super.strike(name);
        if (random() < 0.4) {
            await this.listsAreRight(name);
        }
    }

    async listsAreRight(what) {
        const begun = performance.now();
        this.setStill(true);
        await until('lists', () => wrongList(this.members) === null, PRESENCE_MS)
            .catch(() => this.violation('presence wrong', `${PRESENCE_MS} ms after: ${what}: ${wrongList(this.members)}`));
        this.setStill(false);
        this.presenceMs = Math.max(this.presenceMs, Math.round(performance.now() - begun));
    }

    setStill(isStill) {
        this.isStill = isStill;
    }

    async settle() {
        await super.settle();
        await this.listsAreRight('the round');
    }

    // What the nodes that run now have dropped of what came over the bus, by reason.
    async dropped() {
        const counts = {};
        for (const node of this.cluster.nodes) {
            for (const [, reason, n] of (await node.get('/metrics')).body.matchAll(/^\w*bus_dropped_total\{reason="(\w+)"\} (\d+)/gm)) {
                counts[reason] = (counts[reason] ?? 0) + Number(n);
            }
        }
        return counts;
    }

    // A node that finds a hole in what it delivers sends its clients away, who lose nothing by it. But there must be none.
    judgeLogs() {
        for (const { name, processes } of this.cluster.nodes) {
            processes.forEach(({ stderr }) => [...stderr.matchAll(/^.*left the log before they could be delivered.*$/gm)].forEach(([line]) =>
                this.violation('began anew without need', `${name}: ${line}`)));
            processes.forEach(({ stderr }) => [...stderr.matchAll(/^.*another process speaks as node.*$/gm)].forEach(([line]) =>
                this.violation('a forger was believed', `${name}: ${line}`)));
            processes.forEach((each) => (each.stderr = ''));
        }
    }

    async measure() {
        this.judgeLogs();
        const { nForged, nReplayed } = this.forger;
        const dropped = await this.dropped();
        this.say(`a forger: ${nForged} forged, ${nReplayed} said again; dropped by the nodes: ${JSON.stringify(dropped)}`);
        if (nForged > 100 && !dropped.unsigned) {
            this.violation('a forger was believed', `nobody counted what he said: ${JSON.stringify(dropped)}`);
        }
        const states = await Promise.all(this.cluster.nodes.map((node) => node.state()));
        this.say(`nodes: ${this.cluster.nodes.map(({ name }, i) => `${name} ${JSON.stringify(states[i])}`).join('; ')}`);
    }

    judgeSizes() {
        console.log(`\nover nodes${areSeparate ? '' : ' (on one host)'}
    lists right after at most ${this.presenceMs} ms; ${this.count.kicks} kicks; ${this.count.refusedByBus} ephemeral messages refused, there was no bus`);
        Object.entries(this.takeoverMs).forEach(([what, ms]) => console.log(`    another led within ${ms} ms, when the leader was ${what}`));
    }
}

await conduct(new ClusterRun(), `cluster of ${NODES} nodes`);
