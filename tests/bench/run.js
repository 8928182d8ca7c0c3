// SPDX-License-Identifier: PostgreSQL
// make bench: every scenario in turn, pgherald beside the bare loops and (PEERS=1, after peers/fetch.sh) beside others, all
// on this machine in this run. Prints the tables and writes them to build/bench/report.md, with all figures in report.json.
//
//   SCENARIOS='fanout rooms'   only these        BENCH_RUNS=3      how often; medians are shown (default 1)
//   BENCH_SECONDS=4            of a chat run     BENCH_QUIET=0.5   wait until the load average is below, at most 5 minutes
//   BENCH_DOC=1                puts the tables into docs/performance.md
//
// It fails if pgherald lost, duplicated or reordered anything. A missed target is told, and is no failure: a time is no test.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Bench } from './lib/bench.js';
import { chat } from './lib/chat.js';
import { machine, section } from './lib/report.js';
import { rows } from './lib/rows.js';
import { sessions } from './lib/sessions.js';

const document = fileURLToPath(new URL('../../docs/performance.md', import.meta.url));
const output = fileURLToPath(new URL('../../build/bench/', import.meta.url));
const all = [...chat, ...sessions, ...rows];
const wanted = (process.env.SCENARIOS ?? all.map((s) => s.name).join(' ')).split(/\s+/).filter(Boolean);
const runs = Number(process.env.BENCH_RUNS ?? 1);

async function quiet(limit) {
    const deadline = performance.now() + 300_000;
    while (loadavg()[0] >= limit && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 2000));
    }
    return loadavg()[0];
}

const chosen = wanted.map((name) => {
    const scenario = all.find((s) => s.name === name);
    if (!scenario) {
        console.error(`no scenario ${name}; there are: ${all.map((s) => s.name).join(' ')}`);
        process.exit(64);
    }
    return scenario;
});
const loadBefore = (await quiet(Number(process.env.BENCH_QUIET ?? Infinity))).toFixed(2);
const results = new Map(chosen.map((scenario) => [scenario, []]));

// After every scenario, so that a run that is ended early has told what it knows.
function write() {
    const parts = chosen.filter((scenario) => results.get(scenario).length > 0)
        .map((scenario) => section(scenario, results.get(scenario)));
    const report = [...machine().map((line) => `* ${line}`), '', ...parts].join('\n');
    mkdirSync(output, { recursive: true });
    writeFileSync(join(output, 'report.md'), report);
    writeFileSync(join(output, 'report.json'), JSON.stringify(Object.fromEntries([...results].map(([s, list]) => [s.name, list])), null, 1));
    return report;
}

const bench = await Bench.start();
try {
    for (let run = 1; run <= runs; run++) {
        for (const [scenario, list] of results) {
            const start = performance.now();
            list.push(await scenario.run(bench));
            write();
            console.error(`${run}/${runs} ${scenario.name}: ${((performance.now() - start) / 1000).toFixed(0)} s`);
        }
    }
} finally {
    await bench.stop();
}

const report = write();
console.log(report);
if (process.env.BENCH_DOC) {
    const command = ['PEERS', 'SCENARIOS', 'BENCH_RUNS', 'BENCH_SECONDS', 'BENCH_QUIET']
        .filter((name) => process.env[name]).map((name) => `${name}='${process.env[name]}' `).join('');
    const [before, , after] = readFileSync(document, 'utf8').split(/^<!-- run -->$/m);
    writeFileSync(document, `${before}<!-- run -->\n\n\`\`\`sh no-run: measurements, minutes each\n${command}make bench\n\`\`\`\n\nLoad average before it: ${loadBefore}.\n\n${report}\n<!-- run -->${after}`);
}
const errors = [...results.values()].flat(2).filter((row) => row.server.startsWith('pgherald')).reduce((sum, row) => sum + (row.errors ?? 0), 0);
if (errors > 0) {
    console.error(`${errors} errors: something was lost, duplicated, reordered or cut`);
}
process.exit(errors > 0 ? 1 : 0);
