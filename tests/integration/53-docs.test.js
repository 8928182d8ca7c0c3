// SPDX-License-Identifier: PostgreSQL
// The documents: the site at /docs, every link and anchor of it and of the other Markdown files, and every command and statement that
// they tell people to type.
import { test, describe, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { blocksOf, scriptOf } from './lib/docs.js';
import { installed, Postgres } from './lib/postgres.js';
import { freePort, run, temporaryDirectory } from './lib/process.js';
import { binary, install, SanitizerLog } from './lib/server.js';
import { SECOND } from './lib/wait.js';
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

test('every file that the documents name is there', () => {
    for (const path of ['README.md', ...sources.map((source) => `docs/${source}`)]) {
        for (const [, named] of readFileSync(join(top, path), 'utf8').matchAll(/`((?:src|sql|tests|examples|scripts|docs|clients)\/[\w./-]*)`/g)) {
            assert.ok(existsSync(join(top, named)), `${path} names ${named}`);
        }
    }
});

// ---- every command and statement ----

const written = ['README.md', ...sources.map((source) => `docs/${source}`)];
const documents = written.filter((path) => blocksOf(path).some(({ reason }) => !reason));
const notRun = written.flatMap((path) => blocksOf(path).filter(({ reason }) => reason).map(({ line, reason }) => `${path}:${line}: ${reason}`));

// The pages are done in two lanes side by side, each on a cluster of its own. In the second managed.md is the first, for its
// db.example.com is that cluster, with nothing in it yet; new.example.com is one more.
const middle = documents.indexOf('docs/managed.md');
const lanes = [documents.slice(0, middle), documents.slice(middle)].map((pages) => ({ pages }));
const isBare = (path) => path === 'docs/managed.md';

// In the cluster a database with the schema, of which making copies is cheap.
async function shop(lane) {
    if (!lane.template) {
        await lane.postgres.query('CREATE DATABASE template_shop');
        await install(lane.postgres, { database: 'template_shop' });
        lane.template = 'template_shop';
    }
    await lane.postgres.query('DROP DATABASE IF EXISTS shop WITH (FORCE)');
    await lane.postgres.query(`CREATE DATABASE shop TEMPLATE ${lane.template}`);
}

// The text is the page's but for what belongs to the reader's machine: addresses, ports, and the directory of the configuration.
async function runDocument(path, { postgres }) {
    const directory = temporaryDirectory('docs');
    const port = await freePort();
    const ports = { 8080: port, 8081: await freePort(), 4222: await freePort() };
    const script = scriptOf(path).replace(/8080|8081|4222/g, (known) => ports[known]).replaceAll('/etc/pgherald', directory);
    const other = script.includes('new.example.com') && await Postgres.start();
    try {
        await runScript(script.replaceAll('db.example.com', `127.0.0.1:${postgres.port}`).replaceAll('new.example.com', `127.0.0.1:${other.port}`), directory, port, postgres);
    } finally {
        await other?.stop?.();
    }
    rmSync(directory, { recursive: true, force: true });
}

async function runScript(script, directory, port, postgres) {
    const sanitizers = new SanitizerLog();
    const { code, stdout, stderr } = await run('bash', ['-c', script], {
        cwd: directory,
        deadlineMs: 60 * SECOND,
        env: {
            ...sanitizers.env,
            PATH: `${installed}:${process.env.PATH}`,
            BINARY: binary,
            PGHERALD_DATABASE_URL: postgres.url({ database: 'shop' }),
            PGHERALD_LISTEN: `127.0.0.1:${port}`,
            PGHERALD_DRAIN: '100ms',
            PGHOST: '127.0.0.1', PGPORT: String(postgres.port), PGUSER: 'postgres', PGDATABASE: 'shop', PAGER: 'cat',
        },
    });
    assert.equal(code, 0, `${all(stdout, /^@@ (.*)$/gm).at(-1) ?? 'before the first block'}: ${stderr}\n${stdout.slice(-2000)}`);
    sanitizers.assertEmpty(stderr);
}

test('what the documents have and cannot be run here is little', (t) => {
    for (const each of notRun) t.diagnostic(each);
    assert.ok(notRun.length <= 12, `${notRun.length} blocks`);
});

describe('every command and statement works', { concurrency: true }, () => {
    for (const lane of lanes) {
        describe(`from ${lane.pages[0]} on`, { concurrency: false }, () => {
            before(async () => (lane.postgres = lane === lanes[0] ? world.postgres : await Postgres.start()));
            after(() => lane === lanes[0] || lane.postgres?.stop());
            for (const path of lane.pages) {
                test(path, async () => {
                    if (!isBare(path)) await shop(lane);
                    await runDocument(path, lane);
                });
            }
        });
    }
});

// ---- what is made of the schema ----

test('docs/functions.md is herald.help (UPDATE_DOCS=1 writes it)', async () => {
    const rows = await world.postgres.query('SELECT * FROM herald.help');
    const plain = (signature) => signature.replace(/(DEFAULT \S+?)::[a-z]+(\[\])?/g, '$1');
    const broken = (signature) => (signature.length < 120 ? signature : signature.replace('(', '(\n    ').replaceAll(', ', ',\n    ').replace(/\)$/, '\n)'));
    const section = ({ function: name, signature, returns, description }) => [
        `### \`${name}()\``, `\`\`\`text\n${broken(plain(signature))}\nreturns ${returns}\n\`\`\``, `${description.replace(/[*_<[]/g, '\\$&')}\n`,
    ].join('\n\n');
    const topics = [...new Set(rows.map(({ topic }) => topic))].map((topic) => `## ${topic[0].toUpperCase()}${topic.slice(1)}\n\n${rows.filter((row) => row.topic === topic).map(section).join('\n')}`);
    const text = `# Functions

<!-- Made of herald.help by UPDATE_DOCS=1 node --test tests/integration/53-docs.test.js; do not edit. -->

What is in the schema \`herald\` for people; all else there is the server's. \`SELECT function, purpose FROM herald.help\` is this list in psql, and
\`\\df+ herald.NAME\` has the comment of each. \`publish\`, \`history\`, \`disconnect\` and \`reread\` are for members of \`herald_publisher\`, the others
for those of \`herald_admin\`. Where an argument is a user's \`row_id\`, it may be a text, an integer or a uuid.

${topics.join('\n')}`;
    const path = join(top, 'docs/functions.md');
    if (process.env.UPDATE_DOCS) writeFileSync(path, text);
    assert.equal(readFileSync(path, 'utf8'), text);
});
