// SPDX-License-Identifier: PostgreSQL
// Proves that the run over several nodes can fail: each plant (plants/*.patch) is a plausible mistake, put into a copy of the source
// and built there; a short run with the faults that bring it out must end red, and for the right reason. A plant says both in the
// lines before its first file: "finds: CHECK|CHECK" and "faults: PART OF A NAME". PLANTS=NAME proves only those whose names contain it.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run, temporaryDirectory } from '../integration/lib/process.js';
import { SECOND } from '../integration/lib/wait.js';

const top = fileURLToPath(new URL('../..', import.meta.url));
const plants = fileURLToPath(new URL('plants/', import.meta.url));
const copy = temporaryDirectory('plants');

// The copy has what is built already, so that a plant costs one file's compilation. Dates are kept: make looks at them.
function makeCopy() {
    const sources = execFileSync('git', ['ls-files', 'Makefile', 'src', 'sql', 'scripts', 'examples', 'docs'], { cwd: top, encoding: 'utf8' });
    for (const file of sources.split('\n').filter(Boolean)) {
        mkdirSync(join(copy, file, '..'), { recursive: true });
        cpSync(join(top, file), join(copy, file), { preserveTimestamps: true });
    }
    cpSync(join(top, 'build/release'), join(copy, 'build/release'), { recursive: true, preserveTimestamps: true });
}

const patch = (file, ...flags) => execFileSync('patch', ['-p1', '-s', ...flags, '-i', join(plants, file)], { cwd: copy });

async function grow(file) {
    patch(file);
    const built = await run('make', ['-s', 'VARIANT=release', 'build'], { cwd: copy, deadlineMs: 300 * SECOND });
    if (built.code !== 0) {
        throw new Error(`${file} does not build: ${built.stderr}`);
    }
    const [, finds] = readFileSync(join(plants, file), 'utf8').match(/^finds: (.+)$/m);
    const [, faults] = readFileSync(join(plants, file), 'utf8').match(/^faults: (.+)$/m);
    const { code, stdout, stderr } = await run(join(top, 'tests/cluster/namespaces.sh'), [join(top, 'tests/cluster/run.js')], {
        env: { CHAOS_SECONDS: '15', CHAOS_FAULTS: faults, PGHERALD_BIN: join(copy, 'build/release/pgherald') }, deadlineMs: 400 * SECOND,
    });
    patch(file, '-R');
    const found = [...stdout.matchAll(/^not ok: ([^:]+): (\d+)$/gm)].map(([, check, n]) => `${check} ${n}`);
    const isFound = code === 1 && found.some((text) => finds.split('|').some((check) => text.startsWith(check)));
    console.log(`${isFound ? 'ok' : 'not ok'} - ${file} (${faults}): ${found.join(', ') || 'not noticed'}`);
    if (!isFound) {
        console.log(stdout + stderr);
    }
    return isFound;
}

makeCopy();
const passed = [];
for (const file of readdirSync(plants).filter((name) => name.endsWith('.patch') && name.includes(process.env.PLANTS ?? ''))) {
    passed.push(await grow(file));
}
const n = passed.filter(Boolean).length;
console.log(`cluster-proof: ${n} passed, ${passed.length - n} failed`);
process.exit(n === passed.length && n > 0 ? 0 : 1);
