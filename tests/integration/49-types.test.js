// SPDX-License-Identifier: PostgreSQL
// `pgherald types`: the compiler is given what it printed, and beside it the very rows that the server sent, as values of these
// types. A type that promises what does not come, or forbids what does, is an error of tsc.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run, temporaryDirectory } from './lib/process.js';
import { pgherald } from './lib/server.js';
import { SECOND } from './lib/wait.js';
import { World, READ_ONLY } from './lib/world.js';

const TSC = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url));

const SCHEMA = `
    CREATE EXTENSION hstore;
    CREATE SCHEMA "odd ""one";
    CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s "fine" \\ \`');
    CREATE DOMAIN short AS text NOT NULL;
    CREATE TYPE place AS (x int, name text, "of all" bigint);
    CREATE TABLE orders (
        id bigint PRIMARY KEY, small smallint NOT NULL, n numeric, f float8 NOT NULL, nan float8 NOT NULL, b boolean NOT NULL, t text, at timestamptz NOT NULL,
        j jsonb, h hstore, m mood NOT NULL, maybe mood, tags text[] NOT NULL, bigs bigint[], p place, bin bytea, r tstzrange, s short,
        "class" int NOT NULL, "a b" int, secret text NOT NULL DEFAULT 'secret');
    SELECT herald.watch('orders', channel => 'orders/{class}', exclude => '{secret}');
    CREATE TABLE "odd ""one"."t\`$\{x}" (a int, b numeric NOT NULL, c bigint NOT NULL, PRIMARY KEY (c, a));
    SELECT herald.watch('"odd ""one"."t\`$\{x}"', channel => 'odd/\`$x/{c}', numbers => 'native');
    CREATE TABLE keyless (v int2vector NOT NULL);
    SELECT herald.watch('keyless');
`;

const WATCHES = `
  "odd \\"one.t\`\${x}": {
    channel: \`odd/\\\`\\$x/\${string}\`;
    key: "c" | "a";
    row: {
      a: number;
      b: number | "NaN" | "Infinity" | "-Infinity";
      c: number;
    };
  };
  "public.keyless": {
    channel: \`public.keyless\`;
    key: never;
    row: {
      v: Array<number>;
    };
  };
  "public.orders": {
    channel: \`orders/\${string}\`;
    key: "id";
    row: {
      id: string;
      small: number;
      n: string | null;
      f: number | "NaN" | "Infinity" | "-Infinity";
      nan: number | "NaN" | "Infinity" | "-Infinity";
      b: boolean;
      t: string | null;
      at: string;
      j: unknown;
      h: Record<string, string | null> | null;
      m: "sad" | "ok" | "it's \\"fine\\" \\\\ \`";
      maybe: "sad" | "ok" | "it's \\"fine\\" \\\\ \`" | null;
      tags: Array<string | null>;
      bigs: Array<string | null> | null;
      p: { x: number | null; name: string | null; "of all": string | null; } | null;
      bin: string | null;
      r: string | null;
      s: string;
      class: number;
      "a b": number | null;
    };
  };
`;

const WHOLE = `1, 2, 1.10, 0.5, 'NaN', true, 'x', now(), '{"a": [1]}', 'a=>1, b=>NULL', 'ok', 'sad', '{a,NULL}', '{9007199254740993}', '(1,a,2)', '\\x00ff',
    '[2026-01-01,)', 'short', 7, 8`;
const BARE = `2, 2, NULL, 1e300, '-Infinity', false, NULL, 'infinity', NULL, NULL, 'it''s "fine" \\ \`', NULL, '{}', NULL, NULL, NULL, NULL, '', 7, NULL`;

let world;
before(async () => {
    world = await World.start({ sql: SCHEMA, rules: { '*': READ_ONLY } });
});
after(() => world?.stop());

const types = (options) => pgherald(['types'], { env: { PGHERALD_DATABASE_URL: world.postgres.url(options) } });

test('what it prints', async () => {
    const { code, stdout, stderr } = await types();
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^\/\/ Written by `pgherald types`/);
    assert.equal(stdout.slice(stdout.indexOf('{\n') + 1), `${WATCHES}}\n`);
});

test('an administrator who is no superuser may ask, others may not', async () => {
    await world.postgres.query('CREATE ROLE admin LOGIN IN ROLE herald_admin; CREATE ROLE passer_by LOGIN');
    assert.equal((await types({ user: 'admin' })).stdout, (await types()).stdout);
    const refused = await types({ user: 'passer_by' });
    assert.deepEqual([refused.code, refused.stdout], [1, '']);
    assert.match(refused.stderr, /permission denied/);
});

test('tsc --strict takes the rows that the server sends for values of these types', async () => {
    const client = await world.member('orders/7');
    await client.join('public.keyless');
    await client.join('odd/`$x/5');
    await world.postgres.query(`INSERT INTO orders VALUES (${WHOLE}); INSERT INTO orders VALUES (${BARE});
        INSERT INTO keyless VALUES ('1 2'); INSERT INTO "odd ""one"."t\`$\{x}" VALUES (1, 1.5, 5), (2, 'NaN', 5)`);
    const directory = temporaryDirectory('types');
    const lines = [(await types()).stdout];
    for (let n = 0; n < 5; n++) {
        const { payload: { data } } = await client.waitFor({ action: 'event' });
        lines.push(`export const row${n}: Watches[${JSON.stringify(`${data.schema}.${data.table}`)}]['row'] = ${JSON.stringify(data.new)};`);
    }
    const compile = async (name, text) => {
        writeFileSync(join(directory, name), text);
        return run(process.execPath, [TSC, '--strict', '--noEmit', '--skipDefaultLibCheck', '--lib', 'es2022', '--target', 'es2022', join(directory, name)], { deadlineMs: 120 * SECOND });
    };
    const good = await compile('rows.ts', lines.join('\n'));
    assert.equal(good.code, 0, good.stdout);
    const bad = await compile('wrong.ts', lines.join('\n').replace('"small":2', '"small":"2"'));
    assert.match(bad.stdout, /Type 'string' is not assignable to type 'number'/);
});
