// SPDX-License-Identifier: PostgreSQL
// PgBouncer before a port of Postgres. In transaction mode (the default here) and in statement mode its sessions are shared, and
// outlive their clients.
import { chownSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Process, freePort, temporaryDirectory, unprivileged } from './process.js';

export class Pooler {
    static async start(target, mode = 'transaction', ...settings) {
        const pooler = new Pooler();
        pooler.directory = temporaryDirectory('pooler', unprivileged);
        pooler.port = await freePort();
        pooler.file = join(pooler.directory, 'pgbouncer.ini');
        const users = join(pooler.directory, 'users');
        writeFileSync(users, '"herald_server" ""\n"herald_hook" ""\n');
        writeFileSync(pooler.file, [
            '[databases]', `* = host=127.0.0.1 port=${target}`,
            '[pgbouncer]', 'listen_addr = 127.0.0.1', `listen_port = ${pooler.port}`, 'unix_socket_dir =', 'auth_type = trust', `auth_file = ${users}`,
            `pool_mode = ${mode}`, 'server_login_retry = 1', ...settings, '',
        ].join('\n'));
        if (unprivileged.uid !== undefined) {
            [pooler.file, users].forEach((file) => chownSync(file, unprivileged.uid, unprivileged.gid));
        }
        await pooler.up();
        return pooler;
    }

    async up() {
        this.process = new Process('pgbouncer', [this.file], {
            owner: unprivileged, cwd: this.directory, env: { PATH: `${process.env.PATH}:/usr/sbin` },
        });
        await this.process.says(/process up/);
    }

    async down(signal = 'SIGINT') {
        this.process.signal(signal);
        await this.process.end();
    }
}
