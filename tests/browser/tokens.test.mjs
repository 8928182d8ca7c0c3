// SPDX-License-Identifier: PostgreSQL
/**
 * The client module in Chromium against the real server: who it is, becomes, and stops being. The page is the server's
 * answer to /health, which is as good an origin as any; what the client is told is written down as short texts, in order.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { mint, secretFlags, soon, user } from '../integration/lib/token.js';
import { World } from '../integration/lib/world.js';
import { launchBrowser, openPage, SECOND, until } from './support.mjs';

let world;
let browser;

before(async () => {
    world = await World.start({
        rules: {
            'room/*': { public_messaging: true, presence: true, private_messaging: true, auth_channel: true, message_history: 50 },
            'members/*': { public_messaging: true, public_auth: true },
        },
        flags: secretFlags(),
    });
    browser = await launchBrowser();
});
afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
});
after(async () => {
    await browser?.close();
    await world?.stop();
});

const thor = () => user(12, 1, { name: 'Thor' });
const gamora = () => user(12, 2, { name: 'Gamora' });

/**
 * A page with a client. `tokens`: one token, or several that a function hands out one by one, the last one for ever; or a function that
 * makes them when the page is open.
 */
async function visit(tokens, name = 'room/1', options = {}) {
    const page = await openPage(browser);
    await page.route('**/favicon.ico', (route) => route.fulfill({ status: 204 }));
    await page.goto(`http://127.0.0.1:${world.server.port}/health`);
    await page.evaluate(async ([canonical, given, ...args]) => {
        const { connect } = await import('/pgherald.js');
        globalThis.heard = [];
        globalThis.asked = [];
        const next = async (refused) => {
            asked.push(refused);
            return given.length > 1 ? given.shift() : given[0];
        };
        globalThis.herald = connect({ canonical, token: Array.isArray(given) ? next : given });
        globalThis.channel = herald.channel(...args);
        herald.on('error', ({ payload }) => heard.push(`client ${payload.code}`));
        channel
            .on('join', ({ client }) => heard.push(`join as ${client.extras.name ?? client.permissions.row_id}`))
            .on('message', ({ payload }) => heard.push(`message ${payload}`))
            .on('event', ({ payload, options: { replayed } }) => heard.push(`${replayed ? 'replayed' : 'event'} ${payload.data}`))
            .on('history', ({ payload }) => heard.push(`history ${payload.history.map((each) => each.payload)}`))
            .on('presence', (members) => heard.push(`presence ${members.map(({ extras }) => extras.name ?? '-').sort()}`))
            .on('error', ({ payload }) => heard.push(`${payload.code} ${payload.message}`));
    }, [world.canonical, typeof tokens === 'function' ? tokens() : tokens, name, options]);
    return page;
}

const heard = (page) => page.evaluate(() => heard);

function hears(page, text) {
    return until(`the page to hear: ${text}`, async () => {
        const all = await heard(page);
        assert.ok(all.includes(text), `it heard ${all.join(' | ')}`);
        return true;
    });
}

const status = (page) => page.evaluate(() => herald.status);
const disconnect = (options) => world.postgres.query(`SELECT herald.disconnect(${options})`);

test('a token that expires is followed by another from the function, and nothing is missed', async () => {
    let first;
    const page = await visit(() => [first = soon(), thor()], 'room/expiry');
    await hears(page, 'join as 1');
    await world.publish('room/expiry', 'before');
    await hears(page, 'event before');
    await hears(page, 'client token_expired');
    await world.publish('room/expiry', 'meanwhile');
    await hears(page, 'join as Thor');
    await until('what was missed', async () => (await heard(page)).some((text) => /^(replayed|event) meanwhile$/.test(text)));
    assert.deepEqual(await page.evaluate(() => asked), [null, first]);
    assert.deepEqual((await heard(page)).filter((text) => text.includes('join')), ['join as 1', 'join as Thor']);
    assert.deepEqual(page.complaints, []);
});

test('a fixed token that expires ends the connection: nobody goes on as anonymous unless he says so', async () => {
    const page = await visit(soon, 'room/fixed');
    await hears(page, 'join as 1');
    await hears(page, 'client token_expired');
    await until('the end', async () => (await status(page)).status === 'closed');
    assert.equal((await status(page)).code, 4000);
    assert.equal(await page.evaluate(() => channel.joined), false);
    await page.evaluate(() => { herald.setToken(null).reconnect(); });
    await hears(page, 'join as 0');
});

test('a token that the server does not accept ends it too, and is told with the reason', async () => {
    const page = await visit(mint({ dbo_id: 12 }, { secret: 'not the secret that the server knows, at all' }), 'room/foreign');
    await hears(page, 'client token_invalid');
    await until('the end', async () => (await status(page)).status === 'closed');
    assert.match((await status(page)).reason, /^The token was not accepted/);
    await page.evaluate((token) => { herald.setToken(token).reconnect(); }, thor());
    await hears(page, 'join as Thor');
});

test('setToken and reconnect: in as somebody, where members only may be, and out again', async () => {
    const page = await visit(null, 'members/1');
    await hears(page, 'anonymous_refused Anonymous clients cannot join this channel.');
    await page.evaluate((token) => { herald.setToken(token).reconnect(); }, thor());
    await hears(page, 'join as Thor');
    await page.evaluate(() => { heard.length = 0; herald.setToken(null).reconnect(); });
    await hears(page, 'anonymous_refused Anonymous clients cannot join this channel.');
});

test('as somebody else one gets the history that is for him', async () => {
    const member = await visit(thor(), 'room/history');
    await hears(member, 'join as Thor');
    await member.evaluate(() => {
        channel.send('for all');
        channel.send('for members', { authenticated: true });
    });
    await hears(member, 'message for members');
    const page = await visit(null, 'room/history', { history: true });
    await hears(page, 'history for all');
    await page.evaluate((token) => { herald.setToken(token).reconnect(); }, gamora());
    await hears(page, 'history for all,for members');
    await page.evaluate(() => { heard.length = 0; herald.setToken(null).reconnect(); });
    await hears(page, 'history for all');
});

test('presence and private messages: the list is kept, and a socketId is an address', async () => {
    const page = await visit(thor(), 'room/presence', { presence: true });
    await hears(page, 'presence Thor');
    const other = await visit(gamora(), 'room/presence', { presence: true });
    const third = await visit(null, 'room/presence', { presence: true });
    await hears(page, 'presence -,Gamora,Thor');
    await page.evaluate(() => {
        const { socketId } = channel.presence.find(({ extras }) => extras.name === 'Gamora');
        channel.send('psst', { socketId });
        channel.send('aloud');
    });
    await hears(other, 'message psst');
    await hears(third, 'message aloud');
    assert.equal((await heard(third)).includes('message psst'), false);
    assert.equal(await page.evaluate(() => channel.presence.some(({ socketId }) => socketId === channel.self.socketId)), true);
    await third.context().close();
    await until('the third to be gone', async () => (await heard(page)).at(-1) === 'presence Gamora,Thor');
    const refused = page.evaluate(() => channel.send('to nobody', { socketId: 'nobody' }).catch(({ code, message }) => `${code} ${message}`));
    assert.equal(await refused, 'no_such_client That client is not in this channel.');
});

test('who is removed from a channel is told why, stays connected, and is in again only when he asks', async () => {
    const page = await visit(thor(), 'room/removed');
    await hears(page, 'join as Thor');
    await disconnect(`dbo_id => 12, row_id => '1', channel => 'room/removed', reason => 'Enough for today.'`);
    await hears(page, 'removed Enough for today.');
    assert.deepEqual(await page.evaluate(() => [channel.joined, herald.status.status]), [false, 'connected']);
    const joins = () => page.sent.filter((text) => text.includes('"join"')).length;
    await page.evaluate(() => new Promise((resolve) => {
        herald.on('status', ({ status: now }) => now === 'connected' && resolve());
        herald.reconnect();
    }));
    assert.equal(joins(), 1, 'a new connection is no request');
    await world.publish('room/removed', 'meanwhile');
    await until('it to be in the log', () => world.postgres.value(`SELECT count(*) = 1 FROM herald.log WHERE channel = 'room/removed'`));
    await page.evaluate(() => { channel.join(); });
    await hears(page, 'replayed meanwhile');
    assert.equal(joins(), 2);
});

test('who is disconnected is told why and does not come back by himself', async () => {
    const page = await visit(thor(), 'room/disconnected');
    await hears(page, 'join as Thor');
    await disconnect(`dbo_id => 12, reason => 'The office closes.'`);
    await hears(page, 'client removed');
    await until('the end', async () => (await status(page)).status === 'closed', 5 * SECOND);
    assert.equal((await status(page)).code, 1008);
});
