// SPDX-License-Identifier: PostgreSQL
// Filters in a join: each makes a view, named by the server, that gets the rows that pass, as they come into it, change and go;
// live, when it comes back, and in a history. What is refused, and that nobody learns of hidden columns by it.
import { test, describe, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World } from './lib/world.js';
import { Client } from './lib/client.js';
import { secretFlags, user } from './lib/token.js';

let world;
let postgres;
let server;

before(async () => {
    world = await World.start({ flags: secretFlags() });
    ({ postgres, server } = world);
    await postgres.query(`
        CREATE TABLE v_orders (id int PRIMARY KEY, status text COLLATE "C", total numeric, hidden text, vip bool);
        SELECT herald.watch('v_orders', channel => 'orders', exclude => '{hidden}');
        SELECT herald.set_rule('orders', anonymous_clients => true, public_messaging => true, message_history => 50);
        SELECT herald.set_rule('talk', anonymous_clients => true)`);
});

after(() => world.stop());

// What a client got of a view's rows: action, moved, new, old.
const told = (client, view) => client.frames.filter((f) => f.action === 'event' && f.options.view === view)
    .map(({ options, payload: { data } }) => [data.action, options.moved ?? '', data.new?.id ?? null, data.old?.id ?? null].join(' '));

async function settle(client) {
    await postgres.query(`SELECT herald.publish('orders', '"settled"')`);
    await client.waitFor((f) => f.action === 'event' && f.payload === 'settled' || f.payload?.data === 'settled');
}

async function joinView(client, payload) {
    client.send('join', 'orders', payload);
    const { options, payload: answer } = await client.waitFor((f) => f.action === 'join' && f.options.view !== undefined);
    return { view: options.view, ...answer };
}

describe('a view', () => {
    test('gets rows as they come in, change and go', async () => {
        const client = await Client.open(server);
        await client.join('orders');
        const { view, epoch, offset } = await joinView(client, { filter: { status: 'open', total: { gte: '10' } } });
        assert.match(view, /^[A-Za-z0-9_-]{11}$/);
        await postgres.query(`INSERT INTO v_orders VALUES (1, 'open', 10, 'x', true), (2, 'open', 9.99, 'x', true), (3, 'shut', 99, 'x', true)`);
        await postgres.query('UPDATE v_orders SET total = 10.5 WHERE id = 2');
        await postgres.query('UPDATE v_orders SET vip = false WHERE id = 1');
        await postgres.query(`UPDATE v_orders SET status = 'shut' WHERE id = 1`);
        await postgres.query('UPDATE v_orders SET total = 1000 WHERE id = 3');
        await postgres.query('DELETE FROM v_orders WHERE id = 3');
        await postgres.query('DELETE FROM v_orders WHERE id = 2');
        await settle(client);
        const expected = ['insert  1 ', 'insert enter 2 ', 'update  1 1', 'delete leave  1', 'delete   2'].map((t) => t.replace(/ $/, ' '));
        assert.deepEqual(told(client, view), expected);
        assert.equal(client.frames.filter((f) => f.action === 'event' && f.options.view === undefined && f.payload.data?.action).length, 9,
            'the plain membership gets all');

        const again = await Client.open(server);
        const back = await joinView(again, { filter: { total: { gte: '10' }, status: { eq: 'open' } }, since: { epoch, offset } });
        assert.equal(back.view, view, 'another spelling of the same filter is the same view');
        assert.equal(back.resumed, true);
        await again.barrier();
        assert.deepEqual(told(again, view), expected, 'who comes back is told the same');
        assert.ok(again.frames.filter((f) => f.action === 'event').every((f) => f.options.replayed && /^\d+$/.test(f.options.txid)));

        again.send('history', 'orders', null, { view });
        const history = await again.waitFor({ action: 'history' });
        assert.equal(history.options.view, view);
        assert.deepEqual(history.payload.history.map((f) => f.payload.data.action), ['insert', 'insert', 'update', 'delete', 'delete']);
        await client.close();
        await again.close();
    });

    test('ends with a leave that names it, and leaves the others alone', async () => {
        const client = await Client.open(server);
        const open = await joinView(client, { filter: { status: 'open' } });
        const shut = await joinView(client, { filter: { status: { in: ['shut'] } } });
        assert.notEqual(open.view, shut.view);
        client.send('message', 'orders', 'hello');
        assert.equal(await client.error('orders'), 'not_joined', 'to talk one has to be there plainly');
        client.send('leave', 'orders', null, { view: open.view });
        await client.waitFor({ action: 'leave', options: { view: open.view } });
        await postgres.query(`INSERT INTO v_orders VALUES (11, 'open', 1), (12, 'shut', 1)`);
        await client.waitFor((f) => f.action === 'event' && f.options.view === shut.view);
        assert.deepEqual(told(client, open.view), []);
        assert.deepEqual(told(client, shut.view), ['insert  12 ']);
        client.send('leave', 'orders', null, { view: open.view });
        assert.equal(await client.error('orders'), 'not_joined');
        await postgres.query('TRUNCATE v_orders');
        await client.waitFor((f) => f.payload?.data?.action === 'truncate' && f.options.view === shut.view);
        await client.close();
    });

    test('an update that moves a row between two views is a delete here and an insert there', async () => {
        const client = await Client.open(server);
        const a = await joinView(client, { filter: { status: 'a' } });
        const b = await joinView(client, { filter: { or: [{ status: 'b' }, { id: { lt: 0 } }] } });
        await postgres.query(`INSERT INTO v_orders VALUES (21, 'a', 1); UPDATE v_orders SET status = 'b' WHERE id = 21`);
        await client.waitFor((f) => f.options.view === b.view && f.options.moved === 'enter');
        assert.deepEqual(told(client, a.view), ['insert  21 ', 'delete leave  21']);
        assert.deepEqual(told(client, b.view), ['insert enter 21 ']);
        await client.close();
    });
});

describe('refused', () => {
    const cases = {
        'an unknown column': { nope: 1 },
        'a hidden column': { hidden: 'x' },
        'an operator that is none': { status: { like_: 'x' } },
        'a value that does not fit': { id: 'seven' },
        'an order that is not by bytes': { vip: { prefix: 't' } },
        null: { status: null },
        'too deep': [...Array(9)].reduce((tree) => ({ not: tree }), { id: 1 }),
        'no tree': [1],
    };
    for (const [name, filter] of Object.entries(cases)) {
        test(name, async () => {
            const client = await Client.open(server);
            client.send('join', 'orders', { filter });
            const { payload } = await client.waitFor({ action: 'error', options: { channel: 'orders' } });
            assert.equal(payload.code, 'bad_filter', payload.message);
            assert.ok(!/hidden(?!')/.test(payload.message.replace('hidden', '')), 'what there is does not name it');
            await client.join('orders'); // nothing else is refused
            await client.close();
        });
    }

    test('a hidden column is told like one that is not there', async () => {
        const client = await Client.open(server);
        const texts = [];
        for (const column of ['hidden', 'absent']) {
            client.send('join', 'orders', { filter: { [column]: 'x' } });
            const { payload } = await client.waitFor({ action: 'error' });
            texts.push(payload.message.replaceAll(column, '?'));
        }
        assert.equal(texts[0], texts[1]);
        await client.close();
    });

    test('where no table is announced', async () => {
        const client = await Client.open(server);
        client.send('join', 'talk', { filter: { id: 1 } });
        assert.equal(await client.error('talk'), 'bad_filter');
        await client.close();
    });

    test('more filters than can be tried on each row: of one session, of strangers', async () => {
        const clients = await Promise.all([...Array(9)].map(() => Client.open(server)));
        for (let i = 0; i < 32; i++) {
            await joinView(clients[i >> 2], { filter: { id: { gt: i } } });
        }
        clients[0].send('join', 'orders', { filter: { id: { gt: 31 } } });
        assert.equal(await clients[0].error('orders'), 'too_many_groups');
        clients[8].send('join', 'orders', { filter: { id: { gt: 32 } } });
        assert.equal(await clients[8].error('orders'), 'too_many_groups');
        await joinView(clients[8], { filter: { id: { gt: 31 } } });
        await joinView(clients[8], { filter: { or: [{ id: { gt: 32 }, status: 'a' }, { vip: true }] } });
        const ann = await Client.open(server, { token: user(12, 'ann') });
        await joinView(ann, { filter: { id: { gt: 32 } } });
        await Promise.all([ann, ...clients].map((client) => client.close()));
    });

    test('seventeen views', async () => {
        const client = await Client.open(server);
        for (let i = 0; i < 16; i++) {
            await joinView(client, { filter: { id: i } });
        }
        client.send('join', 'orders', { filter: { id: 16 } });
        assert.equal(await client.error('orders'), 'too_many_channels');
        client.send('join', 'orders', { filter: { id: 3 } });
        await client.waitFor((f) => f.action === 'join');
        await client.close();
    });
});
