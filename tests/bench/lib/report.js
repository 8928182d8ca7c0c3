// SPDX-License-Identifier: PostgreSQL
// Medians, ratios, and the Markdown that shows them.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { binaries } from '../../integration/lib/postgres.js';

function say(command, ...args) {
    try {
        return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    } catch {
        return 'unknown';
    }
}

export function machine() {
    const system = readFileSync('/etc/os-release', 'utf8').match(/^PRETTY_NAME="(.*)"$/m)?.[1];
    const changed = say('git', 'status', '--porcelain', '--untracked-files=no') === '' ? '' : ' with changes';
    return [
        `${cpus().length} cores, ${cpus()[0].model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
        `${system}, Linux ${release()}`,
        `commit ${say('git', 'rev-parse', '--short', 'HEAD')}${changed}`,
        say(join(binaries, 'postgres'), '--version'),
        `libwebsockets ${say('pkg-config', '--modversion', 'libwebsockets')}`,
        say('gcc', '--version').split('\n')[0],
        `node ${process.version}`,
    ];
}

function median(values) {
    const sorted = values.filter((v) => typeof v === 'number').sort((a, b) => a - b);
    return sorted.length === 0 ? undefined : sorted[(sorted.length - 1) >> 1];
}

// runs: what the scenario's run() returned, each time. One row per server: medians, but of errors the sum.
export function medians(runs) {
    const names = [...new Set(runs.flat().map((row) => row.server))];
    return names.map((server) => {
        const rows = runs.flat().filter((row) => row.server === server);
        const keys = [...new Set(rows.flatMap(Object.keys))].filter((key) => key !== 'server');
        const values = Object.fromEntries(keys.map((key) => [key, median(rows.map((row) => row[key]))]));
        if ('errors' in values) {
            values.errors = rows.reduce((sum, row) => sum + row.errors, 0);
        }
        return { server, ...values };
    });
}

function shown(value) {
    if (value === undefined) {
        return '';
    }
    if (Number.isInteger(value) || Math.abs(value) >= 100) {
        return Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ' ');
    }
    return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

function verdict({ least, most, value }, rows) {
    const got = value((server) => rows.find((row) => row.server === server) ?? {});
    if (least === undefined && most === undefined) {
        return [shown(got), '', ''];
    }
    const wanted = least === undefined ? `at most ${shown(most)}` : `at least ${shown(least)}`;
    const isMet = least === undefined ? got <= most : got >= least;
    return [shown(got), wanted, isMet ? 'met' : 'missed'];
}

function table(head, rows) {
    const line = (cells) => `| ${cells.join(' | ')} |`;
    return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

// One scenario's part of the report.
export function section(scenario, runs) {
    const rows = medians(runs);
    const keys = Object.keys(scenario.columns);
    const parts = [
        `### ${scenario.title}`,
        scenario.text,
        table(['', ...Object.values(scenario.columns)], rows.map((row) => [row.server, ...keys.map((key) => shown(row[key]))])),
    ];
    if (scenario.targets.length > 0) {
        parts.push(table(['', 'measured', 'target', ''], scenario.targets.map((target) => [target.text, ...verdict(target, rows)])));
    }
    return `${parts.join('\n\n')}\n`;
}
