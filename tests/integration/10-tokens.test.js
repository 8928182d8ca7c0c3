// SPDX-License-Identifier: PostgreSQL
// Who a client is: the roads that a token takes, what is said about one that is not accepted, and when it ends. What makes
// a token acceptable is the business of tests/unit/auth.
import { test, before, after, describe } from 'node:test';
import assert from 'node:assert/strict';
import { generateKeyPairSync, createHmac, sign } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { World, OPEN } from './lib/world.js';
import { mint, soon, user, secretFlags, SECRET } from './lib/token.js';
import { refusal } from './lib/client.js';
import { pgherald } from './lib/server.js';
import { temporaryDirectory } from './lib/process.js';
import { SECOND } from './lib/wait.js';

const CHECK = `
    CREATE TABLE public.login (token text PRIMARY KEY, account text, expires double precision);
    INSERT INTO public.login VALUES ('opaque-ann', '7', NULL), ('opaque-old', '8', 1), ('opaque-soon', '9', NULL);
    CREATE FUNCTION public.check_login(token text) RETURNS json LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT json_build_object('dbo_id', 3, 'row_id', l.account, 'extras', json_build_object('from', 'database'),
                                 'exp', CASE WHEN l.token = 'opaque-soon' THEN extract(epoch FROM now()) + 2 ELSE l.expires END)
          FROM public.login l WHERE l.token = check_login.token
    $$;`;
const MEMBERS = { public_messaging: true, public_auth: true };

let world;
before(async () => {
    world = await World.start({
        rules: { 'open/*': OPEN, 'members/*': MEMBERS },
        sql: CHECK,
        flags: [...secretFlags(), '--token-function', 'public.check_login', '--token-in-query', '--token-issuer', 'us'],
    });
});
after(() => world?.stop());

const ours = (claims) => mint({ iss: 'us', ...claims });
const ann = () => ours({ dbo_id: 12, row_id: 34, extras: { name: 'Ann' } });
const ANN = { extras: { name: 'Ann' }, permissions: { dbo_id: 12, row_id: 34 } };

const whoIs = (frame) => ({ extras: frame.client.extras, permissions: frame.client.permissions });

describe('a token that is accepted', () => {
    test('comes as the subprotocol, which is echoed', async () => {
        const token = ann();
        const client = await world.member('members/1', {}, { token });
        assert.equal(client.socket.protocol, token);
        assert.deepEqual(whoIs(client.joined), ANN);
    });

    test('comes as Authorization: Bearer', async () => {
        const client = await world.member('members/1', {}, { headers: { Authorization: `Bearer ${ann()}` } });
        assert.deepEqual(whoIs(client.joined), ANN);
    });

    test('comes as access_token in the query, where that is switched on', async () => {
        const canonical = `${world.canonical}?access_token=${encodeURIComponent(ann())}`;
        const client = await world.member('members/1', {}, { canonical });
        assert.deepEqual(whoIs(client.joined), ANN);
    });

    test('names its user in every message', async () => {
        const [sender, reader] = [await world.member('members/2', {}, { token: ann() }), await world.member('members/2', {}, { token: ours({}) })];
        sender.message('members/2', 'hi');
        assert.deepEqual(whoIs(await reader.waitFor({ action: 'message' })), ANN);
        assert.deepEqual(whoIs(reader.joined), { extras: {}, permissions: { dbo_id: 0, row_id: 0 } });
    });

    test('keeps a UUID as a string', async () => {
        const row_id = '6f0c1a52-6a0e-4a6e-9d2b-2f1f0a1f7a10';
        const client = await world.member('members/1', {}, { token: ours({ dbo_id: 1, row_id }) });
        assert.equal(client.joined.client.permissions.row_id, row_id);
    });
});

describe('a token that the database knows', () => {
    test('is checked by the function', async () => {
        const client = await world.member('members/1', {}, { token: 'opaque-ann' });
        assert.deepEqual(whoIs(client.joined), { extras: { from: 'database' }, permissions: { dbo_id: 3, row_id: 7 } });
    });

    test('decides for whom an event is, as any other', async () => {
        const client = await world.member('members/3', {}, { token: 'opaque-ann' });
        await world.postgres.query("SELECT herald.publish('members/3', '1', 3, '8'), herald.publish('members/3', '2', 3, '7')");
        assert.equal((await client.waitFor({ action: 'event' })).payload.data, 2);
    });

    test('is refused with a reason, and may have expired', async () => {
        for (const [token, code] of [['opaque-nobody', 'token_invalid'], ['opaque-old', 'token_expired']]) {
            const client = await world.client({ token });
            client.send('join', 'open/1');
            assert.equal(await client.error('open/1'), code);
            assert.deepEqual(whoIs(await client.waitFor({ action: 'join' })), { extras: {}, permissions: { dbo_id: 0, row_id: 0 } });
        }
    });

    test('ends when the function said it would', async () => {
        const client = await world.member('members/1', {}, { token: 'opaque-soon' });
        assert.equal(await client.error(undefined, 10 * SECOND), 'token_expired');
        assert.equal((await client.closes()).code, 4000);
    });
});

describe('a token that is not accepted', () => {
    const foreign = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const signed = (header, claims, signature) => {
        const input = `${encode(header)}.${encode({ iss: 'us', ...claims })}`;
        return `${input}.${signature(input)}`;
    };
    const BAD = {
        'of another secret': () => mint({ iss: 'us', dbo_id: 1 }, { secret: 'another secret of thirty-two bytes and more' }),
        'unsigned': () => signed({ alg: 'none' }, { dbo_id: 1 }, () => ''),
        'signed by a foreign key': () => signed({ alg: 'RS256' }, {}, (input) => sign('sha256', Buffer.from(input), foreign.privateKey).toString('base64url')),
        'of another algorithm': () => signed({ alg: 'HS512' }, {}, (input) => createHmac('sha512', SECRET).update(input).digest('base64url')),
        'tampered with': () => ann().replace(/^([^.]+)\.[^.]+\./, (_, head) => `${head}.${encode({ iss: 'us', dbo_id: 1, row_id: 1 })}.`),
        'of another issuer': () => mint({ iss: 'them', dbo_id: 1 }),
        'not valid yet': () => ours({ nbf: Math.floor(Date.now() / 1000) + 3600 }),
        'four KiB long': () => `${ann().slice(0, -3)}${'A'.repeat(3800)}`,
        'longer than allowed': () => `${ann()}${'A'.repeat(9000)}`,
    };

    for (const [what, make] of Object.entries(BAD)) {
        test(`${what}: anonymous, and told why at the first join only`, async () => {
            const client = await world.client({ token: make() });
            client.send('join', 'open/1');
            const error = await client.waitFor((f) => f.options?.channel === 'open/1');
            assert.deepEqual([error.action, error.payload.code], ['error', 'token_invalid']);
            assert.match(error.payload.message, /^The token was not accepted: .*[a-z].*\.$/);
            assert.deepEqual(whoIs(await client.waitFor({ action: 'join' })), { extras: {}, permissions: { dbo_id: 0, row_id: 0 } });
            await client.join('open/2');
            assert.equal(client.on('open/2', 'error').length, 0);
        });
    }

    test('expired: told so, and refused where members only may join', async () => {
        const client = await world.client({ token: ours({ dbo_id: 1, exp: 1000 }) });
        client.send('join', 'members/1');
        assert.equal(await client.error('members/1'), 'token_expired');
        assert.equal(await client.error('members/1'), 'anonymous_refused');
    });

    test('a megabyte is refused as a request', async () => {
        const status = await refusal(world.server, { canonical: world.canonical, headers: { Authorization: `Bearer ${'A'.repeat(1 << 20)}` } })
            .catch((error) => error.code ?? String(error));
        assert.ok([431, 'ECONNRESET', 'EPIPE'].includes(status), String(status));
        assert.equal((await world.server.get('/health')).status, 200);
    });
});

describe('the end of a token', () => {
    test('an error, then close 4000, on a live socket', async () => {
        const client = await world.member('members/1', {}, { token: soon({ iss: 'us', dbo_id: 1 }) });
        const error = await client.waitFor({ action: 'error' });
        assert.equal(error.payload.code, 'token_expired');
        assert.equal(error.options.channel, undefined);
        assert.equal((await client.closes()).code, 4000);
    });
});

describe('invalid-token = reject', () => {
    let strict;
    before(async () => {
        strict = await World.start({
            rules: { 'open/*': OPEN },
            sql: CHECK,
            flags: [...secretFlags(), '--token-function', 'public.check_login', '--invalid-token', 'reject'],
        });
    });
    after(() => strict?.stop());

    test('HTTP 401 for a token that is not accepted or has expired', async () => {
        for (const token of [mint({}, { secret: 'another secret of thirty-two bytes and more' }), mint({ exp: 1000 })]) {
            assert.equal(await refusal(strict.server, { canonical: strict.canonical, token }), 401);
        }
        assert.equal((await strict.member('open/1', {}, { token: user(1, 2) })).joined.client.permissions.row_id, 2);
        await strict.member('open/1');
    });

    test('the query is not looked at unless that is switched on', async () => {
        const canonical = `${strict.canonical}?access_token=${encodeURIComponent(user(1, 2))}`;
        const client = await strict.member('open/1', {}, { canonical });
        assert.equal(client.joined.client.permissions.row_id, 0);
    });

    test('one that the database refuses: an error, then close 4401', async () => {
        const client = await strict.client({ token: 'opaque-nobody' });
        assert.equal(await client.error(), 'token_invalid');
        assert.equal((await client.closes()).code, 4401);
    });
});

const pair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });

// For table 4, row 5.
function token({ privateKey }) {
    const input = `${Buffer.from('{"alg":"ES256"}').toString('base64url')}.${Buffer.from('{"dbo_id":4,"row_id":5}').toString('base64url')}`;
    return `${input}.${sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

describe('keys behind https', () => {
    const directory = temporaryDirectory('issuer');
    const cert = join(directory, 'cert.pem');
    const keys = pair();
    let issuer;
    let url;
    before(async () => {
        const key = join(directory, 'key.pem');
        execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=issuer',
            '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert], { stdio: 'pipe' });
        const set = JSON.stringify({ keys: [{ ...keys.publicKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig' }] });
        issuer = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => response.end(set));
        await once(issuer.listen(0, '127.0.0.1'), 'listening');
        url = `https://127.0.0.1:${issuer.address().port}/jwks.json`;
    });
    after(() => issuer?.close());

    const who = async (flags, said) => {
        const keyed = await World.start({ rules: { 'open/*': OPEN }, flags: ['--token-jwks-url', url, ...flags] });
        try {
            await keyed.server.process.says(said);
            return (await keyed.member('open/1', {}, { token: token(keys) })).joined.client.permissions.row_id;
        } finally {
            await keyed.stop();
        }
    };

    test('are taken from a server whose certificate is from the authority that was named', async () => {
        assert.equal(await who(['--token-jwks-ca-file', cert], /1 key/), 5);
    });

    test('are not taken from a server that nobody vouches for', async () => {
        assert.equal(await who([], /certificate/), 0);
    });

    test('a file that is not there is said at the start', async () => {
        const { code, stderr } = await pgherald(['serve', '--token-jwks-url', url, '--token-jwks-ca-file', join(directory, 'none.pem')]);
        assert.equal(code, 78);
        assert.match(stderr, /--token-jwks-ca-file: cannot read .*none\.pem/);
    });
});

describe('keys on disk', () => {
    test('are read again on SIGHUP, and a broken file changes nothing', async () => {
        const path = join(temporaryDirectory('keys'), 'key.pem');
        const write = ({ publicKey }) => writeFileSync(path, publicKey.export({ type: 'spki', format: 'pem' }));
        const [old, fresh] = [pair(), pair()];
        write(old);
        const keyed = await World.start({ rules: { 'open/*': OPEN }, flags: ['--token-key-file', path] });
        try {
            const who = async (t) => (await keyed.member('open/1', {}, { token: t })).joined.client.permissions.row_id;
            const witness = await keyed.member('open/1', {}, { token: token(old) });
            assert.deepEqual([await who(token(old)), await who(token(fresh))], [5, 0]);
            writeFileSync(path, 'no key at all\n');
            keyed.server.process.signal('SIGHUP');
            await keyed.server.process.says(/stay/);
            assert.equal(await who(token(old)), 5);
            write(fresh);
            const from = keyed.server.process.stderr.length;
            keyed.server.process.signal('SIGHUP');
            await keyed.server.process.says(/reloaded/, { from });
            assert.deepEqual([await who(token(old)), await who(token(fresh))], [0, 5]);
            await witness.barrier();
        } finally {
            await keyed.stop();
        }
    });
});
