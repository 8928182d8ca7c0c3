// SPDX-License-Identifier: PostgreSQL
/**
 * The unmodified @xano/js-sdk with nothing rewritten: Chromium, a page of https://localhost, TLS of our own on port 443,
 * `wss://localhost/rt/<canonical>` as the SDK dials it. Every row of "Realtime Documentation" in the SDK's README.
 *
 * The certificate is made here and Chromium trusts its key. The page is the server's answer to /health, into which the
 * SDK's bundle is loaded. Port 443 needs root, or CAP_NET_BIND_SERVICE: without it the server says so and the test fails.
 */
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';

import { run, temporaryDirectory } from '../integration/lib/process.js';
import { mint, secretFlags, soon, user } from '../integration/lib/token.js';
import { World } from '../integration/lib/world.js';
import { launchBrowser, openPage, sdkBundle, SECOND, until } from './support.mjs';

const RULES = {
    'room/*': { public_messaging: true, presence: true, private_messaging: true, auth_channel: true, message_history: 50 },
    'members/*': { public_messaging: true, public_auth: true, presence: true },
    'news/*': { anonymous_clients: true },
};

let world;
let browser;

async function makeCertificate() {
    const directory = temporaryDirectory('tls');
    const files = { key: join(directory, 'key.pem'), cert: join(directory, 'cert.pem') };
    const { code, stderr } = await run('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
        '-keyout', files.key, '-out', files.cert, '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']);
    assert.equal(code, 0, stderr);
    const { publicKey } = new X509Certificate(readFileSync(files.cert));
    const digest = createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' })).digest('base64');
    return { ...files, digest };
}

before(async () => {
    const { key, cert, digest } = await makeCertificate();
    world = await World.start({
        rules: RULES,
        flags: ['--tls-listen', '127.0.0.1:443', '--tls-cert-file', cert, '--tls-key-file', key, ...secretFlags()],
    });
    browser = await launchBrowser([`--ignore-certificate-errors-spki-list=${digest}`]);
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

/** A page with a XanoClient: the SDK keeps one connection a page. */
async function visit(token) {
    const page = await openPage(browser);
    page.sockets = [];
    page.on('websocket', (socket) => page.sockets.push(socket));
    await page.route('**/favicon.ico', (route) => route.fulfill({ status: 204 }));
    await page.goto('https://localhost/health');
    await page.addScriptTag({ path: sdkBundle });
    await page.evaluate(([canonical, realtimeAuthToken]) => {
        globalThis.xano = new XanoClient({
            instanceBaseUrl: 'https://localhost/', realtimeConnectionCanonical: canonical, ...(realtimeAuthToken && { realtimeAuthToken }),
        });
        globalThis.heard = [];
        globalThis.errors = [];
        globalThis.join = (name, options) => {
            globalThis.channel = xano.channel(name, options);
            return channel.on((action) => { heard.push(action); }, (action) => { errors.push(action); });
        };
    }, [world.canonical, typeof token === 'function' ? token() : token]);
    return page;
}

async function enter(name, { token, ...options } = {}) {
    const page = await visit(token);
    await page.evaluate(([...args]) => { join(...args); }, [name, options]);
    await heard(page, 'join');
    return page;
}

/** The actions of that kind that its first callback got; waits for as many as are wanted. */
async function heard(page, action, n = 1) {
    const all = () => page.evaluate((kind) => heard.filter((each) => each.action === kind).map((each) => ({ ...each })), action);
    return until(`${n} ${action}`, async () => {
        const found = await all();
        return found.length >= n && found;
    });
}

const said = async (page) => (await page.evaluate(() => heard.filter(({ action }) => action === 'message').map(({ payload }) => payload)));
const hears = (page, payload) => until(`${payload} to arrive`, async () => (await said(page)).includes(payload));
const say = (page, payload, options) => page.evaluate(([...args]) => channel.message(...args), [payload, options]);
const present = (page) => page.evaluate(() => channel.getPresence().map(({ extras }) => extras.name ?? 'anonymous').sort().join());

async function refused(page, code) {
    return until(`the error ${code}`, async () => (await page.evaluate(() => errors.map(({ payload }) => payload))).find((each) => each.code === code));
}

test('it dials wss://localhost/rt/<canonical>, and the pages come over TLS as well', async () => {
    const page = await enter('room/dial');
    assert.deepEqual(page.sockets.map((socket) => socket.url()), [`wss://localhost/rt/${world.canonical}`]);
    const answer = await page.evaluate(async () => {
        const response = await fetch('/pgherald.js');
        return [response.status, response.headers.get('content-type')];
    });
    assert.deepEqual(answer, [200, 'text/javascript; charset=utf-8']);
    assert.deepEqual(page.complaints, []);
});

test('channel options: without any there is neither history nor presence', async () => {
    const page = await enter('room/plain');
    await say(page, 'x');
    await hears(page, 'x');
    assert.deepEqual(await page.evaluate(() => heard.map(({ action }) => action)), ['connection_status', 'join', 'message']);
    assert.deepEqual(await page.evaluate(() => channel.getPresence()), []);
});

test('channel option history: the messages so far come with the join', async () => {
    const first = await enter('room/history', { token: thor() });
    for (const text of ['one', 'two']) await say(first, text);
    await hears(first, 'two');
    const page = await enter('room/history', { history: true });
    const [{ payload }] = await heard(page, 'history');
    assert.deepEqual(payload.history.map((each) => [each.action, each.payload, each.client.extras.name]), [['message', 'one', 'Thor'], ['message', 'two', 'Thor']]);
});

test('channel option presence, getPresence: who is there with extras and permissions, and who comes and goes', async () => {
    const page = await enter('room/presence', { presence: true, token: thor() });
    await heard(page, 'presence_full');
    const [self] = await page.evaluate(() => channel.getPresence().map(({ socketId, extras, permissions }) => ({ socketId, extras, permissions })));
    assert.deepEqual([self.extras, self.permissions], [{ name: 'Thor' }, { dbo_id: 12, row_id: 1 }]);
    assert.equal(self.socketId, (await heard(page, 'join'))[0].client.socketId);
    const other = await enter('room/presence', { presence: true });
    await until('both, on both sides', async () => (await present(page)) === 'Thor,anonymous' && (await present(other)) === 'Thor,anonymous');
    const stranger = await other.evaluate(() => channel.getPresence().find(({ extras }) => !extras.name).permissions);
    assert.deepEqual(stranger, { dbo_id: 0, row_id: 0 });
    await other.context().close();
    await until('one to be gone', async () => (await present(page)) === 'Thor');
    assert.deepEqual((await heard(page, 'presence_update', 2)).map(({ payload }) => payload.action), ['join', 'leave']);
});

test('channel option queueOfflineActions: what is sent too early is sent at the connect, without it it is lost', async () => {
    const page = await visit();
    await page.evaluate(() => {
        join('room/queue', { queueOfflineActions: true });
        channel.message('early');
    });
    await hears(page, 'early');
    const other = await visit();
    await other.evaluate(() => {
        join('room/queue');
        channel.message('lost');
    });
    await heard(other, 'join');
    await say(other, 'in time');
    await hears(page, 'in time');
    assert.deepEqual(await said(page), ['early', 'in time']);
});

test('on(all) and on(specific): actions to the first callback, errors to the second', async () => {
    const page = await visit();
    await page.evaluate(() => {
        globalThis.specific = [];
        join('news/on').on('event', ({ payload }) => specific.push(payload.data), () => specific.push('never'));
        channel.on('error', () => specific.push('never'), ({ payload }) => specific.push(payload.code));
    });
    await heard(page, 'join');
    await say(page, 'not allowed');
    const error = await refused(page, 'send_refused');
    assert.equal(error.message, 'You may not send to this channel.');
    await world.publish('news/on', 'from the database');
    assert.equal((await heard(page, 'event'))[0].payload.data, 'from the database');
    assert.deepEqual(await page.evaluate(() => specific), ['send_refused', 'from the database']);
    assert.equal(await page.evaluate(() => heard.some(({ action }) => action === 'error')), false);
});

test('message: to all, the sender too; with authenticated: true to signed-in clients only', async () => {
    const from = await enter('room/message', { token: thor() });
    const member = await enter('room/message', { token: gamora() });
    const anonymous = await enter('room/message');
    await say(from, 'for members', { authenticated: true });
    await say(from, 'for all');
    for (const page of [from, member, anonymous]) await hears(page, 'for all');
    assert.deepEqual(await said(from), ['for members', 'for all']);
    assert.deepEqual(await said(member), ['for members', 'for all']);
    assert.deepEqual(await said(anonymous), ['for all']);
    assert.equal(anonymous.frames.some((text) => text.includes('for members')), false, 'it never came over the line');
    const [{ client, options }] = await heard(member, 'message');
    assert.deepEqual([client.extras, client.permissions, options.authenticated], [{ name: 'Thor' }, { dbo_id: 12, row_id: 1 }, true]);
    await say(anonymous, 'not for me to say', { authenticated: true });
    await refused(anonymous, 'send_refused');
    const late = await enter('room/message', { history: true });
    assert.deepEqual((await heard(late, 'history'))[0].payload.history.map(({ payload }) => payload), ['for all'], 'nor in the history');
});

test('getPresence()[i].message is private; .history() is answered', async () => {
    const from = await enter('room/private', { presence: true, token: thor() });
    const to = await enter('room/private', { presence: true, token: gamora() });
    const third = await enter('room/private', { presence: true });
    await until('all to be there', async () => (await present(from)) === 'Gamora,Thor,anonymous');
    await from.evaluate(() => channel.getPresence().find(({ extras }) => extras.name === 'Gamora').message('psst'));
    await hears(to, 'psst');
    await hears(from, 'psst');
    const socketId = (await heard(to, 'join'))[0].client.socketId;
    assert.equal((await heard(to, 'message'))[0].options.socketId, socketId);
    await say(from, 'aloud');
    await hears(third, 'aloud');
    assert.deepEqual(await said(third), ['aloud']);
    await from.evaluate(() => channel.getPresence().find(({ extras }) => extras.name === 'Gamora').history());
    assert.deepEqual((await heard(from, 'history'))[0].payload.history, [], 'private messages are not kept');
    await to.evaluate(() => channel.history());
    assert.deepEqual((await heard(to, 'history'))[0].payload.history.map(({ payload }) => payload), ['aloud']);
});

test('setRealtimeAuthToken and realtimeReconnect: in as somebody, and out again', async () => {
    const page = await visit();
    await page.evaluate(() => { join('members/1', { presence: true }); });
    assert.equal((await refused(page, 'anonymous_refused')).message, 'Anonymous clients cannot join this channel.');
    await page.evaluate((token) => {
        xano.setRealtimeAuthToken(token);
        xano.realtimeReconnect();
    }, thor());
    const [{ client }] = await heard(page, 'join');
    assert.deepEqual([client.extras, client.permissions], [{ name: 'Thor' }, { dbo_id: 12, row_id: 1 }]);
    await say(page, 'as myself');
    await hears(page, 'as myself');
    await page.evaluate(() => {
        errors.length = 0;
        xano.setRealtimeAuthToken(null);
        xano.realtimeReconnect();
    });
    await refused(page, 'anonymous_refused');
});

test('a token that is not accepted is told to the second callback, and one that expires as well', async () => {
    const page = await visit(mint({ dbo_id: 12 }, { secret: 'not the secret that the server knows, at all' }));
    await page.evaluate(() => { join('room/token'); });
    await refused(page, 'token_invalid');
    assert.deepEqual((await heard(page, 'join'))[0].client.permissions, { dbo_id: 0, row_id: 0 });

    const expiring = await enter('room/token', { token: soon });
    await refused(expiring, 'token_expired');
    await expiring.evaluate((token) => xano.setRealtimeAuthToken(token), thor());
    const joins = await heard(expiring, 'join', 2);
    assert.deepEqual(joins.map(({ client }) => client.permissions.dbo_id), [12, 12]);
});

test('destroy leaves the channel, and with the last one the server', async () => {
    const page = await enter('room/destroy', { presence: true, token: thor() });
    const other = await enter('room/destroy', { presence: true, token: gamora() });
    await page.evaluate(() => {
        globalThis.second = xano.channel('news/destroy', {});
        second.on('message', () => {});
        channel.destroy();
    });
    await until('one to be gone', async () => (await present(other)) === 'Gamora');
    await say(other, 'after the leave');
    await hears(other, 'after the leave');
    assert.deepEqual(await said(page), []);
    assert.equal(page.sockets[0].isClosed(), false, 'there is another channel');
    await page.evaluate(() => second.destroy());
    await until('the socket to be closed', () => page.sockets[0].isClosed());
    assert.equal(page.sockets.length, 1);
});

test('after a restart of the server it joins again by itself', async () => {
    const page = await enter('room/restart', { presence: true, history: true, token: thor() });
    await say(page, 'before');
    await hears(page, 'before');
    await world.server.stop();
    await until('it to notice', () => page.evaluate(() => heard.some(({ action, payload }) => action === 'connection_status' && payload.status === 'disconnected')));
    await world.serve();
    await until('it to be back', async () => (await heard(page, 'join', 2)) && (await present(page)) === 'Thor', 30 * SECOND);
    const histories = await heard(page, 'history', 2);
    assert.deepEqual(histories.at(-1).payload.history.map(({ payload }) => payload), ['before']);
    await say(page, 'after');
    await hears(page, 'after');
});
