// SPDX-License-Identifier: PostgreSQL
// What an operator is told: in the log, by herald.status, and by the commands; in sentences that say what to do.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World, READ_ONLY } from './lib/world.js';
import { Server, pgherald } from './lib/server.js';
import { until } from './lib/wait.js';
import { freePort } from './lib/process.js';

let world;
before(async () => {
    world = await World.start({ server: false, rules: { 'news/*': READ_ONLY } });
});
after(() => world?.stop());

const listen = async () => `127.0.0.1:${await freePort()}`;
const serve = async (user) => world.serve({ database: world.postgres.url({ user }), listen: await listen() });

test('a server that logs in as a superuser, or as one who may become the owner', async () => {
    await world.postgres.query('CREATE ROLE deputy LOGIN; GRANT herald_owner, herald_server TO deputy');
    for (const [user, what] of [['postgres', 'postgres, a superuser'], ['deputy', 'deputy, a member of the owner of schema herald']]) {
        await serve(user);
        await world.server.process.says(new RegExp(`warn +the server logs in as ${what}: .* log in as herald_server`));
        assert.match(await world.postgres.value('SELECT warnings[1] FROM herald.status'), new RegExp(`^the server logs in as ${what}`));
        const { advice } = await until('/ready to say it to the operator', async () => {
            const told = JSON.parse((await world.server.get('/ready')).body);
            return told.advice && told;
        });
        assert.match(advice, new RegExp(`^the server logs in as ${what}`));
        assert.equal((await world.server.get('/ready', { token: null })).body.trim(), '{"status":"ready","bus":"local"}');
        await world.server.stop();
    }
    await serve('herald_server');
    assert.equal(await world.postgres.value('SELECT cardinality(warnings) FROM herald.status'), 0);
    await world.server.stop();
    assert.doesNotMatch(world.server.process.stderr, /the server logs in as/);
});

test('publish to a channel that no rule covers: a notice, once for a transaction', async () => {
    const session = await world.postgres.connect();
    const notices = [];
    session.on('notice', ({ message, hint }) => notices.push([message, hint]));
    await session.query(`SELECT herald.publish('lonely/1', to_jsonb(n)) FROM generate_series(1, 10) n`);
    assert.equal(notices.length, 1);
    assert.match(notices[0][0], /no rule covers the channel 'lonely\/1'/);
    await session.query(notices[0][1].match(/^SELECT herald\.set_rule\(.*?\)/)[0]);
    await session.query(`SELECT herald.publish('lonely/1', '1'), herald.publish('news/1', '1')`);
    assert.equal(notices.length, 1, 'what the hint says is what helps');
    await session.end();
});

test('a database that lets nobody in is said at once, and tried again', async () => {
    for (const [options, said, mended] of [
        [{ user: 'nobody' }, 'role "nobody" does not exist', 'CREATE ROLE nobody LOGIN IN ROLE herald_server'],
        [{ user: 'herald_server', database: 'nowhere' }, 'database "nowhere" does not exist'],
    ]) {
        const server = await Server.start({ database: world.postgres.url(options), listen: await listen(), ready: false });
        await server.process.says(new RegExp(`warn +not ready: .*${said}; trying again`));
        if (mended) {
            await world.postgres.query(mended);
            await server.ready();
        }
        await server.stop();
    }
});

test('a URL from elsewhere: what is wanted', async () => {
    for (const [url, said] of [
        ['jdbc:postgresql://h/d?user=u', /begins with "jdbc:".* give postgresql:\/\//],
        ['mysql://root@h/d', /begins with "mysql:".* give postgresql:\/\//],
        [`${world.postgres.url({ user: 'herald_server' })}?pgbouncer=true`, /parameter "pgbouncer", which libpq does not know: remove it/],
    ]) {
        for (const args of [['serve'], ['install'], ['watches'], ['config', '--check']]) {
            const result = await pgherald(args, { env: { PGHERALD_DATABASE_URL: url } });
            assert.deepEqual([result.code, said.test(result.stderr)], [78, true], `${args}: ${result.stderr}`);
        }
    }
});

test('what is called in SQL is a line each, with how many sessions it cost', async () => {
    await serve('herald_server');
    const said = (text) => world.server.process.says(new RegExp(`info +${text}\n`));
    const query = (sql) => world.postgres.query(`SELECT ${sql}`);
    await query(`herald.set_rule('told/*', anonymous_clients => true)`);
    await said(`herald\\.set_rule\\('told/\\*'\\) is in force`);
    const [first, second] = [await world.member('told/1'), await world.member('told/1')];
    await query(`herald.disconnect(channel => 'told/1', socket_id => '${first.joined.client.socketId}')`);
    await said('herald\\.disconnect: 1 sessions are out of channel told/1');
    await query(`herald.disconnect(socket_id => '${second.joined.client.socketId}')`);
    await said('herald\\.disconnect: 1 sessions are closed');
    await query(`herald.forget('told/1'), herald.forget()`);
    await said('herald\\.forget\\(told/1\\): .*');
    await said('herald\\.forget\\(\\): .*');
    await query(`herald.drop_rule('told/*')`);
    await said(`herald\\.drop_rule\\('told/\\*'\\) is in force`);
    world.canonical = await world.postgres.value('SELECT herald.rotate_canonical()');
    await said('herald\\.rotate_canonical\\(\\) is in force');
    await query('herald.set_enabled(false)');
    await said('herald\\.set_enabled\\(false\\) is in force');
    await said('realtime is switched off: closing 1 sessions');
    await query('herald.set_enabled(true)');
    await said('herald\\.set_enabled\\(true\\) is in force');
    assert.doesNotMatch(world.server.process.stderr, new RegExp(`${world.canonical}|disconnect.*${first.joined.client.socketId}`), 'no secret, no identity');
    await world.server.stop();
});

test('install into databases that are set up oddly', async () => {
    for (const encoding of ['EUC_JP', 'LATIN1', 'SQL_ASCII']) {
        await world.postgres.query(`CREATE DATABASE "in ${encoding}" ENCODING '${encoding}' LOCALE 'C' TEMPLATE template0`);
        const result = await pgherald(['install'], { env: { PGHERALD_DATABASE_URL: world.postgres.url({ database: `in%20${encoding}` }) } });
        assert.equal(result.code, 1);
        assert.match(result.stderr, new RegExp(`herald needs a database in UTF8, this one is in ${encoding}\\. Hint: CREATE DATABASE`));
    }
    await world.postgres.query('CREATE DATABASE odd TEMPLATE template0');
    await world.postgres.query(`ALTER DATABASE odd SET standard_conforming_strings = off`);
    await world.postgres.query(`ALTER DATABASE odd SET client_encoding = 'LATIN1'`);
    const url = world.postgres.url({ database: 'odd' });
    const result = await pgherald(['install', '--quiet'], { env: { PGHERALD_DATABASE_URL: url } });
    assert.deepEqual([result.code, result.stderr], [0, '']);
    const texts = `SELECT md5(string_agg(concat(p.prosrc, obj_description(p.oid)), ',' ORDER BY p.oid::regprocedure::text COLLATE "C")) FROM pg_proc p
        WHERE p.pronamespace = 'herald'::regnamespace AND p.proname NOT LIKE 'capture%'`;
    const odd = await world.postgres.connect({ database: 'odd' });
    assert.equal((await odd.query(texts)).rows[0].md5, await world.postgres.value(texts));
    await odd.end();
});
