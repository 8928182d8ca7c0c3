// SPDX-License-Identifier: PostgreSQL
// The documents: the site at /docs, and every link and anchor of it and of the other Markdown files.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { World } from './lib/world.js';

const top = fileURLToPath(new URL('../..', import.meta.url));
const sources = readdirSync(join(top, 'docs')).filter((name) => name.endsWith('.md'));
const address = (source) => (source === 'index.md' ? '/docs/' : `/docs/${source.replace('.md', '')}`);

let world;
const pages = new Map();                // by address: what is served, read once
before(async () => {
    world = await World.start();
    for (const source of sources) pages.set(address(source), await world.server.get(address(source)));
});
after(() => world?.stop());

const all = (text, pattern) => [...text.matchAll(pattern)].map(([, found]) => found);
const ids = (path) => all(pages.get(path).body, / id="([^"]*)"/g);

test('every page is there, with nothing in it that its policy forbids', () => {
    for (const [path, { status, headers, body }] of pages) {
        assert.equal(status, 200, path);
        assert.equal(headers.get('content-type'), 'text/html; charset=utf-8');
        assert.match(headers.get('content-security-policy'), /default-src 'none'/);
        assert.match(headers.get('etag'), /^"/);
        assert.doesNotMatch(body, /<script|<style| style=| on[a-z]+=|raw HTML omitted|javascript:/, path);
        assert.equal(all(body, /(<h1)/g).length, 1, path);
    }
});

test('/docs leads to /docs/, and both work without the example pages', async () => {
    const response = await fetch(`http://127.0.0.1:${world.server.port}/docs`, { redirect: 'manual' });
    assert.equal(response.status, 301);
    assert.equal(response.headers.get('location'), '/docs/');
    for (const path of ['/docs.css', '/style.css', '/icon.svg', '/docs/pgherald.service']) assert.equal((await world.server.get(path)).status, 200, path);
});

test('the list has every page once, and each page the whole list', () => {
    const listed = (path) => all(pages.get(path).body.split('<nav')[1], /href="(\/docs\/[a-z-]+)"/g);
    const others = [...pages.keys()].filter((path) => path !== '/docs/').sort();
    assert.deepEqual(listed('/docs/').sort(), others);
    for (const path of others) {
        assert.deepEqual(listed(path).sort(), others, path);
        assert.match(pages.get(path).body, new RegExp(`<a href="${path}" aria-current="page">`));
    }
});

test('no link and no anchor of the site is dead', async () => {
    for (const [path, { body }] of pages) {
        for (const link of all(body, / (?:href|src)="([^"]*)"/g)) {
            if (/^https?:/.test(link)) continue;
            const [file, anchor] = link.split('#');
            const target = file || path;
            if (!pages.has(target)) assert.equal((await world.server.get(target)).status, 200, `${path} leads to ${link}`);
            if (anchor) assert.ok(ids(target).includes(anchor), `${path} leads to ${link}`);
        }
    }
});

// As GitHub shows them, whose anchors are the site's.
test('no link of the other Markdown files is dead', () => {
    const files = ['README.md', 'CHANGELOG.md', ...readdirSync(join(top, 'examples')).map((name) => `examples/${name}/README.md`), ...readdirSync(join(top, 'clients')).map((name) => `clients/${name}/README.md`)];
    for (const file of files.filter((each) => existsSync(join(top, each)))) {
        const text = readFileSync(join(top, file), 'utf8');
        const own = all(text, /^#+ (.*)$/gm).map((title) => title.toLowerCase().replace(/[^\w -]/g, '').replaceAll(' ', '-'));
        for (const link of all(text.replace(/^ {4}.*$/gm, ''), /\]\(([^)]*)\)/g).filter((each) => !/^https?:/.test(each))) {
            const [to, anchor] = link.split('#');
            const target = relative(top, join(top, dirname(file), to || file.split('/').at(-1)));
            assert.ok(existsSync(join(top, target)), `${file} leads to ${link}`);
            if (anchor) assert.ok(target === file ? own.includes(anchor) : ids(address(target.replace('docs/', ''))).includes(anchor), `${file} leads to ${link}`);
        }
    }
});
