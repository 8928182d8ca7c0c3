// SPDX-License-Identifier: PostgreSQL
// Receipts, refs and messages that are sent once. The last test is a small chaos: senders that send again, after each cut, what they
// have no receipt of, and end with each message in the log once.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World, OPEN, DURABLE } from './lib/world.js';
import { Client } from './lib/client.js';
import { user, secretFlags } from './lib/token.js';
import { until, SECOND } from './lib/wait.js';

const BY = ['00000000000000000000000000000001', '00000000000000000000000000000002'];
const key = (n) => `key-of-sixteen-characters-${n}`;

let world;
before(async () => {
    world = await World.start({
        rules: {
            'room/*': DURABLE, 'fleeting/*': { ...OPEN, private_messaging: true }, 'silent/*': { ...DURABLE, on_message: 'drops' },
            'moody/*': { ...OPEN, on_message: 'refuses' },
        },
        sql: `CREATE FUNCTION drops(action text, channel text, client json, options json, payload json) RETURNS json
                  LANGUAGE sql SECURITY DEFINER AS 'SELECT NULL::json';
              CREATE FUNCTION refuses(action text, channel text, client json, options json, payload json) RETURNS json
                  LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN RAISE EXCEPTION 'not today'; END$$;
              GRANT USAGE ON SCHEMA public TO herald_hook;`,
        flags: secretFlags(),
    });
});
after(() => world?.stop());

const receipt = (client, ref) => client.waitFor((f) => ['receipt', 'error'].includes(f.action) && f.options.ref === ref, 30 * SECOND);

test('a receipt comes right before the echo, and its text is as agreed', async () => {
    const client = await world.member('room/shape');
    const other = await world.member('room/shape');
    client.send('message', 'room/shape', 'hi', { ref: 'a"1' });
    const { epoch } = client.joined.payload;
    const got = await receipt(client, 'a"1');
    assert.equal(got.text, `{"action":"receipt","client":null,"options":{"channel":"room/shape","ref":"a\\"1","id":1},"payload":{"epoch":"${epoch}","offset":1}}`);
    await client.waitFor({ action: 'message' });
    assert.deepEqual(client.frames.map((f) => f.action), ['join', 'receipt', 'message']);
    await other.waitFor({ action: 'message' });
    assert.deepEqual(other.frames.map((f) => f.action), ['join', 'message']);
});

test('ephemeral, private and dropped messages have receipts without a position', async () => {
    const client = await world.member('fleeting/a');
    client.send('message', 'fleeting/a', 1, { ref: 'e' });
    const got = await receipt(client, 'e');
    assert.equal(got.text, '{"action":"receipt","client":null,"options":{"channel":"fleeting/a","ref":"e"},"payload":{}}');
    client.send('message', 'fleeting/a', 2, { ref: 'p', socketId: client.joined.client.socketId });
    assert.deepEqual((await receipt(client, 'p')).payload, {});
    await client.join('silent/a');
    client.send('message', 'silent/a', 3, { ref: 'd', id_key: key(1), by: BY[0] });
    assert.deepEqual((await receipt(client, 'd')).payload, { dropped: true });
});

test('every refusal carries the ref, whoever refuses', async () => {
    const client = await world.member('moody/a');
    const refused = async (action, channel, payload, options, code) => {
        const ref = `${action}-${code}`;
        client.send(action, channel, payload, { ...options, ref });
        const frame = await receipt(client, ref);
        assert.equal(frame.payload.code, code, frame.text);
        return frame;
    };
    await refused('message', 'moody/a', 1, {}, 'hook_refused');
    await refused('message', 'room/never', 1, {}, 'not_joined');
    await refused('leave', 'room/never', null, {}, 'not_joined');
    await refused('join', 'nowhere', null, {}, 'no_channel');
    await refused('join', '', null, {}, 'bad_channel');
    await refused('dance', 'moody/a', null, {}, 'bad_action');
    const frame = await refused('message', 'moody/a', 1, { id_key: 'short' }, 'bad_json');
    assert.match(frame.payload.message, /16 to 64 characters/);
    client.send('join', 'moody/a', null, { ref: 'x'.repeat(65) });
    assert.equal(await client.error(), 'bad_json');
});

test('a key is for what is kept, and for somebody', async () => {
    const client = await world.member('fleeting/a');
    const refused = async (channel, options) => {
        client.send('message', channel, 1, { ref: channel, id_key: key(1), ...options });
        const frame = await receipt(client, channel);
        assert.equal(frame.payload.code, 'bad_json', frame.text);
        return frame.payload.message;
    };
    assert.match(await refused('fleeting/a', { by: BY[0] }), /takes no id_key/);
    await client.join('room/anonymous');
    assert.match(await refused('room/anonymous', {}), /options\.by/);
});

test('an acknowledgement with a ref says how large a message may be, and 1009 says it as well', async () => {
    const client = await world.client();
    client.send('join', 'fleeting/empty', { history: true, presence: true }, { ref: 'j' });
    const joined = await client.waitFor({ action: 'join' });
    assert.equal(joined.options.ref, 'j');
    assert.deepEqual(joined.payload.limits, { message_bytes: 65536, durable: false });
    await client.waitFor({ action: 'presence_full', payload: { presence: [] } });
    await client.waitFor({ action: 'history', payload: { history: [] } });
    client.raw(JSON.stringify({ action: 'ping', options: { ref: 'p' }, payload: null }));
    assert.equal((await client.waitFor({ action: 'pong' })).options.ref, 'p');
    client.message('fleeting/empty', 'x'.repeat(65536));
    assert.deepEqual(await client.closes(), { code: 1009, reason: 'a message may have at most 65536 bytes' });
});

test('what was sent under a key is not sent again, by nobody but its sender', async () => {
    const tokens = [user(7, 1), user(7, 2), undefined, undefined];
    const clients = await Promise.all(tokens.map((token) => world.member('room/keys', null, { token })));
    const send = async (i, ref, options = {}) => {
        clients[i].send('message', 'room/keys', ref, { ref, id_key: key('same'), ...options });
        return (await receipt(clients[i], ref)).payload;
    };
    const first = [];
    for (let i = 0; i < 4; i++) {
        first.push(await send(i, `first-${i}`, i < 2 ? {} : { by: BY[i - 2] }));
    }
    assert.deepEqual(first.map((r) => [r.offset, r.duplicate]), [1, 2, 3, 4].map((n) => [n, undefined]));
    // From another session of the same user, too; an identity's `by` is not looked at.
    clients[0] = await world.member('room/keys', null, { token: tokens[0] });
    for (let i = 0; i < 4; i++) {
        const again = await send(i, `again-${i}`, { by: BY[Math.max(0, i - 2)] });
        assert.deepEqual(again, { ...first[i], duplicate: true });
    }
    assert.equal(await world.postgres.value("SELECT count(*)::int FROM herald.log WHERE channel = 'room/keys'"), 4);
    await clients[1].join('room/elsewhere');
    clients[1].send('message', 'room/elsewhere', 1, { ref: 'elsewhere', id_key: key('same') });
    assert.equal((await receipt(clients[1], 'elsewhere')).payload.duplicate, undefined);
});

// ---- chaos ----

// Sends its messages until it has a receipt of each, over any number of connections.
class Sender {
    constructor(name, options, token) {
        Object.assign(this, { name, options, token, sent: 0, n: 0, unreceipted: new Map(), receipts: new Map(), resent: 0, client: null });
    }

    async connect() {
        while (!this.isOver) {
            try {
                const client = await Client.open(world.server, { canonical: world.canonical, token: this.token });
                client.onFrame = (frame) => this.take(frame);
                await client.join('room/chaos');
                this.client = client;
                for (const n of this.unreceipted.keys()) {
                    this.resent++;
                    this.put(n);
                }
                return;
            } catch {
                await new Promise((resolve) => setTimeout(resolve, 50));
            }
        }
    }

    put(n) {
        // All use the same keys: they guess each other's, and it helps nobody.
        this.client.send('message', 'room/chaos', `${this.name} ${n}`, { ref: `${n}`, id_key: key(n), ...this.options });
    }

    take(frame) {
        const n = Number(frame.options.ref);
        if (frame.action === 'receipt') {
            assert.ok(!this.receipts.has(n) || this.receipts.get(n) === frame.payload.offset || frame.payload.offset === undefined);
            this.receipts.set(n, frame.payload.offset ?? this.receipts.get(n));
            this.unreceipted.delete(n);
        } else if (frame.action === 'error' && frame.options.ref !== undefined) {
            this.put(n); // unavailable, or held back for too long: as after a cut
        }
    }

    async run(until_) {
        await this.connect();
        while (Date.now() < until_ || this.unreceipted.size > 0) {
            if (this.client.closed) {
                await this.connect();
            }
            if (Date.now() < until_ && this.unreceipted.size < 20) {
                this.unreceipted.set(this.n, true);
                this.put(this.n++);
            }
            await new Promise((resolve) => setTimeout(resolve, 5));
        }
        this.client.socket.terminate();
    }
}

test('cuts lose and double nothing that is sent until there is a receipt', { timeout: 120 * SECOND }, async () => {
    const senders = [new Sender('ann', {}, user(7, 1)), new Sender('ben', {}, user(7, 2)),
        new Sender('x', { by: BY[0] }), new Sender('y', { by: BY[1] })];
    const end = Date.now() + 8 * SECOND;
    const running = Promise.all(senders.map((sender) => sender.run(end)));
    const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    for (let round = 0; round < 2; round++) {
        await pause(500);
        await world.postgres.terminate("state <> ''");
        await pause(700);
        await world.server.kill();
        await world.serve();
        await pause(700);
        await world.postgres.restart('immediate');
    }
    await running;
    const rows = await world.postgres.query("SELECT payload #>> '{}' AS text, channel_offset::int AS n FROM herald.log WHERE channel = 'room/chaos'");
    const logged = new Map();
    for (const { text, n } of rows) {
        assert.ok(!logged.has(text), `${text} is there twice`);
        logged.set(text, n);
    }
    let total = 0;
    for (const sender of senders) {
        total += sender.n;
        for (let n = 0; n < sender.n; n++) {
            assert.ok(logged.has(`${sender.name} ${n}`), `${sender.name} ${n} has a receipt and is lost`);
            const offset = sender.receipts.get(n);
            assert.ok(offset === undefined || offset === logged.get(`${sender.name} ${n}`), `${sender.name} ${n} has another's receipt`);
        }
    }
    assert.equal(logged.size, total);
    const resent = senders.reduce((sum, sender) => sum + sender.resent, 0);
    assert.ok(resent > 0, 'no cut met a message on its way');
    console.log(`# ${total} messages, ${resent} sent again`);
    await until('the server to be well at the end', async () => (await world.server.get('/ready')).status === 200);
});
