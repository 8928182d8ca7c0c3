// SPDX-License-Identifier: PostgreSQL
/**
 * docs/client.md, run: its ```js blocks, one after the other, in one page, as a reader would type them. The first makes `herald`, the
 * others have scopes of their own. A block that fails, or says show() and shows nothing, is wrong. And the site at /docs, by keyboard.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';

import { assertQuiet, SECOND, Site, until } from './support.mjs';

const text = readFileSync(fileURLToPath(new URL('../../docs/client.md', import.meta.url)), 'utf8');
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
