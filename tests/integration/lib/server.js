// SPDX-License-Identifier: PostgreSQL
// The real binary under test. It is the ASan build unless PGHERALD_BIN says otherwise, and every test ends it with
// SIGTERM and expects exit code 0, nothing in a sanitizer's log and exactly one line on stdout.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Process, run, temporaryDirectory } from './process.js';
import { until, SECOND } from './wait.js';

const top = fileURLToPath(new URL('../../..', import.meta.url));
export const binary = resolve(process.env.PGHERALD_BIN ?? join(top, 'build/asan/pgherald'));

// Where sanitizers write, so that a report is found even if stderr is swallowed or the process is killed later.
export class SanitizerLog {
    constructor() {
        this.directory = temporaryDirectory('san');
        const path = `log_path=${join(this.directory, 'report')}`;
        this.env = {
            ASAN_OPTIONS: `${path}:exitcode=99:detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=1`,
            UBSAN_OPTIONS: `${path}:print_stacktrace=1:halt_on_error=1`,
            LSAN_OPTIONS: `suppressions=${join(top, 'tests/lsan.supp')}:print_suppressions=0`,
            TSAN_OPTIONS: `${path}:exitcode=98:second_deadlock_stack=1`,
        };
    }

    // With what a test wants of the sanitizer besides.
    with(env) {
        return Object.fromEntries(Object.entries(this.env).map(([name, value]) => [name, env[name] ? `${value}:${env[name]}` : value]));
    }

    text() {
        if (!existsSync(this.directory)) {
            return '';
        }
        return readdirSync(this.directory).sort().map((f) => readFileSync(join(this.directory, f), 'utf8')).join('\n');
    }

    assertEmpty(stderr = '') {
        assert.equal(this.text(), '', 'the sanitizers found something');
        assert.doesNotMatch(stderr, /ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:/);
        rmSync(this.directory, { recursive: true, force: true });
    }
}

// `pgherald ARGS…` to its end: { code, signal, stdout, stderr }.
export async function pgherald(args, { env = {}, ...options } = {}) {
    const sanitizers = new SanitizerLog();
    const result = await run(binary, args, { ...options, env: { ...sanitizers.env, ...env } });
    sanitizers.assertEmpty(result.stderr);
    return result;
}

// The operator's token for /metrics and for what /ready says in full. Readable by all: an owner may be somebody else.
const TOKEN = randomBytes(16).toString('hex');
export const tokenFile = join(temporaryDirectory('metrics'), 'token');
chmodSync(dirname(tokenFile), 0o755);
writeFileSync(tokenFile, `${TOKEN}\n`);

// What a test's client does in a burst would be an attack elsewhere: only the tests of limits have any.
const NO_LIMITS = Object.fromEntries(
    ['SESSION_MESSAGES', 'SESSION_JOINS', 'SESSION_BYTES', 'USER_SESSIONS', 'CHANNEL_MESSAGES', 'PROXY_HANDSHAKES'].map((name) => [`PGHERALD_${name}`, '0']));

// `dev` runs the Postgres of the other tests.
const BINDIR = process.env.PGBIN ? { PGHERALD_PG_BINDIR: process.env.PGBIN } : {};

export class Server {
    // database: URL. env: more PGHERALD_* variables. ready: false does not wait for the ready line. program: a copy of the
    // binary, for an owner who may not read the original. host: where it runs (tests/cluster/hosts.js).
    static async start({ database, listen = '127.0.0.1:0', flags = [], env = {}, command = 'serve', ready = true, owner, cwd, host,
        program = binary } = {}) {
        const server = new Server();
        server.sanitizers = new SanitizerLog();
        server.options = { database, listen, flags, env, command, ready, owner, cwd, host, program };
        const args = [command, '--listen', listen, ...flags];
        const variables = database === undefined ? {} : { PGHERALD_DATABASE_URL: database };
        server.process = new Process(program, args, {
            // Several workers even on a machine with two cores: sessions of one channel on different threads.
            env: { ...BINDIR, PGHERALD_LOG_LEVEL: 'debug', PGHERALD_DRAIN: '300ms', PGHERALD_WORKERS: '3', PGHERALD_METRICS_TOKEN_FILE: tokenFile, ...NO_LIMITS, ...variables, ...env, ...server.sanitizers.with(env) },
            owner,
            cwd,
            host,
            lastSignal: command === 'dev' ? 'SIGTERM' : 'SIGKILL',
        });
        if (ready) {
            await server.ready();
        }
        return server;
    }

    async ready(deadlineMs = 40 * SECOND) {
        const [, url, canonical, database] = await this.process.says(
            /^ready url=(\S+) canonical=(\S+) database=(\S+)\n/, { stream: 'stdout', deadlineMs });
        Object.assign(this, { url, canonical, database, port: Number(new URL(url).port) });
        return this;
    }

    get address() {
        return this.options?.host?.address ?? '127.0.0.1';
    }

    socketUrl(canonical = this.canonical) {
        return `ws://${this.address}:${this.port}/rt/${canonical}`;
    }

    // { status, headers, body } of a GET, as the operator; token: null asks as a stranger.
    async get(path, { token = TOKEN } = {}) {
        const headers = token === null ? {} : { authorization: `Bearer ${token}` };
        const response = await fetch(`http://${this.address}:${this.port}${path}`, { headers, signal: AbortSignal.timeout(10 * SECOND) });
        return { status: response.status, headers: response.headers, body: await response.text() };
    }

    async waitReady(status = 200, deadlineMs = 30 * SECOND) {
        return until(`/ready to answer ${status}`, async () => {
            const answer = await this.get('/ready');
            return answer.status === status && answer;
        }, deadlineMs);
    }

    async kill() {
        this.process.signal('SIGKILL');
        await this.process.end();
        assert.equal(this.sanitizers.text(), '', 'the sanitizers found something');
    }

    // The same command again, on the same port: where clients expect it.
    async again() {
        return Server.start({ ...this.options, listen: `${this.address}:${this.port}` });
    }

    // As asked: exit code 0, one line on stdout (none if it never was ready), no sanitizer report.
    async stop(signal = 'SIGTERM') {
        this.process.signal(signal);
        const exit = await this.process.end(30 * SECOND);
        const report = this.sanitizers.text();
        assert.equal(report, '', 'the sanitizers found something');
        assert.deepEqual(exit, { code: 0, signal: null }, `stderr:\n${this.process.stderr.slice(-4000)}`);
        assert.match(this.process.stdout, this.url ? /^ready [^\n]*\n$/ : /^(ready [^\n]*\n)?$/);
        this.sanitizers.assertEmpty(this.process.stderr);
    }
}

// A schema in the database, and a canonical of the test's choosing.
export async function install(postgres, where) {
    const result = await pgherald(['install'], { env: { PGHERALD_DATABASE_URL: postgres.url(where) }, deadlineMs: 60 * SECOND });
    assert.equal(result.code, 0, result.stderr);
    return result;
}
