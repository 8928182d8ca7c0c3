// SPDX-License-Identifier: PostgreSQL
// The one database of the run, wherever it lives just now: its primary moves to a standby that is promoted, and its name
// to one that was restored from a dump. A server reaches it in one of these ways, which survive the moves:
//
//   hosts    a URL with two hosts and target_session_attrs: each host is a proxy, one of them before the primary
//   address  one address that moves with the primary
//   pooled   PgBouncer in transaction mode, before that address
//   spare    another such address, for a second server
//
// When a line of history is abandoned (the old primary, the database that the dump replaces), what it held at its end is
// read from it: sessions were told of that, and are judged by it.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { Postgres } from '../integration/lib/postgres.js';
import { temporaryDirectory, unprivileged } from '../integration/lib/process.js';
import { Proxy } from '../integration/lib/proxy.js';
import { until, SECOND } from '../integration/lib/wait.js';

export const NAME = 'app';
// A crash forgets how many dead rows there are, so autovacuum has to come between two of them.
export const SETTINGS = { autovacuum_naptime: '5s', max_wal_size: '64MB', min_wal_size: '32MB', wal_keep_size: '128MB', log_min_messages: 'panic' };

export class Database {
    static async start(disk) {
        const database = new Database();
        database.disk = disk;
        database.primary = await Postgres.start(SETTINGS, disk.directory);
        database.hosts = [await Proxy.start(database.primary.port), await Proxy.start(0)];
        await database.hosts[1].shut();
        database.address = await Proxy.start(database.primary.port);
        database.spare = await Proxy.start(database.primary.port);
        database.side = 0; // the host that is the primary
        database.n_restores = 0;
        await database.primary.query(`CREATE DATABASE ${NAME}`);
        return database;
    }

    get proxies() {
        return [...this.hosts, this.address, this.spare];
    }

    proxiesOf(way) {
        return way === 'hosts' ? this.hosts : [this[way]];
    }

    adminUrl(database = NAME) {
        return this.primary.url({ database });
    }

    serverUrl(way) {
        const [a, b] = this.hosts.map((host) => `127.0.0.1:${host.port}`);
        const { port } = { pooled: this.pooler, spare: this.spare }[way] ?? this.address;
        return way === 'hosts' ? `postgresql://herald_server@${a},${b}/${NAME}?target_session_attrs=read-write`
            : `postgresql://herald_server@127.0.0.1:${port}/${NAME}`;
    }

    async connect({ database = NAME, name = 'chaos', on = this.primary } = {}) {
        const client = new pg.Client({
            connectionString: on.url({ database }), application_name: name, connectionTimeoutMillis: 5 * SECOND, query_timeout: 20 * SECOND,
        });
        client.on('error', () => {});
        await client.connect();
        return client;
    }

    // One statement on a connection of its own, because the database moves.
    async query(text, values, options) {
        const client = await this.connect(options);
        try {
            return (await client.query(text, values)).rows;
        } finally {
            await client.end().catch(() => {});
        }
    }

    async value(text, values, options) {
        const [row] = await this.query(text, values, options);
        return row === undefined ? undefined : Object.values(row)[0];
    }

    // It answers; a postmaster that gave up (it does when recovery finds no room) is started again.
    async up() {
        if (this.primary.process.exit !== null) {
            await this.primary.up();
        }
        await until('the database to answer', async () => {
            if (this.primary.process.exit !== null) {
                await this.primary.up();
            }
            await this.query('CREATE TABLE IF NOT EXISTS public.answer ()');
            return true;
        }, 40 * SECOND);
        this.primary.process.stderr = '';
    }

    // ---- failover ----

    // A standby that follows until follow(false).
    async makeStandby() {
        this.replication = await Proxy.start(this.primary.port);
        this.next = await this.primary.standby(this.replication.port, this.disk.directory);
        await until('the standby to stream', async () => (await this.query('SELECT FROM pg_stat_replication')).length > 0);
    }

    cutStandby() {
        this.replication.isRefusing = true;
        this.replication.cut();
    }

    // The old primary is dead; the standby takes its place, with what it has. Resolves with the old one.
    async promote() {
        const old = this.primary;
        await this.hosts[this.side].shut();
        this.side = 1 - this.side;
        const client = await this.connect({ on: this.next });
        await client.query('SELECT pg_promote(true, 30)');
        await client.end();
        this.primary = this.next;
        this.next = null;
        this.hosts[this.side].target = this.primary.port;
        await this.hosts[this.side].open();
        this.address.target = this.spare.target = this.primary.port;
        await this.replication.stop();
        return old;
    }

    // What the old primary held at its end, and then it is gone.
    async bury(old, look) {
        await old.up();
        await look({ on: old });
        await old.stop();
    }

    // ---- dump and restore ----

    async dump() {
        this.dumpFile = join(temporaryDirectory('dump', unprivileged, this.disk.directory), 'dump');
        await this.primary.tool('pg_dump', '-Fc', '-f', this.dumpFile, NAME);
    }

    // The dump's database, beside the living one.
    async restoreBeside() {
        await this.primary.tool('createdb', 'restored');
        await this.primary.tool('pg_restore', '--exit-on-error', '-d', 'restored', this.dumpFile);
        rmSync(join(this.dumpFile, '..'), { recursive: true, force: true });
        return { database: 'restored' };
    }

    // The restored one takes the living one's name. Resolves with where that one is now.
    async swap() {
        const retired = `retired_${++this.n_restores}`;
        const admin = await this.connect({ database: 'postgres' });
        await until('the database to be without sessions', async () => {
            await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [NAME]);
            await admin.query(`ALTER DATABASE ${NAME} RENAME TO ${retired}`);
            return true;
        });
        await admin.query(`ALTER DATABASE restored RENAME TO ${NAME}`);
        await admin.end();
        return { database: retired };
    }

    async drop({ database }) {
        const admin = await this.connect({ database: 'postgres' });
        await admin.query(`DROP DATABASE ${database} WITH (FORCE)`);
        await admin.end();
    }

    async stop() {
        await Promise.all(this.proxies.map((proxy) => proxy.stop()));
        await this.primary.stop();
    }
}
