// SPDX-License-Identifier: PostgreSQL
// The database of a run over several nodes: a primary on one of two hosts, and a standby on the other when one is needed. Servers
// know both (target_session_attrs), and take the one that writes.
import { Database, NAME, SETTINGS } from '../chaos/database.js';
import { Postgres, binaries } from '../integration/lib/postgres.js';
import { until, SECOND } from '../integration/lib/wait.js';
import { Host } from './hosts.js';

export class ClusterDatabase extends Database {
    static async start() {
        const database = new ClusterDatabase();
        database.homes = [new Host('postgres-1'), new Host('postgres-2')];
        database.disk = { usedMb: 0 };
        database.primary = await Postgres.start(SETTINGS, undefined, binaries, database.homes[0]);
        await database.primary.query(`CREATE DATABASE ${NAME}`);
        return database;
    }

    serverUrl() {
        const hosts = this.homes.map(({ address, postgresPort }) => `${address}:${postgresPort}`);
        return `postgresql://herald_server@${hosts}/${NAME}?target_session_attrs=read-write&connect_timeout=2`;
    }

    async makeStandby() {
        const home = this.homes.find((each) => each !== this.primary.host);
        this.next = await this.primary.standby(this.primary.port, undefined, home);
        await until('the standby to stream', async () => (await this.query('SELECT FROM pg_stat_replication')).length > 0, 20 * SECOND);
    }

    cutStandby() {
        this.next.host.cut([this.primary.host]);
    }

    async promote() {
        const old = this.primary;
        old.host.heal();
        const client = await this.connect({ on: this.next });
        await client.query('SELECT pg_promote(true, 30)');
        await client.end();
        [this.primary, this.next] = [this.next, null];
        return old;
    }

    // What the old primary held at its end: only we reach it, or a server might take it for the one that writes.
    async bury(old, look, servers) {
        old.host.cut(servers);
        await super.bury(old, look);
        old.host.heal();
    }

    async stop() {
        await this.next?.stop();
        await this.primary?.stop();
    }
}
