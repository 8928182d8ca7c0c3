// SPDX-License-Identifier: PostgreSQL
/**
 * What the browser tests share: `pgherald dev` on a data directory of its own, a proxy before it so that lines can be
 * cut, Chromium, and psql. A page reports what it said on its console: a test ends with an empty list.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

import { Proxy } from '../integration/lib/proxy.js';
import { run, temporaryDirectory } from '../integration/lib/process.js';
import { binary, Server } from '../integration/lib/server.js';
import { until, SECOND } from '../integration/lib/wait.js';

export { until, SECOND };

const top = fileURLToPath(new URL('../..', import.meta.url));
export const sdkBundle = join(top, 'build/sdk/xano.min.js');
const screenshots = join(top, 'build/screenshots');
const clusters = join(top, 'build/clusters');

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const CHROMIUM_FLAGS = [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
];

export const SIZES = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 800 } };

/** Chromium's own words for a WebSocket that could not connect, or a token that could not be fetched for it: expected
 * where the test cuts the line. */
const ABOUT_A_CUT = /WebSocket connection to .* failed|Failed to load resource: net::ERR_/;

/** Started by root, Postgres runs as somebody else, below this directory. */
function newHome() {
    const home = temporaryDirectory('browser');
    chmodSync(home, 0o755);
    return join(home, 'data');
}

/** What this binary makes at its first start, made once for all test files, each of which gets a copy: initdb and the schema take
 * longer than many a test. Another binary, which may bring another schema, makes its own. */
async function copyOfCluster() {
    const key = createHash('sha256').update(readFileSync(binary)).update(process.env.PGBIN ?? '').digest('hex').slice(0, 16);
    const made = join(clusters, key);
    const copy = newHome();
    if (!existsSync(made)) {
        const first = newHome();
        const server = await Server.start({ command: 'dev', flags: ['--data-dir', first, '--no-writer'], ready: false });
        await server.ready(120 * SECOND);
        await server.stop();
        rmSync(clusters, { recursive: true, force: true });
        mkdirSync(clusters, { recursive: true });
        execFileSync('cp', ['-a', first, `${made}.new`]);
        renameSync(`${made}.new`, made);
    }
    execFileSync('cp', ['-a', made, copy]);
    return copy;
}

export class Site {
    /** @param {{flags?: string[]}} [options] flags of `pgherald dev` */
    static async start({ flags = ['--no-writer'] } = {}) {
        const site = new Site();
        site.flags = ['--data-dir', await copyOfCluster()];
        site.server = await Server.start({ command: 'dev', flags: [...site.flags, ...flags], ready: false });
        await site.server.ready(120 * SECOND);
        site.proxy = await Proxy.start(site.server.port);
        site.url = `http://127.0.0.1:${site.proxy.port}`;
        site.browser = await launchBrowser();
        return site;
    }

    async stop() {
        await this.browser.close();
        await this.proxy.stop();
        await this.server.stop();
    }

    /** The server again, on the data that is there. */
    async restart(flags) {
        await this.server.stop();
        this.server = await Server.start({ command: 'dev', flags: [...this.flags, ...flags], ready: false });
        await this.server.ready(120 * SECOND);
        this.proxy.target = this.server.port;
    }

    cut() {
        this.proxy.isRefusing = true;
        this.proxy.cut();
    }

    mend() {
        this.proxy.isRefusing = false;
        this.proxy.onRequest = null;
    }

    /** By the very psql line that the server tells people to type. What psql prints, unadorned; several statements in
     * one text are one transaction. */
    async sql(text) {
        const [, line] = await this.server.process.says(/^ +psql (.+)$/m);
        const { code, stdout, stderr } = await run('psql', ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-c', text, ...line.split(' ')]);
        assert.equal(code, 0, stderr);
        return stdout.trim();
    }

    page(options) {
        return openPage(this.browser, options);
    }

    /** What a test has opened; pages that linger would go on reconnecting through the next test's cuts. */
    async closePages() {
        for (const context of this.browser.contexts()) await context.close();
        this.mend();
    }

    async connected(page) {
        await page.waitForSelector('.status[data-status="connected"]');
    }

    /** All have noticed the cut, the line is mended, and the users who are tired of waiting click, unless a page was faster. */
    async comeBack(...pages) {
        for (const page of pages) await page.waitForSelector('.status[data-status="waiting"]');
        this.mend();
        for (const page of pages) {
            await page.evaluate(() => document.querySelector('.status[data-status="waiting"]')?.click());
            await this.connected(page);
        }
    }
}

/** @param {string[]} [flags] more of Chromium's own */
export function launchBrowser(flags = []) {
    return chromium.launch({ executablePath: CHROMIUM, args: [...CHROMIUM_FLAGS, ...flags] });
}

/** A browser of its own: nothing is shared with the other pages but the server. A phone's has fingers, not a mouse.
 * `frames` has the texts of all frames that came, `sent` of those that went. */
export async function openPage(browser, { size = 'desktop', route, ...options } = {}) {
    const context = await browser.newContext({ viewport: SIZES[size], hasTouch: size === 'phone', reducedMotion: 'no-preference', ...options });
    context.setDefaultTimeout(15 * SECOND);
    if (route) await context.route(route.url, route.answer);
    const page = await context.newPage();
    Object.assign(page, { complaints: [], frames: [], sent: [] });
    page.on('console', (said) => said.type() === 'error' && page.complaints.push(said.text()));
    page.on('pageerror', (error) => page.complaints.push(error.stack));
    page.on('dialog', (dialog) => { page.complaints.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
    page.on('websocket', (socket) => {
        socket.on('framereceived', ({ payload }) => page.frames.push(String(payload)));
        socket.on('framesent', ({ payload }) => page.sent.push(String(payload)));
    });
    return page;
}

export function assertQuiet(page, { wasCut = false } = {}) {
    const complaints = page.complaints.filter((text) => !(wasCut && ABOUT_A_CUT.test(text)));
    assert.deepEqual(complaints, []);
}

/** PICTURES=1: what the page shows now, for people to look at, in build/screenshots. Else nothing: it costs a third of a second. */
export async function takePicture(page, name) {
    if (!process.env.PICTURES) return;
    mkdirSync(screenshots, { recursive: true });
    await page.screenshot({ path: join(screenshots, `${name}.png`) });
}

/** What the page shows now fits a phone and a screen; with PICTURES light and dark of each. */
export async function takePictures(page, name) {
    const before = page.viewportSize();
    for (const [size, viewport] of Object.entries(SIZES)) {
        await page.setViewportSize(viewport);
        await assertFits(page, `${name} ${size}`);
        for (const colorScheme of process.env.PICTURES ? ['light', 'dark'] : []) {
            await page.emulateMedia({ colorScheme });
            await takePicture(page, `${name}-${size}-${colorScheme}`);
        }
    }
    await page.emulateMedia({ colorScheme: null });
    await page.setViewportSize(before);
}

/** Nothing may stick out to the side: a page that scrolls sideways on a phone is broken. */
export async function assertFits(page, name) {
    const excess = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(excess, 0, `${name}: ${excess} pixels too wide`);
}
