// SPDX-License-Identifier: PostgreSQL
// What the server counts, as a test wants it: one number, or the difference that something made.
import assert from 'node:assert/strict';
import { until } from './wait.js';

// 'sessions' or 'errors_total{code="no_channel"}' → number, for all series.
export async function metrics(server) {
    const answer = await server.get('/metrics');
    assert.equal(answer.status, 200);
    const found = new Map();
    for (const line of answer.body.split('\n')) {
        if (line !== '' && !line.startsWith('#')) {
            const [, series, value] = line.match(/^pgherald_(\S+) (\d+(?:\.\d{3})?)$/) ?? assert.fail(`not a line of metrics: ${line}`);
            assert.equal(found.has(series), false, `twice: ${series}`);
            found.set(series, Number(value));
        }
    }
    return found;
}

// Fails for a series that does not exist: a test must not wait for a misspelt one.
export async function metric(server, series) {
    const found = await metrics(server);
    assert.ok(found.has(series), `no such series: ${series}`);
    return found.get(series);
}

export async function waitMetric(server, series, fits, deadlineMs) {
    let last;
    await until(`${series} to fit ${fits}`, async () => {
        last = await metric(server, series);
        return fits(last);
    }, deadlineMs);
    return last;
}

// Does something and resolves with what it added: a function series → number. Waits until `series` has grown to what is
// expected, since a counter may lag a frame that it is about.
export async function counting(server, wanted, act) {
    const before = await metrics(server);
    await act();
    for (const [series, growth] of Object.entries(wanted)) {
        assert.ok(before.has(series), `no such series: ${series}`);
        await waitMetric(server, series, (value) => value - before.get(series) >= growth);
    }
    const after = await metrics(server);
    for (const [series, growth] of Object.entries(wanted)) {
        assert.equal(after.get(series) - before.get(series), growth, series);
    }
}
