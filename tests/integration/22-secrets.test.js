// SPDX-License-Identifier: PostgreSQL
// Logs never hold tokens, claims, rows or connection strings, at any level, whatever goes wrong: markers are sent on every
// road that there is, and then looked for in all that the server said.
import { test, after } from 'node:test';
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { World, DURABLE } from './lib/world.js';
import { Raw, text, upgrade } from './lib/raw.js';
import { Server, pgherald } from './lib/server.js';
import { mint, user, secretFlags, SECRET } from './lib/token.js';
import { freePort, temporaryDirectory } from './lib/process.js';

const MARK = 'Marker7f3a'; // in everything that is nobody's business
const PASSWORD = `${MARK}-password`;
const definer = 'SECURITY DEFINER SET search_path = pg_catalog, pg_temp';
let world;
after(() => world?.stop());

// Their messages say what was wrong with a value; that is Postgres' habit and not their authors' wish.
const SETUP = `
    CREATE TABLE public.account (id int PRIMARY KEY, secret text);
    SELECT herald.watch('public.account', channel => 'kept/accounts');
    CREATE FUNCTION public.numbers(action text, channel text, client json, options json, payload json) RETURNS json LANGUAGE plpgsql ${definer} AS $$
        BEGIN RETURN to_json((payload ->> 0)::int); END $$;
    CREATE FUNCTION public.dates(action text, channel text, client json, options json, payload json) RETURNS json LANGUAGE plpgsql ${definer} AS $$
        BEGIN RETURN to_json(concat('2026-99-99 ', payload ->> 0)::timestamptz); END $$;
    CREATE FUNCTION public.allow(channel text, identity json, action text) RETURNS boolean LANGUAGE plpgsql ${definer} AS $$
        BEGIN RETURN identity -> 'extras' ->> 'name'; END $$;
    CREATE FUNCTION public.session_of(token text) RETURNS json LANGUAGE plpgsql ${definer} AS $$
        BEGIN PERFORM token::uuid; RETURN NULL; END $$;`;

async function noise(server) {
    const signed = user(12, `${MARK}-row`, { name: `${MARK}-claim` });
    const client = await world.client({ server, token: signed });
    for (const channel of ['kept/1', 'numbers/1', 'dates/1', 'asked/1', 'nowhere/1', 'kept/accounts']) {
        client.send('join', channel, { history: true, presence: true, since: { epoch: MARK, offset: 1 } });
        client.message(channel, [MARK]);
        client.send('message', channel, MARK, { socketId: MARK });
        client.send(MARK, channel);
    }
    client.raw(`{"action":"message","options":{"channel":"kept/1"},"payload":"${MARK}`);
    await client.barrier();
    await world.postgres.query(`INSERT INTO public.account VALUES ($1, $2)`, [Number(server.port), MARK]);
    await world.postgres.query(`SELECT herald.publish('kept/1', to_jsonb($1::text), 12, $1)`, [MARK]);
    await client.waitFor({ action: 'event', options: { channel: 'kept/accounts' } });
    await client.close();
    const [head, body, signature] = signed.split('.');
    const bad = [mint({ name: MARK, exp: 1 }), `${head}.${body}.${signature.slice(1)}x`, `${head}.${body}`, MARK, `${MARK}.${MARK}`, mint({ dbo_id: MARK })];
    for (const token of bad) {
        for (const options of [
            { fields: `Sec-WebSocket-Protocol: ${token}\r\n` }, { fields: `Authorization: Bearer ${token}\r\n` },
            { line: `GET /rt/${server.canonical}?access_token=${token} HTTP/1.1` }, { fields: `Cookie: ${token}\r\nX\r\n` }, { line: `GET /${token} HTTP/1.1` },
        ]) {
            const raw = await Raw.connect(server.port);
            raw.write(upgrade(server.canonical, options));
            if ((await raw.head()).status === 101) {
                raw.write(text(`{"action":"join","options":{"channel":"kept/1"},"payload":"${MARK}"}`));
                await raw.message();
            }
            raw.destroy();
        }
    }
}

for (const format of ['text', 'json']) {
    test(`a server that says all it can, as ${format}`, async () => {
        world ??= await World.start({
            sql: SETUP,
            rules: {
                'kept/*': { ...DURABLE, presence: true, private_messaging: true }, 'numbers/*': { ...DURABLE, on_message: 'public.numbers' },
                'dates/*': { ...DURABLE, on_message: 'public.dates' }, 'asked/*': { ...DURABLE, authorize: 'public.allow' },
            },
            server: false,
        });
        const url = new URL(world.postgres.url({ user: 'herald_server' }));
        url.password = PASSWORD;
        for (const flags of [secretFlags(), [...secretFlags(), '--token-function', 'public.session_of']]) {
            const server = await Server.start({
                database: url.href, flags: [...flags, '--token-in-query', '--log-format', format, '--presence-grace', '100ms'],
            });
            await noise(server);
            await world.postgres.terminate();
            await server.waitReady();
            server.process.signal('SIGHUP');
            await server.process.says(/keys for tokens are reloaded/);
            await server.stop();
            const said = server.process.stderr + server.process.stdout;
            assert.match(said, /public\.numbers.* failed/, 'it was asked to talk');
            assert.doesNotMatch(said, new RegExp(MARK, 'i'));
            assert.doesNotMatch(said, new RegExp(SECRET));
            assert.doesNotMatch(server.process.stderr, /eyJ|postgresql:|password/);
        }
    });
}

test('a database that is not there, and configurations that are wrong', async () => {
    const port = await freePort();
    const server = await Server.start({ database: `postgresql://herald_server:${PASSWORD}@127.0.0.1:${port}/${MARK}`, ready: false });
    await server.process.says(/not ready|trying again/);
    await server.stop();
    assert.doesNotMatch(server.process.stderr, new RegExp(PASSWORD));
    const file = join(temporaryDirectory('conf'), 'pgherald.conf');
    for (const url of [`postgresql://herald_server:${PASSWORD}@[::1/x`, `host=x password=${PASSWORD} nonsense=1`, `postgresql://u:${PASSWORD}@h:99999999/x`, `password='${PASSWORD}`]) {
        writeFileSync(file, `database-url = "${url}"\n`);
        for (const args of [['config', '--check', '-c', file], ['install', '-c', file]]) {
            const result = await pgherald(args);
            assert.doesNotMatch(result.stderr + result.stdout, new RegExp(PASSWORD), args.join(' '));
        }
        const waiting = await Server.start({ flags: ['-c', file], ready: false });
        const [said] = await waiting.process.says(/not ready|^pgherald: /m);
        if (said === 'not ready') { // it waits for a database; else it has given up
            waiting.process.signal('SIGTERM');
        }
        assert.equal((await waiting.process.end()).code, said === 'not ready' ? 0 : 78);
        assert.doesNotMatch(waiting.process.stderr, new RegExp(PASSWORD));
    }
});
