// SPDX-License-Identifier: PostgreSQL
// What a browser or a load balancer gets over plain HTTP.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { World, READ_ONLY } from './lib/world.js';
import { within } from './lib/wait.js';

let world;
before(async () => {
    world = await World.start({ rules: { 'news/*': READ_ONLY } });
});
after(() => world?.stop());

test('/health and /ready', async () => {
    for (const path of ['/health', '/ready']) {
        const answer = await world.server.get(path);
        assert.equal(answer.status, 200, path);
        assert.ok(answer.body.length > 0);
    }
});

for (const name of readdirSync(new URL('../../src/web', import.meta.url)).filter((each) => each.startsWith('pgherald'))) {
    test(`${name} is served as it is in the tree`, async () => {
        const { status, headers, body } = await world.server.get(`/${name}`);
        assert.equal(status, 200);
        assert.match(headers.get('content-type'), /^(text|application)\/javascript/);
        assert.equal(headers.get('x-content-type-options'), 'nosniff');
        assert.equal(body, readFileSync(new URL(`../../src/web/${name}`, import.meta.url), 'utf8'));
    });
}

test('HEAD has the length and no body', async () => {
    const url = `http://127.0.0.1:${world.server.port}/pgherald.js`;
    const response = await fetch(url, { method: 'HEAD' });
    assert.equal(response.status, 200);
    assert.equal(Number(response.headers.get('content-length')), Buffer.byteLength((await world.server.get('/pgherald.js')).body));
    assert.equal(await response.text(), '');
});

test('without dev there are no example pages', async () => {
    assert.equal((await world.server.get('/examples/chat/')).status, 404);
});

test('a query string changes nothing, and a dot path gets nowhere', async () => {
    assert.equal((await world.server.get('/health?verbose=1')).status, 200);
    assert.equal((await world.server.get('/%2e%2e/Makefile')).status, 404);
});

const ask = (headers) => fetch(`http://127.0.0.1:${world.server.port}/`, { headers });
const BROWSER = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' };

// Every address that a page names, on this server.
async function followLinks(html) {
    const paths = [...html.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, path]) => path);
    assert.ok(paths.length > 3, `${paths}`);
    for (const path of paths.filter((each) => each !== '/' && each !== '/ready')) {
        assert.equal((await world.server.get(path)).status, 200, path);
    }
}

test('/ says that the server is ready and what to do next, to a browser and to curl', async () => {
    const page = await ask(BROWSER);
    const html = await page.text();
    assert.equal(page.status, 200);
    assert.match(page.headers.get('content-type'), /^text\/html/);
    assert.match(page.headers.get('content-security-policy'), /^default-src 'none'; style-src 'self';/);
    assert.deepEqual([page.headers.get('vary'), page.headers.get('cache-control'), page.headers.get('refresh')], ['Accept', 'no-store', null]);
    assert.match(html, /<h1>pgherald is ready\.<\/h1>/);
    assert.doesNotMatch(html, /<script|style=/);
    await followLinks(html);
    const plain = await ask({ accept: '*/*' });
    const text = await plain.text();
    assert.equal(plain.headers.get('content-type'), 'text/plain; charset=utf-8');
    assert.match(text, /^pgherald is ready\.\n\n/);
    assert.match(text, /^.*: \/docs\/$/m);
    for (const said of [html, text]) {
        assert.match(said, /pgherald doctor/);
        assert.ok(!said.includes(world.server.canonical), 'who scans addresses learns no canonical');
    }
});

test('/ says why not, in the words of /ready, and comes again by itself', async () => {
    await world.postgres.query("SELECT herald.set_enabled(false)");
    await world.server.waitReady(503);
    const page = await ask(BROWSER);
    const html = await page.text();
    assert.equal(page.status, 503);
    assert.equal(page.headers.get('refresh'), '5');
    assert.match(html, /<h1>pgherald is not ready\.<\/h1>\n<p>It says: realtime is switched off\./);
    await followLinks(html);
    assert.match(await (await ask({})).text(), /^pgherald is not ready\.\n\nIt says: realtime is switched off\.\n/);
    await world.postgres.query("SELECT herald.set_enabled(true)");
    await world.server.waitReady();
    assert.equal((await ask(BROWSER)).status, 200);
});

test('many at once', async () => {
    const answers = await within('200 answers', Promise.all([...Array(200)].map(() => world.server.get('/ready'))), 30000);
    assert.ok(answers.every((a) => a.status === 200));
});

test('the ready line shows no password', async () => {
    await world.server.stop();
    await world.serve({ database: world.postgres.url({ user: 'herald_server:s3cret%21' }) });
    assert.doesNotMatch(world.server.process.stdout + world.server.process.stderr, /s3cret/);
    assert.match(world.server.database, /herald_server/);
});
