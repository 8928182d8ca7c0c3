// SPDX-License-Identifier: PostgreSQL
// Who may do what: one table, every cell a test. A row is a rule; for each kind of client it says what happens to each
// thing he tries. The table is written out by hand from the meaning of the settings, not computed from them: a test that
// calculates like the server would agree with its mistakes.
//
// A client with a rule has one word a thing, in this order:
//   join                   in, or - refused (then nothing else can be tried)
//   send                   all, auth: to those who are signed in only, - refused
//   send authenticated     auth, - refused
//   private                to one who is signed in, and to an anonymous one: + arrives, - refused
//   presence               list: he gets it, - he does not
//   history, events        how many of four events he sees, kept ones and live ones: for everybody, for table 1, for user
//                          1/10, for table 2
import { test, before, after, describe } from 'node:test';
import assert from 'node:assert/strict';
import { World } from './lib/world.js';
import { user, secretFlags } from './lib/token.js';

const ALL = { anonymous_clients: true, public_messaging: true, private_messaging: true, auth_channel: true, presence: true, message_history: 50 };
const AUDIENCES = [[null, null], [1, null], [1, '10'], [2, null]];
const CLIENTS = { anonymous: undefined, 'user 1/10': user(1, 10), 'user 1/11': user(1, '11'), 'user 2/10': user(2, 10) };

// rule: [settings, then one column for each of CLIENTS]
const TABLE = {
    'no right at all': [{},
        '-', 'in - - -- - 0 3', 'in - - -- - 0 2', 'in - - -- - 0 2'],
    'anonymous clients': [{ anonymous_clients: true },
        'in - - -- - 0 1', 'in - - -- - 0 3', 'in - - -- - 0 2', 'in - - -- - 0 2'],
    'public messaging': [{ public_messaging: true },
        'in all - -- - 0 1', 'in all - -- - 0 3', 'in all - -- - 0 2', 'in all - -- - 0 2'],
    'public messaging for the signed in': [{ public_messaging: true, public_auth: true },
        '-', 'in all - -- - 0 3', 'in all - -- - 0 2', 'in all - -- - 0 2'],
    'the same, anonymous may listen': [{ anonymous_clients: true, public_messaging: true, public_auth: true },
        'in - - -- - 0 1', 'in all - -- - 0 3', 'in all - -- - 0 2', 'in all - -- - 0 2'],
    'public_auth without messaging': [{ anonymous_clients: true, public_auth: true },
        'in - - -- - 0 1', 'in - - -- - 0 3', 'in - - -- - 0 2', 'in - - -- - 0 2'],
    'authenticated channel': [{ anonymous_clients: true, auth_channel: true },
        'in - - -- - 0 1', 'in auth auth -- - 0 3', 'in auth auth -- - 0 2', 'in auth auth -- - 0 2'],
    'authenticated channel, nobody anonymous': [{ auth_channel: true },
        '-', 'in auth auth -- - 0 3', 'in auth auth -- - 0 2', 'in auth auth -- - 0 2'],
    'authenticated and public': [{ public_messaging: true, auth_channel: true },
        'in all - -- - 0 1', 'in all auth -- - 0 3', 'in all auth -- - 0 2', 'in all auth -- - 0 2'],
    'the same, kept': [{ public_messaging: true, auth_channel: true, message_history: 50 },
        'in all - -- - 1 1', 'in all auth -- - 3 3', 'in all auth -- - 2 2', 'in all auth -- - 2 2'],
    'private messaging': [{ anonymous_clients: true, private_messaging: true },
        'in - - ++ - 0 1', 'in - - ++ - 0 3', 'in - - ++ - 0 2', 'in - - ++ - 0 2'],
    'private messaging between the signed in': [{ anonymous_clients: true, private_messaging: true, private_auth: true },
        'in - - -- - 0 1', 'in - - +- - 0 3', 'in - - +- - 0 2', 'in - - +- - 0 2'],
    'presence': [{ anonymous_clients: true, presence: true },
        'in - - -- list 0 1', 'in - - -- list 0 3', 'in - - -- list 0 2', 'in - - -- list 0 2'],
    'history': [{ anonymous_clients: true, message_history: 50 },
        'in - - -- - 1 1', 'in - - -- - 3 3', 'in - - -- - 2 2', 'in - - -- - 2 2'],
    'everything': [ALL,
        'in all - ++ list 1 1', 'in all auth ++ list 3 3', 'in all auth ++ list 2 2', 'in all auth ++ list 2 2'],
    'everything, for the signed in': [{ ...ALL, anonymous_clients: false, public_auth: true, private_auth: true },
        '-', 'in all auth +- list 3 3', 'in all auth +- list 2 2', 'in all auth +- list 2 2'],
    'inactive': [{ ...ALL, active: false }, '-', '-', '-', '-'],
};

let world;
before(async () => {
    world = await World.start({ flags: secretFlags() });
    for (const [name, [settings]] of Object.entries(TABLE)) {
        await world.rule(`${channelOf(name)}/*`, settings);
    }
    await world.settled();
});
after(() => world?.stop());

const channelOf = (name) => name.replace(/[^a-z]+/g, '-');

async function publishToAll(channel) {
    for (const audience of AUDIENCES) {
        await world.postgres.query('SELECT herald.publish($1, $2, $3, $4)', [channel, '"for some"', ...audience]);
    }
    await world.postgres.query('SELECT herald.publish($1, \'"end"\')', [channel]);
}

const ofInterest = (frames) => frames.filter((f) => f.payload.data === 'for some').length;

// The other ends: one who is signed in, and an anonymous one where the rule lets him in.
async function witnesses(channel) {
    const ends = [];
    for (const token of [user(7, 70), undefined]) {
        const client = await world.client({ token });
        client.send('join', channel);
        const answer = await client.waitFor({ options: { channel } });
        client.address = answer.client?.socketId ?? 'nobody';
        client.isIn = answer.action === 'join';
        ends.push(client);
    }
    return ends;
}

// Sends, and says who got it: the sender sees his own message or an error, and when he does the others have it as well.
async function attempt(client, channel, options, others) {
    const mark = Math.random();
    client.send('message', channel, { mark }, options);
    const answer = await client.waitFor((f) => f.action === 'error' || f.payload?.mark === mark);
    await Promise.all(others.map((other) => other.barrier()));
    const got = others.map((other) => other.frames.filter((f) => f.payload?.mark === mark).length);
    assert.ok(got.every((n) => n <= 1));
    return { answer, got: got.map(Boolean), isRefused: answer.action === 'error' };
}

async function trySend(client, channel, options, others) {
    const { answer, got, isRefused } = await attempt(client, channel, options, others);
    if (isRefused) {
        assert.equal(answer.payload.code, 'send_refused');
        assert.deepEqual(got, [false, false]);
        return '-';
    }
    const isForAll = !answer.options.authenticated;
    assert.deepEqual(got, [others[0].isIn, others[1].isIn && isForAll]);
    return isForAll ? 'all' : 'auth';
}

async function tryPrivate(client, channel, others, i) {
    const { answer, got, isRefused } = await attempt(client, channel, { socketId: others[i].address }, others);
    if (isRefused) {
        assert.match(answer.payload.code, others[i].isIn ? /^private_refused$/ : /^(private_refused|no_such_client)$/);
        assert.deepEqual(got, [false, false]);
        return '-';
    }
    assert.deepEqual(got, [i === 0, i === 1]);
    assert.equal(answer.options.socketId, others[i].address);
    return '+';
}

// What the client can do, as a cell of the table says it.
async function look(channel, token) {
    const others = await witnesses(channel);
    await publishToAll(channel);
    if (others[0].isIn) {
        await others[0].waitFor((f) => f.action === 'event' && f.payload.data === 'end'); // what he joins after is in the log
    }
    const client = await world.client({ token });
    client.send('join', channel, { presence: true, history: true });
    const answer = await client.waitFor({ options: { channel } });
    if (answer.action === 'error') {
        assert.match(answer.payload.code, /^(anonymous_refused|no_channel)$/);
        return '-';
    }
    await publishToAll(channel);
    await client.waitFor((f) => f.action === 'event' && f.payload.data === 'end');
    const events = ofInterest(client.on(channel, 'event'));
    const history = ofInterest(client.on(channel, 'history').flatMap((f) => f.payload.history));
    const lists = client.on(channel, 'presence_full');
    if (lists.length > 0) {
        const listed = lists[0].payload.presence.map((c) => c.socketId).sort();
        const expected = [answer.client.socketId, ...others.filter((o) => o.isIn).map((o) => o.address)].sort();
        assert.deepEqual(listed, expected);
    }
    const send = await trySend(client, channel, {}, others);
    const authenticated = await trySend(client, channel, { authenticated: true }, others);
    const privately = [await tryPrivate(client, channel, others, 0), await tryPrivate(client, channel, others, 1)].join('');
    return `in ${send} ${authenticated} ${privately} ${lists.length ? 'list' : '-'} ${history} ${events}`;
}

for (const [name, [, ...cells]] of Object.entries(TABLE)) {
    describe(name, () => {
        Object.entries(CLIENTS).forEach(([who, token], i) => {
            test(`${who}: ${cells[i]}`, async () => {
                assert.equal(await look(`${channelOf(name)}/${i}`, token), cells[i]);
            });
        });
    });
}
