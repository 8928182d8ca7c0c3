// SPDX-License-Identifier: PostgreSQL
// What nearly every test needs: a cluster with the schema, rules, a server, and clients that are closed at the end.
import { Postgres } from './postgres.js';
import { Server, install } from './server.js';
import { Client } from './client.js';
import { until } from './wait.js';

export class World {
    // rules: { pattern: { setting: value } }. sql: statements run before the server starts.
    static async start(options = {}) {
        const world = new World();
        world.clients = [];
        world.options = { flags: options.flags ?? [], env: options.env ?? {} };
        world.postgres = await Postgres.start(options.settings);
        try {
            await world.prepare(options);
        } catch (error) {
            await world.stop().catch(() => {});
            throw error;
        }
        return world;
    }

    async prepare({ rules = {}, sql = '', server = true }) {
        await install(this.postgres);
        this.canonical = await this.postgres.value('SELECT herald.rotate_canonical()');
        if (sql) {
            await this.postgres.query(sql);
        }
        for (const [pattern, rule] of Object.entries(rules)) {
            await this.rule(pattern, rule);
        }
        if (server) {
            await this.serve();
        }
    }

    async serve(options = {}) {
        this.server = await Server.start({
            database: this.postgres.url({ user: 'herald_server' }), ...this.options, ...options,
        });
        return this.server;
    }

    async rule(pattern, settings) {
        const names = Object.keys(settings);
        const list = names.map((name, i) => `, ${name} => $${i + 2}`).join('');
        await this.postgres.query(`SELECT herald.set_rule($1${list})`, [pattern, ...Object.values(settings)]);
    }

    // All rules set so far are in force on the server: the newest one is, and it has them all or none.
    async settled() {
        const channel = `settled/${(World.probes = (World.probes ?? 0) + 1)}`;
        await this.rule(channel, READ_ONLY);
        this.probe ??= await this.client();
        await until('the server to know the newest rule', async () => {
            this.probe.send('join', channel);
            return (await this.probe.waitFor({ options: { channel } })).action === 'join';
        });
    }

    // An open client, by default of the world's server.
    async client(options = {}) {
        const client = await Client.open(options.server ?? this.server, { canonical: this.canonical, ...options });
        this.clients.push(client);
        return client;
    }

    async member(channel, payload, options) {
        const client = await this.client(options);
        client.joined = await client.join(channel, payload);
        return client;
    }

    async publish(channel, data) {
        await this.postgres.query('SELECT herald.publish($1, $2::jsonb)', [channel, JSON.stringify(data)]);
    }

    // Everything ends, and the server ends well; Postgres goes away even if it does not.
    async stop() {
        try {
            if (this.server && this.server.process.exit === null) {
                await this.server.stop();
            }
        } finally {
            this.clients.forEach((client) => client.socket.terminate());
            await this.postgres.stop();
        }
    }
}

export const OPEN = { public_messaging: true };
export const DURABLE = { public_messaging: true, message_history: 1000 };
export const READ_ONLY = { anonymous_clients: true };
