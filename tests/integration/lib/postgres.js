// SPDX-License-Identifier: PostgreSQL
// A Postgres cluster of the test's own: private directory, free loopback port, no fsync (a test may kill the process, not
// the machine). The postmaster is our child, so stop, crash and restart are signals with an exit code, not guesses.
import { execFileSync } from 'node:child_process';
import { appendFileSync, chownSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { Process, run, freePort, temporaryDirectory, unprivileged } from './process.js';
import { until, SECOND } from './wait.js';

const SIGNALS = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' };

// Where the server's programs are: PGBIN, or the newest that is installed.
export const binaries = (() => {
    if (process.env.PGBIN) {
        return process.env.PGBIN;
    }
    const root = '/usr/lib/postgresql';
    const versions = existsSync(root) ? readdirSync(root).map(Number).filter(Boolean) : [];
    const found = versions.sort((a, b) => b - a).map((v) => `${root}/${v}/bin`).find((d) => existsSync(`${d}/initdb`));
    if (!found) {
        throw new Error('no initdb found: run make deps, or set PGBIN');
    }
    return found;
})();

// PGBIN may have no clients (make matrix): then they are the installed ones, of whatever major that is.
export const installed = existsSync(join(binaries, 'pg_dump')) ? binaries : execFileSync('pg_config', ['--bindir'], { encoding: 'utf8' }).trim();
const majorOf = (program) => Number(execFileSync(program, ['--version'], { encoding: 'utf8' }).match(/ (\d+)/)[1]);
const major = majorOf(join(binaries, 'postgres'));
const clientMajor = majorOf(join(installed, 'pg_dump'));

// For the `skip` of tests that dump: false, or why that cannot be.
export const noDump = clientMajor < major && `pg_dump of ${clientMajor} refuses a server of ${major}`;

export class Postgres {
    // parent: the directory to put it into. programs: of which server. host: where it runs (tests/cluster/hosts.js).
    static async start(settings = {}, parent = undefined, programs = binaries, host = undefined) {
        const postgres = new Postgres();
        postgres.programs = programs;
        postgres.host = host;
        postgres.directory = temporaryDirectory('pg', unprivileged, parent);
        postgres.settings = settings;
        const made = await run(
            join(programs, 'initdb'),
            ['-D', join(postgres.directory, 'data'), '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync'],
            { owner: unprivileged, cwd: postgres.directory, deadlineMs: 60 * SECOND },
        );
        if (made.code !== 0) {
            throw new Error(`initdb failed: ${made.stderr}`);
        }
        if (host) {
            appendFileSync(join(postgres.directory, 'data/pg_hba.conf'), 'host all,replication all 0.0.0.0/0 trust\n');
        }
        postgres.port = host?.postgresPort ?? await freePort();
        await postgres.up();
        return postgres;
    }

    get address() {
        return this.host?.address ?? '127.0.0.1';
    }

    // A libpq URI; through a proxy's port if one is given.
    url({ user = 'postgres', port = this.port, database = 'postgres' } = {}) {
        return `postgresql://${user}@${this.address}:${port}/${database}`;
    }

    // A streaming standby of this one, that reaches it through the given port.
    async standby(port, parent = undefined, host = undefined) {
        const standby = new Postgres();
        standby.programs = this.programs;
        standby.host = host;
        standby.directory = temporaryDirectory('pg', unprivileged, parent);
        await (clientMajor < major ? this.copyFiles(standby) : this.backUp(standby, port));
        const signal = join(standby.directory, 'data/standby.signal');
        writeFileSync(signal, '');
        chownSync(signal, unprivileged.uid ?? -1, unprivileged.gid ?? -1);
        // Not by pg_basebackup -R, which writes options that a library of 13 does not know.
        standby.settings = { ...this.settings, primary_conninfo: `host=${this.address} port=${port} user=postgres` };
        standby.port = host?.postgresPort ?? await freePort();
        await standby.up();
        return standby;
    }

    async backUp(standby, port) {
        const made = await run(
            join(installed, 'pg_basebackup'),
            ['-D', join(standby.directory, 'data'), '-d', this.url({ port }), '-X', 'stream', '-c', 'fast', '--no-sync'],
            { owner: unprivileged, cwd: standby.directory, deadlineMs: 60 * SECOND },
        );
        if (made.code !== 0) {
            throw new Error(`pg_basebackup failed: ${made.stderr}`);
        }
    }

    // What pg_basebackup does, for a server that is newer than it and idle enough that no file goes away meanwhile.
    async copyFiles(standby) {
        const session = await this.connect();
        await session.query(`SELECT pg_backup_start('copy', true)`);
        const to = join(standby.directory, 'data');
        const made = await run('cp', ['-a', join(this.directory, 'data'), to], { owner: unprivileged, deadlineMs: 60 * SECOND });
        if (made.code !== 0) {
            throw new Error(`cp failed: ${made.stderr}`);
        }
        const { rows: [{ labelfile }] } = await session.query('SELECT labelfile FROM pg_backup_stop(false)');
        await session.end();
        rmSync(join(to, 'postmaster.pid'));
        writeFileSync(join(to, 'backup_label'), labelfile);
        chownSync(join(to, 'backup_label'), unprivileged.uid ?? -1, unprivileged.gid ?? -1);
    }

    // A client program to its end: pg_dump, createdb …
    async tool(command, ...args) {
        const { code, stderr } = await run(join(installed, command), ['-h', this.address, '-p', String(this.port), '-U', 'postgres', ...args],
            { owner: unprivileged, cwd: this.directory, deadlineMs: 60 * SECOND });
        if (code !== 0) {
            throw new Error(`${command}: ${stderr}`);
        }
    }

    async up() {
        const settings = {
            port: this.port,
            listen_addresses: this.address,
            unix_socket_directories: this.directory,
            fsync: 'off',
            shared_buffers: '64MB',
            max_connections: '100',
            log_min_messages: 'warning',
            ...this.settings,
        };
        const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
        this.process = new Process(join(this.programs, 'postgres'), ['-D', join(this.directory, 'data'), ...flags], {
            owner: unprivileged,
            cwd: this.directory,
            lastSignal: 'SIGQUIT',
            host: this.host,
        });
        await until('Postgres to accept connections', async () => {
            if (this.process.exit) {
                throw new Error(`Postgres ended: ${this.process.stderr}`);
            }
            const client = await this.connect();
            await client.end();
            return true;
        }, 30 * SECOND);
    }

    async down(mode = 'fast') {
        this.process.signal(SIGNALS[mode]);
        await this.process.end(30 * SECOND);
    }

    async restart(mode = 'fast') {
        await this.down(mode);
        await this.up();
    }

    async stop() {
        await this.pool?.end().catch(() => {});
        this.pool = null;
        await this.down('immediate');
        rmSync(this.directory, { recursive: true, force: true });
    }

    // A connection of its own: for transactions that stay open while others go on.
    async connect(options = {}) {
        const client = new pg.Client({ connectionString: this.url(options), connectionTimeoutMillis: 5 * SECOND });
        client.on('error', () => {}); // A killed connection reports at its next query.
        await client.connect();
        return client;
    }

    // One statement on a shared connection; resolves with the rows.
    async query(text, values) {
        if (!this.pool) {
            this.pool = new pg.Pool({ connectionString: this.url(), max: 4, idleTimeoutMillis: 0 });
            this.pool.on('error', () => {});
        }
        return (await this.pool.query(text, values)).rows;
    }

    // The first column of the first row.
    async value(text, values) {
        const [row] = await this.query(text, values);
        return row === undefined ? undefined : Object.values(row)[0];
    }

    // Ends sessions of the server, as an operator or a failing network would; resolves with how many there were.
    async terminate(condition = 'true', user = 'herald_server') {
        const rows = await this.query(
            `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1 AND (${condition})`, [user]);
        return rows.length;
    }
}
