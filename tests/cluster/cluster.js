// SPDX-License-Identifier: PostgreSQL
// Several nodes on one database, behind a balancer, with a bus between them, each part on a host of its own.
import { Postgres, binaries } from '../integration/lib/postgres.js';
import { Server, install } from '../integration/lib/server.js';
import { until, within, SECOND } from '../integration/lib/wait.js';
import { Host } from './hosts.js';
import { Balancer, Nats } from './parts.js';

const PORT = 8080;

// A node: its host, and the server that runs on it just now.
export class Node {
    constructor(cluster, number) {
        Object.assign(this, { cluster, name: `node-${number}`, host: new Host(`node-${number}`), port: PORT, isStopped: false, calmSince: 0, processes: [] });
    }

    async up({ ready = true } = {}) {
        const { cluster, host, name, port } = this;
        this.server = await Server.start({
            database: cluster.databaseUrl(), listen: `${host.address}:${port}`, host, ready: false,
            flags: [...cluster.nats.flags, '--node-name', name, '--trusted-proxies', cluster.balancerHost.address, ...cluster.flags],
            env: cluster.env,
        });
        Object.assign(this.server, { port });
        this.processes.push(this.server.process);
        this.server.process.ended.then((exit) => this.server.isEnding || cluster.onEnd?.(this, exit));
        if (ready) {
            await this.server.waitReady();
        }
    }

    socketUrl(canonical) {
        return this.server.socketUrl(canonical);
    }

    get(path) {
        return this.server.get(path);
    }

    async isReady() {
        return within(`/ready of ${this.name}`, this.get('/ready'), SECOND).then(({ status }) => status === 200, () => false);
    }

    // What /ready says; null: nothing.
    state() {
        const asked = this.isStopped || this.server.process.exit !== null ? Promise.resolve(null) : this.get('/ready');
        return within(`/ready of ${this.name}`, asked, SECOND).then((answer) => answer && JSON.parse(answer.body), () => null);
    }

    async kill() {
        this.server.isEnding = true;
        await this.server.kill();
    }

    // SIGTERM, as an upgrade does it.
    async stop() {
        this.server.isEnding = true;
        await this.server.stop();
    }

    freeze() {
        this.isStopped = true;
        this.server.process.signal('SIGSTOP');
    }

    thaw() {
        this.server.process.signal('SIGCONT');
        this.isStopped = false;
    }
}

export class Cluster {
    // flags, env: of every node. settings: of Postgres. database: an object with databaseUrl(), or we make one. prepare: called with
    // the cluster when the schema is there and no node runs yet.
    static async start({ nodes = 3, flags = [], env = {}, settings = {}, database, prepare } = {}) {
        const cluster = Object.assign(new Cluster(), { flags, env, database });
        try {
            await cluster.begin(nodes, settings, prepare);
        } catch (error) {
            await cluster.stop().catch(() => {});
            throw error;
        }
        return cluster;
    }

    async begin(n, settings, prepare) {
        if (!this.database) {
            this.postgres = await Postgres.start(settings, undefined, binaries, new Host('postgres'));
            await install(this.postgres);
        }
        this.nats = await Nats.start(new Host('nats'));
        this.balancerHost = new Host('balancer');
        this.nodes = [...Array(n).keys()].map((i) => new Node(this, i + 1));
        await prepare?.(this);
        await Promise.all(this.nodes.map((node) => node.up()));
        this.balancer = await Balancer.start(this.balancerHost, this.nodes);
        await until('the balancer to have a node', async () => (await this.balancer.get('/ready')).status === 200);
    }

    databaseUrl() {
        return this.database?.serverUrl() ?? this.postgres.url({ user: 'herald_server' });
    }

    // The node that leads just now, of all but this one; undefined: none does, or none says so.
    async leader(spared) {
        const nodes = this.nodes.filter((node) => node !== spared);
        const states = await Promise.all(nodes.map((node) => node.state()));
        return nodes.find((_, i) => states[i]?.role === 'leader');
    }

    // One after the other, each only when the one before serves again.
    async rollingRestart() {
        for (const node of this.nodes) {
            await node.stop();
            await node.up();
        }
    }

    async stop() {
        const running = (this.nodes ?? []).filter((node) => node.server?.process.exit === null);
        running.forEach((node) => {
            node.thaw();
            node.host.heal();
        });
        const ends = await Promise.allSettled(running.map((node) => node.stop()));
        await this.balancer?.down().catch(() => {});
        await this.nats?.down().catch(() => {});
        await this.postgres?.stop();
        const failed = ends.find(({ status }) => status === 'rejected');
        if (failed) {
            throw failed.reason;
        }
    }
}
