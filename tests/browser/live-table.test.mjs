// SPDX-License-Identifier: PostgreSQL
/**
 * examples/live-table in Chromium, with psql on the other side: what psql sees the page must show, after every kind of
 * statement, with a filter, after a cut, after a restart, and while the demo's own writer is at work. And what is somebody's
 * must be seen by nobody else, whatever hands it goes through.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { assertQuiet, SECOND, Site, takePictures, until } from './support.mjs';

let site;
before(async () => { site = await Site.start({ flags: ['--no-writer', '--resume-max-rows', '2000'] }); });
afterEach(() => site.closePages());
after(() => site.stop());

async function open() {
    const page = await site.page();
    await page.goto(`${site.url}/examples/live-table/`);
    await site.connected(page);
    return page;
}

/** The page's rows as it shows them: columns that are drawn as they are. */
function shown(page) {
    return page.$$eval('tbody tr[data-key]', (rows) => rows.map((row) =>
        ['id', 'customer', 'item', 'quantity', 'price', 'status'].map((name) => row.querySelector(`[data-column="${name}"]`).textContent).join('|')));
}

async function isLikeTheTable(page, deadlineMs = 15 * SECOND) {
    const wanted = await site.sql('select id, customer, item, quantity, price, status from demo.orders order by id');
    await until('the page to show what psql sees', async () => {
        assert.equal(await count(page, 'rows'), wanted.split('\n').length);       // cheap, so it is asked first
        const rows = await shown(page);
        assert.equal(rows.join('\n'), wanted);
        return true;
    }, deadlineMs);
}

const cell = (page, key, column) => page.locator(`tr[data-key="${key}"] [data-column="${column}"]`);
const count = async (page, kind) => Number(await page.textContent(`#count-${kind}`));
const newest = () => site.sql(`select max(channel_offset) from herald.log where channel = 'live/orders'`);

test('the page has the rows that there are, and no history', async () => {
    const page = await open();
    await isLikeTheTable(page);
    assert.equal(await count(page, 'rows'), 10);
    assert.equal(await count(page, 'insert'), 0, 'the counters start when the page does');
    assert.equal(page.frames.filter((text) => text.includes('"history"')).length, 0);
    assert.equal(await page.textContent('#offset'), await newest());
    // That of rows has the version of their table behind the server's.
    const epoch = await page.textContent('#epoch');
    assert.ok(epoch.startsWith(`epoch ${await site.sql('select distinct epoch from herald.log')}.`), epoch);
    assertQuiet(page);
});

test('INSERT, UPDATE, DELETE: the row, the flash, the counters, the log', async () => {
    const page = await open();
    await isLikeTheTable(page);
    const id = await site.sql(`insert into demo.orders (customer, item, price) values ('Nick Fury', 'Eye patch', 7.10) returning id`);
    await page.locator(`tr.came[data-key="${id}"]`).waitFor();
    assert.equal(await cell(page, id, 'price').textContent(), '7.10', 'as Postgres writes it');
    await site.sql(`update demo.orders set status = 'shipped', express = true where id = ${id}`);
    await cell(page, id, 'status').getByText('shipped').waitFor();
    for (const column of ['status', 'express']) assert.match(await cell(page, id, column).getAttribute('class'), /changed/);
    assert.doesNotMatch(await cell(page, id, 'item').getAttribute('class') ?? '', /changed/);
    await page.locator('.events .what').getByText(`#${id} status new → shipped, express false → true`).waitFor();
    await takePictures(page, 'live-table');
    await site.sql(`delete from demo.orders where id = ${id}`);
    await page.waitForSelector(`tr[data-key="${id}"]`, { state: 'detached' });
    await page.waitForSelector('tr.gone', { state: 'detached' });
    for (const kind of ['insert', 'update', 'delete']) assert.equal(await count(page, kind), 1);
    assert.equal(await page.textContent('#offset'), await newest());
    await isLikeTheTable(page);
    assertQuiet(page);
});

test('big numbers, null, arrays, JSON, hostile text and a changed key', async () => {
    const page = await open();
    await site.sql(`insert into demo.orders (id, customer, item, price, tags, extras)
        values (9007199254740993, '<b>Loki</b>', '<img src=x onerror=alert(1)>', 12345678.90, '{"a,b","<i>"}', '{"big": 9007199254740993}')`);
    await cell(page, '9007199254740993', 'customer').getByText('<b>Loki</b>').waitFor();
    assert.equal(await cell(page, '9007199254740993', 'price').textContent(), '12345678.90');
    assert.deepEqual(await cell(page, '9007199254740993', 'tags').locator('.tag').allTextContents(), ['a,b', '<i>']);
    assert.equal(await page.locator('tbody img, tbody b, tbody i').count(), 0);
    await site.sql('update demo.orders set id = 9007199254740995, extras = null where id = 9007199254740993');
    await cell(page, '9007199254740995', 'extras').getByText('null').waitFor();
    assert.equal(await page.locator('tr[data-key="9007199254740993"]').count(), 0);
    await isLikeTheTable(page);
    await site.sql('delete from demo.orders where id > 9007199254740992');
    await isLikeTheTable(page);
    assertQuiet(page);
});

test('many rows in one statement, and a transaction that rolls back', async () => {
    const page = await open();
    await site.sql('update demo.orders set quantity = quantity + 1');
    await isLikeTheTable(page);
    const before = await count(page, 'update');
    assert.equal(before, 10);
    await site.sql('begin; update demo.orders set price = price * 2; delete from demo.orders; rollback');
    await site.sql('update demo.orders set quantity = quantity + 1 where id = 1');
    await isLikeTheTable(page);
    assert.equal(await count(page, 'update'), before + 1);
    assert.equal(await count(page, 'delete'), 0);
    assertQuiet(page);
});

test('a published event that is no row change leaves the table alone', async () => {
    const page = await open();
    await isLikeTheTable(page);
    await site.sql(`select herald.publish('live/orders', x) from unnest(array['null', '{"action": "truncate"}', '"x"']::jsonb[]) x`);
    await site.sql('update demo.orders set quantity = 99 where id = 1');
    await cell(page, 1, 'quantity').getByText('99').waitFor();
    await isLikeTheTable(page);
    assertQuiet(page);
});

test('TRUNCATE empties the page, and what is inserted afterwards is there', async () => {
    const page = await open();
    await isLikeTheTable(page);
    await site.sql('create table demo.kept as select * from demo.orders; truncate demo.orders');
    await page.locator('#empty').getByText('There is no such row.').waitFor();
    await page.waitForSelector('tbody tr', { state: 'detached' });
    assert.equal(await count(page, 'truncate'), 1);
    assert.equal(await count(page, 'rows'), 0);
    await takePictures(page, 'live-table-empty');
    await site.sql('insert into demo.orders select * from demo.kept; drop table demo.kept');
    await isLikeTheTable(page);
    const later = await open();
    await isLikeTheTable(later);
    assertQuiet(page);
    assertQuiet(later);
});

test('after a cut the missed changes come one by one', async () => {
    const page = await open();
    await isLikeTheTable(page);
    site.cut();
    await page.waitForSelector('.status[data-status="waiting"]');
    const before = Number(await newest());
    await site.sql(`update demo.orders set status = 'returned' where id = 3; delete from demo.orders where id = 4`);
    // Who is back before they are in the log gets them live: nothing was missed then.
    await until('the log to have both', async () => Number(await newest()) === before + 2);
    await site.comeBack(page);
    await isLikeTheTable(page);
    assert.equal(await count(page, 'update'), 1);
    assert.equal(await count(page, 'delete'), 1);
    assert.equal(await page.locator('.events .when').getByText('replayed').count(), 2);
    assert.equal(await page.locator('.events .note').getByText('Back again: resumed, nothing was missed.').count(), 1);
    assertQuiet(page, { wasCut: true });
});

test('when too much was missed to replay it, the rows are read again', async () => {
    const page = await open();
    await isLikeTheTable(page);
    site.cut();
    await page.waitForSelector('.status[data-status="waiting"]');
    const before = Number(await newest());
    await site.sql(`insert into demo.orders (customer, item, price) select 'Ultron', 'Drone', 1 from generate_series(1, 3000)`);
    await site.sql(`delete from demo.orders where customer = 'Ultron'`);
    await until('the log to have it all', async () => Number(await newest()) >= before + 6_000, 60 * SECOND);
    await until('the outbox to be empty', async () => (await site.sql('select pending_rows from herald.lag()')) === '0', 60 * SECOND);
    await site.comeBack(page);
    await page.locator('.events .note').getByText('Too much was missed to replay it: the rows are read again.').waitFor();
    await isLikeTheTable(page);
    await until('the newest offset', async () => (await page.textContent('#offset')) === await newest());
    assert.equal(await count(page, 'insert'), 0, 'nothing was replayed');
    await site.sql('update demo.orders set quantity = 77 where id = 1');
    await cell(page, 1, 'quantity').getByText('77').waitFor();
    assertQuiet(page, { wasCut: true });
});

test('thousands of rows at once are followed live', async () => {
    const page = await open();
    await isLikeTheTable(page);
    await site.sql(`insert into demo.orders (customer, item, price) select 'Ultron', 'Drone', 1 from generate_series(1, 2000)`);
    await isLikeTheTable(page, 60 * SECOND);
    await site.sql(`delete from demo.orders where customer = 'Ultron'`);
    await isLikeTheTable(page, 60 * SECOND);
    assert.equal(await count(page, 'insert'), 2000);
    assert.equal(await count(page, 'delete'), 2000);
    assertQuiet(page);
});

const pick = (page, name) => page.getByRole('button', { name, exact: true }).click();

const idsOf = async (where) => (await site.sql(`select id from demo.orders where ${where} order by id`)).split('\n').filter(Boolean);

async function shows(page, where) {
    await until(`the page to show ${where}`, async () => {
        assert.deepEqual((await shown(page)).map((row) => row.split('|')[0]), await idsOf(where));
        return true;
    });
}

test('a filter shows the rows that match, and they come and go by what they become', async () => {
    const page = await open();
    await isLikeTheTable(page);
    const id = await site.sql(`insert into demo.orders (customer, item, price, status) values ('Wanda', 'Red thread', 99, 'new') returning id`);
    await pick(page, 'On the way');
    await shows(page, `status in ('packed', 'shipped')`);
    await pick(page, 'New');
    await shows(page, `status = 'new'`);
    await site.sql(`update demo.orders set status = 'packed' where id = ${id}`);
    await page.waitForSelector(`tr[data-key="${id}"]`, { state: 'detached' });
    await page.locator('.events .when').getByText('matches no more').waitFor();
    await site.sql(`update demo.orders set status = 'new' where id = ${id}`);
    await page.locator(`tr.came[data-key="${id}"]`).waitFor();
    await page.locator('.events .when').getByText('matches now').waitFor();
    await shows(page, `status = 'new'`);
    assert.equal(await page.textContent('#call'), `herald.table('live/orders', { filter: {"status":"new"} })`);
    await takePictures(page, 'live-table-filter');
    await pick(page, 'Over 100');
    await shows(page, 'price > 100');
    await site.sql(`update demo.orders set price = 100.01 where id = ${id}`);
    await shows(page, 'price > 100');
    await pick(page, 'Express');
    await shows(page, 'express');
    await pick(page, 'All orders');
    await isLikeTheTable(page);
    await site.sql(`delete from demo.orders where id = ${id}`);
    await isLikeTheTable(page);
    assertQuiet(page);
});

test('with a filter, too, what was missed comes one by one', async () => {
    const page = await open();
    await pick(page, 'New');
    await shows(page, `status = 'new'`);
    const [first] = await idsOf(`status = 'new'`);
    const [other] = await idsOf(`status <> 'new'`);
    site.cut();
    await page.waitForSelector('#status[data-status="waiting"]');
    const before = Number(await newest());
    await site.sql(`update demo.orders set status = 'packed' where id = ${first}; update demo.orders set status = 'new' where id = ${other}`);
    await until('the log to have both', async () => Number(await newest()) === before + 2);
    await site.comeBack(page);
    await shows(page, `status = 'new'`);
    assert.equal(await page.locator('.events .when').getByText('replayed').count(), 2);
    assertQuiet(page, { wasCut: true });
});

const things = (page, name) => page.$$eval(`.pane[data-name="${name}"] [data-id] strong`, (items) => items.map((item) => item.textContent));

async function eachHasHis(page) {
    for (const name of ['Thor', 'Rocket']) {
        const wanted = (await site.sql(`select item from demo.gear where keeper = '${name}' order by id`)).split('\n').filter(Boolean);
        await until(`what is ${name}'s`, async () => { assert.deepEqual(await things(page, name), wanted); return true; });
    }
}

test('what is somebody’s is seen by nobody else, and changes hands before both', async () => {
    const page = await open();
    await eachHasHis(page);
    assert.equal((await things(page, 'Thor')).length, 3);
    await page.getByText('is shown none of these rows').waitFor();
    await page.locator('.pane[data-name="Thor"] li').filter({ hasText: 'Stormbreaker' }).getByRole('button').click();
    await page.locator('.pane[data-name="Rocket"] li.came').filter({ hasText: 'Stormbreaker' }).waitFor();
    assert.equal(await site.sql(`select keeper from demo.gear where item = 'Stormbreaker'`), 'Rocket');
    await eachHasHis(page);
    await page.locator('#gear-title').scrollIntoViewIfNeeded();
    await takePictures(page, 'live-table-gear');
    await site.sql(`update demo.gear set keeper = 'Thor' where item in ('Stormbreaker', 'Tape deck'); insert into demo.gear (item, keeper) values ('Groot, small', 'Nobody')`);
    await eachHasHis(page);
    await site.sql(`update demo.gear set keeper = 'Rocket' where item in ('Groot, small', 'Tape deck'); delete from demo.gear where item = 'Goat, loud'`);
    await eachHasHis(page);
    assert.equal(page.frames.filter((text) => text.includes('Nobody')).length, 0, 'no frame told of what is nobody’s');
    await page.getByText('is shown none of these rows').waitFor();
    assertQuiet(page);
});

test('who gives away what is not his is refused', async () => {
    const page = await open();
    await eachHasHis(page);
    const error = page.locator('.pane[data-name="Thor"] .error');
    const his = await site.sql(`select id from demo.gear where keeper = 'Thor' order by id limit 1`);
    await site.sql('alter table demo.gear disable trigger all');      // it goes, and the page is not told
    await site.sql(`update demo.gear set keeper = 'Rocket' where id = ${his}`);
    await site.sql('alter table demo.gear enable trigger all');
    await page.locator(`.pane[data-name="Thor"] [data-id="${his}"] button`).click();
    await error.getByText('That is not yours to give.').waitFor();
    assertQuiet(page);
});

test('what changed hands while the line was cut is where it belongs afterwards', async () => {
    const page = await open();
    await eachHasHis(page);
    site.cut();
    await until('all to have noticed', async () => (await page.locator('.status[data-status="waiting"]').count()) === 3);
    await site.sql(`update demo.gear set keeper = case keeper when 'Thor' then 'Rocket' else 'Thor' end`);
    await site.comeBack(page);
    await eachHasHis(page);
    assertQuiet(page, { wasCut: true });
});

test('a restart of the server, and of its Postgres, is a cut like any other', async () => {
    const page = await open();
    await isLikeTheTable(page);
    const epoch = await page.textContent('#epoch');
    site.cut();
    await site.restart(['--no-writer']);
    await site.sql(`update demo.orders set status = 'packed' where id = 3`);
    await site.comeBack(page);
    await isLikeTheTable(page);
    assert.equal(await count(page, 'update'), 1);
    assert.equal(await page.textContent('#epoch'), epoch);
    assertQuiet(page, { wasCut: true });
});

test('the writer makes the page live, and refills an empty table', async () => {
    const page = await open();
    await isLikeTheTable(page);
    const start = Number(await page.textContent('#offset'));
    site.cut();
    await site.restart([]);
    await site.comeBack(page);
    await until('three changes by the writer', async () => Number(await page.textContent('#offset')) >= start + 3, 30 * SECOND);
    await site.sql('truncate demo.orders');
    await until('the writer to insert again', async () => (await count(page, 'truncate')) === 1 && (await count(page, 'rows')) >= 1, 15 * SECOND);
    assertQuiet(page, { wasCut: true });
});

test('a click copies a psql line, and the lines do what they say', async () => {
    const page = await open();
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    const lines = await page.locator('#lines code').allTextContents();
    assert.equal(lines.length, 5);
    await page.locator('.line').first().click();
    await page.getByText('copied').waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), lines[0]);
    for (const line of lines) await site.sql(line);
    assertQuiet(page);
});
