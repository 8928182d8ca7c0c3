// SPDX-License-Identifier: PostgreSQL
// /metrics: who may read it, that it is what Prometheus reads, and that what happens is counted where it belongs.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { connect } from 'node:net';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { World, OPEN, DURABLE } from './lib/world.js';
import { pgherald, tokenFile } from './lib/server.js';
import { refusal } from './lib/client.js';
import { temporaryDirectory } from './lib/process.js';
import { counting, metric, metrics, waitMetric } from './lib/metrics.js';

let world;
let server;
before(async () => {
    world = await World.start({
        rules: {
            'room/*': DURABLE,
            'fleeting/*': { ...OPEN, private_messaging: true },
            'who/*': { ...OPEN, presence: true },
            'hooked/*': { ...OPEN, on_message: 'drop_some' },
        },
        sql: `CREATE FUNCTION drop_some(action text, channel text, client json, options json, payload json) RETURNS json
                  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
                  $$BEGIN IF payload::text = '"raise"' THEN RAISE EXCEPTION 'no'; END IF;
                    RETURN CASE WHEN payload::text = '"drop"' THEN NULL ELSE payload END; END$$;
              GRANT EXECUTE ON FUNCTION drop_some TO herald_caller`,
        env: { PGHERALD_MAX_FRAME_BYTES: '4KiB', PGHERALD_MAX_CHANNELS: '3' },
    });
    server = world.server;
});
after(() => world?.stop());

test('the answer is what Prometheus reads', async () => {
    const answer = await server.get('/metrics');
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    const types = typesOf(answer.body);
    assert.ok(types.size > 50);
    assert.deepEqual([...types].flatMap(([name, { type, label }]) => lint(name, type, label).map((rule) => `${name}: ${rule}`)), []);
    if (process.env.PROMTOOL) { // make promtool
        const { status, stdout, stderr } = spawnSync(process.env.PROMTOOL, ['check', 'metrics'], { input: answer.body, encoding: 'utf8' });
        assert.equal(status, 0, stdout + stderr);
    }
});

// name → { type, label }; fails for what is not the format.
function typesOf(body) {
    const types = new Map();
    let helped;
    for (const line of body.split('\n').slice(0, -1)) {
        const [, help] = line.match(/^# HELP (\S+) \S/) ?? [];
        const [, typed, type] = line.match(/^# TYPE (\S+) (counter|gauge)$/) ?? [];
        if (help) {
            helped = help;
        } else if (typed) {
            assert.equal(helped, typed, 'promtool wants a help text');
            types.set(typed, { type });
        } else {
            const [, name, label] = line.match(/^(pgherald_[a-z_]+)(?:\{([a-z]+)="[a-z0-9_]+"\})? \d+(?:\.\d{3})?$/) ?? assert.fail(line);
            assert.ok(types.has(name), `no TYPE before ${name}`);
            types.get(name).label = label;
        }
    }
    return types;
}

// What `promtool check metrics` looks at in a name; promtool itself is not in each machine's Debian (make promtool).
function lint(name, type, label) {
    const words = name.split('_');
    return Object.entries({
        'counters end with _total, and nothing else does': name.endsWith('_total') !== (type === 'counter'),
        'these endings are those of histograms': /_(bucket|count|sum)$/.test(name) || ['le', 'quantile'].includes(label),
        'no type in a name': words.some((word) => ['counter', 'gauge', 'histogram', 'summary'].includes(word)),
        'no unit but seconds, bytes and their like': words.some((word) => /^(pico|nano|micro|milli|centi|deci|deca|hecto|kilo|kibi|mega|mibi|giga|gibi|tera|tebi|peta|pebi)(seconds|bytes)$|^(minutes|hours|days|weeks|bits)$/.test(word)),
        'no short unit': words.some((word) => /^(s|ms|us|ns|sec|b|kb|mb|gb|tb|pb|m|h|d)$/.test(word)),
    }).filter(([, is]) => is).map(([rule]) => rule);
}

test('docs/metrics.md is what the binary prints', async () => {
    const printed = await pgherald(['config', '--metrics-reference']);
    assert.equal(printed.code, 0);
    assert.equal(printed.stdout, readFileSync(fileURLToPath(new URL('../../docs/metrics.md', import.meta.url)), 'utf8'));
});

test('only for who has the token, from wherever he asks', async () => {
    const stranger = await server.get('/metrics', { token: null });
    assert.equal(stranger.status, 401);
    assert.equal(stranger.headers.get('www-authenticate'), 'Bearer');
    assert.doesNotMatch(stranger.body, /pgherald_/);
    const token = readFileSync(tokenFile, 'utf8').trim();
    for (const wrong of ['', 'x', token.slice(1), `${token}0`, token.toUpperCase().replace(/.$/, '-'), `${token} `.repeat(2)]) {
        assert.equal((await server.get('/metrics', { token: wrong })).status, 401, wrong);
    }
    for (const headers of [{}, { 'X-Forwarded-For': '203.0.113.7' }, { Via: '1.1 proxy' }]) {
        const ask = (authorization) => fetch(`http://127.0.0.1:${server.port}/metrics`, { headers: { ...headers, ...authorization } });
        assert.equal((await ask({ authorization: `bearer ${token}` })).status, 200);
        assert.equal((await ask({})).status, 401);
        assert.equal((await ask({ authorization: `Basic ${token}` })).status, 401);
    }
});

test('a token file that is no good: said at the start', async () => {
    const path = join(temporaryDirectory('bad-token'), 'token');
    for (const [text, sentence] of [
        [null, /cannot read --metrics-token-file .*No such file/], ['', /first line of --metrics-token-file/], ['short\n', /16 to 1024 visible ASCII/],
        ['sixteen letters \n', /16 to 1024 visible ASCII/],
    ]) {
        if (text !== null) {
            writeFileSync(path, text);
        }
        const result = await pgherald(['serve', '--listen', '127.0.0.1:0', '--metrics-token-file', path]);
        assert.equal(result.code, 78, text);
        assert.match(result.stderr, sentence);
    }
});

test('sessions, sockets, channels and subscriptions go up and down', async () => {
    const names = ['sessions', 'sockets', 'channels', 'subscriptions', 'presence_members'];
    const start = await metrics(server);
    const a = await world.member('who/a', { presence: true });
    const b = await world.member('who/a');
    await b.join('fleeting/b');
    const rise = { sessions: 2, sockets: 2, channels: 2, subscriptions: 3, presence_members: 2 };
    for (const name of names) {
        await waitMetric(server, name, (n) => n === start.get(name) + rise[name]);
    }
    await a.close();
    await b.close();
    for (const name of names) {
        await waitMetric(server, name, (n) => n === start.get(name));
    }
});

test('handshakes that are refused, by reason', async () => {
    await counting(server, { 'handshakes_refused_total{reason="canonical"}': 1 }, async () => {
        assert.equal(await refusal(server, { canonical: 'nothere' }), 404);
    });
    const raw = async (text) => {
        const socket = connect(server.port, '127.0.0.1');
        socket.end(text);
        socket.resume();
        await once(socket, 'close');
    };
    await counting(server, { 'handshakes_refused_total{reason="bad_request"}': 1 }, () => raw('HELLO\r\n\r\n'));
    await counting(server, { 'handshakes_refused_total{reason="head_size"}': 1 }, () => raw(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20000)}\r\n\r\n`));
    await counting(server, { handshakes_accepted_total: 1 }, async () => (await world.client()).close());
});

test('messages, joins, history, deliveries and events', async () => {
    const a = await world.member('fleeting/m');
    const b = await world.member('fleeting/m');
    await counting(server, { 'messages_total{kind="ephemeral"}': 1, deliveries_total: 2, 'frames_received_total{kind="text"}': 1 }, async () => {
        a.message('fleeting/m', 1);
        await b.waitFor({ payload: 1 });
    });
    await counting(server, { 'messages_total{kind="private"}': 1, deliveries_total: 2 }, async () => {
        a.send('message', 'fleeting/m', 2, { socketId: b.joined.client.socketId });
        await b.waitFor({ payload: 2 });
    });
    const joined = await world.member('room/m', { history: true });
    await joined.waitFor({ action: 'history' });
    await counting(server, { 'messages_total{kind="durable"}': 1, events_total: 1, sequencer_rows_total: 1 }, async () => {
        joined.message('room/m', 3);
        await joined.waitFor({ payload: 3 });
    });
    await counting(server, { histories_total: 1, 'reads_total{result="done"}': 1 }, async () => {
        const first = await world.member('room/read', { history: true });
        await first.waitFor({ action: 'history' });
    });
    await counting(server, { histories_total: 1, memory_answers_total: 1, 'reads_total{result="done"}': 0 }, async () => {
        joined.send('history', 'room/m'); // its newest row was in memory before anybody asked
        await joined.waitFor({ action: 'history' });
    });
    const { epoch, offset } = joined.joined.payload;
    await counting(server, { joins_total: 1, resumes_total: 1, gaps_total: 0 }, async () => {
        await world.member('room/m', { since: { epoch, offset } });
    });
    await counting(server, { joins_total: 1, resumes_total: 0, gaps_total: 1 }, async () => {
        await world.member('room/m', { since: { epoch: 'another', offset } });
    });
    await counting(server, { events_total: 1 }, async () => {
        await world.publish('room/m', { n: 4 });
        await joined.waitFor({ action: 'event' });
    });
    assert.ok(await metric(server, 'log_newest_id') > 0);
    assert.equal(await metric(server, 'database_up'), 1);
    assert.ok(await metric(server, 'sent_bytes_total') > 1000);
    assert.ok(await metric(server, 'received_bytes_total') > 100);
});

test('functions of rules, by result', async () => {
    const a = await world.member('hooked/a');
    await counting(server, { 'hook_calls_total{result="done"}': 2, 'hook_calls_total{result="refused"}': 1, 'messages_total{kind="dropped"}': 1 }, async () => {
        a.message('hooked/a', 'drop');
        a.message('hooked/a', 'raise');
        assert.equal(await a.error('hooked/a'), 'hook_refused');
        a.message('hooked/a', 'keep');
        await a.waitFor({ payload: 'keep' });
    });
});

test('errors by code, limits, closes by code', async () => {
    const a = await world.client();
    await counting(server, { 'errors_total{code="no_channel"}': 1, 'errors_total{code="not_joined"}': 1, 'errors_total{code="bad_json"}': 1 }, async () => {
        a.send('join', 'nowhere');
        await a.error('nowhere');
        a.message('fleeting/x', 1);
        await a.error('fleeting/x');
        a.raw('nonsense');
        await a.error();
    });
    for (let i = 0; i < 3; i++) {
        await a.join(`fleeting/${i}`);
    }
    await counting(server, { 'errors_total{code="too_many_channels"}': 1, 'limits_total{limit="session_channels"}': 1 }, async () => {
        a.send('join', 'fleeting/3');
        await a.error('fleeting/3');
    });
    await counting(server, { 'closes_total{code="1009"}': 1, 'limits_total{limit="frame_bytes"}': 1, 'frames_received_total{kind="invalid"}': 1 }, async () => {
        a.message('fleeting/0', 'x'.repeat(5000));
        assert.equal((await a.closes()).code, 1009);
    });
    const b = await world.client();
    await counting(server, { 'closes_total{code="1000"}': 1, 'frames_received_total{kind="close"}': 1 }, () => b.close());
});

test('a database that goes away', async () => {
    await counting(server, { database_downs_total: 1, epoch_changes_total: 0 }, async () => {
        await world.postgres.restart();
        await server.waitReady();
    });
    await waitMetric(server, 'database_up', (up) => up === 1);
});

// What a proxy on the same machine sends that was told nothing (nginx: proxy_pass alone), as far as we can see it.
test('without a token file there is no /metrics, not even for 127.0.0.1', async () => {
    await world.server.stop();
    await world.serve({ env: { PGHERALD_METRICS_TOKEN_FILE: undefined } });
    for (const token of [null, 'x'.repeat(16)]) {
        assert.equal((await world.server.get('/metrics', { token })).status, 404);
    }
});
