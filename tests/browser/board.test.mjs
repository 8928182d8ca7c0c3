// SPDX-License-Identifier: PostgreSQL
/**
 * examples/board in Chromium: two people at one board, with psql beside them. What one does the other sees, what the database refuses
 * is undone, and what is shown before the database has it is given up when it has: neither before, nor never.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { assertQuiet, Site, takePictures, until } from './support.mjs';

let site;
before(async () => { site = await Site.start({ flags: ['--no-writer', '--hook-timeout', '20s'] }); });
afterEach(() => site.closePages());
after(() => site.stop());

async function open(name, options) {
    const page = await site.page(options);
    await page.addInitScript((who) => sessionStorage.setItem('board.name', who), name);
    await page.goto(`${site.url}/examples/board/`);
    await site.connected(page);
    await page.waitForSelector('.columns.ready');
    return page;
}

const card = (page, title) => page.locator('.task', { has: page.locator(`[aria-label="${title}: done"]`) });
const titles = (page, column) => page.$$eval(`#${column} .text`, (inputs) => inputs.map(({ value }) => value));
const inTable = (done) => site.sql(`select title from demo.cards where done = ${done} order by made_at, id`);

async function isLikeTheTable(...pages) {
    for (const page of pages) {
        await until('the page to show what psql sees', async () => {
            assert.equal((await titles(page, 'open')).join('\n'), await inTable(false));
            assert.equal((await titles(page, 'done')).join('\n'), await inTable(true));
            assert.equal(await page.locator('.pending').count(), 0);
            return true;
        });
    }
}

async function add(page, title) {
    await page.fill('[name="title"]', title);
    await page.keyboard.press('Enter');
    await card(page, title).waitFor();
}

test('what one adds, ticks, renames and removes the other sees; each write is confirmed by its transaction', async () => {
    const [ann, bob] = [await open('Hulk'), await open('Thor')];
    await isLikeTheTable(ann, bob);
    await add(ann, 'Smash');
    await card(bob, 'Smash').waitFor();
    await card(bob, 'Smash').locator('.tick').check();
    await ann.locator('#done').locator('[aria-label="Smash: done"]').waitFor();
    await card(ann, 'Smash').locator('.text').fill('Smash <b>more</b>');
    await ann.keyboard.press('Enter');
    await card(bob, 'Smash <b>more</b>').waitFor();
    await isLikeTheTable(ann, bob);
    await card(ann, 'Smash <b>more</b>').locator('.bin').click();
    await card(bob, 'Smash <b>more</b>').waitFor({ state: 'detached' });
    await isLikeTheTable(ann, bob);
    const asked = ann.sent.map((text) => JSON.parse(text)).filter(({ action }) => action === 'txid');
    const answered = ann.frames.map((text) => JSON.parse(text)).filter(({ action }) => action === 'txid');
    assert.equal(asked.length, 3, 'Ann has written three times');
    assert.deepEqual(answered.map(({ payload }) => payload).sort(), asked.map(({ payload }) => payload).sort());
    assertQuiet(ann);
    assertQuiet(bob);
});

test('what is shown at once waits for its transaction, not longer; meanwhile others may do something else with it', async () => {
    const page = await open('Groot');
    await add(page, 'I am Groot');
    await isLikeTheTable(page);
    await site.sql(`create table demo.go (now boolean);
        create function demo.dawdle() returns trigger language plpgsql as
            'begin while not exists (select from demo.go) loop perform pg_sleep(0.02); end loop; return new; end';
        create trigger dawdle before update on demo.cards for each row execute function demo.dawdle()`);
    try {
        await card(page, 'I am Groot').locator('.tick').check();
        await page.locator('#done .pending').waitFor();         // in its place, although the function still waits
        assert.equal((await inTable(true)).includes('I am Groot'), false);
        await site.sql('insert into demo.go values (true)');
        await isLikeTheTable(page);
        assert.deepEqual((await titles(page, 'done')).at(-1), 'I am Groot');
    } finally {
        await site.sql('drop function demo.dawdle cascade; drop table demo.go');
    }
    await site.sql(`update demo.cards set done = false where title = 'I am Groot'`);
    await isLikeTheTable(page);
    assert.ok((await titles(page, 'open')).includes('I am Groot'), 'nothing of ours hides what psql did');
    assertQuiet(page);
});

test('what the database refuses is undone, with its sentence', async () => {
    const page = await open('Rocket');
    await isLikeTheTable(page);
    await card(page, 'Return the hammer').locator('.bin').click();
    await page.getByText('Who made a card may remove it: ask Thor.').waitFor();
    await card(page, 'Return the hammer').waitFor();
    await card(page, 'Return the hammer').locator('.text').fill('x'.repeat(81));
    await page.keyboard.press('Enter');
    await page.getByText('A title has 1 to 80 characters.').waitFor();
    await isLikeTheTable(page);
    await page.fill('[name="title"]', 'y'.repeat(81));
    await page.keyboard.press('Enter');
    await isLikeTheTable(page);
    assertQuiet(page);
});

test('a page writes to itself only: what it wants from others is refused', async () => {
    const page = await open('Nebula');
    const refused = await page.evaluate(async (canonical) => {
        const [{ connect }, { readToken }] = [await import('/pgherald.js'), await import('/page.js')];
        const [one, two] = ['Hulk', 'Thor'].map((name) => connect({ canonical, token: () => readToken(name) }));
        const [from, to] = [await one.channel('tasks/write').ready, await two.channel('tasks/write').ready];
        const answer = await from.send({ do: 'remove' }, { socketId: to.self.socketId }).catch(({ code, message }) => ({ code, message }));
        [one, two].forEach((each) => each.close());
        return answer;
    }, site.server.canonical);
    assert.deepEqual(refused, { code: 'hook_refused', message: 'Write to yourself: the answer is for you alone.' });
});

test('who is here, and who is writing in which card', async () => {
    const [ann, bob] = [await open('Gamora'), await open('Star-Lord')];
    await until('both to see both', async () => await ann.locator('#here li').count() === 2 && await bob.locator('#here li').count() === 2);
    await card(ann, 'Polish the shield').locator('.text').focus();
    await card(bob, 'Polish the shield').getByText('Gamora is writing').waitFor();
    assert.equal(await ann.locator('.edited').count(), 0, 'nobody is told of himself');
    await takePictures(bob, 'board');
    await ann.keyboard.press('Escape');
    await card(bob, 'Polish the shield').getByText('Gamora is writing').waitFor({ state: 'detached' });
    await card(ann, 'Polish the shield').locator('.text').focus();
    await bob.locator('.edited').waitFor();
    await ann.context().close();
    await bob.locator('.edited').waitFor({ state: 'detached' });
    assertQuiet(bob);
});

test('without a line nothing is written, and afterwards the board is right again', async () => {
    const page = await open('Iron Man');
    await isLikeTheTable(page);
    site.cut();
    await page.waitForSelector('.status[data-status="waiting"]');
    await card(page, 'Polish the shield').locator('.tick').click();
    await page.getByText('There is no connection: nothing was written.').waitFor();
    assert.ok((await titles(page, 'open')).includes('Polish the shield'));
    await site.sql(`update demo.cards set title = 'Polish the other shield' where title = 'Polish the shield'`);
    await site.comeBack(page);
    await card(page, 'Polish the other shield').waitFor();
    await isLikeTheTable(page);
    await card(page, 'Polish the other shield').locator('.tick').check();
    await isLikeTheTable(page);
});
