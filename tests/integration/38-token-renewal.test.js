// SPDX-License-Identifier: PostgreSQL
// A newer token on the same connection: the session outlives the first one, rights that the new one gives or takes count at once,
// and what was shown by other claims is read anew.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World, OPEN } from './lib/world.js';
import { mint, secretFlags, user } from './lib/token.js';
import { SECOND } from './lib/wait.js';

const now = () => Math.floor(Date.now() / 1000);
const ann = (extras = {}, more = {}) => mint({ dbo_id: 12, row_id: 34, extras, ...more });

const SQL = `
    CREATE FUNCTION public.may(channel text, identity json, action text) RETURNS boolean LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
        $$ SELECT coalesce(identity->'extras'->>'role' = 'chief' OR channel = 'judged/' || (identity->'extras'->>'role'), false) $$;
    CREATE FUNCTION public.check_login(token text) RETURNS json LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
        $$ SELECT CASE token WHEN 'opaque-ann' THEN '{"dbo_id": 12, "row_id": 34, "extras": {"role": "b"}}'::json
                             WHEN 'opaque-ben' THEN '{"dbo_id": 12, "row_id": 35}'::json END $$;
    CREATE TABLE public.papers (id int PRIMARY KEY, org text);
    INSERT INTO public.papers VALUES (1, 'a'), (2, 'b'), (3, 'b');
    SELECT herald.watch('papers', channel => 'papers', snapshot => true, visible => '{"org": {"eq": {"identity": "extras.org"}}}');`;

let world;
before(async () => {
    world = await World.start({
        rules: { 'open/*': OPEN, papers: { anonymous_clients: true }, listed: { ...OPEN, presence: true }, 'judged/*': { ...OPEN, authorize: 'public.may' } },
        sql: SQL,
        flags: [...secretFlags(), '--token-function', 'public.check_login', '--token-leeway', '0s'],
    });
});
after(() => world?.stop());

let refs = 0;
async function renew(client, payload) {
    const ref = `renewal ${++refs}`;
    client.raw(JSON.stringify({ action: 'token', options: { ref }, payload }));
    return client.waitFor((f) => f.options?.ref === ref);
}

async function snapshot(client) {
    client.send('join', 'papers', { snapshot: true });
    const rows = [];
    for (let part = { last: false }; !part.last; rows.push(...part.rows)) {
        ({ payload: part } = await client.waitFor({ action: 'snapshot' }));
    }
    return rows.map((row) => row.id);
}

test('a session outlives its first token, and ends with the last one', async () => {
    const client = await world.member('open/1', {}, { token: ann({}, { exp: now() + 2 }) });
    const exp = now() + 4;
    const answer = await renew(client, ann({ name: 'Ann' }, { exp }));
    assert.deepEqual([answer.action, answer.client.extras, answer.client.permissions], ['token', { name: 'Ann' }, { dbo_id: 12, row_id: 34 }]);
    assert.equal(Date.parse(answer.payload.expires_at), exp * 1000);
    client.message('open/1', 'hello');
    assert.deepEqual((await client.waitFor({ action: 'message' })).client.extras, { name: 'Ann' });
    assert.equal(await client.error(undefined, 15 * SECOND), 'token_expired');
    assert.ok(now() >= exp);
    assert.equal((await client.closes()).code, 4000);
    const forever = await world.member('open/1', {}, { token: ann({}, { exp: now() + 3600 }) });
    assert.equal((await renew(forever, mint({ dbo_id: 12, row_id: 34, exp: undefined }))).payload.expires_at, null);
});

test('one that is refused leaves the old one; somebody else\'s ends the session', async () => {
    const client = await world.member('open/1', {}, { token: ann() });
    for (const [token, code] of [[ann({}, { exp: 1000 }), 'token_expired'], [mint({}, { secret: 'another' }), 'token_invalid'], ['opaque-nobody', 'token_invalid']]) {
        const { action, payload } = await renew(client, token);
        assert.deepEqual([action, payload.code], ['error', code]);
        assert.match(payload.message, /: .*[a-z].*\.$/);
    }
    client.message('open/1', 'still here');
    await client.waitFor({ action: 'message' });
    for (const [first, second] of [[ann(), user(12, 35)], [ann(), user(13, 34)], [ann(), null], [ann(), ''], [ann(), 'opaque-ben'], [undefined, ann()], [ann(), mint({})]]) {
        const other = await world.member('open/1', {}, first === undefined ? {} : { token: first });
        const { action, payload } = await renew(other, second);
        assert.deepEqual([action, payload.code], ['error', 'token_invalid']);
        assert.equal((await other.closes()).code, 4000);
    }
});

test('rights are gained and lost; later frames wait for that', async () => {
    const client = await world.member('judged/a', {}, { token: ann({ role: 'a' }) });
    client.send('join', 'judged/b');
    assert.equal(await client.error('judged/b'), 'join_refused');
    client.raw(JSON.stringify({ action: 'token', options: { ref: 'x' }, payload: 'opaque-ann' })); // of role b
    client.message('judged/a', 'no more');
    client.send('join', 'judged/b');
    await client.waitFor({ action: 'join', options: { channel: 'judged/b' } });
    const since = client.frames.slice(client.frames.findIndex((f) => f.payload?.code === 'removed'));
    assert.deepEqual(since.map((f) => [f.action, f.options?.channel, f.payload?.code]),
        [['error', 'judged/a', 'removed'], ['token', undefined, undefined], ['error', 'judged/a', 'not_joined'], ['join', 'judged/b', undefined]]);
    assert.equal((await renew(client, ann({ role: 'chief' }))).action, 'token');
    await client.join('judged/a');
    assert.equal(client.on('judged/b', 'error').filter((f) => f.payload.code === 'removed').length, 0);
});

test('rows that others may see are read anew, and no others', async () => {
    const client = await world.client({ token: ann({ org: 'a' }) });
    assert.deepEqual(await snapshot(client), [1]);
    await renew(client, ann({ org: 'a', name: 'Ann' }));
    assert.equal(client.on('papers').filter((f) => f.payload.gap).length, 0); // what decides is the same
    assert.equal((await renew(client, ann({ org: 'b' }))).action, 'token');
    const gap = client.on('papers').find((f) => f.payload.gap);
    assert.equal(gap.client ?? null, null);
    assert.deepEqual(await snapshot(client), [2, 3]);
    await world.postgres.query("INSERT INTO papers VALUES (4, 'a'), (5, 'b')");
    const row = await client.waitFor({ action: 'event', options: { view: gap.options.view } });
    assert.equal(row.payload.data.new.id, 5);
    assert.equal(client.frames.filter((f) => f.action === 'event' && f.payload.data.new?.id === 4).length, 0);
});

test('the next list shows other extras; whoever has one is told nothing', async () => {
    const client = await world.member('listed', {}, { token: ann({ name: 'Ann' }) });
    const reader = await world.member('listed', { presence: true });
    await reader.waitFor({ action: 'presence_full' });
    await renew(client, ann({ name: 'Anna' }));
    const late = await world.member('listed', { presence: true });
    const { payload } = await late.waitFor({ action: 'presence_full' });
    assert.deepEqual(payload.presence.map((member) => member.extras.name).filter(Boolean), ['Anna']);
    await client.close();
    const { presence } = (await late.waitFor((f) => f.action === 'presence_update' && f.payload.action === 'leave')).payload;
    assert.equal(presence.socketId, client.joined.client.socketId);
    await reader.waitFor((f) => f.action === 'presence_update' && f.payload.presence.socketId === presence.socketId && f.payload.action === 'leave');
    assert.equal(reader.on('listed', 'presence_update').filter((f) => f.payload.presence.extras.name === 'Ann' || f.payload.presence.socketId === presence.socketId).length, 1);
});
