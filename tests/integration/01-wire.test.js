// SPDX-License-Identifier: PostgreSQL
// The wire, frame by frame: what a client gets for each thing it can send.
import { test, before, after, describe } from 'node:test';
import assert from 'node:assert/strict';
import { World, OPEN, DURABLE, READ_ONLY } from './lib/world.js';
import { refusal } from './lib/client.js';
import { until } from './lib/wait.js';

const AT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const ANONYMOUS = { extras: {}, permissions: { dbo_id: 0, row_id: 0 } };

let world;
before(async () => {
    world = await World.start({
        rules: {
            'room/*': DURABLE,
            'short/*': { public_messaging: true, message_history: 3 },
            'fleeting/*': OPEN,
            'room/exact': READ_ONLY,
            'deep/*': READ_ONLY,
            'deep/er/*': DURABLE,
            quiet: READ_ONLY,
            members: { public_messaging: true, public_auth: true },
            inactive: { public_messaging: true, active: false },
            'public.*': READ_ONLY,
            'news/*': READ_ONLY,
        },
        sql: `CREATE TABLE public.thing (id int PRIMARY KEY, name text);
              SELECT herald.watch('public.thing');
              CREATE TABLE public.item (id int PRIMARY KEY, room text);
              SELECT herald.watch('public.item', channel => 'news/{room}');`,
    });
});
after(() => world?.stop());

describe('handshake', () => {
    test('an unknown canonical is refused with 404', async () => {
        assert.equal(await refusal(world.server, { canonical: 'nobody-knows-this' }), 404);
        assert.equal(await refusal(world.server, { canonical: `${world.canonical}x` }), 404);
    });

    test('the token comes back byte for byte as subprotocol, up to 4 KiB', async () => {
        for (const length of [1, 62, 63, 64, 127, 128, 1000, 4096]) {
            const token = `eyJhbGciOiJub25lIn0.${'aZ0_-.'.repeat(1000)}`.slice(0, length);
            const client = await world.client({ token });
            assert.equal(client.socket.protocol, token);
            await client.close();
        }
    });

    test('without a token no subprotocol is chosen, and the server speaks only when spoken to', async () => {
        const client = await world.client();
        assert.equal(client.socket.protocol, '');
        await client.barrier();
        assert.equal(client.frames.length, 1);
    });
});

describe('join and leave', () => {
    test('a client that joins all its channels at once gets into all of them', async () => {
        const client = await world.client();
        const channels = [...Array(100).keys()].map((i) => `room/burst-${i}`);
        channels.forEach((channel) => client.send('join', channel, { history: true }));
        for (const channel of channels) {
            assert.equal((await client.waitFor({ options: { channel } })).action, 'join');
        }
    });

    test('the acknowledgement names the joiner, the epoch and the head', async () => {
        const client = await world.client();
        const ack = await client.join('room/ack');
        assert.match(ack.client.socketId, /^.{8,}$/);
        assert.deepEqual({ ...ack.client, socketId: undefined }, { ...ANONYMOUS, socketId: undefined });
        assert.equal(ack.options.channel, 'room/ack');
        assert.equal(typeof ack.payload.epoch, 'string');
        assert.deepEqual({ ...ack.payload, epoch: '' }, { epoch: '', offset: 0, resumed: false, gap: false });
        client.message('room/ack', 1);
        await client.waitFor({ action: 'message' });
        const other = await world.member('room/ack');
        assert.equal(other.joined.payload.offset, 1);
        assert.equal(other.joined.payload.epoch, ack.payload.epoch);
        assert.notEqual(other.joined.client.socketId, ack.client.socketId);
    });

    test('a second join is answered too, and makes no second member', async () => {
        const client = await world.client();
        await client.join('room/double');
        await client.join('room/double');
        client.message('room/double', 'once');
        client.message('room/double', 'last');
        await client.waitFor({ action: 'message', payload: 'last' });
        assert.equal(client.on('room/double', 'message').length, 2);
        client.send('leave', 'room/double');
        const left = await client.waitFor({ action: 'leave' });
        assert.deepEqual([left.options.channel, left.payload], ['room/double', null]);
        client.message('room/double', 'gone');
        assert.equal(await client.error('room/double'), 'not_joined');
        client.send('leave', 'room/double');
        assert.equal(await client.error('room/double'), 'not_joined');
    });

    test('after leaving nothing of the channel arrives', async () => {
        const [stays, leaves] = [await world.member('fleeting/leave'), await world.member('fleeting/leave')];
        leaves.send('leave', 'fleeting/leave');
        await leaves.waitFor({ action: 'leave' });
        stays.message('fleeting/leave', 'hello?');
        await stays.waitFor({ action: 'message' });
        await leaves.barrier();
        assert.equal(leaves.on('fleeting/leave', 'message').length, 0);
    });

    test('two channels on one socket keep apart', async () => {
        const client = await world.client();
        await client.join('room/a');
        await client.join('fleeting/a');
        client.message('room/a', 1);
        client.message('fleeting/a', 2);
        assert.equal((await client.waitFor({ action: 'message', options: { channel: 'room/a' } })).payload, 1);
        assert.equal((await client.waitFor({ action: 'message', options: { channel: 'fleeting/a' } })).payload, 2);
    });

    test('frames sent in one go are handled strictly in order', async () => {
        const client = await world.client();
        client.send('join', 'room/queue', { history: true });
        for (let i = 0; i < 20; i++) {
            client.message('room/queue', i);
        }
        client.send('history', 'room/queue');
        client.send('leave', 'room/queue');
        await client.waitFor({ action: 'leave' });
        const shape = client.on('room/queue').map((f) => (f.action === 'message' ? f.payload : f.action));
        assert.equal(shape[0], 'join');
        assert.equal(shape[1], 'history');
        const histories = client.on('room/queue', 'history').map((f) => f.payload.history.length);
        assert.deepEqual(histories, [0, 20]);
        assert.deepEqual(client.on('room/queue', 'message').map((f) => f.payload), [...Array(20).keys()]);
        assert.equal(shape.at(-1), 'leave');
    });
});

describe('messages', () => {
    test('with history: to everybody and the sender, with offset and time', async () => {
        const [ann, bob] = [await world.member('room/chat'), await world.member('room/chat')];
        ann.message('room/chat', { text: 'hi' });
        for (const client of [ann, bob]) {
            const frame = await client.waitFor({ action: 'message' });
            assert.deepEqual(frame.client, ann.joined.client);
            assert.deepEqual(frame.payload, { text: 'hi' });
            assert.equal(frame.options.channel, 'room/chat');
            assert.equal(frame.options.id, 1);
            assert.match(frame.options.at, AT);
            assert.ok(!frame.options.replayed && !frame.options.authenticated && !frame.options.socketId);
        }
        bob.message('room/chat', null);
        assert.deepEqual((await ann.waitFor({ action: 'message' })).options.id, 2);
    });

    test('without history: first in first out per sender, without offset', async () => {
        const [ann, bob] = [await world.member('fleeting/fifo'), await world.member('fleeting/fifo')];
        for (let i = 0; i < 1000; i++) {
            ann.message('fleeting/fifo', i);
        }
        await bob.waitFor({ action: 'message', payload: 999 });
        await ann.waitFor({ action: 'message', payload: 999 });
        for (const client of [ann, bob]) {
            const frames = client.on('fleeting/fifo', 'message');
            assert.deepEqual(frames.map((f) => f.payload), [...Array(1000).keys()]);
            assert.ok(frames.every((f) => f.options.id === undefined && f.options.at === undefined));
        }
    });

    test('many senders: one order for all, offsets dense', async () => {
        const clients = await Promise.all([...Array(8)].map(() => world.member('room/order')));
        for (let i = 0; i < 100; i++) {
            clients.forEach((client, k) => client.message('room/order', [k, i]));
        }
        await Promise.all(clients.map((c) => c.waitFor((f) => f.options?.id === 800, 30000)));
        const [first, ...others] = clients.map((c) => c.on('room/order', 'message').map((f) => f.text));
        others.forEach((texts) => assert.deepEqual(texts, first));
        const frames = clients[0].on('room/order', 'message');
        assert.deepEqual(frames.map((f) => f.options.id), [...Array(800).keys()].map((i) => i + 1));
        clients.forEach((_, k) => {
            assert.deepEqual(frames.filter((f) => f.payload[0] === k).map((f) => f.payload[1]), [...Array(100).keys()]);
        });
    });

    test('a message in fragments is one message, and a ping gets its pong', async () => {
        const client = await world.member('fleeting/parts');
        client.raw(['{"action":"message","options":{"channel":', '"fleeting/', 'parts"},"payload":"wh', 'ole"}']);
        assert.equal((await client.waitFor({ action: 'message' })).payload, 'whole');
        const pong = new Promise((resolve) => client.socket.once('pong', (data) => resolve(data.toString())));
        client.socket.ping('are you there');
        assert.equal(await pong, 'are you there');
    });
});

describe('history', () => {
    test('the newest ones that the rule keeps, oldest first, as whole actions', async () => {
        const client = await world.member('short/1');
        for (const n of [1, 2, 3, 4, 5]) {
            client.message('short/1', n);
        }
        await client.waitFor({ payload: 5 });
        client.send('history', 'short/1');
        const { payload } = await client.waitFor({ action: 'history' });
        assert.deepEqual(payload.history.map((f) => f.payload), [3, 4, 5]);
        const live = client.on('short/1', 'message').slice(2);
        payload.history.forEach((f, i) => {
            assert.deepEqual([f.action, f.client, f.options.id, f.options.at],
                ['message', live[i].client, live[i].options.id, live[i].options.at]);
        });
    });

    test('with join: after the acknowledgement, before live traffic', async () => {
        const writer = await world.member('room/story');
        writer.message('room/story', 'past');
        await writer.waitFor({ payload: 'past' });
        const reader = await world.client();
        reader.send('join', 'room/story', { history: true });
        const { payload } = await reader.waitFor({ action: 'history' });
        assert.deepEqual(payload.history.map((f) => f.payload), ['past']);
        writer.message('room/story', 'present');
        await reader.waitFor({ action: 'message', payload: 'present' });
        assert.deepEqual(reader.on('room/story').map((f) => f.action), ['join', 'history', 'message']);
    });

    test('is an empty list where the rule keeps nothing', async () => {
        const client = await world.member('fleeting/none');
        client.send('history', 'fleeting/none');
        assert.deepEqual((await client.waitFor({ action: 'history' })).payload, { history: [] });
    });
});

describe('resume', () => {
    test('gives what was missed as replayed frames, then live ones', async () => {
        const writer = await world.member('room/resume');
        for (const n of [1, 2, 3]) {
            writer.message('room/resume', n);
        }
        await writer.waitFor({ payload: 3 });
        const { epoch } = writer.joined.payload;
        const reader = await world.client();
        const ack = await reader.join('room/resume', { since: { epoch, offset: 1 }, history: true });
        assert.deepEqual(ack.payload, { epoch, offset: 3, resumed: true, gap: false });
        writer.message('room/resume', 4);
        await reader.waitFor({ payload: 4 });
        assert.deepEqual(reader.on('room/resume').map((f) => f.action), ['join', 'message', 'message', 'message']);
        assert.deepEqual(reader.on('room/resume', 'message').map((f) => [f.payload, f.options.id, f.options.replayed ?? false]),
            [[2, 2, true], [3, 3, true], [4, 4, false]]);
    });

    test('says gap for another epoch and for a position ahead of the head', async () => {
        const { payload: { epoch } } = (await world.member('room/gap')).joined;
        for (const since of [{ epoch: 'other', offset: 0 }, { epoch, offset: 7 }]) {
            const client = await world.client();
            const ack = await client.join('room/gap', { since });
            assert.deepEqual(ack.payload, { epoch, offset: 0, resumed: false, gap: true });
        }
    });

    test('from the head there is nothing to replay', async () => {
        const writer = await world.member('room/head');
        writer.message('room/head', 'x');
        await writer.waitFor({ payload: 'x' });
        const client = await world.client();
        const ack = await client.join('room/head', { since: { epoch: writer.joined.payload.epoch, offset: 1 } });
        assert.deepEqual([ack.payload.resumed, ack.payload.gap], [true, false]);
        await client.barrier();
        assert.equal(client.on('room/head').length, 1);
    });
});

describe('events', () => {
    test('publish arrives, and only after the commit', async () => {
        const client = await world.member('news/today');
        const session = await world.postgres.connect();
        await session.query('BEGIN');
        await session.query(`SELECT herald.publish('news/today', '{"n":1}')`);
        await session.query('ROLLBACK');
        await session.query(`BEGIN; SELECT herald.publish('news/today', '{"n":2}')`);
        await session.query('SAVEPOINT s');
        await session.query(`SELECT herald.publish('news/today', '{"n":3}')`);
        await session.query('ROLLBACK TO s; COMMIT');
        await session.end();
        await world.publish('news/today', { n: 4 });
        const frame = await client.waitFor({ action: 'event', payload: { data: { n: 4 } } });
        assert.equal(frame.options.id, 2);
        const first = client.on('news/today', 'event')[0];
        assert.deepEqual([first.client, first.payload], [null, { data: { n: 2 }, dbo_id: 0, row_id: 0 }]);
        assert.equal(client.on('news/today', 'event').length, 2);
    });

    test('row changes: insert, update, delete, truncate', async () => {
        const client = await world.member('public.thing');
        await world.postgres.query(`INSERT INTO thing VALUES (1, 'a')`);
        await world.postgres.query(`UPDATE thing SET name = 'b'`);
        await world.postgres.query(`UPDATE thing SET name = 'b'`); // changes nothing: no event
        await world.postgres.query('DELETE FROM thing');
        await world.postgres.query('TRUNCATE thing');
        await client.waitFor((f) => f.payload?.data?.action === 'truncate');
        const table = { schema: 'public', table: 'thing' };
        assert.deepEqual(client.on('public.thing', 'event').map((f) => f.payload.data), [
            { action: 'insert', ...table, new: { id: 1, name: 'a' }, old: null },
            { action: 'update', ...table, new: { id: 1, name: 'b' }, old: { id: 1, name: 'a' } },
            { action: 'delete', ...table, new: null, old: { id: 1, name: 'b' } },
            { action: 'truncate', ...table, new: null, old: null },
        ]);
    });

    test('a row that moves leaves one channel and enters the other', async () => {
        const [from, to] = [await world.member('news/a%2Fb'), await world.member('news/c')];
        await world.postgres.query(`INSERT INTO item VALUES (1, 'a/b')`);
        await world.postgres.query(`UPDATE item SET room = 'c'`);
        await from.waitFor((f) => f.payload?.data?.action === 'insert');
        assert.deepEqual((await from.waitFor((f) => f.payload?.data?.action === 'delete')).payload.data.new, null);
        assert.deepEqual((await to.waitFor((f) => f.payload?.data?.action === 'insert')).payload.data.new, { id: 1, room: 'c' });
    });
});

describe('rules', () => {
    test('each refusal has its own code', async () => {
        const client = await world.client();
        for (const [channel, code] of [
            ['nowhere', 'no_channel'], ['room', 'no_channel'], ['inactive', 'no_channel'], ['members', 'anonymous_refused'],
        ]) {
            client.send('join', channel);
            assert.equal(await client.error(channel), code, channel);
        }
        client.message('room/stranger', 1);
        assert.equal(await client.error('room/stranger'), 'not_joined');
        await client.join('quiet');
        client.message('quiet', 1);
        assert.equal(await client.error('quiet'), 'send_refused');
        const other = await world.member('room/private');
        await client.join('room/private');
        client.send('message', 'room/private', 1, { socketId: other.joined.client.socketId });
        assert.equal(await client.error('room/private'), 'private_refused');
    });

    test('options that are null or false are the same as missing ones', async () => {
        const client = await world.member('room/nulls');
        client.send('message', 'room/nulls', 'x', { authenticated: false, socketId: null, unknown: [1] });
        assert.equal((await client.waitFor({ action: 'message' })).payload, 'x');
    });

    test('exact name first, then the longest prefix', async () => {
        const client = await world.client();
        await client.join('room/exact');
        client.message('room/exact', 1);
        assert.equal(await client.error('room/exact'), 'send_refused');
        await client.join('deep/x');
        client.message('deep/x', 1);
        assert.equal(await client.error('deep/x'), 'send_refused');
        await client.join('deep/er/x');
        client.message('deep/er/x', 1);
        assert.equal((await client.waitFor({ action: 'message' })).options.id, 1);
    });

    test('a change is in force at once, without a restart', async () => {
        const client = await world.client();
        client.send('join', 'later');
        assert.equal(await client.error('later'), 'no_channel');
        await world.rule('later', OPEN);
        // The safety look would take a second: the notification must have been heard.
        await until('the new rule to be in force', async () => {
            client.send('join', 'later');
            return (await client.waitFor({ options: { channel: 'later' } })).action === 'join';
        }, 800);
        await world.rule('later', { public_messaging: false, anonymous_clients: true });
        await until('the changed rule to be in force', async () => {
            client.message('later', 1);
            return (await client.waitFor({ options: { channel: 'later' } })).action === 'error';
        }, 800);
        await world.postgres.query(`SELECT herald.drop_rule('later')`);
        const other = await world.client();
        await until('the dropped rule to be gone', async () => {
            other.send('join', 'later');
            return (await other.waitFor({ options: { channel: 'later' } })).action === 'error';
        }, 800);
    });

    test('who is in and may no longer be is told, and gets nothing more, history included', async () => {
        await world.rule('closing', DURABLE);
        const client = await world.client();
        await until('the rule', async () => {
            client.send('join', 'closing');
            return (await client.waitFor({ options: { channel: 'closing' } })).action === 'join';
        });
        await world.rule('closing', { anonymous_clients: false, public_messaging: false });
        assert.equal(await client.error('closing'), 'removed');
        await world.publish('closing', 'secret');
        client.send('history', 'closing');
        assert.equal(await client.error('closing'), 'not_joined');
        assert.deepEqual(client.on('closing', 'event'), []);
    });

    test('a message that turns durable and back stays behind its sender\'s last', async () => {
        await world.rule('turning', OPEN);
        const client = await world.client();
        await until('the rule', async () => {
            client.send('join', 'turning');
            return (await client.waitFor({ options: { channel: 'turning' } })).action === 'join';
        });
        let n = 0;
        for (const history of [100, 0, 100, 0]) {
            await world.rule('turning', { message_history: history });
            await until('the rule to have turned', async () => {
                for (const _ of Array(5)) {
                    client.message('turning', n++);
                }
                const frame = await client.waitFor({ action: 'message', payload: n - 1 });
                return (frame.options.id !== undefined) === history > 0;
            });
        }
        assert.deepEqual(client.on('turning', 'message').map((f) => f.payload), [...Array(n).keys()]);
    });

    test('a rotated canonical is needed by new handshakes only; realtime off ends all', async () => {
        const old = await world.member('room/rotate');
        const previous = world.canonical;
        world.canonical = await world.postgres.value('SELECT herald.rotate_canonical()');
        await until('the new canonical', async () => (await refusal(world.server, { canonical: previous }).catch(() => 0)) === 404);
        const fresh = await world.member('room/rotate');
        old.message('room/rotate', 'still here');
        await fresh.waitFor({ payload: 'still here' });

        await world.postgres.query('SELECT herald.set_enabled(false)');
        assert.equal((await old.closes()).code, 1012);
        assert.equal((await fresh.closes()).code, 1012);
        assert.equal(await refusal(world.server, { canonical: world.canonical }), 503);
        await world.postgres.query('SELECT herald.set_enabled(true)');
        await until('realtime to be on', () => world.member('room/rotate').catch(() => false));
    });
});
