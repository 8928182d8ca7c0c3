// SPDX-License-Identifier: PostgreSQL
/**
 * The npm package, as `make npm` has made it: that it can be imported, required and rendered on a server, that its types say what it
 * does, and that its hooks hold in React's StrictMode, against a real server.
 */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, afterEach, before, describe, test } from 'node:test';
import { build } from 'esbuild';

import { run, temporaryDirectory } from '../integration/lib/process.js';
import { assertQuiet, SECOND, Site, until } from './support.mjs';

const top = fileURLToPath(new URL('../..', import.meta.url));
const modules = join(top, 'tests/node_modules');

/** A project of somebody who has installed it. */
const project = temporaryDirectory('package');
cpSync(join(top, 'build/npm'), join(project, 'node_modules/pgherald'), { recursive: true });
for (const name of ['react', 'react-dom', 'scheduler', '@types/react', 'csstype']) cpSync(join(modules, name), join(project, 'node_modules', name), { recursive: true });

async function node(name, text) {
    writeFileSync(join(project, name), text);
    const { code, stdout, stderr } = await run(process.execPath, [join(project, name)]);
    assert.equal(code, 0, stderr);
    return stdout.trim();
}

test('its version is the server\'s, and nothing in it needs anything', async () => {
    const { version, dependencies } = JSON.parse(readFileSync(join(top, 'build/npm/package.json')));
    const { stdout } = await run(process.env.PGHERALD_BIN, ['--version']);
    assert.ok(stdout.startsWith(`pgherald ${version}`), `${stdout.split('\n')[0]} and ${version}`);
    assert.equal(dependencies, undefined);
});

test('require() and import give the same names, and importing touches nothing that a browser has', async () => {
    const traps = `
        for (const name of ['window', 'document', 'location', 'navigator', 'WebSocket', 'fetch', 'crypto', 'localStorage', 'addEventListener'])
            Object.defineProperty(globalThis, name, { get() { throw new Error('importing reads ' + name); }, configurable: true });`;
    const say = `console.log(Object.keys(herald).sort().join(), Object.keys(react).sort().join())`;
    const required = await node('required.cjs', `${traps} const herald = require('pgherald'), react = require('pgherald/react'); ${say}`);
    const imported = await node('imported.mjs', `${traps} const herald = await import('pgherald'), react = await import('pgherald/react'); ${say}`);
    assert.equal(imported, required);
    assert.equal(imported, 'Channel,Client,HeraldError,Lagged,Table,channelName,connect HeraldProvider,useChannel,useHerald,usePresence,useStatus,useTable');
});

test('on a server the hooks show what there is before the first answer, and open nothing', async () => {
    const html = await node('server.mjs', `
        import { createElement as h } from 'react';
        import { renderToString } from 'react-dom/server';
        import { HeraldProvider, useChannel, usePresence, useStatus, useTable } from 'pgherald/react';
        const client = new Proxy({ status: { status: 'connecting' } }, { get: (has, name) => has[name] ?? (() => { throw new Error(String(name)); }) });
        function App() {
            const shown = [useChannel('a'), useTable('b'), usePresence('c'), useStatus()];
            return JSON.stringify(shown);
        }
        console.log(renderToString(h(HeraldProvider, { client }, h(App))).replaceAll('&quot;', ''));`);
    assert.equal(html, '[{messages:[],joined:false,error:null,channel:null},{rows:[],isReady:false,error:null,table:null},{members:[],self:null},{status:connecting}]');
});

test('tsc --strict: what an application writes is right, and what is wrong is an error', async () => {
    cpSync(join(top, 'tests/client-types'), join(project, 'app'), { recursive: true });
    const { code, stdout } = await run(process.execPath, [join(modules, 'typescript/bin/tsc'), '-p', join(project, 'app')], { deadlineMs: 120 * SECOND });
    assert.equal(code, 0, stdout);
});

describe('React in StrictMode', () => {
    let site;
    let bundle;
    before(async () => {
        mkdirSync(join(project, 'src'));
        cpSync(join(top, 'tests/browser/react'), join(project, 'src'), { recursive: true });
        const define = { 'process.env.NODE_ENV': '"development"' };     // else StrictMode does nothing
        const { outputFiles } = await build({ entryPoints: [join(project, 'src/app.js')], bundle: true, format: 'esm', write: false, define });
        bundle = outputFiles[0].text;
        site = await Site.start();
    });
    afterEach(() => site.closePages());
    after(() => site?.stop());

    async function open(name) {
        const token = await (await fetch(`${site.url}/examples/token?name=${name}`)).json().then((answer) => answer.token);
        const page = await site.page({ bypassCSP: true });
        await page.goto(`${site.url}/docs/`); // a page without scripts: what those of another have begun would go on in this one
        await page.setContent('<div id="root"></div>');
        await page.evaluate((app) => { window.app = app; }, { canonical: site.server.canonical, token });
        await page.addScriptTag({ content: bundle, type: 'module' });
        await page.waitForSelector('main[data-status="connected"]');
        await page.waitForSelector('#room[data-joined="true"]');
        return page;
    }
    const show = (page, changes) => page.evaluate((what) => window.app.show(what), changes);
    const sent = (page, action) => page.sent.map((text) => JSON.parse(text)).filter((frame) => frame.action === action);
    const list = (page, id) => page.$$eval(`#${id} li`, (items) => items.map((item) => item.textContent));

    test('one membership for all components of a channel, and none for what is mounted twice', async () => {
        const page = await open('Hulk');
        await page.waitForSelector('#cards[data-ready="true"]');
        assert.deepEqual(await list(page, 'cards'), (await site.sql('select title from demo.cards where not done order by made_at')).split('\n'));
        await page.click('#say');
        await page.locator('#room li', { hasText: 'said 0' }).waitFor();
        assert.deepEqual(sent(page, 'leave'), []);
        // The second wish may have come when the join for the first one was out: then there is one more, for the rest.
        const joins = sent(page, 'join').map(({ options, payload }) => `${options.channel} ${payload.presence ?? 'rows'}`);
        assert.ok(['room/avengers state,tasks/cards rows', 'room/avengers false,room/avengers state,tasks/cards rows'].includes(joins.sort().join()), joins.join());
        assertQuiet(page);
    });

    test('mounted and unmounted a hundred times, it is in once, and leaves when nobody is left', async () => {
        const page = await open('Thor');
        for (let i = 0; i < 100; i++) await show(page, { room: i % 2 === 0, faces: i % 2 === 1 });
        await show(page, { room: false, faces: false });
        await until('the channel to be left', () => sent(page, 'leave').some(({ options }) => options.channel === 'room/avengers'));
        const joins = sent(page, 'join').filter(({ options }) => options.channel === 'room/avengers').length;
        assert.ok(joins <= 2, `${joins} joins`);
        await show(page, { room: true });
        await page.waitForSelector('#room[data-joined="true"]');
        await page.click('#say');
        await page.locator('#room li', { hasText: /said/ }).first().waitFor();
        assertQuiet(page);
    });

    test('another filter is another table; presence has what each is doing; all of it after a cut', async () => {
        const [page, other] = [await open('Groot'), await open('Rocket')];
        await show(page, { done: true });
        await page.locator('#cards li', { hasText: 'Find the Tesseract' }).waitFor();
        await show(other, { editing: 'a card' });
        await page.locator('#faces li', { hasText: 'other a card' }).waitFor();
        site.cut();
        await page.waitForSelector('main[data-status="waiting"]');
        await page.waitForSelector('#room[data-joined="false"]');
        await site.sql(`update demo.cards set done = true where title = 'Polish the shield'`);
        site.mend();
        await page.locator('#faces li', { hasText: 'other a card' }).waitFor();
        await page.locator('#cards li', { hasText: 'Polish the shield' }).waitFor();
    });
});
