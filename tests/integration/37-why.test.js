// SPDX-License-Identifier: PostgreSQL
// A browser tells its page nothing of a handshake that was refused. So the page may ask why, and what it is told is what
// the handshake goes by: each question here is followed by a handshake of the same client, which is refused exactly if
// the answer says so.
import { test, before, after, describe } from 'node:test';
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { request } from 'node:http';
import { World, OPEN } from './lib/world.js';
import { mint, secretFlags, SECRET } from './lib/token.js';
import { Client } from './lib/client.js';
import { Raw } from './lib/raw.js';
import { until, within } from './lib/wait.js';

const SERVED = { PGHERALD_INVALID_TOKEN: 'reject' };
const ORIGIN = 'https://app.example';
const HOUR = 3600;
const now = () => Math.floor(Date.now() / 1000);

let world;
before(async () => {
    world = await World.start({ rules: { 'open/*': OPEN }, server: false });
});
after(() => world?.stop());

// ---- asking ----

let asked = 0;
const stranger = () => `127.1.${(asked >> 8) & 255}.${(asked++ & 255) || 1}`;
const sentences = new Map(); // code → the sentences that came with it

function get(server, path, { method = 'GET', headers = {}, localAddress = stranger() } = {}) {
    return within('an answer', new Promise((resolve, reject) => {
        request({ host: '127.0.0.1', port: server.port, path, method, headers, localAddress, agent: false }, (response) => {
            let body = '';
            response.setEncoding('utf8').on('data', (part) => (body += part)).on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }));
        }).on('error', reject).end();
    }));
}

function note(answer) {
    const said = JSON.parse(answer.body);
    assert.deepEqual(Object.keys(said), ['code', 'message', 'node']);
    assert.match(said.message, /^[A-Z][^\n]*\.$/);
    assert.doesNotMatch(answer.body, /postgres|database|herald_server|127\.0\.0\.1|\/tmp/i);
    assert.equal(answer.headers['access-control-allow-origin'], '*');
    assert.equal(answer.headers['cache-control'], 'no-store');
    sentences.set(said.code, (sentences.get(said.code) ?? new Set()).add(said.message));
    return said;
}

async function why(server, { canonical = world.canonical, ...options } = {}) {
    const answer = await get(server, `/rt/${canonical}?why`, options);
    assert.equal(answer.status, answer.body.includes('rate_limited') ? 429 : 200);
    return note(answer);
}

// The status of a handshake, 101 if it is accepted; then it ends.
async function handshake(server, options) {
    const client = new Client(server, { canonical: world.canonical, ...options });
    const status = await within('the handshake', new Promise((resolve) => {
        client.socket.on('unexpected-response', (_request, response) => resolve(response.resume().statusCode));
        client.socket.on('open', () => resolve(101));
    }));
    if (status === 101) {
        await client.close();
    }
    return status;
}

async function withServer(act, { env = {}, flags = [] } = {}) {
    const server = await world.serve({ env: { ...SERVED, ...env }, flags });
    try {
        await act(server);
    } finally {
        await server.stop();
    }
}

// ---- tokens ----

const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const ours = (claims, options) => mint({ iss: 'us', aud: 'app', ...claims }, options);
const signed = (header, body) => {
    const input = `${encode({ alg: 'HS256', ...header })}.${encode(body)}`;
    return `${input}.${createHmac('sha256', SECRET).update(input).digest('base64url')}`;
};
const jwe = (header) => `${encode(header)}..${'A'.repeat(16)}.${'A'.repeat(8)}.${'A'.repeat(22)}`;

// Each with a word of its sentence.
const TOKENS = [
    ['signature does not match', () => ours({}, { secret: 'another secret of thirty-two bytes and more' })],
    ['algorithm is not accepted', () => ours({}, { header: { alg: 'none' } })],
    ['\\(crit\\)', () => ours({}, { header: { crit: ['x'], x: 1 } })],
    ['not well formed', () => ours({}, { header: { kid: 7 } })],
    ['characters that no token has', () => `${ours({})} ${ours({})}`],
    ['too long', () => `${ours({})}${'A'.repeat(8200)}`],
    ['not a JSON object', () => signed({}, ['a list'])],
    ['\\(nbf\\) is not a number', () => ours({ nbf: 'tomorrow' })],
    ['not valid yet', () => ours({ nbf: now() + HOUR })],
    ['\\(exp\\) is not a number', () => ours({ exp: 'tomorrow' })],
    ['has expired', () => ours({ exp: now() - HOUR }), 'token_expired'],
    ['\\(iss\\)', () => ours({ iss: 'them' })],
    ['\\(aud\\)', () => ours({ aud: 'other' })],
    ["user's table", () => ours({ dbo_id: 'a table' })],
    ["user's row is too long", () => ours({ row_id: 'x'.repeat(300) })],
    ["user's row is neither", () => ours({ row_id: 1.5 })],
    ['extras is not an object', () => ours({ extras: [] })],
    ['extras is too big', () => ours({ extras: { text: 'x'.repeat(5000) } })],
];
const ENCRYPTED = [
    ['\\(zip\\)', { alg: 'dir', enc: 'A256GCM', zip: 'DEF' }],
    ['\\(enc\\)', { alg: 'dir', enc: 'A1GCM' }],
    ['cannot be decrypted', { alg: 'dir', enc: 'A256GCM' }],
];
const OUR_FLAGS = () => [...secretFlags(), '--token-issuer', 'us', '--token-audience', 'app'];
const bearer = (token) => ({ headers: { Authorization: `Bearer ${token}` } });

async function assertRefused(server, word, token, code = 'token_invalid') {
    const said = await why(server, bearer(token));
    assert.equal(said.code, code, said.message);
    assert.match(said.message, new RegExp(`^The token was not accepted: .*${word}`));
    assert.equal(await handshake(server, bearer(token)), 401, word);
}

test('a token, by each reason', async () => {
    await withServer(async (server) => {
        for (const [word, make, code] of TOKENS) {
            await assertRefused(server, word, make(), code);
        }
        assert.equal((await why(server, bearer(ours({ dbo_id: 1, row_id: 2 })))).code, 'none');
        assert.equal(await handshake(server, bearer(ours({ dbo_id: 1, row_id: 2 }))), 101);
        const opaque = await why(server, bearer('opaque')); // which others judge
        assert.deepEqual([opaque.code, /checked when you are connected/.test(opaque.message)], ['none', true]);
        assert.equal(await handshake(server, bearer('opaque')), 101);
    }, { flags: OUR_FLAGS() });
});

test('an encrypted one', async () => {
    await withServer(async (server) => {
        for (const [word, header] of ENCRYPTED) {
            await assertRefused(server, word, jwe(header));
        }
    }, { flags: [...secretFlags('0123456789abcdef0123456789abcdef'), '--token-secret-algorithm', 'dir'] });
});

test('a server without keys; one that lets them in as anonymous', async () => {
    await withServer((server) => assertRefused(server, 'no key for tokens', ours({})));
    await withServer(async (server) => {
        const said = await why(server, bearer(ours({})));
        assert.equal(said.code, 'token_invalid');
        assert.match(said.message, /You would be connected, but as an anonymous client\.$/);
        assert.equal(await handshake(server, bearer(ours({}))), 101);
    }, { env: { PGHERALD_INVALID_TOKEN: 'anonymous' } });
});

// ---- the rest ----

describe('what is not about tokens', () => {
    test('origin, canonical, HTTP/1.0, nothing', async () => {
        await withServer(async (server) => {
            for (const [code, status, options] of [
                ['none', 101, { headers: { Origin: ORIGIN } }],
                ['none', 101, {}],
                ['origin', 403, { headers: { Origin: 'https://other.example' } }],
                ['canonical', 404, { canonical: 'nobody' }],
                ['canonical', 404, { canonical: 'nobody', headers: { Origin: 'https://other.example' } }],
            ]) {
                assert.equal((await why(server, options)).code, code);
                assert.equal(await handshake(server, options), status);
            }
            const old = await Raw.connect(server.port);
            old.write(`GET /rt/${world.canonical}?why HTTP/1.0\r\n\r\n`);
            const head = await old.head();
            await old.ended;
            assert.equal(note({ headers: head.fields, body: old.bytes.toString() }).code, 'no_upgrade');
        }, { env: { PGHERALD_ORIGINS: ORIGIN } });
    });

    test('limits of an address', async () => {
        await withServer(async (server) => {
            const localAddress = '127.0.0.3';
            const held = await Client.open(server, { canonical: world.canonical, localAddress });
            assert.equal((await why(server, { localAddress })).code, 'address_sessions');
            assert.equal(await handshake(server, { localAddress }), 429);
            assert.equal((await why(server, { localAddress })).code, 'address_rate');
            assert.equal(await handshake(server, { localAddress }), 429);
            assert.equal((await why(server)).code, 'none');
            await held.close();
        }, { env: { PGHERALD_TRUSTED_PROXIES: '127.0.0.9', PGHERALD_ADDRESS_SESSIONS: '1', PGHERALD_ADDRESS_HANDSHAKES: '1', PGHERALD_ADDRESS_HANDSHAKES_BURST: '2' } });
    });

    test('limits of a proxy, and of all', async () => {
        const env = { PGHERALD_TRUSTED_PROXIES: '127.0.0.9', PGHERALD_PROXY_SESSIONS: '1', PGHERALD_PROXY_HANDSHAKES: '2', PGHERALD_MAX_SESSIONS: '2' };
        await withServer(async (server) => {
            const localAddress = '127.0.0.9';
            const held = [await Client.open(server, { canonical: world.canonical, localAddress })];
            assert.equal((await why(server, { localAddress })).code, 'proxy_sessions');
            assert.equal(await handshake(server, { localAddress }), 429);
            assert.equal((await why(server, { localAddress })).code, 'proxy_rate');
            held.push(await Client.open(server, { canonical: world.canonical }));
            assert.equal((await why(server)).code, 'sessions');
            assert.equal(await handshake(server, {}), 503);
            await held[0].close();
            await until('room again', async () => (await why(server)).code === 'none');
            await held[1].close();
        }, { env });
    });

    test('switched off; not ready', async () => {
        const server = await world.serve({ env: SERVED });
        await world.postgres.query('SELECT herald.set_enabled(false)');
        await until('it to be switched off', async () => (await why(server)).code === 'switched_off');
        assert.equal(await handshake(server, {}), 503);
        await world.postgres.query('SELECT herald.set_enabled(true)');
        await until('it to be switched on', async () => (await why(server)).code === 'none');
        await world.postgres.down();
        await until('it to be not ready', async () => (await why(server)).code === 'not_ready');
        assert.equal(await handshake(server, {}), 503);
        await world.postgres.up();
        await server.stop();
    });
});

test('whoever asks is asked himself: preflight, rate, other methods', async () => {
    await withServer(async (server) => {
        const path = `/rt/${world.canonical}?why`;
        const preflight = await get(server, path, { method: 'OPTIONS', headers: { Origin: ORIGIN, 'Access-Control-Request-Method': 'GET', 'Access-Control-Request-Headers': 'authorization' } });
        assert.equal(preflight.status, 200);
        assert.equal(preflight.headers['access-control-allow-origin'], '*');
        assert.match(preflight.headers['access-control-allow-headers'], /authorization/i);
        assert.equal((await get(server, '/health', { method: 'OPTIONS' })).status, 405);
        assert.equal((await get(server, `/rt/${world.canonical}`, { method: 'OPTIONS' })).status, 405);
        const localAddress = '127.0.0.7';
        const codes = [];
        for (let i = 0; i < 40; i++) {
            codes.push((await why(server, { localAddress })).code);
        }
        assert.ok(codes.includes('rate_limited') && codes[0] === 'none');
        assert.equal(await handshake(server, { localAddress }), 101); // which has a limit of its own
        assert.equal((await get(server, `/rt/${world.canonical}`)).status, 426); // as ever
        const node = new Set([(await why(server)).node, (await why(server)).node]);
        assert.equal(node.size, 1);
        assert.match([...node][0], /^[\w-]{16}$/);
        assert.match(server.process.stderr, new RegExp(`this is node ${[...node][0]}`));
    });
});

test('thirty sentences at least, each for itself', () => {
    const all = [...sentences.values()].flatMap((set) => [...set]);
    assert.equal(new Set(all).size, all.length);
    assert.ok(all.length >= 30, `${all.length}:\n${all.join('\n')}`);
});
