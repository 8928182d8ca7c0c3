// SPDX-License-Identifier: PostgreSQL
// The owner's SQL functions: authorize and the realtime triggers, with what goes wrong in them.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World, OPEN, DURABLE } from './lib/world.js';
import { user, secretFlags } from './lib/token.js';
import { until, SECOND } from './lib/wait.js';

const definer = 'SECURITY DEFINER SET search_path = pg_catalog, pg_temp';
const SETUP = `
    CREATE TABLE public.seen (id bigint GENERATED ALWAYS AS IDENTITY, action text, channel text, client json, options json, payload json);
    CREATE TABLE public.member (room text, row_id text);
    INSERT INTO public.member VALUES ('private/1', '1'), ('private/1', '2');
    CREATE FUNCTION public.note(action text, channel text, client json, options json, payload json) RETURNS json LANGUAGE plpgsql ${definer} AS $$
        BEGIN
            INSERT INTO public.seen (action, channel, client, options, payload) VALUES (action, channel, client, options, payload);
            RETURN payload;
        END $$;
    CREATE FUNCTION public.join_with_ticket(action text, channel text, client json, options json, payload json) RETURNS json LANGUAGE plpgsql ${definer} AS $$
        BEGIN
            IF client -> 'extras' ->> 'ticket' IS NULL THEN RAISE EXCEPTION 'No ticket for %, sorry.', channel; END IF;
            RETURN NULL;
        END $$;
    CREATE FUNCTION public.join_if_known(action text, channel text, client json, options json, payload json) RETURNS json LANGUAGE sql ${definer} AS $$
        SELECT to_json((client -> 'permissions' ->> 'dbo_id')::int > 0) $$;
    CREATE FUNCTION public.edit(action text, channel text, client json, options json, payload json) RETURNS json LANGUAGE plpgsql ${definer} AS $$
        BEGIN
            CASE payload ->> 'do'
                WHEN 'drop' THEN RETURN NULL;
                WHEN 'refuse' THEN RAISE EXCEPTION 'Mind your language.';
                WHEN 'fail' THEN PERFORM 1 / 0;
                WHEN 'sleep' THEN PERFORM pg_sleep(30);
                WHEN 'null' THEN RETURN 'null'::json;
                ELSE NULL;
            END CASE;
            RETURN json_build_object('edited', payload, 'by', client ->> 'socketId');
        END $$;
    CREATE FUNCTION public.is_member(channel text, identity json, action text) RETURNS boolean LANGUAGE sql ${definer} AS $$
        SELECT EXISTS (SELECT FROM public.member m WHERE m.room = channel AND m.row_id = identity ->> 'row_id') AND (action = 'join' OR identity ->> 'row_id' = '1')
    $$;
    CREATE TABLE public.asked (n int);
    CREATE FUNCTION public.count_and_allow(channel text, identity json, action text) RETURNS boolean LANGUAGE sql ${definer} AS $$
        INSERT INTO public.asked VALUES (1) RETURNING true
    $$;
    CREATE FUNCTION public.sleep(channel text, identity json, action text) RETURNS boolean LANGUAGE sql ${definer} AS $$
        SELECT pg_sleep(30) IS NOT NULL
    $$;
    CREATE FUNCTION public.raise(channel text, identity json, action text) RETURNS boolean LANGUAGE plpgsql ${definer} AS $$
        BEGIN RAISE EXCEPTION 'Closed on Sundays.'; END $$;`;

let world;
before(async () => {
    world = await World.start({
        sql: SETUP,
        rules: {
            'ticket/*': { ...OPEN, on_join: 'public.join_with_ticket' },
            'known/*': { ...OPEN, on_join: 'public.join_if_known' },
            'edit/*': { ...OPEN, on_message: 'public.edit' },
            'kept/*': { ...DURABLE, on_message: 'public.edit' },
            'private/*': { public_messaging: true, authorize: 'public.is_member' },
            'counted/*': { ...OPEN, authorize: 'public.count_and_allow' },
            'sleepy/*': { ...OPEN, authorize: 'public.sleep' },
            'raising/*': { ...OPEN, authorize: 'public.raise' },
            'plain/*': OPEN,
            'noted/*': { ...OPEN, on_join: 'public.note', on_leave: 'public.note', on_message: 'public.note',
                on_connect: 'public.note', on_disconnect: 'public.note' },
        },
        flags: [...secretFlags(), '--hook-timeout', '1s'],
    });
});
after(() => world?.stop());

const answer = (client, channel) => client.waitFor((f) => f.options?.channel === channel && ['join', 'message', 'error'].includes(f.action));

test('on_join refuses with its reason, and lets pass', async () => {
    const client = await world.client();
    client.send('join', 'ticket/1');
    const { action, payload } = await answer(client, 'ticket/1');
    assert.deepEqual([action, payload.code, payload.message], ['error', 'hook_refused', 'No ticket for ticket/1, sorry.']);
    await world.member('ticket/1', {}, { token: user(1, 1, { ticket: 7 }) });
});

test('on_join refuses by false, as a trigger of Xano does', async () => {
    const client = await world.client();
    client.send('join', 'known/1');
    assert.equal((await answer(client, 'known/1')).payload.code, 'hook_refused');
    await world.member('known/1', {}, { token: user(1, 1) });
});

test('on_message replaces, drops, refuses; an error of its own is not shown', async () => {
    for (const channel of ['edit/1', 'kept/1']) {
        const client = await world.member(channel);
        const me = client.joined.client.socketId;
        client.message(channel, { do: 'nothing', text: 'hi' });
        assert.deepEqual((await answer(client, channel)).payload, { edited: { do: 'nothing', text: 'hi' }, by: me });
        client.message(channel, { do: 'drop' });
        client.message(channel, { do: 'refuse' });
        assert.deepEqual((await answer(client, channel)).payload, { message: 'Mind your language.', code: 'hook_refused' });
        client.message(channel, { do: 'fail' });
        const failed = (await answer(client, channel)).payload;
        assert.equal(failed.code, 'hook_failed');
        assert.doesNotMatch(failed.message, /zero/);
        client.message(channel, { do: 'null' });
        assert.equal((await answer(client, channel)).payload, null);
        await world.server.process.says(/public\.edit.*division by zero/);
    }
});

test('a function that sleeps refuses in time; its session keeps its order, the others do not wait', async () => {
    const [sleeper, other] = [await world.member('edit/2'), await world.member('edit/2')];
    const bystander = await world.member('plain/1');
    sleeper.message('edit/2', { do: 'sleep' });
    sleeper.message('edit/2', { do: 'nothing', n: 1 });
    sleeper.send('join', 'plain/1');
    await until('the function to sleep', async () =>
        (await world.postgres.value("SELECT count(*)::int FROM pg_stat_activity WHERE usename = 'herald_hook' AND wait_event = 'PgSleep'")) === 1);
    bystander.message('plain/1', 'a');
    await bystander.waitFor({ action: 'message', payload: 'a' });
    other.message('edit/2', { do: 'nothing', n: 2 });
    assert.equal((await answer(other, 'edit/2')).payload.edited.n, 2);
    assert.equal(sleeper.on('edit/2', 'error').length, 0, 'others were served while it slept');
    assert.equal((await answer(sleeper, 'edit/2')).payload.edited.n, 2);
    assert.equal((await answer(sleeper, 'edit/2')).payload.code, 'hook_failed');
    assert.equal((await answer(sleeper, 'edit/2')).payload.edited.n, 1);
    await answer(sleeper, 'plain/1');
    assert.ok(sleeper.frames.findIndex((f) => f.payload?.edited?.n === 1) < sleeper.frames.findIndex((f) => f.options.channel === 'plain/1'));
});

test('authorize decides join and send by who it is', async () => {
    const channel = 'private/1';
    const [one, two] = await Promise.all([1, 2].map((n) => world.member(channel, {}, { token: user(1, n) })));
    for (const token of [user(1, 3), undefined]) {
        const client = await world.client({ token });
        client.send('join', channel);
        assert.equal(await client.error(channel), 'join_refused');
    }
    two.message(channel, 'x');
    assert.equal(await two.error(channel), 'send_refused');
    one.message(channel, 'y');
    assert.equal((await two.waitFor({ action: 'message' })).payload, 'y');
});

test('its answers are kept: one question for many, asked again after herald.forget', async () => {
    const asked = () => world.postgres.value('SELECT count(*)::int FROM public.asked');
    await Promise.all(Array.from({ length: 30 }, () => world.member('counted/1')));
    assert.equal(await asked(), 1);
    await world.member('counted/1', {}, { token: user(1, 1) });
    assert.equal(await asked(), 2);
    await world.postgres.query("SELECT herald.forget('counted/1')");
    await until('the members to be judged again', async () => (await asked()) === 4);
    await world.member('counted/1');
    assert.equal(await asked(), 4);
});

test('one who is not allowed any more is removed when the answers are forgotten', async () => {
    const channel = 'private/2';
    await world.postgres.query("INSERT INTO public.member VALUES ('private/2', '1'), ('private/2', '2')");
    const [one, two] = await Promise.all([1, 2].map((n) => world.member(channel, {}, { token: user(1, n) })));
    await world.postgres.query("DELETE FROM public.member WHERE room = 'private/2' AND row_id = '2'; SELECT herald.forget('private/*')");
    assert.equal(await two.error(channel), 'removed');
    one.message(channel, 'among us');
    await one.waitFor({ action: 'message' });
    assert.equal(two.on(channel, 'message').length, 0);
});

test('one that sleeps or raises refuses', async () => {
    const client = await world.client();
    client.send('join', 'sleepy/1');
    client.send('join', 'raising/1');
    assert.equal((await answer(client, 'sleepy/1')).payload.code, 'hook_failed');
    assert.deepEqual((await answer(client, 'raising/1')).payload, { message: 'Closed on Sundays.', code: 'hook_refused' });
});

test('connect, join, message, leave and disconnect are told in their order, with their inputs', async () => {
    await world.postgres.query('DELETE FROM public.seen');
    const client = await world.member('noted/1', { presence: true }, { token: user(5, 6, { name: 'Eve' }) });
    client.send('message', 'noted/1', [1, 'two'], { authenticated: false });
    await client.waitFor({ action: 'message' });
    client.send('leave', 'noted/1');
    await client.waitFor({ action: 'leave' });
    await client.join('noted/2');
    await client.close();
    const me = client.joined.client;
    const rows = await until('the last of them', async () => {
        const all = await world.postgres.query("SELECT action, channel, client, options, payload FROM public.seen WHERE client ->> 'socketId' = $1 ORDER BY id", [me.socketId]);
        return all.at(-1)?.action === 'disconnect' && all;
    });
    assert.deepEqual(rows.map((r) => [r.action, r.channel, r.options, r.payload]), [
        ['connect', null, null, null],
        ['join', 'noted/1', { channel: 'noted/1' }, { history: false, presence: true }],
        ['message', 'noted/1', { channel: 'noted/1', authenticated: false, socketId: null }, [1, 'two']],
        ['leave', 'noted/1', { channel: 'noted/1' }, null],
        ['join', 'noted/2', { channel: 'noted/2' }, { history: false, presence: false }],
        ['leave', 'noted/2', { channel: 'noted/2' }, null],
        ['disconnect', null, null, null],
    ]);
    rows.forEach((r) => assert.deepEqual(r.client, me));
});

test('a message of a burst keeps its place though each asks a function', async () => {
    const [sender, reader] = [await world.member('kept/2'), await world.member('kept/2')];
    for (let n = 0; n < 61; n++) {
        sender.message('kept/2', { do: n % 7 === 3 ? 'drop' : 'nothing', n });
    }
    const last = (f) => f.action === 'message' && f.payload.edited.n === 60;
    await Promise.all([sender, reader].map((c) => c.waitFor(last)));
    const expected = [...Array(61).keys()].filter((n) => n % 7 !== 3);
    for (const client of [sender, reader]) {
        assert.deepEqual(client.on('kept/2', 'message').map((f) => f.payload.edited.n), expected);
    }
});

test('a killed connection under a call refuses that call, and the next one works', { timeout: 30 * SECOND }, async () => {
    const client = await world.member('edit/3');
    client.message('edit/3', { do: 'sleep' });
    await until('the function to sleep', async () => (await world.postgres.terminate("wait_event = 'PgSleep'", 'herald_hook')) === 1);
    assert.equal((await answer(client, 'edit/3')).payload.code, 'hook_failed');
    await until('calls to work again', async () => {
        client.message('edit/3', { do: 'nothing' });
        return (await answer(client, 'edit/3')).action === 'message';
    });
});
