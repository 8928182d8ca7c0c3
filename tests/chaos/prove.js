// SPDX-License-Identifier: PostgreSQL
// Proves that the chaos run can fail: one short run for each mutation, which must end red, and for the right reason.
import { fileURLToPath } from 'node:url';
import { run } from '../integration/lib/process.js';
import { SECOND } from '../integration/lib/wait.js';
import { MUTATIONS } from './mutations.js';

const program = fileURLToPath(new URL('run.js', import.meta.url));
const passed = [];
for (const [name, { finds, faults }] of Object.entries(MUTATIONS)) {
    const { code, stdout } = await run(process.execPath, [program], {
        env: { CHAOS_SECONDS: '10', CHAOS_MUTATION: name, CHAOS_FAULTS: faults, PGHERALD_BIN: process.env.PGHERALD_BIN ?? '' },
        deadlineMs: 400 * SECOND,
    });
    const found = [...stdout.matchAll(/^not ok: ([^:]+): (\d+)$/gm)].map(([, check, n]) => `${check} ${n}`);
    const isFound = code === 1 && found.some((text) => text.startsWith(finds));
    passed.push(isFound);
    console.log(`${isFound ? 'ok' : 'not ok'} - mutation ${name} (${faults}): ${found.join(', ') || 'not noticed'}`);
    if (!isFound) {
        console.log(stdout);
    }
}
const n = passed.filter(Boolean).length;
console.log(`chaos-proof: ${n} passed, ${passed.length - n} failed`);
process.exit(n === passed.length ? 0 : 1);
