// SPDX-License-Identifier: PostgreSQL
/**
 * examples/chat in Chromium: two heroes, two rooms, the history after a reload, hostile text, news from the database,
 * and lines that break at the worst moments.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { assertQuiet, Site, takePictures, until } from './support.mjs';

let site;
before(async () => { site = await Site.start(); });
afterEach(() => site.closePages());
after(() => site.stop());

async function enter(hero) {
    const page = await site.page();
    await page.goto(`${site.url}/examples/chat/`);
    await page.click(`[data-hero="${hero}"]`);
    await site.connected(page);
    return page;
}

async function say(page, text) {
    await page.fill('input[name=text]', text);
    await page.press('input[name=text]', 'Enter');
}

const openRoom = (page, name) => page.click(`[data-room="room/${name}"]`);
const log = (page) => page.locator('.log:not([hidden])');
const message = (page, text) => log(page).locator('.message:not(.pending) .text').getByText(text, { exact: true });
const texts = (page) => log(page).locator('.message .text').allTextContents();
const stored = (text) => site.sql(`select count(*) from herald.log where payload::text like '%${text}%'`);

test('the first visit asks who one is, and an empty room says so', async () => {
    const page = await site.page();
    await page.goto(`${site.url}/examples/chat/`);
    await page.waitForSelector('.picker[open]');
    await site.connected(page);
    await takePictures(page, 'chat-picker');
    await page.keyboard.press('Escape');
    await say(page, 'who am I?');
    await page.waitForSelector('.picker[open]');
    await page.click('[data-hero="Hulk"]');
    assert.equal(await page.inputValue('input[name=text]'), 'who am I?');
    await until('the empty room', async () => (await log(page).getAttribute('data-empty')).startsWith('Nobody has spoken yet'));
    await takePictures(page, 'chat-empty');
    assertQuiet(page);
});

test('two heroes talk in two rooms; what one does not look at is counted', async () => {
    const thor = await enter('Thor');
    const gamora = await enter('Gamora');
    await say(thor, 'Who moved the hammer?');
    await message(gamora, 'Who moved the hammer?').waitFor();
    await message(thor, 'Who moved the hammer?').waitFor();
    assert.equal(await log(thor).locator('.message.own').count(), 1, 'the echo is marked as one\'s own');
    assert.equal(await log(gamora).locator('.message.own').count(), 0);
    assert.match(await log(thor).locator('.who').textContent(), /^Thor \(you\)/);

    await openRoom(gamora, 'guardians');
    await say(gamora, 'Anybody here?');
    await say(thor, 'It was on the shelf.');
    await say(thor, 'Yesterday.');
    await until('two unread', async () => (await gamora.textContent('[data-room="room/avengers"] .badge')) === '2');
    await until('one unread', async () => (await thor.textContent('[data-room="room/guardians"] .badge')) === '1');
    assert.deepEqual(await texts(gamora), ['Anybody here?']);
    await openRoom(gamora, 'avengers');
    assert.equal(await gamora.locator('[data-room="room/avengers"] .badge').isVisible(), false);
    assert.deepEqual(await texts(gamora), ['Who moved the hammer?', 'It was on the shelf.', 'Yesterday.']);
    await say(gamora, 'Ask Rocket. He collects such things, and he has been smiling all day.');
    await message(thor, 'Ask Rocket. He collects such things, and he has been smiling all day.').waitFor();
    await takePictures(thor, 'chat');
    assertQuiet(thor);
    assertQuiet(gamora);
});

test('after a reload the history is there, in both rooms, and one still knows oneself', async () => {
    const page = await enter('Groot');
    await say(page, 'I am Groot.');
    await message(page, 'I am Groot.').waitFor();
    const avengers = await texts(page);
    await openRoom(page, 'guardians');
    await say(page, 'We are Groot.');
    await message(page, 'We are Groot.').waitFor();
    await page.reload();
    await message(page, 'I am Groot.').waitFor();
    assert.deepEqual(await texts(page), avengers);
    assert.equal(await log(page).locator('.message.own').count(), 1);
    assert.equal(await page.locator('.picker[open]').count(), 0);
    await openRoom(page, 'guardians');
    await message(page, 'We are Groot.').waitFor();
    assertQuiet(page);
});

test('HTML in text, name and news is text', async () => {
    const evil = '<img src=x onerror="alert(1)"><script>alert(2)</script>&amp;';
    const thor = await enter('Thor');
    const loki = await enter('Hulk');
    await say(loki, evil);
    await message(thor, evil).waitFor();
    await site.sql(`select herald.publish('room/avengers', jsonb_build_object('name', '<b>Fury</b>', 'text', '<i>${evil}</i>'))`);
    await log(thor).locator('.news').getByText(`<i>${evil}</i>`).waitFor();
    assert.equal(await log(thor).locator('.news strong').last().textContent(), '<b>Fury</b>');
    assert.equal(await thor.locator('.log img, .log script, .log b, .log i').count(), 0);
    assertQuiet(thor);
    assertQuiet(loki);
});

test('payloads of any shape are shown and break nothing', async () => {
    const page = await enter('Thor');
    await site.sql(`select herald.publish('room/avengers', x) from unnest(array['null', '17', '"odd"', '[]', '{"name": 5, "text": {}}']::jsonb[]) x`);
    await site.sql(`select herald.publish('room/avengers', '{"text": "after the odd ones"}')`);
    await log(page).locator('.news').getByText('after the odd ones').waitFor();
    assertQuiet(page);
});

test('news appear when their transaction commits, and not when it rolls back', async () => {
    const page = await enter('Thor');
    await site.sql(`begin; select herald.publish('room/avengers', '{"text": "never happened"}'); rollback`);
    await site.sql(`select herald.publish('room/avengers', '{"name": "Nick Fury", "text": "Suit up."}')`);
    await log(page).locator('.news').getByText('Suit up.').waitFor();
    assert.equal(await log(page).getByText('never happened').count(), 0);
    assertQuiet(page);
});

test('after a cut nothing is missed and nothing is there twice', async () => {
    const page = await enter('Thor');
    await say(page, 'before the cut');
    await message(page, 'before the cut').waitFor();
    const before = await texts(page);
    site.cut();
    await page.waitForSelector('.status[data-status="waiting"]');
    await takePictures(page, 'chat-waiting');
    await say(page, 'typed without a connection');
    assert.equal(await page.inputValue('input[name=text]'), 'typed without a connection', 'it stays to be sent later');
    await site.sql(`select herald.publish('room/avengers', '{"text": "said meanwhile"}')`);
    await site.comeBack(page);
    await log(page).locator('.news').getByText('said meanwhile').waitFor();
    await log(page).getByText('Back again: nothing was missed.').waitFor();
    await page.press('input[name=text]', 'Enter');
    await message(page, 'typed without a connection').waitFor();
    assert.deepEqual(await texts(page), [...before, 'typed without a connection']);
    assertQuiet(page, { wasCut: true });
});

test('a message that was lost on its way arrives after the cut, once', async () => {
    const page = await enter('Thor');
    site.proxy.onRequest = () => false;
    await say(page, 'swallowed by the line');
    await log(page).locator('.message.pending').waitFor();
    site.cut();
    await site.comeBack(page);
    await message(page, 'swallowed by the line').waitFor();
    assert.equal(await message(page, 'swallowed by the line').count(), 1);
    assert.equal(await log(page).locator('.pending').count(), 0);
    assert.equal(await stored('swallowed by the line'), '1');
    assertQuiet(page, { wasCut: true });
});

test('a message that arrived, but whose echo was lost, is seen once by everybody', async () => {
    const page = await enter('Thor');
    site.proxy.links.forEach((link) => { link.isMuted = true; });
    await say(page, 'the echo was lost');
    await until('it to be stored', async () => (await stored('the echo was lost')) === '1');
    site.cut();
    await site.comeBack(page);
    await message(page, 'the echo was lost').waitFor();
    await until('it to be said again', async () => (await stored('the echo was lost')) === '2');
    await say(page, 'and after it');
    await message(page, 'and after it').waitFor();
    assert.equal(await message(page, 'the echo was lost').count(), 1);
    const other = await enter('Groot');
    await message(other, 'and after it').waitFor();
    assert.equal(await message(other, 'the echo was lost').count(), 1, 'nor twice in the history');
    assertQuiet(page, { wasCut: true });
});

test('a message that is refused says so and is not sent again', async () => {
    const page = await enter('Thor');
    await site.sql(`select herald.set_rule('room/*', public_messaging => false)`);
    await until('the rule to hold', async () => {
        await say(page, 'refused');
        return (await log(page).locator('.message.failed').count()) > 0;
    });
    await log(page).locator('.note').last().waitFor();
    await site.sql(`select herald.set_rule('room/*', public_messaging => true)`);
    await until('the rule to be gone', async () => {
        await say(page, 'allowed again');
        return (await message(page, 'allowed again').count()) > 0;
    });
    assertQuiet(page);
});
