// SPDX-License-Identifier: PostgreSQL
/**
 * docs/client.md, run: its ```js blocks, one after the other, in one page, as a reader would type them. The first makes `herald`, the
 * others have scopes of their own. A block that fails, or says show() and shows nothing, is wrong. The tutorials, and the site at /docs by
 * keyboard.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';

import { run, temporaryDirectory } from '../integration/lib/process.js';
import { binary } from '../integration/lib/server.js';
import { assertQuiet, SECOND, Site, until } from './support.mjs';

const read = (name) => readFileSync(fileURLToPath(new URL(`../../docs/${name}`, import.meta.url)), 'utf8');
const text = read('client.md');
const blocks = [...text.matchAll(/^```js\n(.*?)^```$/gms)].map(([, block]) => block);

let site;
before(async () => { site = await Site.start({ flags: [] }); });       // with the writer, so that there are events
after(() => site?.stop());

/** One module: what is imported on top, the first block for all, each other in a function. */
function program([first, ...others]) {
    const isImport = (line) => line.startsWith('import ');
    const imports = new Set([first, ...others].flatMap((block) => block.split('\n').filter(isImport)));
    const names = new Set([...imports].flatMap((line) => line.match(/{(.*)}/)[1].split(',').map((name) => name.trim())));
    const rest = (block) => block.split('\n').filter((line) => !isImport(line)).join('\n');
    const steps = others.map((block, n) => `await step(${n + 1}, async (show) => {\n${rest(block)}\n});`);
    return `import { ${[...names].join(', ')} } from '/pgherald.js';\nconst { canonical, step, write } = window.reader;\n${rest(first)}\nherald.on('error', ({ payload }) => console.error(JSON.stringify(payload)));\n${steps.join('\n')}\n`;
}

test('every block does what it says', async () => {
    assert.ok(blocks.length > 10, `${blocks.length} blocks`);
    const page = await site.page();
    const token = (await (await fetch(`${site.url}/examples/token?name=Groot`)).json()).token;
    await page.route('**/my/token', (route) => route.fulfill({ body: token }));
    await page.route('**/reader.js', (route) => route.fulfill({ contentType: 'text/javascript', body: program(blocks) }));
    await page.exposeFunction('psql', (statement) => site.sql(`with done as (${statement} returning 1) select pg_current_xact_id() from done`));
    await page.goto(`${site.url}/`);
    const done = await page.evaluate(async (canonical) => {
        const shown = new Map();
        const step = async (n, block) => {
            shown.set(n, 0);
            await block(() => shown.set(n, shown.get(n) + 1));
        };
        window.reader = { canonical, step, write: window.psql, shown };
        await import('/reader.js');
        return shown.size;
    }, site.server.canonical);
    assert.equal(done, blocks.length - 1);
    for (const [n, block] of blocks.entries()) {
        if (n === 0 || !block.includes('show(')) continue;
        await until(`block ${n} to show something:\n${block}`, () => page.evaluate((which) => window.reader.shown.get(which) > 0, n), 10 * SECOND);
    }
    assertQuiet(page);
});

// ---- the tutorials: their pages, opened from a file as a reader does, and their statements ----

/** What a reader has at hand: the statements of a section, the page, and tokens. */
async function follow(name) {
    const sections = new Map(read(name).split(/^## /m).map((section) => [section.split('\n')[0], [...section.matchAll(/^```sql\n([^]*?)^```$/gm)].map(([, block]) => block)]));
    const [, html] = read(name).match(/^```html\n([^]*?)^```$/m);
    const file = join(temporaryDirectory('tutorial'), 'page.html');
    writeFileSync(file, html.replaceAll('http://127.0.0.1:8080', site.url).replace('the one from the ready line', site.server.canonical));
    return {
        run: async (section, n) => { for (const block of n === undefined ? sections.get(section) : [sections.get(section)[n]]) await site.sql(block); },
        open: async (token) => {
            const page = await site.page();
            await page.goto(`file://${file}${token ? `?token=${token}` : ''}`);
            return page;
        },
        lines: (page) => page.$$eval('li', (items) => items.map((item) => item.textContent)),
    };
}

async function tokenOf(rowId, extras = {}) {
    const made = await run(binary, ['token', '--token-secret-file', join(site.flags[1], 'token-secret'), '--dbo-id', '1', '--row-id', String(rowId), '--extras', JSON.stringify(extras)]);
    assert.equal(made.code, 0, made.stderr);
    return made.stdout.trim();
}

test('your own table in five minutes', async () => {
    const { run: type, open, lines } = await follow('tutorial-table.md');
    await type('A table');
    const page = await open();
    await until('the rows', async () => (await lines(page)).join() === '☐ Read this page,☐ Water the plants');
    await type('The page');
    await until('the changes', async () => (await lines(page)).join() === '☑ Read this page,☐ Water the plants,☐ It works');
    await type('To each his own', 0);
    await until('nobody to see anything', async () => (await lines(page)).length === 0);
    const mine = await open(await tokenOf(2));
    await until('what is mine', async () => (await lines(mine)).join() === '☐ Water the plants,☐ It works');
    await type('To each his own', 1);
    await until('a task to be given away', async () => (await lines(mine)).join() === '☐ Water the plants');
    for (const each of [page, mine]) assertQuiet(each);
});

test('a chat in ten minutes', async () => {
    const { run: type, open, lines } = await follow('tutorial-chat.md');
    await type('A room');
    const [one, two] = [await open(), await open()];
    const say = async (page, text) => { await page.fill('input', text); await page.keyboard.press('Enter'); };
    const says = (page, text) => until(`"${text}"`, async () => (await lines(page)).at(-1) === text);
    await until('both to be here', async () => (await two.textContent('#here')) === 'Here: somebody, somebody');
    await say(one, 'Hello.');
    await says(two, 'somebody: Hello.');
    await type('The page');
    await says(two, '* The kitchen closes in ten minutes.');
    await one.reload();
    await until('the history', async () => (await lines(one)).length === 2);

    await type('Names');
    const ann = await open(await tokenOf(7, { name: 'Ann' }));
    await until('Ann to be here', async () => (await two.textContent('#here')).includes('Ann'));
    await say(ann, 'It is me.');
    await says(two, 'Ann: It is me.');
    const isTold = (page, text) => until(`to be told "${text}"`, async () => (await page.textContent('#sorry')) === text);
    await say(two, 'And me?');
    await isTold(two, 'You may not send to this channel.');
    await type('A word of your own');
    await until('the rule to be in force', async () => { await say(ann, 'WHERE IS MY TEA'); return (await ann.textContent('#sorry')) === 'No need to shout.'; });
    await type('Somebody has to leave');
    await isTold(ann, 'The lounge is closed.');
    for (const each of [one, two, ann]) assertQuiet(each);
});

test('in the site at /docs the keyboard gets to a section, and to another page', async () => {
    const page = await site.page();
    await page.goto(`${site.url}/docs/access`);
    const focused = () => page.evaluate(() => document.activeElement.getAttribute('href'));
    await until('a section to have the focus', async () => { await page.keyboard.press('Tab'); return (await focused()) === '#rules'; });
    await page.keyboard.press('Enter');
    assert.match(page.url(), /#rules$/);
    await page.focus('nav a[aria-current]');
    await page.keyboard.press('Enter');
    await until('the page of the link', async () => !page.url().includes('#'));
    assertQuiet(page);
});
