// SPDX-License-Identifier: PostgreSQL
// Two servers, one leads. The one that lost its place while it was cut off must not keep its sessions in silence, and must
// not store again, when its turn comes, what it could not know was stored.
import { test, before, after, beforeEach, afterEach } from 'node:test';
import assert from 'node:assert/strict';
import { World, DURABLE, READ_ONLY } from './lib/world.js';
import { Proxy } from './lib/proxy.js';
import { Server } from './lib/server.js';
import { freePort } from './lib/process.js';
import { until, SECOND } from './lib/wait.js';

let world;
let proxy;
let second;
before(async () => {
    world = await World.start({ server: false, rules: { 'room/*': DURABLE, 'news/*': READ_ONLY } });
    proxy = await Proxy.start(world.postgres.port);
});
after(async () => {
    await world?.stop();
    await proxy?.stop();
});

// world.server reaches Postgres through the proxy, and leads; `second` waits.
beforeEach(async () => {
    await world.serve({
        database: world.postgres.url({ user: 'herald_server', port: proxy.port }), env: { PGHERALD_QUERY_TIMEOUT: '2s' },
    });
    const port = await freePort();
    second = await Server.start({ database: world.postgres.url({ user: 'herald_server' }), listen: `127.0.0.1:${port}`, ready: false });
    second.port = port;
    await until('the second one to wait', async () => (await second.get('/ready')).body.includes('another pgherald'));
});
afterEach(async () => {
    proxy.heal();
    await world.server.stop();
    if (second) {
        await second.stop();
    }
});

// The network of the first one is dead; Postgres gives up its sessions, and the second one leads.
async function cutOff() {
    proxy.blackHole();
    await world.server.waitReady(503);
    await world.postgres.terminate(`client_port IS NOT NULL AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 2)`);
    await second.ready(20 * SECOND);
}

test('another server leads: sessions are closed with 1012 instead of waiting in silence', async () => {
    const client = await world.member('news/silence');
    await cutOff();
    assert.equal(client.closed, null);
    proxy.heal();
    assert.deepEqual(await client.closes(20 * SECOND), { code: 1012, reason: 'another server serves now' });
    assert.equal((await world.server.get('/ready')).status, 503);
    const moved = await world.client({ server: second });
    const { epoch, offset } = client.joined.payload;
    assert.equal((await moved.join('news/silence', { since: { epoch, offset } })).payload.resumed, true);
});

test('the lock that its own lost session still holds is not another server', async () => {
    await second.stop();
    second = null;
    const client = await world.member('news/orphan');
    const orphans = [...proxy.links];
    orphans.forEach((link) => proxy.cutClient(link)); // Postgres does not notice
    await until('the first one to meet its own lock', async () => (await world.server.get('/ready')).body.includes('another pgherald'));
    orphans.forEach((link) => proxy.cut(link));
    await world.publish('news/orphan', 1);
    await client.waitFor({ action: 'event', payload: { data: 1 } }, 20 * SECOND);
    assert.equal(client.closed, null);
});

for (const name of ['while the other one still leads', 'when the other one is gone']) {
    test(`a message whose COMMIT was in doubt is not stored again, even if the first one is back much later, ${name}`, async () => {
        const client = await world.member('room/doubt');
        const text = `in doubt, ${name}`;
        const struck = new Promise((resolve) => (proxy.onRequest = (link, chunk) => {
            if (chunk.includes(text)) {
                proxy.onRequest = null;
                link.isMuted = true;
                resolve();
            }
            return true;
        }));
        client.message('room/doubt', text);
        await struck;
        const count = () => world.postgres.value('SELECT count(*)::int FROM herald.log WHERE payload::text LIKE $1', [`%${text}%`]);
        await until('the COMMIT', async () => (await count()) === 1);
        const position = await world.postgres.value('SELECT max(position) FROM herald.cursor');
        await cutOff();
        await until('the batch to be forgotten', async () => {
            for (let n = 0; n < 100; n++) {
                await world.publish('news/busy', n);
            }
            return world.postgres.value('SELECT min(position) > $1 FROM herald.cursor', [position]);
        }, 90 * SECOND);

        if (name.startsWith('while')) {
            proxy.heal();
            await client.closes(20 * SECOND);
        }
        await second.kill();
        second = null;
        proxy.heal();
        await world.server.waitReady(200);
        const back = await world.member('room/doubt');
        back.message('room/doubt', 'after');
        await back.waitFor({ action: 'message', payload: 'after' });
        assert.equal(await count(), 1);
        if (client.closed === null) {
            await client.waitFor({ action: 'message', payload: 'after' });
            assert.deepEqual(client.on('room/doubt', 'message').map((f) => f.payload), [text, 'after']);
        }
    });
}
