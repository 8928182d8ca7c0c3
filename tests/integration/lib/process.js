// SPDX-License-Identifier: PostgreSQL
// A child process with its output kept, and the promise that nothing outlives the test: whatever is still running or
// lying about when this process exits, for whatever reason, is killed and removed.
import { spawn, execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync, chownSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { until, within, SECOND } from './wait.js';

// What the program under test would take for its own settings stays out of its environment.
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(PGHERALD_|PG[A-Z]+$)/.test(name)));

const running = new Set();
const directories = new Set();

process.on('exit', () => {
    for (const child of running) {
        try {
            process.kill(child.pid, child.lastSignal);
        } catch {
            // It ended by itself.
        }
    }
    for (const directory of directories) {
        rmSync(directory, { recursive: true, force: true });
    }
});
for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => process.exit(1));
}

// Postgres refuses to run as root. Then, and only then, it runs as somebody else.
export const unprivileged = (() => {
    if (process.getuid() !== 0) {
        return {};
    }
    for (const user of ['postgres', 'nobody']) {
        try {
            const id = (flag) => Number(execFileSync('id', [flag, user], { stdio: 'pipe' }));
            return { uid: id('-u'), gid: id('-g') };
        } catch {
            // The next one, then.
        }
    }
    throw new Error('running as root, and there is no user postgres or nobody');
})();

export function temporaryDirectory(name, owner = {}, parent = tmpdir()) {
    const directory = mkdtempSync(join(parent, `pgherald-${name}-`));
    directories.add(directory);
    chmodSync(directory, 0o700);
    if (owner.uid !== undefined) {
        chownSync(directory, owner.uid, owner.gid);
    }
    return directory;
}

// Not one of those that the kernel gives to whoever connects: other tests, at the same time, would get it before it is used.
export async function freePort() {
    for (let attempt = 0; attempt < 100; attempt++) {
        const server = createServer().listen(10000 + randomInt(20000), '127.0.0.1');
        try {
            await once(server, 'listening');
        } catch {
            continue; // somebody has it
        }
        const { port } = server.address();
        server.close();
        await once(server, 'close');
        return port;
    }
    throw new Error('no port is free');
}

export class Process {
    // lastSignal: what ends it with all its children if the test itself dies. host: where it runs (tests/cluster/hosts.js).
    constructor(command, args, { env = {}, cwd, owner = {}, lastSignal = 'SIGKILL', host, input } = {}) {
        this.name = `${command.split('/').pop()} ${args[0] ?? ''}`.trim();
        const call = host?.call(command, args, owner) ?? { command, args, owner };
        this.stdout = '';
        this.stderr = '';
        this.exit = null;
        this.child = spawn(call.command, call.args, {
            cwd,
            env: { ...environment, LC_ALL: 'C.UTF-8', TZ: 'UTC', ...env },
            stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
            ...call.owner,
        });
        // Who does not read it to its end has a reason.
        this.child.stdin?.on('error', () => {}).end(input);
        this.child.lastSignal = lastSignal;
        this.pid = this.child.pid;
        running.add(this.child);
        for (const stream of ['stdout', 'stderr']) {
            this.child[stream].setEncoding('utf8').on('data', (text) => (this[stream] += text));
        }
        this.ended = new Promise((resolve, reject) => {
            this.child.on('error', reject);
            this.child.on('close', (code, signal) => {
                running.delete(this.child);
                this.exit = { code, signal };
                resolve(this.exit);
            });
        });
        this.ended.catch(() => {});
    }

    signal(name) {
        if (this.exit === null) {
            this.child.kill(name);
        }
    }

    // Resolves with { code, signal }.
    async end(deadlineMs = 20 * SECOND) {
        try {
            return await within(`${this.name} to end`, this.ended, deadlineMs);
        } catch (error) {
            this.signal('SIGABRT');
            error.message += `\nstderr:\n${this.stderr.slice(-4000)}`;
            throw error;
        }
    }

    // The first match of a pattern in stdout or stderr; fails at once if the process ends without it.
    async says(pattern, { stream = 'stderr', deadlineMs = 20 * SECOND, from = 0 } = {}) {
        let early = null;
        const match = await until(
            `${this.name} to say ${pattern} on ${stream}`,
            () => {
                const found = this[stream].slice(from).match(pattern);
                early = found ? null : this.exit;
                return found ?? early;
            },
            deadlineMs,
        );
        if (early) {
            throw new Error(`${this.name} ended (${JSON.stringify(early)}) without saying ${pattern}:\n${this.stderr.slice(-4000)}`);
        }
        return match;
    }
}

// Runs a command to its end and resolves with { code, signal, stdout, stderr }.
export async function run(command, args, options = {}) {
    const child = new Process(command, args, options);
    const exit = await child.end(options.deadlineMs ?? 30 * SECOND);
    return { ...exit, stdout: child.stdout, stderr: child.stderr };
}
