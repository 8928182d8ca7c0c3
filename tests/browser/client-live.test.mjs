// SPDX-License-Identifier: PostgreSQL
/**
 * The client in Chromium against the real server, with things between them that go wrong: components that come and go,
 * lines that are cut in every state or go silent, proxies that restart, tokens that gain and lose rights, refusals.
 * What the page is told is written down as short texts, in order.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, afterEach, before, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';

import { Proxy } from '../integration/lib/proxy.js';
import { mint, secretFlags, user } from '../integration/lib/token.js';
import { World } from '../integration/lib/world.js';
import { launchBrowser, openPage, SECOND, until } from './support.mjs';

let world;
let browser;
let proxy;

before(async () => {
    world = await World.start({
        rules: {
            'room/*': { anonymous_clients: true, public_messaging: true, presence: true, private_messaging: true, message_history: 50 },
            'fleeting/*': { anonymous_clients: true, public_messaging: true },
            'judged/*': { public_messaging: true, message_history: 50, authorize: 'public.may' },
        },
        sql: `CREATE FUNCTION public.may(channel text, identity json, action text) RETURNS boolean LANGUAGE sql SECURITY DEFINER
            SET search_path = pg_catalog, pg_temp AS $$ SELECT coalesce(channel = 'judged/' || (identity->'extras'->>'role'), false) $$`,
        flags: secretFlags(),
    });
    proxy = await Proxy.start(world.server.port);
    browser = await launchBrowser();
});
afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    Object.assign(proxy, { isRefusing: false, onRequest: null });
});
after(async () => {
    await browser?.close();
    await proxy?.stop();
    await world?.stop();
});

/** A page with a client, by way of the proxy. `tokens` are handed out one by one, the last one for ever. */
async function visit({ port = proxy.port, tokens = [null], canonical = world.canonical } = {}) {
    const page = await openPage(browser);
    await page.route('**/favicon.ico', (route) => route.fulfill({ status: 204 }));
    await page.goto(`http://127.0.0.1:${world.server.port}/health`);
    await page.evaluate(async (options) => {
        const { connect } = await import('/pgherald.js');
        const { tokens: given, ...others } = options;
        globalThis.told = [];
        globalThis.heard = [];
        globalThis.herald = connect({ ...others, token: (stale) => { told.push(stale); return given.length > 1 ? given.shift() : given[0]; } });
        globalThis.listen = (channel, name) => {
            for (const action of ['join', 'gap']) channel.on(action, () => heard.push(`${name} ${action}`));
            channel
                .on('message', ({ payload }) => heard.push(`${name} ${payload}`))
                .on('event', ({ payload }) => heard.push(`${name} ${payload.data}`))
                .on('history', ({ payload }) => heard.push(`${name} history ${payload.history.map((each) => each.payload.data ?? each.payload)}`))
                .on('error', ({ payload }) => heard.push(`${name} ${payload.code}`));
            return channel;
        };
        globalThis.nextStatus = (wanted) => new Promise((resolve) => {
            const seen = ({ status }) => { if (status === wanted) resolve(); };
            herald.on('status', seen);
            seen(herald.status);
        });
    }, { url: `http://127.0.0.1:${port}`, canonical, tokens });
    return page;
}

function hears(page, ...texts) {
    return until(`the page to hear ${texts}`, async () => {
        const all = await page.evaluate(() => heard);
        assert.ok(texts.every((text) => all.includes(text)), `it heard ${all.join(' | ')}`);
        return true;
    });
}

const count = (page, text) => page.evaluate((wanted) => heard.filter((each) => each === wanted).length, text);
const sent = (page, action) => page.sent.filter((text) => text.includes(`"action":"${action}"`)).length;
const stored = (text) => world.postgres.value(`SELECT count(*)::int FROM herald.log WHERE payload::text LIKE '%' || $1 || '%'`, [text]);

test('mounted twice, mounted a hundred times, and side by side with other wishes: one membership, and nobody is silenced', async () => {
    const page = await visit();
    await world.publish('room/mounts', 'before');
    await until('it to be in the log', async () => (await stored('before')) === 1);
    await page.evaluate(async () => {
        herald.channel('room/mounts', { history: true }).leave();
        globalThis.first = listen(herald.channel('room/mounts', { history: true }), 'first');
        await first.ready;
        for (let i = 0; i < 100; i++) {
            const each = herald.channel('room/mounts', { presence: true });
            if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve));
            each.leave();
        }
        globalThis.second = listen(herald.channel('room/mounts', { presence: true, history: true }), 'second');
        await second.ready;
    });
    await hears(page, 'first history before', 'second history before');
    await until('the list', () => page.evaluate(() => second.presence.length === 1 && first.presence.length === 0));
    await page.evaluate(() => first.leave());
    await world.publish('room/mounts', 'after');
    await hears(page, 'second after');
    assert.equal(await count(page, 'first after'), 0);
    assert.ok(sent(page, 'join') <= 2, `${sent(page, 'join')} joins`);
    await page.evaluate(() => second.leave());
    await until('it to be left', () => sent(page, 'leave') === 1);
    assert.deepEqual(page.complaints, []);
});

test('a holder that begins at an earlier position gets what was since, the others nothing twice', async () => {
    const page = await visit();
    await page.evaluate(async () => {
        globalThis.first = await listen(herald.channel('room/since'), 'first').ready;
        globalThis.since = first.position;
    });
    for (const text of ['one', 'two']) await world.publish('room/since', text);
    await hears(page, 'first one', 'first two');
    await page.evaluate(() => { listen(herald.channel('room/since', { since }), 'second'); });
    await hears(page, 'second one', 'second two');
    await world.publish('room/since', 'three');
    await hears(page, 'first three', 'second three');
    assert.deepEqual(await page.evaluate(() => heard.filter((each) => each.startsWith('first'))), ['first join', 'first one', 'first two', 'first three']);
});

const isHandshake = (chunk) => chunk.includes('GET /rt/');

/** When the line is cut: at the first chunk that is like that, which is swallowed. A browser masks its frames, so they are
 * told apart by when they are sent. */
const STATES = {
    'during the handshake': isHandshake,
    'before the acknowledgement': (chunk) => !isHandshake(chunk),
    'before the receipt': () => true,
};

test('a line that is cut in every state: what was said arrives once, and what was missed comes', async () => {
    const page = await visit();
    await page.evaluate(() => { globalThis.room = listen(herald.channel('room/cuts'), 'room'); return room.ready; });
    for (const [state, isIt] of Object.entries(STATES)) {
        let isCut = false;
        await page.evaluate(() => room.send('now we are in'));
        proxy.onRequest = (link, chunk) => {
            if (isCut || !isIt(chunk)) return true;
            isCut = true;
            setImmediate(() => proxy.cut(link));
            return false;
        };
        if (state !== 'before the receipt') proxy.cut();
        const fate = page.evaluate((text) => room.send(text), `said ${state}`);
        await world.publish('room/cuts', `missed ${state}`);
        assert.ok((await fate).offset > 0, state);
        assert.ok(isCut, state);
        proxy.onRequest = null;
        await hears(page, `room said ${state}`, `room missed ${state}`);
        assert.deepEqual([await stored(`said ${state}`), await count(page, `room said ${state}`)], [1, 1], state);
    }
    assert.equal(await count(page, 'room gap'), 0);
});

test('a receipt that was lost on its way is asked for again: the message is there once', async () => {
    const page = await visit();
    await page.evaluate(() => { globalThis.room = listen(herald.channel('room/receipts'), 'room'); return room.ready; });
    proxy.links.forEach((link) => { link.isMuted = true; });
    const fate = page.evaluate(() => room.send('only once'));
    await until('it to be stored', async () => (await stored('only once')) === 1);
    proxy.cut();
    const receipt = await fate;
    assert.equal(receipt.duplicate, true);
    await hears(page, 'room only once');
    assert.deepEqual([await stored('only once'), await count(page, 'room only once')], [1, 1]);
    const fleeting = await page.evaluate(async () => {
        const channel = await herald.channel('fleeting/1').ready;
        return [await channel.send('x'), await channel.send('x'.repeat(70_000)).catch(({ code }) => code), herald.status.status];
    });
    assert.deepEqual(fleeting, [{}, 'too_large', 'connected']);
});

test('a line that goes silent is found out when the network comes back', async () => {
    const page = await visit();
    await page.evaluate(() => { globalThis.room = listen(herald.channel('room/silence'), 'room'); return room.ready; });
    proxy.stall();
    await world.publish('room/silence', 'missed');
    await page.evaluate(() => { dispatchEvent(new Event('online')); });
    await hears(page, 'room missed');
    assert.equal(await count(page, 'room join'), 2);
    assert.equal(sent(page, 'ping'), 1);
});

/** A proxy that knows what a WebSocket is, and closes with a code of its own, or with none. */
async function wsProxy() {
    const http = createServer();
    const ends = new Set();
    const server = new WebSocketServer({ server: http, path: `/rt/${world.canonical}` });
    server.on('connection', (near, { url }) => {
        const far = new WebSocket(`ws://127.0.0.1:${world.server.port}${url}`);
        const waiting = [];
        near.on('message', (data) => (far.readyState === 1 ? far.send(String(data)) : waiting.push(String(data))));
        far.on('open', () => waiting.forEach((text) => far.send(text)));
        far.on('message', (data) => near.send(String(data)));
        near.on('close', () => far.terminate());
        far.on('error', () => {});
        ends.add(near);
    });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    return {
        port: http.address().port,
        close: (code) => ends.forEach((end) => { end.close(code); ends.delete(end); }),
        stop: () => { ends.forEach((end) => end.terminate()); http.close(); },
    };
}

test('a proxy that restarts (1001), or closes without a word (1005), costs nothing', async () => {
    const between = await wsProxy();
    try {
        const page = await visit({ port: between.port });
        await page.evaluate(() => { globalThis.room = listen(herald.channel('room/proxies'), 'room'); return room.ready; });
        for (const code of [1001, undefined]) {
            const waits = page.evaluate(() => nextStatus('waiting').then(() => herald.status.code));
            between.close(code);
            assert.equal(await waits, code ?? 1005);
            await world.publish('room/proxies', `during ${code}`);
            await hears(page, `room during ${code}`);
        }
        assert.equal(await count(page, 'room gap'), 0);
    } finally {
        between.stop();
    }
});

test('a token is renewed on the live line: what it opens is entered, what it shuts is left', async () => {
    const first = mint({ dbo_id: 12, row_id: 1, extras: { role: 'a' }, exp: Math.ceil(Date.now() / 1000) + 8 });
    const page = await visit({ tokens: [first, user(12, 1, { role: 'b' })] });
    await page.evaluate(async () => {
        herald.on('error', ({ payload }) => heard.push(`client ${payload.code}`));
        globalThis.lost = listen(herald.channel('judged/a'), 'lost');
        globalThis.gained = listen(herald.channel('judged/b'), 'gained');
        await lost.ready;
    });
    await hears(page, 'lost join', 'gained join_refused');
    await until('the renewal', () => page.evaluate(() => gained.joined && !lost.joined), 15 * SECOND);
    await hears(page, 'lost removed', 'gained join');
    assert.deepEqual(await page.evaluate(() => [told, lost.joined, gained.joined, gained.self.extras.role]), [[null, first], false, true, 'b']);
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 1500)));      // past the end of the first
    await world.publish('judged/b', 'after');
    await hears(page, 'gained after');
    assert.deepEqual(await page.evaluate(() => [heard.filter((text) => text.startsWith('client')), herald.status.status]), [[], 'connected']);
    assert.equal(await count(page, 'gained join'), 1);
});

test('txid returns behind what the transaction did', async () => {
    const page = await visit();
    await page.evaluate(() => { globalThis.room = listen(herald.channel('room/txid'), 'room'); return room.ready; });
    const txid = await world.postgres.value(`WITH said AS (SELECT herald.publish('room/txid', '"written"')) SELECT pg_current_xact_id()::text FROM said`);
    const seen = await page.evaluate(async (id) => { await herald.txid(id); return heard.includes('room written'); }, txid);
    assert.equal(seen, true);
});

test('presence with state: each sees what the others let him know, also after a cut', async () => {
    const [one, two] = [await visit(), await visit()];
    for (const page of [one, two]) {
        await page.evaluate(async () => {
            globalThis.room = await herald.channel('room/states', { presence: 'state' }).ready;
            globalThis.states = () => room.presence.map(({ state }) => state?.card ?? null).sort();
        });
    }
    await one.evaluate(() => room.setState({ card: 1 }));
    await two.evaluate(() => { for (let card = 10; card <= 20; card++) room.setState({ card }); });
    const see = (...cards) => Promise.all([one, two].map((page) =>
        until(`the states ${cards}`, async () => (await page.evaluate(() => JSON.stringify(states()))) === JSON.stringify(cards))));
    await see(1, 20);
    proxy.cut();
    await see(1, 20);
});

test('why a handshake is refused is what the status says', async () => {
    const page = await visit({ canonical: 'nobody-knows-this-one' });
    await until('the reason', () => page.evaluate(() => herald.status.why !== undefined));
    const { status, why, reason } = await page.evaluate(() => herald.status);
    assert.deepEqual([status, why], ['waiting', 'canonical']);
    assert.match(reason, /^[A-Z].*\.$/);
});
