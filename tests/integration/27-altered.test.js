// SPDX-License-Identifier: PostgreSQL
// Watched tables that are altered where no event trigger follows, as for every role that may not create them: the server does.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World, READ_ONLY } from './lib/world.js';
import { pgherald } from './lib/server.js';
import { until } from './lib/wait.js';

let world;
before(async () => {
    world = await World.start({
        rules: { 'public.*': READ_ONLY },
        sql: `CREATE TABLE public.grows (id int PRIMARY KEY, name text);
              SELECT herald.watch('public.grows');
              DROP EVENT TRIGGER herald_ddl;
              DROP EVENT TRIGGER herald_drop;`,
    });
});
after(() => world?.stop());

test('after an ALTER TABLE the events are whole again, and nobody did anything', async () => {
    const { postgres, server } = world;
    await postgres.query('ALTER TABLE public.grows RENAME COLUMN name TO title; ALTER TABLE public.grows ADD COLUMN more int');
    await postgres.query(`INSERT INTO public.grows VALUES (1, 'a', 2)`); // by key only: the sign
    await server.process.says(/info +table public\.grows was altered: its trigger function is written anew/);
    await postgres.query(`UPDATE public.grows SET title = 'b'`);
    const payload = await until('the update to be in the log', async () => {
        const newest = await postgres.value(`SELECT payload FROM herald.log WHERE channel = 'public.grows' ORDER BY id DESC LIMIT 1`);
        return newest?.data.action === 'update' && newest;
    });
    assert.deepEqual(payload.data.new, { id: 1, title: 'b', more: 2 });
    assert.equal(payload.data.truncated_to_key, undefined);
});

test('the commands say what is missing, what they did, and what may surprise', async () => {
    const database = ['--database-url', world.postgres.url()];
    const listed = await pgherald(['watches', ...database]);
    assert.match(listed.stderr, /event triggers of pgherald are missing or disabled.*herald\.refresh\(\)/);
    assert.match((await pgherald(['install', ...database])).stderr, /event triggers of pgherald are missing/);
    await world.postgres.query('CREATE TABLE public.bare (a int, b int); ALTER TABLE public.bare ENABLE ROW LEVEL SECURITY');
    const refused = await pgherald(['watch', 'bare', ...database]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /bare has row level security: say who may see the rows/);
    const visible = '{"a": {"eq": {"identity": "row_id", "dbo_id": 12}}}';
    const taken = await pgherald(['watch', 'bare', '--keep', 'a', '--columns', 'b', '--key-columns', 'b', '--visible', visible, '--snapshot', '--max-snapshot', '5', ...database]);
    assert.equal(taken.code, 0, taken.stderr);
    assert.match((await pgherald(['watches', ...database])).stdout, /bare.*"identity": "row_id".*yes/);
    assert.equal(await world.postgres.value("SELECT max_snapshot FROM herald.watches WHERE \"table\" = 'bare'::regclass"), 5);
    assert.match((await pgherald(['watch', 'bare', '--visible', '{"a": 1', ...database])).stderr, /--visible is not JSON: it wants a filter/);
    assert.match((await pgherald(['watch', 'bare', '--visible', '{"a": "x"}', ...database])).stderr, /watch of public\.bare would show its rows to others.*--replace/);
    assert.match((await pgherald(['watch', 'bare', '--visible', '{"a": "x"}', '--replace', ...database])).stderr, /visible: a: "x" is no integer/);
    assert.match((await pgherald(['unwatch', 'bare', ...database])).stdout, /not announced any more/);
    await world.postgres.query('ALTER TABLE public.bare DISABLE ROW LEVEL SECURITY');
    const { stderr } = await pgherald(['watch', 'bare', '--channel', 'lonely/{a}', ...database]);
    for (const said of [/announced on the channel lonely\/\{a\}, with the columns a, b/, /no rule covers the channel lonely/, /has no primary key/]) {
        assert.match(stderr, said);
    }
    assert.match((await pgherald(['watch', 'bare', ...database])).stderr, /replaces the watch of .*bare on the channel lonely/);
    assert.match((await pgherald(['unwatch', 'bare', ...database])).stdout, /not announced any more/);
    const again = await pgherald(['unwatch', 'bare', ...database]);
    assert.equal(again.code, 0);
    assert.match(again.stderr, /bare is not watched/);
    assert.equal(again.stdout, '');
});
