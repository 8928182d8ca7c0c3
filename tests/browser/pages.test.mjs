// SPDX-License-Identifier: PostgreSQL
/**
 * Every page that is shipped, in light and dark, on a phone and on a screen: it fits, its text stands out from what is behind it, the
 * Tab key gets to all that can be clicked and shows where it is, and nothing complains on the console. What the pages do is
 * shown by the tests that bear their names; a page that is new is one line here.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Server } from '../integration/lib/server.js';
import { assertFits, assertQuiet, sdkBundle, Site, SIZES, takePicture } from './support.mjs';

const LIVE = '.status[data-status="connected"]';
const HERO = { 'chat.hero': 'Groot', 'presence.name': 'Groot' };

const PAGES = [
    { name: 'landing', path: '/', ready: '#changes tr:nth-child(4)' },
    { name: 'live-table', path: '/examples/live-table/', ready: 'tr[data-key="10"]' },
    { name: 'board', path: '/examples/board/', ready: '.columns.ready' },
    { name: 'chat', path: '/examples/chat/', ready: LIVE, storage: HERO },
    { name: 'chat-guest', path: '/examples/chat/', ready: 'dialog[open]' },
    { name: 'chat-xano', path: '/examples/chat-xano/', ready: LIVE, storage: HERO },
    { name: 'presence', path: '/examples/presence/', ready: '.people .me', storage: HERO },
    { name: 'docs', path: '/docs/', ready: 'nav a' },
    { name: 'docs-page', path: '/docs/options', ready: 'main h1' },
    { name: 'front', path: '/', ready: '.front', of: 'waiting', expected: /status of 503/ },
];

let site;
const urls = {};
before(async () => {
    site = await Site.start();
    urls.dev = site.url;
    urls.waiting = await serve('postgresql:///nowhere?host=/nonexistent');
});
after(async () => {
    await Promise.all(servers.map((server) => server.stop()));
    await site?.stop();
});

const servers = [];

/** A server as it is without `dev`. */
async function serve(database) {
    const server = await Server.start({ database, ready: false });
    servers.push(server);
    return (await server.process.says(/listening on (http:\S+)/))[1];
}

async function open({ path, ready, storage = {}, of = 'dev' }) {
    const page = await site.page({ route: { url: '**/xano.min.js', answer: (route) => route.fulfill({ path: sdkBundle }) } });
    await page.addInitScript((items) => Object.assign(sessionStorage, items), storage);
    await page.goto(`${urls[of]}${path}`);
    await page.waitForSelector(ready);
    return page;
}

/** In the page: each text that does not stand out as WCAG AA asks (4.5, of large letters 3). Colours are put over each other as far as
 * they are see-through; what is disabled need not be read. */
function paleTexts() {
    const rgba = (text) => {
        const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
        return text.startsWith('color(') ? [r * 255, g * 255, b * 255, a] : [r, g, b, a];
    };
    const over = ([r, g, b, a], under) => [r, g, b].map((part, i) => part * a + under[i] * (1 - a));
    const linear = (part) => (part <= 10.31 ? part / 3294.6 : ((part / 255 + 0.055) / 1.055) ** 2.4);
    const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const ancestors = (element) => (element ? [...ancestors(element.parentElement), element] : []);
    const isFinite = (animation) => animation.effect.getComputedTiming().endTime !== Infinity;
    document.getAnimations().filter(isFinite).forEach((animation) => animation.finish());      // what fades in is there
    const found = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = texts.nextNode(); node; node = texts.nextNode()) {
        const element = node.parentElement;
        if (node.data.trim() === '' || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || element.closest(':disabled, script, style')) continue;
        const chain = ancestors(element).map((each) => getComputedStyle(each));
        const behind = chain.reduce((under, style) => over(rgba(style.backgroundColor), under), [255, 255, 255]);
        const style = chain.at(-1);
        const ink = rgba(style.color);
        const seen = over([...ink.slice(0, 3), chain.reduce((all, { opacity }) => all * opacity, ink[3])], behind);
        const [dark, light] = [luminance(seen), luminance(behind)].sort((a, b) => a - b);
        const size = parseFloat(style.fontSize);
        const wanted = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
        const ratio = (light + 0.05) / (dark + 0.05);
        if (ratio < wanted) found.push(`"${node.data.trim().slice(0, 30)}" ${ratio.toFixed(2)}: ${style.color} on ${behind.map(Math.round)}`);
    }
    return found;
}

/** In the page: remembers what can be clicked, or typed into; of an open dialog only what is in it. */
function rememberControls() {
    const top = document.querySelector('dialog:modal') ?? document;
    const controls = [...top.querySelectorAll('a[href], button, input, select, textarea')];
    window.missed = new Set(controls.filter((each) => !each.disabled && each.tabIndex >= 0 && each.checkVisibility({ visibilityProperty: true })));
    return window.missed.size;
}

/** In the page: what has the focus is not missed any more; says what is wrong with how it shows. */
function seeFocus() {
    const element = document.activeElement;
    window.missed.delete(element);
    if (element === document.body) return null;
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    const { top, bottom, left, right } = element.getBoundingClientRect();
    const isSeen = bottom > 0 && top < innerHeight && right > 0 && left < innerWidth;
    if (isSeen && outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1) return null;
    return `${element.outerHTML.slice(0, 80)}: outline ${outlineStyle} ${outlineWidth}${isSeen ? '' : ', outside of the window'}`;
}

async function assertWalkable(page) {
    const n = await page.evaluate(rememberControls);
    assert.ok(n > 0, 'there is something to click');
    const complaints = new Set();
    for (let i = 0; i < n + 10; i++) {
        await page.keyboard.press('Tab');
        complaints.add(await page.evaluate(seeFocus));
    }
    complaints.delete(null);
    assert.deepEqual([...complaints], [], 'the focus is seen');
    assert.deepEqual(await page.evaluate(() => [...window.missed].map((each) => each.outerHTML.slice(0, 100))), [], 'Tab gets to it');
}

for (const each of PAGES) {
    test(`${each.name} fits, can be read, and is walked through by keyboard`, async () => {
        const page = await open(each);
        for (const [size, viewport] of Object.entries(SIZES)) {
            await page.setViewportSize(viewport);
            await assertFits(page, `${each.name} ${size}`);
            for (const colorScheme of ['light', 'dark']) {
                await page.emulateMedia({ colorScheme });
                assert.deepEqual(await page.evaluate(paleTexts), [], `${size} ${colorScheme}`);
                await takePicture(page, `page-${each.name}-${size}-${colorScheme}`);
            }
        }
        await assertWalkable(page);
        page.complaints = page.complaints.filter((text) => !each.expected?.test(text));
        assertQuiet(page);
        await site.closePages();
    });
}

// Tables and code scroll inside themselves, also on a phone.
test('each of the documents fits a phone and can be read', async () => {
    const page = await site.page({ size: 'phone' });
    await page.goto(`${site.url}/docs/`);
    const addresses = await page.$$eval('nav a[href^="/docs/"]', (links) => links.map(({ href }) => href));
    assert.ok(addresses.length > 10, `${addresses.length} documents`);
    for (const address of addresses) {
        await page.goto(address);
        await assertFits(page, address);
        assert.deepEqual(await page.evaluate(paleTexts), [], address);
    }
    assertQuiet(page);
});
