// SPDX-License-Identifier: PostgreSQL
// The epoch: when offsets could have been given out twice, everybody is told. A position of before gets a plain gap with
// the head of what is there now, never the wrong events.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { World, DURABLE, READ_ONLY } from './lib/world.js';
import { Proxy } from './lib/proxy.js';
import { noDump } from './lib/postgres.js';
import { freePort } from './lib/process.js';
import { until, SECOND } from './lib/wait.js';

let world;
before(async () => {
    world = await World.start({ server: false, rules: { 'room/*': DURABLE, 'news/*': READ_ONLY } });
});
after(() => world?.stop());

async function serve(database = world.postgres.url({ user: 'herald_server' })) {
    await world.serve({ database, listen: `127.0.0.1:${await freePort()}` });
}

// A member that has got the events `numbers`.
async function memberWith(channel, numbers) {
    const client = await world.member(channel);
    for (const n of numbers) {
        await world.publish(channel, n);
        await client.waitFor({ action: 'event', payload: { data: n } });
    }
    return client;
}

// Resumes at `offset` of the member's epoch; the answer has to be a gap, in another epoch.
async function gapSince(client, channel, offset) {
    const { epoch } = client.joined.payload;
    const back = await world.client();
    const { payload } = await back.join(channel, { since: { epoch, offset } }, 20 * SECOND);
    assert.deepEqual([payload.resumed, payload.gap], [false, true]);
    assert.notEqual(payload.epoch, epoch);
    back.joined = { payload };
    return back;
}

// The next event comes right behind the head that the gap named.
async function goesOn(back, channel) {
    const { offset } = back.joined.payload;
    await world.publish(channel, 'next');
    const frame = await back.waitFor({ action: 'event', payload: { data: 'next' } });
    assert.equal(frame.options.id, offset + 1);
    assert.equal(back.on(channel, 'event').length, 1);
}

const oldPrimaries = [];
after(() => Promise.all(oldPrimaries.map((old) => old.stop())));

// The world's primary dies, and a standby takes its place that has what was there when `lose` began.
async function failOver(lose) {
    const { postgres } = world;
    const replication = await Proxy.start(postgres.port);
    const standby = await postgres.standby(replication.port);
    const url = `postgresql://herald_server@127.0.0.1:${postgres.port},127.0.0.1:${standby.port}/postgres?target_session_attrs=read-write`;
    await serve(url);
    await lose.before();
    const written = await postgres.value('SELECT pg_current_wal_lsn()::text');
    await until('the standby to follow', () => standby.value('SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn', [written]));
    await replication.stop();
    await lose.meanwhile();
    assert.equal(await standby.value('SELECT newest_id >= 0 FROM herald.status'), true, 'a standby says how it is');
    assert.match(await standby.value('SELECT string_agg(cause, $1) FROM herald.doctor()', [' ']), /sequencer_absent/);
    await postgres.down('immediate');
    await standby.query('SELECT pg_promote(true, 30)');
    oldPrimaries.push(postgres);
    world.postgres = standby;
}

test('a standby that lagged is promoted: sessions are closed, what they had beyond it is a gap', async () => {
    let client;
    await failOver({
        before: async () => (client = await memberWith('news/lag', [1, 2, 3])),
        meanwhile: async () => {
            await world.publish('news/lag', 'lost 4');
            await world.publish('news/lag', 'lost 5');
            await client.waitFor({ options: { id: 5 } });
        },
    });
    assert.equal((await client.closes(30 * SECOND)).code, 1012);
    const back = await gapSince(client, 'news/lag', 5);
    assert.equal(back.joined.payload.offset, 3);
    // 4 is given out again; who stood at 5, or at 2, must not be taken for one who knows it.
    await goesOn(back, 'news/lag');
    await gapSince(client, 'news/lag', 2);
    await world.server.stop();
});

test('a standby that had everything is promoted: what was not read yet is not lost', async () => {
    let client;
    const blocker = { session: null };
    await failOver({
        before: async () => {
            client = await memberWith('news/whole', [1]);
            blocker.session = await world.postgres.connect();
            await blocker.session.query('BEGIN; LOCK TABLE herald.log IN SHARE MODE'); // the sequencer gets nowhere
            await world.publish('news/whole', 2);
        },
        meanwhile: async () => {},
    });
    assert.equal((await client.closes(30 * SECOND)).code, 1012);
    await world.server.waitReady();
    await until('the event to be in the log', () => world.postgres.value(
        `SELECT count(*)::int = 2 FROM herald.log WHERE channel = 'news/whole'`));
    const back = await gapSince(client, 'news/whole', 1);
    assert.equal(back.joined.payload.offset, 2);
    await goesOn(back, 'news/whole');
    await world.server.stop();
});

test('a crash that no server lived through: nobody knows what was delivered', async () => {
    await serve();
    const client = await memberWith('news/alone', [1, 2]);
    await world.server.kill();
    await world.postgres.restart('immediate');
    await serve();
    const back = await gapSince(client, 'news/alone', 2);
    assert.equal(back.joined.payload.offset, 2);
    await goesOn(back, 'news/alone');
    await world.server.stop();
});

test('a server that was away while another one led is no witness of a crash', async () => {
    await world.postgres.query('ALTER ROLE herald_server SET synchronous_commit = off');
    const road = await Proxy.start(world.postgres.port);
    await serve(world.postgres.url({ user: 'herald_server', port: road.port }));
    await memberWith('news/away', [1, 2]);
    road.isRefusing = true;
    road.cut();
    const first = world.server;
    await first.waitReady(503);
    await serve();
    const client = await memberWith('news/away', [3, 4]);
    await world.server.kill();
    await world.postgres.restart('immediate');
    road.isRefusing = false;
    await first.waitReady();
    world.server = first;
    const back = await gapSince(client, 'news/away', 4);
    assert.equal(back.joined.payload.offset, 4);
    await goesOn(back, 'news/away');
    await first.stop();
    await road.stop();
    await world.postgres.query('ALTER ROLE herald_server RESET synchronous_commit');
});

test('a clean restart of both keeps the epoch, and a resume is a resume', async () => {
    await serve();
    const client = await memberWith('news/clean', [1]);
    await world.server.stop();
    await world.postgres.restart('fast');
    await world.publish('news/clean', 2);
    await serve();
    const back = await world.client();
    const { payload } = await back.join('news/clean', { since: { epoch: client.joined.payload.epoch, offset: 1 } });
    assert.deepEqual([payload.epoch, payload.resumed, payload.gap], [client.joined.payload.epoch, true, false]);
    await back.waitFor({ action: 'event', payload: { data: 2 } });
    await world.server.stop();
});

test('an older dump takes the place of the database under a running server', { skip: noDump }, async () => {
    await serve();
    const client = await memberWith('news/dump', [1, 2]);
    const file = join(world.postgres.directory, 'dump');
    await world.postgres.tool('pg_dump', '-Fc', '-f', file, 'postgres');
    await world.publish('news/dump', 'lost 3');
    await client.waitFor({ options: { id: 3 } });
    await world.postgres.tool('createdb', 'restored');
    await world.postgres.tool('pg_restore', '-d', 'restored', file);

    await world.postgres.pool.end();
    world.postgres.pool = null;
    const admin = await world.postgres.connect({ database: 'template1' });
    await until('the old one to be free', async () => {
        await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres'`);
        await admin.query('ALTER DATABASE postgres RENAME TO retired');
        return true;
    });
    await admin.query('ALTER DATABASE restored RENAME TO postgres');
    await admin.end();

    assert.equal((await client.closes(30 * SECOND)).code, 1012);
    await world.server.waitReady();
    const back = await gapSince(client, 'news/dump', 3);
    assert.equal(back.joined.payload.offset, 2);
    await goesOn(back, 'news/dump');
    await world.server.stop();
});
