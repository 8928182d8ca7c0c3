// SPDX-License-Identifier: PostgreSQL
/**
 * The landing page and what all pages stand on: what psql writes is seen, what is said is heard by all, what is to be copied works,
 * every link leads somewhere, and the client module works in a browser with a token as subprotocol.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { after, afterEach, before, test } from 'node:test';

import { temporaryDirectory } from '../integration/lib/process.js';
import { assertQuiet, Site, takePictures, until } from './support.mjs';

let site;
before(async () => { site = await Site.start({ flags: ['--no-writer', '--nodes', '3'] }); });
afterEach(() => site.closePages());
after(() => site.stop());

async function open(options) {
    const page = await site.page(options);
    await page.goto(`${site.url}/`);
    await site.connected(page);
    return page;
}

/** What a click on the line copies. */
async function copied(page, text) {
    const line = page.locator('.line').filter({ hasText: text });
    await line.click();
    await line.getByText('copied').waitFor();
    return page.evaluate(() => navigator.clipboard.readText());
}

const said = (page) => page.locator('.said li').allTextContents();

test('the landing page shows what psql changes, by the very lines that it gives to copy', async () => {
    const page = await open({ permissions: ['clipboard-read', 'clipboard-write'] });
    await until('four rows', async () => (await page.locator('#changes tr').count()) === 4);
    const [, line] = await site.server.process.says(/^ +(psql .+)\n +(update .+)$/m);
    assert.equal(await copied(page, 'psql -h'), line, 'as the terminal says it');
    const before = Number(await site.sql('select quantity from demo.orders where id = 1'));
    await site.sql(await copied(page, 'update demo.orders'));
    const first = page.locator('#changes tr').first();
    await first.locator('[data-column="quantity"].changed').getByText(String(before + 1)).waitFor();
    assert.equal(await first.getAttribute('data-key'), '1');
    assert.equal(await page.textContent('#delivered'), '1');
    const id = await site.sql(`insert into demo.orders (customer, item, price) values ('Groot', '<b>Lamp</b>', 19.90) returning id`);
    await page.locator(`[data-key="${id}"][data-action="insert"]`).getByText('<b>Lamp</b>').waitFor();
    await takePictures(page, 'landing');
    await site.sql(`delete from demo.orders where id = ${id}`);
    await page.locator(`[data-key="${id}"][data-action="delete"]`).waitFor();
    assert.equal(await page.locator('#changes tr').count(), 4);
    await until('three deliveries', async () => (await page.textContent('#delivered')) === '3');
    assertQuiet(page);
});

test('an empty table is told, and the lines to type hit a row again as soon as there is one', async () => {
    const page = await open();
    await site.sql('create table demo.kept as select * from demo.orders; truncate demo.orders');
    await page.getByText('The table is empty. Insert a row.').waitFor();
    await site.sql('insert into demo.orders select * from demo.kept where id > 3');
    await until('four rows', async () => (await page.locator('#changes tr').count()) === 4);
    const [, , update] = await site.server.process.says(/^ +(psql .+)\n +(update .+)$/m);
    assert.equal(await site.sql(update.replace(';', ' returning id')), '4');
    await site.sql('insert into demo.orders select * from demo.kept where id < 4; drop table demo.kept');
    assertQuiet(page);
});

test('what one page says, and what SQL says, all pages hear, on whichever node they are, also who comes later', async () => {
    const pages = [await open(), await open()];
    const nodes = await Promise.all(pages.map((page) => page.textContent('#status')));
    for (const node of nodes) assert.match(node, /^Live on node-[123]$/);
    assert.notEqual(nodes[0], nodes[1], 'HAProxy gives each to another node');
    for (const page of pages) await until('both to be counted', async () => (await page.textContent('#open')) === '2');
    await pages[0].fill('#text', ' <i>Assemble</i> ');
    await pages[0].keyboard.press('Enter');
    for (const page of pages) await page.locator('.said').getByText('<i>Assemble</i>', { exact: true }).waitFor();
    await site.sql(await pages[0].locator('#publish code').textContent());
    for (const page of pages) await until('SQL to be heard', async () => (await said(page)).join() === 'Hello from SQL,<i>Assemble</i>');
    assert.equal(await pages[1].textContent('#delivered'), '2');
    await site.sql(`select herald.publish('demo/hello', x) from unnest(array['null', '{"text": 1}']::jsonb[]) x`);
    await until('the newest three', async () => (await said(pages[1])).join() === '{"text":1},null,Hello from SQL');
    const later = await open();
    await until('the history', async () => (await said(later)).join() === '{"text":1},null,Hello from SQL');
    assert.equal(await later.textContent('#delivered'), '0');
    await site.sql(`select herald.set_rule('demo/hello', public_messaging => false)`);
    await until('a refusal', async () => {
        await later.fill('#text', 'Nobody hears this');
        await later.keyboard.press('Enter');
        return later.locator('#refusal').isVisible();
    });
    await site.sql(`select herald.set_rule('demo/hello', public_messaging => true)`);
    for (const page of [...pages, later]) assertQuiet(page);
});

/** A file that somebody double-clicks. */
async function openFile(html) {
    const file = join(temporaryDirectory('page'), 'page.html');
    writeFileSync(file, html);
    const page = await site.page();
    await page.goto(pathToFileURL(file).href);
    return page;
}

test('the pages that the landing page and the README give to copy work from a file', async () => {
    const landing = await open();
    const mine = await openFile(await landing.locator('#own-page code').textContent());
    await until('three pages', async () => {
        await landing.fill('#text', 'Out of a file');
        await landing.keyboard.press('Enter');
        return (await mine.textContent('body')).includes('Out of a file');
    });

    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
    const [, snippet] = readme.match(/^```html\n([^]*?)^```$/m);
    const statement = (name) => readme.match(new RegExp(`^SELECT herald\\.${name}\\('news/.*$`, 'm'))[0];
    await site.sql(statement('set_rule'));
    const page = await openFile(snippet.replaceAll('http://127.0.0.1:8080', site.url).replace('the one from the ready line', site.server.canonical));
    await until('the headline', async () => {
        await site.sql(statement('publish'));
        return (await page.textContent('body')).includes('It works');
    });
    for (const each of [landing, mine, page]) assertQuiet(each);
});

test('every link of the landing page leads somewhere, and it tells where the socket is', async () => {
    const page = await open();
    assert.equal(await page.textContent('#socket'), `${site.url.replace('http', 'ws')}/rt/${site.server.canonical}`);
    const links = new Set(await page.$$eval('a[href]', (anchors) => anchors.map(({ href }) => href)));
    assert.ok(links.size >= 17, `${links.size} links`);
    for (const link of links) {
        const response = await fetch(link);
        assert.equal(response.status, 200, link);
    }
    assertQuiet(page);
});

test('when the server goes, the landing page says so', async () => {
    const page = await open();
    await page.getByText(`Ready at ${site.url}`).waitFor();
    site.cut();
    await page.getByText('The server does not answer. Is it still running?').waitFor();
    await site.comeBack(page);
    await page.getByText(`Ready at ${site.url}`).waitFor();
});

test('a token of 4 KiB is echoed, or the browser would drop the connection', async () => {
    const page = await site.page();
    await page.goto(`${site.url}/`);
    for (const token of ['eyJhbGciOiJub25lIn0.e30.x', `t${'-._~'.repeat(1023)}`]) {
        const protocol = await page.evaluate(async ([canonical, token]) => {
            const { connect } = await import('/pgherald.js');
            let socket;
            class Watched extends WebSocket {
                constructor(...args) { super(...args); socket = this; }
            }
            const herald = connect({ canonical, token, WebSocket: Watched });
            const status = await new Promise((resolve) => herald.on('status', resolve));
            herald.close();
            return status.status === 'connected' ? socket.protocol : status;
        }, [site.server.canonical, token]);
        assert.equal(protocol, token);
    }
    assertQuiet(page);
});
