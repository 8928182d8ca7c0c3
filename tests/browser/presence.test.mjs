// SPDX-License-Identifier: PostgreSQL
/**
 * examples/presence in Chromium: the list is right after every coming and going, cursors move on the others' boards and
 * not faster than promised, a wave is seen by two, and who is shown the door stays outside.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { assertQuiet, SECOND, Site, takePictures, until } from './support.mjs';

let site;
before(async () => { site = await Site.start(); });
afterEach(() => site.closePages());
after(() => site.stop());

async function enter(name, options) {
    const page = await site.page(options);
    await page.addInitScript((hero) => { sessionStorage['presence.name'] ??= hero; }, name);
    await page.goto(`${site.url}/examples/presence/`);
    await site.connected(page);
    await page.waitForSelector('.people .me');
    return page;
}

const names = (page) => page.locator('.people .name').allTextContents();
const person = (page, name) => page.locator('.people li').filter({ hasText: name });
const cursor = (page, name) => page.locator('.cursor').filter({ hasText: name });
const news = (page, text) => page.locator('.news li').getByText(text, { exact: true });

async function sees(page, ...wanted) {
    await until(`the list to be ${wanted}`, async () => {
        assert.deepEqual(await names(page), wanted);
        assert.equal(await page.textContent('#count'), String(wanted.length));
        return true;
    });
}

/** To a place of the board, in parts of it. */
async function point(page, [x, y]) {
    const board = await page.locator('#board').boundingBox();
    await page.mouse.move(board.x + x * board.width, board.y + y * board.height);
}

/** Where the tip of somebody's cursor is, in parts of the board. */
function placeOf(page, name) {
    return cursor(page, name).evaluate((element) => {
        const board = element.parentElement.getBoundingClientRect();
        const tip = element.getBoundingClientRect();
        return [(tip.left - board.left) / board.width, (tip.top - board.top) / board.height];
    });
}

async function isAt(page, name, [x, y]) {
    await cursor(page, name).waitFor();
    await until(`${name}'s cursor to be at ${x}, ${y}`, async () => {
        const place = await placeOf(page, name);
        assert.ok(Math.abs(place[0] - x) < 0.01 && Math.abs(place[1] - y) < 0.01, `it is at ${place}`);
        return true;
    });
}

test('the list is right after each joins, leaves, and loads the page again', async () => {
    const thor = await enter('Thor');
    await sees(thor, 'Thor');
    await thor.getByText('You are alone here.', { exact: false }).waitFor();
    await takePictures(thor, 'presence-alone');
    const gamora = await enter('Gamora');
    const groot = await enter('Groot');
    await sees(thor, 'Thor', 'Gamora', 'Groot');
    await sees(gamora, 'Gamora', 'Thor', 'Groot');
    await until('Groot to have all', async () => (await names(groot)).sort().join() === 'Gamora,Groot,Thor');
    assert.equal(await thor.locator('#hint').isVisible(), false);
    await news(thor, 'Gamora has come.').waitFor();
    await until('SQL to have them', async () =>
        (await site.sql(`select string_agg(extras ->> 'name', ',' order by extras ->> 'name') from herald.presence where channel = 'board/demo'`)) === 'Gamora,Groot,Thor');

    await gamora.reload();
    await sees(thor, 'Thor', 'Groot', 'Gamora');
    await sees(groot, 'Groot', 'Thor', 'Gamora');
    await until('Gamora to have all, herself first', async () => {
        const [first, ...others] = await names(gamora);
        return first === 'Gamora' && others.sort().join() === 'Groot,Thor';
    });

    await groot.context().close();
    await sees(thor, 'Thor', 'Gamora');
    await sees(gamora, 'Gamora', 'Thor');
    await news(gamora, 'Groot has gone.').waitFor();
    assertQuiet(thor);
    assertQuiet(gamora);
});

test('who is alone is told so, and a click makes company: the second tab is somebody else', async () => {
    const thor = await enter('Thor');
    const opened = thor.context().waitForEvent('page');
    await thor.getByRole('link', { name: 'Open a second tab' }).click();
    const second = await opened;
    await until('two to be here', async () => (await names(second)).length === 2);
    assert.notEqual((await names(second))[0], 'Thor');
    assert.equal(await thor.locator('#hint').isVisible(), false);
    assertQuiet(thor);
});

test('a cursor is where its owner points, on every screen, and a newcomer is told', async () => {
    const thor = await enter('Thor');
    const gamora = await enter('Gamora', { size: 'phone' });
    await point(thor, [0.25, 0.5]);
    await isAt(gamora, 'Thor', [0.25, 0.5]);
    await point(thor, [0.75, 0.1]);
    await isAt(gamora, 'Thor', [0.75, 0.1]);
    assert.equal(await thor.locator('.cursor').count(), 0, 'nobody sees his own');

    const board = await gamora.locator('#board').boundingBox();
    await gamora.touchscreen.tap(board.x + board.width * 0.4, board.y + board.height * 0.6);
    await isAt(thor, 'Gamora', [0.4, 0.6]);
    assert.equal(await gamora.locator('.finger').isVisible(), true);

    const groot = await enter('Groot');
    await isAt(groot, 'Thor', [0.75, 0.1]);
    await isAt(groot, 'Gamora', [0.4, 0.6]);
    await gamora.context().close();
    await cursor(groot, 'Gamora').waitFor({ state: 'detached' });
    assertQuiet(thor);
    assertQuiet(groot);
});

test('however fast a pointer moves, its place goes out thirty times a second at most, the last one always', async () => {
    const thor = await enter('Thor');
    const gamora = await enter('Gamora');
    const start = performance.now();
    const before = thor.sent.length;
    for (let i = 0; i <= 200; i++) await point(thor, [0.1 + i * 0.004, 0.3]);
    await isAt(gamora, 'Thor', [0.9, 0.3]);
    const seconds = (performance.now() - start) / 1000;
    const sent = thor.sent.length - before;
    assert.ok(sent <= 30.4 * seconds + 2, `${sent} in ${seconds.toFixed(2)} s`);
    assertQuiet(thor);
});

test('a wave is seen by two, and reaches no third', async () => {
    const thor = await enter('Thor');
    const gamora = await enter('Gamora');
    const groot = await enter('Groot');
    await sees(gamora, 'Gamora', 'Thor', 'Groot');
    await point(gamora, [0.3, 0.3]);
    await point(groot, [0.7, 0.6]);
    await isAt(thor, 'Gamora', [0.3, 0.3]);
    await isAt(thor, 'Groot', [0.7, 0.6]);
    await person(gamora, 'Thor').getByRole('button').click();
    await news(thor, 'Gamora waves at you.').waitFor();
    await news(gamora, 'You waved at Thor.').waitFor();
    await cursor(thor, 'Gamora').getByText('waves at you').waitFor();
    await takePictures(thor, 'presence');
    await takePictures(gamora, 'presence-sender');

    await isAt(thor, 'Groot', [0.7, 0.6]);
    await cursor(thor, 'Groot').click();
    await news(groot, 'Thor waves at you.').waitFor();
    assert.equal(await groot.getByText('Gamora waves', { exact: false }).count(), 0);
    assert.equal(groot.frames.filter((text) => text.includes('"wave"')).length, 1, 'only his own came over the line');
    assert.equal(gamora.frames.filter((text) => text.includes('"wave"')).length, 1);
    for (const page of [thor, gamora, groot]) assertQuiet(page);
});

test('hostile places and waves break nothing', async () => {
    const thor = await enter('Thor');
    await enter('Gamora').then((page) => page.evaluate(async (canonical) => {
        const { connect } = await import('/pgherald.js');
        const channel = connect({ canonical }).channel('board/demo');
        await new Promise((resolve) => channel.on('join', resolve));
        for (const payload of [null, 17, 'x', [], { place: [0] }, { place: ['a', {}] }, { place: [2, -1] }, { wave: true }, { place: { length: 2 } }]) {
            channel.send(payload).catch(() => {});
        }
        channel.send({ place: [0.5, 0.5] });
    }, site.server.canonical));
    await cursor(thor, 'Guest').waitFor();
    await isAt(thor, 'Guest', [0.5, 0.5]);
    assert.equal(await thor.locator('.news .wave').count(), 0, 'a wave at everybody is none');
    assertQuiet(thor);
});

test('a click on oneself makes one somebody else: the token is asked for anew, the others see both', async () => {
    const thor = await enter('Thor');
    const gamora = await enter('Gamora');
    await sees(gamora, 'Gamora', 'Thor');
    await person(thor, 'Thor').getByRole('button').click();
    await news(gamora, 'Thor has gone.').waitFor();
    await until('the new name', async () => !(await names(gamora)).includes('Thor') && (await names(gamora)).length === 2);
    const [, other] = await names(gamora);
    await sees(thor, other, 'Gamora');
    assertQuiet(thor);
});

test('after a cut everybody is back, once', async () => {
    const thor = await enter('Thor');
    const gamora = await enter('Gamora');
    await sees(thor, 'Thor', 'Gamora');
    site.cut();
    await sees(thor);
    await site.comeBack(thor, gamora);
    for (const page of [thor, gamora]) {
        await until('both to be back', async () => (await names(page)).sort().join() === 'Gamora,Thor');
        assertQuiet(page, { wasCut: true });
    }
});

test('who is shown the door is told why and stays outside', async () => {
    const thor = await enter('Thor');
    const gamora = await enter('Gamora');
    await sees(gamora, 'Gamora', 'Thor');
    const disconnect = (options) => site.sql(`select herald.disconnect(socket_id => socket_id, ${options})
        from herald.presence where channel = 'board/demo' and extras ->> 'name' = 'Thor'`);
    await until('SQL to know Thor', async () => (await site.sql(`select count(*) from herald.presence where extras ->> 'name' = 'Thor'`)) === '1');
    await disconnect(`channel => 'board/demo', reason => 'The board is closed.'`);
    await news(thor, 'The board is closed.').waitFor();
    await sees(thor);
    await sees(gamora, 'Gamora');
    assert.equal(await thor.getAttribute('#status', 'data-status'), 'connected', 'the connection stays');
    // SQL hears of comings and goings half a second later: right after the cut it still has her under her old socketId.
    const idOfGamora = () => site.sql(`select coalesce(string_agg(socket_id, ','), '') from herald.presence where extras ->> 'name' = 'Gamora'`);
    const oldId = await idOfGamora();
    assert.match(oldId, /^[^,]+$/);
    const joins = () => thor.sent.filter((text) => text.includes('"join"')).length;
    assert.equal(joins(), 1);
    site.cut();
    await site.comeBack(thor, gamora);
    await sees(gamora, 'Gamora');
    assert.equal(joins(), 1, 'it does not join by itself');

    await gamora.bringToFront();
    await until('SQL to know Gamora anew', async () => {
        const id = await idOfGamora();
        return id !== '' && id !== oldId && !id.includes(',');
    });
    await site.sql(`select herald.disconnect(socket_id => socket_id, reason => 'Good night.') from herald.presence where extras ->> 'name' = 'Gamora'`);
    await gamora.waitForSelector('.status[data-status="closed"]', { timeout: 10 * SECOND });
    await news(gamora, 'Good night.').waitFor();
    assertQuiet(gamora, { wasCut: true });
});
