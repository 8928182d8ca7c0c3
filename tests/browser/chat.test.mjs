// SPDX-License-Identifier: PostgreSQL
/**
 * examples/chat in Chromium: heroes and guests, who may read and write what, the history after a reload, hostile text,
 * news from the database, and lines that break at the worst moments.
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

/** A visitor who does not sign in. */
async function lookAround() {
    const page = await site.page();
    await page.goto(`${site.url}/examples/chat/`);
    await page.click('[data-hero=""]');
    await site.connected(page);
    return page;
}

async function signOut(page) {
    await page.click('.identity');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await site.connected(page);
}

async function say(page, text) {
    await page.fill('input[name=text]', text);
    await page.press('input[name=text]', 'Enter');
}

const openRoom = (page, name) => page.click(`[data-room="room/${name}"]`);
const log = (page) => page.locator('.log:not([hidden])');
const message = (page, text) => log(page).locator('.message:not(.pending) .text').getByText(text, { exact: true });
const texts = (page) => log(page).locator('.message .text').allTextContents();
const here = (page) => page.locator('.here:not(.elsewhere)').getAttribute('title');
const stored = (text) => site.sql(`select count(*) from herald.log where payload::text like '%${text}%'`);

test('the first visit asks who one is, and an empty room says so', async () => {
    const page = await site.page();
    await page.goto(`${site.url}/examples/chat/`);
    await page.waitForSelector('.picker[open]');
    await site.connected(page);
    await takePictures(page, 'chat-picker');
    await page.click('[data-hero=""]');
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
    assert.equal(await log(page).locator('.pending').count(), 0);
    await say(page, 'and after it');
    await message(page, 'and after it').waitFor();
    assert.equal(await message(page, 'the echo was lost').count(), 1);
    assert.equal(await stored('the echo was lost'), '1', 'it was said again, and taken once');
    const other = await enter('Groot');
    await message(other, 'and after it').waitFor();
    assert.equal(await message(other, 'the echo was lost').count(), 1, 'nor twice in the history');
    assertQuiet(page, { wasCut: true });
});

test('each message has its fate: under way, then what the receipt says, on this page', async () => {
    const thor = await enter('Thor');
    const other = await enter('Gamora');
    const fate = (page, text) => log(page).locator('.message', { has: page.locator('.text').getByText(text, { exact: true }) }).locator('.fate');
    site.proxy.onRequest = () => false;
    await say(thor, 'where is it?');
    assert.equal(await fate(thor, 'where is it?').textContent(), '…');
    site.cut();
    await site.comeBack(thor, other);
    await message(thor, 'where is it?').waitFor();
    const number = await site.sql(`select channel_offset from herald.log where channel = 'room/avengers' and payload::text like '%where is it?%'`);
    assert.equal(await fate(thor, 'where is it?').getAttribute('title'), `The server has it. Number ${number} of this room.`);
    await message(other, 'where is it?').waitFor();
    assert.equal(await fate(other, 'where is it?').count(), 0, 'the others have no receipt');
    await site.sql(`create function demo.mute(action text, channel text, client json, options json, payload json) returns json language sql security definer
        set search_path = pg_catalog, pg_temp return null::json; select herald.set_rule('room/*', on_message => 'demo.mute')`);
    await until('the function to be asked', async () => {
        await say(thor, 'dropped');
        return (await log(thor).getByText('The room did not take this message.').count()) > 0;
    });
    await log(thor).locator('.message.failed').first().waitFor();
    await site.sql(`select herald.set_rule('room/*', on_message => '-'::regproc)`);
    await until('it to be gone', async () => {
        await say(thor, 'taken again');
        return (await message(thor, 'taken again').count()) > 0;
    });
    assertQuiet(thor, { wasCut: true });
});

test('what is too long says so before it is sent, and is not cut', async () => {
    const page = await enter('Thor');
    const sent = () => page.sent.filter((text) => text.includes('"message"')).length;
    const before = sent();
    await say(page, 'x'.repeat(460));
    await message(page, 'x'.repeat(460)).waitFor();
    await page.fill('input[name=text]', 'y'.repeat(512));
    await page.getByText('12 too many').waitFor();
    assert.equal(await page.locator('.composer [type=submit]').isDisabled(), true);
    await takePictures(page, 'chat-too-long');
    await page.press('input[name=text]', 'Enter');
    assert.equal(await page.inputValue('input[name=text]'), 'y'.repeat(512));
    await page.fill('input[name=text]', 'y'.repeat(500));
    await page.getByText('0 left').waitFor();
    await page.press('input[name=text]', 'Enter');
    await message(page, 'y'.repeat(500)).waitFor();
    assert.equal(sent() - before, 2);
    assertQuiet(page);
});

test('a message that is refused says so and is not sent again', async () => {
    const page = await enter('Thor');
    await site.sql(`select herald.set_rule('room/*', public_messaging => false, auth_channel => false)`);
    await until('the rule to hold', async () => {
        await say(page, 'refused');
        return (await log(page).locator('.message.failed').count()) > 0;
    });
    await log(page).locator('.note').last().waitFor();
    await site.sql(`select herald.set_rule('room/*', public_messaging => true, auth_channel => true)`);
    await until('the rule to be gone', async () => {
        await say(page, 'allowed again');
        return (await message(page, 'allowed again').count()) > 0;
    });
    assertQuiet(page);
});

test('a guest reads and cannot write; as a hero he can', async () => {
    const thor = await enter('Thor');
    const page = await lookAround();
    await say(thor, 'Can you hear me?');
    await message(page, 'Can you hear me?').waitFor();
    assert.equal(await page.textContent('.composer [type=submit]'), 'Sign in');
    const code = await page.evaluate(async (canonical) => {
        const { connect } = await import('/pgherald.js');
        const herald = connect({ canonical });
        const channel = herald.channel('room/avengers');
        return channel.send({ text: 'smuggled by a guest' }).catch(({ code: refused }) => refused).finally(() => herald.close());
    }, site.server.canonical);
    assert.equal(code, 'send_refused', 'the page does not only hide the button');

    await say(page, 'Now you hear me.');
    await page.click('[data-hero="Star-Lord"]');
    await site.connected(page);
    await message(page, 'Can you hear me?').waitFor();
    await page.press('input[name=text]', 'Enter');
    await message(thor, 'Now you hear me.').waitFor();
    assert.match(await log(thor).locator('.who strong').last().textContent(), /^Star-Lord$/);
    assert.equal(await log(page).locator('.message.own').count(), 1);
    assert.equal(await log(thor).getByText('smuggled').count(), 0);
    await signOut(page);
    await message(page, 'Now you hear me.').waitFor();
    await until('nothing to be his own', async () => (await log(page).locator('.message.own').count()) === 0);
    assertQuiet(page);
    assertQuiet(thor);
});

test('nobody speaks in another name', async () => {
    const thor = await enter('Thor');
    const page = await enter('Hulk');
    await page.evaluate(async (canonical) => {
        const { connect } = await import('/pgherald.js');
        const { token } = await (await fetch('/examples/token?name=Hulk')).json();
        const channel = connect({ canonical, token }).channel('room/avengers');
        channel.send({ text: 'I am Thor, really', name: 'Thor', from: 'Thor' });
    }, site.server.canonical);
    await message(thor, 'I am Thor, really').waitFor();
    assert.match(await log(thor).locator('.who strong').last().textContent(), /^Hulk$/);
    await until('it to be Hulk\'s own', async () => (await log(page).locator('.message.own').count()) >= 1);
    assertQuiet(thor);
});

test('the room for members refuses guests and says why, and opens at sign-in', async () => {
    const thor = await enter('Thor');
    await openRoom(thor, 'shield');
    await say(thor, 'The password is Mjolnir.');
    await message(thor, 'The password is Mjolnir.').waitFor();

    const page = await lookAround();
    await openRoom(page, 'shield');
    await until('the reason', async () => (await log(page).getAttribute('data-empty')) === 'Anonymous clients cannot join this channel.');
    assert.equal(page.frames.some((text) => text.includes('Mjolnir')), false);
    await takePictures(page, 'chat-members-only');
    await page.click('.identity');
    await page.click('[data-hero="Gamora"]');
    await message(page, 'The password is Mjolnir.').waitFor();
    await say(page, 'Got it.');
    await message(thor, 'Got it.').waitFor();

    await signOut(page);
    await until('it to be shut', async () => (await log(page).getAttribute('data-empty')) === 'Anonymous clients cannot join this channel.');
    assert.deepEqual(await texts(page), []);
    assertQuiet(page);
    assertQuiet(thor);
});

test('a message for members is seen by members, now and in the history, and by no guest', async () => {
    const thor = await enter('Thor');
    const gamora = await enter('Gamora');
    const guest = await lookAround();
    await say(thor, 'Everybody may know this.');
    await message(guest, 'Everybody may know this.').waitFor();
    await thor.click('.composer .members');
    await say(thor, 'Between us: it was me.');
    await thor.click('.composer .members');
    await message(gamora, 'Between us: it was me.').waitFor();
    await log(gamora).locator('.for-members').getByText('members only').waitFor();
    await say(gamora, 'We thought so. I shall not tell anybody who did it.');
    await message(guest, 'We thought so. I shall not tell anybody who did it.').waitFor();
    assert.equal(await log(guest).getByText('Between us').count(), 0);
    await until('all to be here', async () => (await here(guest)) === 'Here: Thor, Gamora, 1 guest');
    await takePictures(guest, 'chat-guest');
    await takePictures(thor, 'chat-signed-in');

    await guest.reload();
    await message(guest, 'Everybody may know this.').waitFor();
    assert.equal(guest.frames.some((text) => text.includes('Between us')), false, 'it never came over the line');
    await signOut(gamora);
    await until('it to be gone', async () => (await log(gamora).getByText('Between us').count()) === 0);
    await message(gamora, 'Everybody may know this.').waitFor();
    await gamora.click('.identity');
    await takePictures(gamora, 'chat-sign-in');
    await gamora.click('[data-hero="Rocket"]');
    await message(gamora, 'Between us: it was me.').waitFor();
    for (const page of [thor, gamora, guest]) assertQuiet(page);
});

test('who is here: heroes once however many windows they have, and guests by number', async () => {
    const thor = await enter('Thor');
    await until('Thor', async () => (await here(thor)) === 'Here: Thor');
    const again = await enter('Thor');
    const guest = await lookAround();
    const gamora = await enter('Gamora');
    await until('all', async () => (await here(thor)) === 'Here: Thor, Gamora, 1 guest');
    await openRoom(thor, 'shield');
    await until('no guest in the members\' room', async () => (await here(thor)) === 'Here: Thor, Gamora');
    await guest.context().close();
    await gamora.context().close();
    await openRoom(thor, 'avengers');
    await until('two to be gone', async () => (await here(thor)) === 'Here: Thor');
    await again.context().close();
    await until('Thor to be still here', async () => (await here(thor)) === 'Here: Thor');
    assertQuiet(thor);
});

test('a rule that shuts guests out holds at once; signing in opens the room', async () => {
    const guest = await lookAround();
    const thor = await enter('Thor');
    await say(thor, 'for whoever is here');
    await message(guest, 'for whoever is here').waitFor();
    await site.sql(`select herald.set_rule('room/*', anonymous_clients => false)`);
    await until('the guest to be shut out', async () => (await log(guest).getAttribute('data-empty')) === 'You were removed from this channel.');
    assert.deepEqual(await texts(guest), []);
    await guest.click('.identity');
    await guest.click('[data-hero="Groot"]');
    await message(guest, 'for whoever is here').waitFor();
    assert.equal(await thor.locator('.tab.shut').count(), 0, 'members stay');
    await site.sql(`select herald.set_rule('room/*', anonymous_clients => true)`);
    assertQuiet(guest);
    assertQuiet(thor);
});

test('news for members only, and for one person', async () => {
    const thor = await enter('Thor');
    const gamora = await enter('Gamora');
    const guest = await lookAround();
    await until('SQL to know Thor', async () => (await site.sql(`select count(*) from herald.presence where channel = 'room/avengers' and extras ->> 'name' = 'Thor'`)) === '1');
    await site.sql(`select herald.publish('room/avengers', '{"text": "for members"}', dbo_id => 1)`);
    await site.sql(`select herald.publish('room/avengers', '{"text": "for Thor alone"}', dbo_id => 1, row_id => row_id)
        from herald.presence where channel = 'room/avengers' and extras ->> 'name' = 'Thor'`);
    await site.sql(`select herald.publish('room/avengers', '{"text": "for all"}')`);
    for (const page of [thor, gamora, guest]) await log(page).locator('.news').getByText('for all').waitFor();
    const heard = (page) => log(page).locator('.news span').getByText(/^for (members|Thor alone|all)$/).allTextContents();
    assert.deepEqual(await heard(thor), ['for members', 'for Thor alone', 'for all']);
    assert.deepEqual(await heard(gamora), ['for members', 'for all']);
    assert.deepEqual(await heard(guest), ['for all']);
    for (const page of [thor, gamora, guest]) assertQuiet(page);
});
