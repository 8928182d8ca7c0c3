// SPDX-License-Identifier: PostgreSQL
/**
 * The picture in the README, made from the real pages: `make picture` writes docs/picture.png. Two browsers that know nothing of each
 * other, the psql line that somebody has just typed, and the row in both. Made anew when pages change; no test holds it to them.
 */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { Site } from '../tests/browser/support.mjs';

const FILE = fileURLToPath(new URL('../docs/picture.png', import.meta.url));
const MAX_BYTES = 150_000;
const WINDOW = { width: 600, height: 470 };
const STATEMENT = "update demo.orders set quantity = 3, status = 'shipped' where id = 1;";

const PSQL = 'psql -h pgherald-data/socket -p 5433 -U postgres herald';      // ours is in a temporary directory

const WINDOWS = [
    { path: '/', row: '[data-key="1"][data-action="update"]', from: '.now', ready: '#changes tr:nth-child(4)' },
    { path: '/examples/live-table/', row: 'tr[data-key="1"] .changed', from: '#call', ready: 'tr[data-key="10"]' },
];

const site = await Site.start();

async function open({ path, from, ready }) {
    const page = await site.page({ viewport: WINDOW, route: { url: '**/examples/psql', answer: (route) => route.fulfill({ body: PSQL }) } });
    await page.goto(`${site.url}${path}`);
    await site.connected(page);
    await page.waitForSelector(ready);
    await page.locator(from).evaluate((element) => scrollTo(0, element.getBoundingClientRect().top - 14));
    return page;
}

/** With what lights up at its brightest. */
async function shoot(page, { row }) {
    await page.locator(row).first().waitFor();
    await page.evaluate(() => document.getAnimations().forEach((animation) => { animation.pause(); animation.currentTime = 100; }));
    return (await page.screenshot()).toString('base64');
}

function compose(shots) {
    const framed = shots.map((shot, i) => `<figure><figcaption>${new URL(WINDOWS[i].path, 'http://127.0.0.1:8080').href}</figcaption><img src="data:image/png;base64,${shot}"></figure>`);
    return `<!doctype html><style>
        body { margin: 0; padding: 14px; display: grid; grid-template-columns: 600px 600px; gap: 14px; width: 1214px; background: #c9d2dd; font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
        figure, pre { margin: 0; overflow: hidden; border-radius: 10px; }
        figcaption { padding: 5px 14px; background: #e9edf2; color: #44505e; font-size: 12px; }
        img { display: block; width: 600px; height: 470px; }
        pre { grid-column: 1 / -1; padding: 12px 16px; background: #14181d; color: #e8ebef; font: inherit; font-size: 14px; }
        i { font-style: normal; color: #7fb6f2; }
    </style>${framed.join('')}<pre><i>$</i> ${PSQL}\n<i>herald=#</i> ${STATEMENT}\nUPDATE 1</pre>`;
}

try {
    const pages = [];
    for (const each of WINDOWS) pages.push(await open(each));
    await site.sql(STATEMENT);
    const shots = await Promise.all(pages.map((page, i) => shoot(page, WINDOWS[i])));
    const page = await site.page({ viewport: { width: 1242, height: 640 } });
    await page.setContent(compose(shots));
    await page.screenshot({ path: FILE, fullPage: true });
    const { size } = statSync(FILE);
    console.log(`docs/picture.png: ${size} bytes`);
    assert.ok(size <= MAX_BYTES, `${size} bytes are more than ${MAX_BYTES}: make the windows smaller`);
} finally {
    await site.stop();
}
