// SPDX-License-Identifier: PostgreSQL
// Our C programs: the load generator, the writer, and the bare servers.
import assert from 'node:assert/strict';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Process } from '../../integration/lib/process.js';
import { SECOND } from '../../integration/lib/wait.js';

const top = fileURLToPath(new URL('../../..', import.meta.url));
const programs = resolve(process.env.BENCH_PROGRAMS ?? join(top, 'build/release/bench'));
const LIMIT = 180 * SECOND;

export const program = (name) => join(programs, name);

function flagsOf(options) {
    return Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
}

async function result(child) {
    const { code, signal } = await child.end(LIMIT);
    const line = child.stdout.trim().split('\n').pop();
    assert.equal(code, 0, `${child.name} failed (${code ?? signal}): ${child.stderr}\n${child.stdout}`);
    const values = JSON.parse(line);
    const { lost = 0, duplicated = 0, reordered = 0, gaps = 0, failed = 0, wrong_lists = 0 } = values;
    values.errors = lost + duplicated + reordered + gaps + failed + wrong_lists;
    return values;
}

function start(scenario, target, options) {
    const { port, dialect, pid, canonical = '' } = target;
    const child = new Process(program(target.load ?? 'load'), [
        scenario, ...flagsOf({ port, dialect, pid, canonical, 'db-pid': target.databasePid ?? 0, ...options }),
    ]);
    child.name = `load ${scenario}`;
    return child;
}

// target: { port, dialect, pid, canonical }, a running server. Resolves with the figures.
export function load(scenario, target, options) {
    return result(start(scenario, target, options));
}

// The same for 'listen' and 'connect', but resolves when all clients have joined: `finished` is the promise of the figures.
export async function begin(scenario, target, options) {
    const child = start(scenario, target, options);
    const finished = result(child);
    finished.catch(() => {});
    await child.says(/^joined$/m, { stream: 'stdout', deadlineMs: 60 * SECOND });
    return { finished };
}

// Rows into a table; resolves with what the application saw.
export function write(url, { table, connections, rowsEach, rowsPerInsert = 1, rate = 0, commits }) {
    const args = [url, table, connections, rowsEach, rowsPerInsert, rate, ...(commits ? [commits] : [])];
    return result(new Process(program('writer'), args.map(String)));
}
