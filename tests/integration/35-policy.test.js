// SPDX-License-Identifier: PostgreSQL
// visible => '"policy"' and functions: each client is told what a SELECT of its role would have shown it, of rows as they were and
// are; in order, live, when it comes back, in histories and snapshots. What cannot be judged is a gap, and never shown.
import { test, describe, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World } from './lib/world.js';
import { secretFlags, user } from './lib/token.js';
import { metrics } from './lib/metrics.js';
import { until } from './lib/wait.js';

let world;
let postgres;

const ROLES = ['p_ann', 'p_bob', 'p_boss'];

before(async () => {
    world = await World.start({
        server: false,
        flags: [...secretFlags(), '--role-claim', 'role', '--judge-roles', 'p_ann, p_bob,p_boss', '--anonymous-role', 'p_anybody', '--hook-timeout', '500ms'],
    });
    ({ postgres } = world);
    await postgres.query(`
        CREATE ROLE p_team; CREATE ROLE p_ann IN ROLE p_team; CREATE ROLE p_bob; CREATE ROLE p_boss; CREATE ROLE p_anybody; CREATE ROLE p_root SUPERUSER;
        GRANT p_ann, p_bob, p_boss, p_anybody TO herald_judge;
        CREATE FUNCTION claim(name text) RETURNS text LANGUAGE sql STABLE AS $$SELECT nullif(current_setting('request.jwt.claims', true), '')::json ->> name$$;
        CREATE TABLE p_member (who name, team int);
        INSERT INTO p_member VALUES ('p_ann', 1), ('p_bob', 2);
        CREATE TABLE p_doc (id int PRIMARY KEY, owner name, team int, org text, title text, hidden bool NOT NULL DEFAULT false);
        GRANT SELECT ON p_doc, p_member TO p_team, p_ann, p_bob, p_boss, p_anybody;
        ALTER TABLE p_doc ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own ON p_doc USING (owner = current_user);
        CREATE POLICY team ON p_doc FOR SELECT USING (EXISTS (SELECT FROM p_member m WHERE m.who = current_user AND m.team = p_doc.team));
        CREATE POLICY org ON p_doc USING (org = public.claim('org'));
        CREATE POLICY boss ON p_doc TO p_boss USING (true);
        CREATE POLICY shown ON p_doc AS RESTRICTIVE TO p_team, p_bob, p_boss, p_anybody USING (NOT hidden);
        SELECT herald.watch('p_doc', channel => 'docs', exclude => '{hidden}', keep => '{hidden}', visible => '"policy"', claims => '{org}', snapshot => true);
        SELECT herald.set_rule('docs', anonymous_clients => true, message_history => 1000);
        SELECT herald.set_rule('*', anonymous_clients => true)`);
    await world.serve();
});

after(() => world.stop());

const as = (role, org) => ({ token: user(12, role, { role, org }) });

async function settle(client, channel = 'docs') {
    const mark = `settled ${Math.random()}`;
    await world.publish(channel, mark);
    await client.waitFor((f) => f.action === 'event' && (f.payload === mark || f.payload?.data === mark), 30000);
}

const rows = (client) => client.frames.filter((f) => f.action === 'event' && f.payload?.data?.action && !f.options.replayed);
const told = (client, from = 0) => rows(client).slice(from).map(({ options, payload: { data } }) => `${data.action} ${options.moved ?? ''} ${data.new?.id ?? data.old?.id}`.replace('  ', ' '));
const gaps = (client) => client.frames.filter((f) => f.action === 'join' && f.payload.gap);

// What a SELECT of a role with these claims gives.
async function selected(role, org, columns = 'id') {
    const session = await postgres.connect();
    try {
        await session.query('BEGIN');
        await session.query(`SELECT set_config('request.jwt.claims', $1, true)`, [JSON.stringify({ org })]);
        await session.query(`SET LOCAL ROLE ${role}`);
        return (await session.query(`SELECT ${columns} FROM p_doc ORDER BY id`)).rows.map((r) => r.id);
    } finally {
        await session.end();
    }
}

describe('a table under its policies', () => {
    test('shows a change to those who see what became of it, and the end of a row to those who saw it', async () => {
        const ann = await world.member('docs', null, as('p_ann', 'x'));
        const bob = await world.member('docs', null, as('p_bob', 'y'));
        const boss = await world.member('docs', null, as('p_boss'));
        const nobody = await world.member('docs', null, as('p_root'));
        const anybody = await world.member('docs');
        await postgres.query(`INSERT INTO p_doc VALUES (1, 'p_ann', 9, 'z', 'a', false), (2, 'p_bob', 9, 'z', 'b', false), (3, 'none', 1, 'z', 'c', false), (4, 'none', 9, 'y', 'd', false), (5, 'none', 9, 'z', 'e', true)`);
        await postgres.query(`UPDATE p_doc SET owner = 'p_bob' WHERE id = 1`);
        await postgres.query('UPDATE p_doc SET hidden = true WHERE id = 2');
        await postgres.query('DELETE FROM p_doc WHERE id IN (3, 4)');
        for (const client of [ann, bob, boss, nobody, anybody]) {
            await settle(client);
        }
        assert.deepEqual(told(ann), ['insert 1', 'insert 3', 'delete leave 1', 'delete 3']);
        assert.deepEqual(told(bob), ['insert 2', 'insert 4', 'insert enter 1', 'delete leave 2', 'delete 4']);
        assert.deepEqual(told(boss), ['insert 1', 'insert 2', 'insert 3', 'insert 4', 'update 1', 'delete leave 2', 'delete 3', 'delete 4']);
        assert.deepEqual([told(nobody), told(anybody)], [[], []], 'a role that is not listed, and one that no policy is for');
        assert.deepEqual([ann, bob, boss, nobody, anybody].map((c) => gaps(c).length), [0, 0, 0, 0, 0]);
        assert.ok([ann, bob, boss].every((c) => c.frames.every((f) => !f.text.includes('hidden'))));
        await postgres.query('DELETE FROM p_doc');
        await settle(ann);
    });

    // Roles times rows, old and new: more than 2000 verdicts, each against a SELECT.
    test('shows what a SELECT shows, in snapshots, live, in histories and in what was missed', async () => {
        const askers = [['p_ann', 'x'], ['p_ann', 'y'], ['p_bob', 'x'], ['p_bob', 'z'], ['p_boss', 'x'], ['p_root', 'x']];
        const clients = [];
        for (const [role, org] of askers) {
            clients.push(await world.member('docs', null, as(role, org)));
        }
        const starts = clients.map((c) => c.joined.payload);
        await postgres.query(`
            INSERT INTO p_doc SELECT i, (ARRAY['p_ann', 'p_bob', 'none'])[1 + i % 3], i % 5, (ARRAY['x', 'y', 'z', NULL])[1 + i % 4], 't' || i, i % 7 = 0
              FROM generate_series(1, 200) i`);
        await settle(clients[0]);
        const before = await Promise.all(askers.map(([role, org]) => role === 'p_root' ? [] : selected(role, org)));
        await postgres.query(`UPDATE p_doc SET team = (team + 1) % 5, org = (ARRAY['x', 'y', 'z'])[1 + id % 3], hidden = id % 11 = 0, title = title || '!'`);
        for (const client of clients) {
            await settle(client);
        }
        const after_ = await Promise.all(askers.map(([role, org]) => role === 'p_root' ? [] : selected(role, org)));
        for (const [i, client] of clients.entries()) {
            const had = new Set();
            for (const { options, payload: { data } } of rows(client)) {
                const id = (data.new ?? data.old).id;
                assert.equal(had.has(id), data.action !== 'insert', `${askers[i]}: ${data.action} ${id}`);
                had[data.action === 'delete' ? 'delete' : 'add'](id);
                assert.ok(data.action === 'insert' ? options.moved === undefined && before[i].includes(id) || options.moved === 'enter' && !before[i].includes(id) : before[i].includes(id));
            }
            assert.deepEqual([...had].sort((a, b) => a - b), after_[i], `${askers[i]}`);
            assert.deepEqual(gaps(client), []);

            const again = await world.client(as(...askers[i]));
            again.send('join', 'docs', { since: { epoch: starts[i].epoch, offset: starts[i].offset } });
            const joined = await again.waitFor((f) => f.action === 'join');
            assert.equal(joined.payload.resumed, true);
            await settle(again);
            const short = ({ options, payload: { data } }) => `${options.id} ${data.action} ${options.moved ?? ''} ${data.new?.id} ${data.old?.id}`;
            const missed = again.frames.filter((f) => f.options.replayed && f.payload?.data?.action);
            assert.deepEqual(missed.map(short), rows(client).map(short), 'what it has missed');

            again.send('history', 'docs');
            const history = (await again.waitFor({ action: 'history' })).payload.history;
            const rest = history.filter((e) => e.payload?.data?.action && e.options.id > starts[i].offset);
            assert.deepEqual(rest.map(short), rows(client).map(short), 'its history');

            again.send('join', 'docs', { snapshot: true });
            const parts = [];
            for (let part; !part?.last;) {
                ({ payload: part } = await again.waitFor({ action: 'snapshot' }));
                parts.push(...part.rows);
            }
            assert.deepEqual(parts.map((r) => r.id).sort((a, b) => a - b), after_[i], `the snapshot of ${askers[i]}`);
        }
    });
});

// A table of one test, whose only policy is this; its channel has its name.
async function table(name, policy, { columns = '', visible = '"policy"', claims = '{org}' } = {}) {
    await postgres.query(`
        CREATE TABLE ${name} (id int PRIMARY KEY, owner name, note text ${columns});
        GRANT SELECT ON ${name} TO p_team, p_ann, p_bob, p_boss, p_anybody, herald_judge;
        ALTER TABLE ${name} ENABLE ROW LEVEL SECURITY;
        ${policy ? `CREATE POLICY one ON ${name} USING (${policy});` : ''}
        SELECT herald.watch('${name}', channel => '${name}', visible => '${visible}', claims => '${claims}')`);
}

describe('what cannot be judged', () => {
    test('is a gap for the groups concerned, and the end of their subscriptions after three', async () => {
        await table('p_raises', `CASE WHEN current_user = 'p_bob' AND id < 100 THEN 1 / (id - id) = 1 ELSE true END`);
        const ann = await world.member('p_raises', null, as('p_ann'));
        const bob = await world.member('p_raises', null, as('p_bob'));
        await postgres.query(`INSERT INTO p_raises VALUES (1, 'p_ann', 'secret')`);
        await settle(ann, 'p_raises');
        await settle(bob, 'p_raises');
        assert.deepEqual([told(ann), told(bob), gaps(bob).length], [['insert 1'], [], 1]);
        await postgres.query(`INSERT INTO p_raises VALUES (2, 'p_ann', 'secret'), (102, 'p_ann', 'open')`);
        await settle(bob, 'p_raises');
        assert.deepEqual([told(bob), gaps(bob).length], [['insert 102'], 2], 'one row does not spoil another');
        for (let i = 3; i < 6; i++) {
            await postgres.query(`INSERT INTO p_raises VALUES (${i}, 'p_ann', 'secret')`);
            await settle(ann, 'p_raises');
        }
        assert.equal((await bob.waitFor({ action: 'error' })).payload.code, 'hook_failed');
        assert.deepEqual(told(ann), ['insert 1', 'insert 2', 'insert 102', 'insert 3', 'insert 4', 'insert 5']);
        assert.ok(bob.frames.every((f) => !f.text.includes('secret')));
        assert.match(world.server.process.stderr, /could not be judged.*SQLSTATE 22012/);
        assert.doesNotMatch(world.server.process.stderr, /secret|division/);
    });

    test('because it takes too long costs the others time once, and nobody on other channels', async () => {
        await table('p_sleeps', `CASE WHEN current_user = 'p_bob' AND note = 'slow' THEN pg_sleep(30) IS NULL ELSE true END`);
        const ann = await world.member('p_sleeps', null, as('p_ann'));
        const bob = await world.member('p_sleeps', null, as('p_bob'));
        const other = await world.member('docs', null, as('p_boss'));
        await postgres.query(`INSERT INTO p_sleeps VALUES (1, '', 'slow'), (2, '', 'quick')`);
        await postgres.query(`INSERT INTO p_sleeps VALUES (3, '', 'quick')`);
        const start = Date.now();
        await postgres.query(`INSERT INTO p_doc VALUES (1000, 'p_boss')`);
        await settle(other);
        assert.ok(Date.now() - start < 450, 'the other channel');
        await settle(ann, 'p_sleeps');
        assert.deepEqual(told(ann), ['insert 1', 'insert 2', 'insert 3']);
        await settle(bob, 'p_sleeps');
        assert.ok(gaps(bob).length > 0 && !told(bob).includes('insert 1'));
        const [n, again] = [gaps(bob).length, Date.now()];
        await postgres.query(`INSERT INTO p_sleeps VALUES (4, '', 'slow')`);
        await ann.waitFor((f) => f.payload?.data?.new?.id === 4);
        assert.ok(Date.now() - again < 400, 'he waits alone');
        await until('his gap', () => gaps(bob).length > n);
        assert.deepEqual(gaps(ann), []);
        await postgres.query('DELETE FROM p_doc WHERE id = 1000');
    });

    test('is shown by nobody: a role that was not granted, a policy that is gone', async () => {
        await table('p_gone', 'true');
        await postgres.query('REVOKE p_bob FROM herald_judge');
        const ann = await world.member('p_gone', null, as('p_ann'));
        const bob = await world.member('p_gone', null, as('p_bob'));
        await postgres.query(`INSERT INTO p_gone VALUES (1)`);
        await settle(ann, 'p_gone');
        await settle(bob, 'p_gone');
        assert.deepEqual([told(ann), told(bob), gaps(bob).length], [['insert 1'], [], 1]);
        await postgres.query('GRANT p_bob TO herald_judge; DROP POLICY one ON p_gone; INSERT INTO p_gone VALUES (2)');
        await settle(ann, 'p_gone');
        assert.deepEqual(told(ann), ['insert 1'], 'no policy: nobody');
        await postgres.query('ALTER TABLE p_gone DISABLE ROW LEVEL SECURITY; INSERT INTO p_gone VALUES (3)');
        await settle(ann, 'p_gone');
        assert.deepEqual(told(ann), ['insert 1', 'insert 3'], 'no row level security: the grants');
        await postgres.query('REVOKE SELECT ON p_gone FROM p_team; REVOKE SELECT ON p_gone FROM p_ann; INSERT INTO p_gone VALUES (4)');
        await settle(ann, 'p_gone');
        assert.deepEqual(told(ann), ['insert 1', 'insert 3'], 'no grant: nobody');
    });

    test('because the judges cannot log in is a gap, never shown', async () => {
        await table('p_away', 'true');
        await postgres.query('ALTER ROLE herald_judge NOLOGIN');
        await postgres.terminate('true', 'herald_judge');
        const ann = await world.member('p_away', null, as('p_ann'));
        await postgres.query(`INSERT INTO p_away VALUES (1)`);
        await settle(ann, 'p_away');
        assert.deepEqual([told(ann), gaps(ann).length], [[], 1]);
        await postgres.query('ALTER ROLE herald_judge LOGIN');
        await until('the judges to be back', async () => {
            await postgres.query(`DELETE FROM p_away; INSERT INTO p_away VALUES (2)`);
            await settle(ann, 'p_away');
            return told(ann).length > 0;
        });
    });
});

describe('under load', () => {
    test('a policy that is altered is obeyed by what is judged from then on, in order', async () => {
        await table('p_load', 'owner = current_user');
        const ann = await world.member('p_load', null, as('p_ann'));
        const bob = await world.member('p_load', null, as('p_bob'));
        await settle(bob, 'p_load');    // the server has heard of the watch: rows that waited for it would be a gap
        const writing = (async () => {
            for (let i = 0; i < 400; i++) {
                await postgres.query(`INSERT INTO p_load VALUES ($1, $2)`, [i, i % 2 ? 'p_ann' : 'p_bob']);
            }
        })();
        for (let i = 0; i < 10; i++) {
            await postgres.query(`ALTER POLICY one ON p_load USING (${i % 2 ? 'owner = current_user' : 'owner = current_user AND id >= 0'})`);
        }
        await writing;
        for (const [client, rest] of [[ann, 1], [bob, 0]]) {
            await settle(client, 'p_load');
            assert.deepEqual(gaps(client), []);
            assert.deepEqual(rows(client).map((f) => f.payload.data.new.id), Array.from({ length: 200 }, (_, i) => 2 * i + rest));
        }
        await postgres.query(`ALTER POLICY one ON p_load USING (false); INSERT INTO p_load VALUES (1000, 'p_ann')`);
        await settle(ann, 'p_load');
        assert.equal(rows(ann).length, 200);
    });
});

test('what is asked is counted', async () => {
    const found = await metrics(world.server);
    assert.ok(found.get('judge_calls_total{result="done"}') > 0 && found.get('judge_verdicts_total') > found.get('judge_calls_total{result="done"}'));
    assert.ok(found.get('judge_calls_total{result="refused"}') > 0, 'the one that slept');
    assert.equal(found.get('judge_calls_waiting'), 0);
});

describe('a function', () => {
    test('is told the row and the claims, and decides', async () => {
        await postgres.query(`
            CREATE FUNCTION p_may("row" json, claims json) RETURNS boolean LANGUAGE sql STABLE AS
            $$SELECT "row" ->> 'owner' = claims ->> 'row_id' AND claims ->> 'dbo_id' = '12'$$`);
        await table('p_func', null, { visible: '{"function":"public.p_may(json,json)"}', claims: '{row_id,dbo_id}' });
        const ann = await world.member('p_func', null, as('p_ann'));
        const cleo = await world.member('p_func', null, { token: user(13, 'p_ann', {}) });
        await postgres.query(`INSERT INTO p_func VALUES (1, 'p_ann'), (2, 'p_bob')`);
        await settle(ann, 'p_func');
        await settle(cleo, 'p_func');
        assert.deepEqual([told(ann), told(cleo), gaps(cleo).length], [['insert 1'], [], 0]);
    });
});
