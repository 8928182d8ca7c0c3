// SPDX-License-Identifier: PostgreSQL
/**
 * examples/chat-xano in Chromium: the bundle of the unmodified @xano/js-sdk, as npm delivers it. It is not part of the
 * repository nor of the binary, so the test answers the page's request for it; all else comes from the server.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { assertQuiet, sdkBundle, SECOND, Site, takePictures, until } from './support.mjs';

const BUNDLE = '**/examples/chat-xano/xano.min.js';

let site;
before(async () => { site = await Site.start(); });
afterEach(() => site.closePages());
after(() => site.stop());

/** Somebody who has signed in before; without a hero a guest, who sees the dialog. */
async function enter(hero, path = 'chat-xano') {
    const page = await site.page({ route: { url: BUNDLE, answer: (route) => route.fulfill({ path: sdkBundle }) } });
    page.sockets = [];
    page.on('websocket', (socket) => page.sockets.push(socket));
    if (hero) await page.addInitScript((name) => { sessionStorage['chat.hero'] ??= name; }, hero);
    await page.goto(`${site.url}/examples/${path}/`);
    await site.connected(page);
    return page;
}

async function say(page, text) {
    await page.fill('input[name=text]', text);
    await page.press('input[name=text]', 'Enter');
}

const log = (page) => page.locator('.log:not([hidden])');
const message = (page, text) => log(page).locator('.message:not(.pending) .text').getByText(text, { exact: true });
const texts = (page) => log(page).locator('.message .text').allTextContents();

test('the SDK and our own module share the rooms', async () => {
    const xano = await enter('Rocket');
    const ours = await enter('Groot', 'chat');
    assert.deepEqual(xano.sockets.map((socket) => socket.url()), [`${site.url.replace('http', 'ws')}/rt/${site.server.canonical}`]);
    await say(xano, 'through the SDK');
    await message(ours, 'through the SDK').waitFor();
    await message(xano, 'through the SDK').waitFor();
    assert.equal(await log(xano).locator('.message.own').count(), 1, 'the echo came back');
    await say(ours, 'through our module');
    await message(xano, 'through our module').waitFor();
    await site.sql(`select herald.publish('room/avengers', '{"name": "Nick Fury", "text": "from the database"}')`);
    await log(xano).locator('.news').getByText('from the database').waitFor();
    await takePictures(xano, 'chat-xano');

    await ours.click('[data-room="room/guardians"]');
    await say(ours, 'in the other room');
    await until('one unread', async () => (await xano.textContent('[data-room="room/guardians"] .badge')) === '1');
    await xano.click('[data-room="room/guardians"]');
    await say(xano, 'I am here too');
    await message(ours, 'I am here too').waitFor();
    assert.equal(xano.sockets.length, 1, 'three channels on one socket');
    assertQuiet(xano);
    assertQuiet(ours);
});

test('setRealtimeAuthToken and realtimeReconnect: a guest reads, a hero writes, members have a room of their own', async () => {
    const groot = await enter('Groot', 'chat');
    const page = await enter();
    await page.click('[data-hero=""]');
    await say(groot, 'a word to guests');
    await message(page, 'a word to guests').waitFor();
    await groot.click('.composer .members');
    await say(groot, 'a word to members');
    await message(groot, 'a word to members').waitFor();
    await page.click('[data-room="room/shield"]');
    await until('the reason', async () => (await log(page).getAttribute('data-empty')) === 'Anonymous clients cannot join this channel.');
    await page.click('[data-room="room/avengers"]');
    assert.equal(await message(page, 'a word to members').count(), 0);

    await page.click('.identity');
    await page.click('[data-hero="Rocket"]');
    await message(page, 'a word to members').waitFor();
    await until('both to be here', async () => (await page.locator('.here:not(.elsewhere)').getAttribute('title')) === 'Here: Groot, Rocket');
    await say(page, 'now I may write');
    await message(groot, 'now I may write').waitFor();
    await page.click('[data-room="room/shield"]');
    await until('the room to be open', async () => (await log(page).getAttribute('data-empty')).startsWith('Nobody has spoken'));

    await page.click('.identity');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await until('the room to be shut', async () => (await log(page).getAttribute('data-empty')) === 'Anonymous clients cannot join this channel.');
    await page.click('[data-room="room/avengers"]');
    await until('the word to members to be gone', async () => (await message(page, 'a word to members').count()) === 0);
    await message(page, 'a word to guests').waitFor();
    assertQuiet(page);
    assertQuiet(groot);
});

test('the history is there after a reload', async () => {
    const page = await enter('Rocket');
    await say(page, 'remember this');
    await message(page, 'remember this').waitFor();
    const before = await texts(page);
    await page.reload();
    await message(page, 'remember this').waitFor();
    assert.deepEqual(await texts(page), before);
    assertQuiet(page);
});

test('HTML is text here too', async () => {
    const page = await enter('Rocket');
    const evil = '<img src=x onerror="alert(1)">';
    await say(page, evil);
    await message(page, evil).waitFor();
    assert.equal(await page.locator('.log img').count(), 0);
    assertQuiet(page);
});

test('after a cut the SDK comes back by itself, and nothing is there twice', async () => {
    const page = await enter('Rocket');
    await say(page, 'before the cut');
    await message(page, 'before the cut').waitFor();
    const before = await texts(page);
    site.cut();
    await page.waitForSelector('.status[data-status="waiting"]');
    await site.sql(`select herald.publish('room/avengers', '{"text": "meanwhile"}')`);
    site.mend();
    await page.waitForSelector('.status[data-status="connected"]', { timeout: 30 * SECOND });
    await log(page).locator('.news').getByText('meanwhile').waitFor();
    assert.deepEqual(await texts(page), before);
    await say(page, 'after the cut');
    await message(page, 'after the cut').waitFor();
    assertQuiet(page, { wasCut: true });
});

test('without the bundle the page says how to get it', async () => {
    const page = await site.page({ route: { url: BUNDLE, answer: (route) => route.fulfill({ status: 404, body: '' }) } });
    await page.goto(`${site.url}/examples/chat-xano/`);
    await page.getByRole('heading', { name: 'The SDK is not here yet' }).waitFor();
    await takePictures(page, 'chat-xano-missing');
    assert.deepEqual(page.complaints, ['Failed to load resource: the server responded with a status of 404 (Not Found)']);
});
