// SPDX-License-Identifier: PostgreSQL
// Who may see a row: the owner's `visible`, by who somebody is and by what his token claims. To each one a row comes, changes and goes
// as if he had a table of his own; of the rest he is told nothing, live, when he comes back, and in a history.
import { test, describe, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World } from './lib/world.js';
import { secretFlags, user } from './lib/token.js';
import { until } from './lib/wait.js';

const MINE = '{"owner": {"eq": {"identity": "row_id", "dbo_id": 12}}}';
const OUR = '{"org": {"eq": {"identity": "extras.org"}}}';
const ANN = () => user(12, '34', { org: 'a' });
const BEN = () => user(12, '35', { org: 'b' });
const CLEO = () => user(13, '34', { org: 'a' }); // the same row_id, of another table

let world;
let postgres;

before(async () => {
    world = await World.start({ flags: secretFlags() });
    ({ postgres } = world);
});

after(() => world.stop());

// A table of its own for each test, and a channel of that name.
async function table(name, columns, watch) {
    await world.rule(name, { anonymous_clients: true, public_messaging: true, message_history: 200 });
    await postgres.query(`CREATE TABLE ${name} (id int PRIMARY KEY, ${columns}); SELECT herald.watch('${name}', channel => '${name}', ${watch})`);
    await world.settled();
}

async function rewatch(name, watch) {
    await postgres.query(`SELECT herald.watch('${name}', channel => '${name}', ${watch})`);
    await world.settled();
}

// Each is a plain member; and, if there is a filter, has a view besides.
async function enter(channel, tokens, filter) {
    const all = {};
    for (const [name, token] of Object.entries({ ...tokens, nobody: undefined })) {
        const client = await world.client(token ? { token } : {});
        client.joins = [await client.join(channel)];
        if (filter) {
            client.joins.push(await client.join(channel, { filter }));
            client.view = client.joins[1].options.view;
            assert.ok(client.view);
        }
        all[name] = client;
    }
    return all;
}

// What happened before has reached all of them. Views get no publishes; but what they get goes the same way, in order.
async function settle(channel, clients) {
    const mark = `mark ${(settle.n = (settle.n ?? 0) + 1)}`;
    await world.publish(channel, mark);
    await Promise.all(Object.values(clients).map((client) => client.waitFor((f) => f.action === 'event' && f.payload?.data === mark)));
}

const isRow = (frame) => frame.action === 'event' && ['insert', 'update', 'delete', 'truncate'].includes(frame.payload?.data?.action);
const isGap = (frame) => frame.action === 'join' && frame.payload.gap === true;

function frames(client, view) {
    return client.frames.filter((f) => f.options?.view === view && (isRow(f) || isGap(f)));
}

// In words: "update 1:x → 1:y", "delete 1 (leave)", "gap".
function words(frame) {
    if (isGap(frame)) {
        return 'gap';
    }
    const { action, new: now, old, reduced } = frame.payload.data;
    const row = (r) => r && Object.entries(r).map(([key, value]) => (key === 'id' ? value : `${key}=${value}`)).join(',');
    return `${action} ${[row(old), row(now)].filter((r) => r !== null).join(' > ')}${frame.options.moved ? ` (${frame.options.moved})` : ''}${reduced ? ` ${reduced}` : ''}`.trim();
}

const told = (client, view) => frames(client, view).map(words);

// What is the same, live and later, and in whatever view.
const bare = ({ action, client, options: { replayed, view, ...options }, payload }) => ({ action, client, options, payload });

// What was live is what a history tells, and what is told to who comes back to where he was, frame by frame; views likewise.
async function retell(channel, clients, tokens) {
    for (const [name, client] of Object.entries(clients)) {
        const token = { ...tokens }[name];
        const again = await world.client(token ? { token } : {});
        for (const { options, payload } of client.joins) {
            const live = frames(client, options.view).map(bare);
            client.send('history', channel, null, options.view ? { view: options.view } : {});
            const { payload: { history } } = await client.waitFor((f) => f.action === 'history' && f.options.view === options.view);
            assert.deepEqual(history.filter(isRow).map(bare), live, `the history of ${name}`);
            const filter = options.view ? { filter: client.filter } : {};
            const back = await again.join(channel, { ...filter, since: { epoch: payload.epoch, offset: payload.offset } });
            assert.equal(back.payload.resumed, true);
            await again.barrier();
            await until('the replay to end', () => frames(again, options.view).length >= live.length);
            await again.barrier();
            assert.deepEqual(frames(again, options.view).map(bare), live, `the resume of ${name}`);
        }
        await again.close();
    }
}

const leave = (clients) => Promise.all(Object.values(clients).map((client) => client.close()));

async function see(channel, clients, expected, view) {
    await settle(channel, clients);
    for (const [name, client] of Object.entries(clients)) {
        assert.deepEqual(told(client, view && client.view), expected[name] ?? [], `what ${name} is told`);
    }
}

describe('rows that are somebody’s', () => {
    test('come, change hands and go', async () => {
        await table('mine', 'owner text, title text', `visible => '${MINE}'`);
        const tokens = { ann: ANN(), ben: BEN(), cleo: CLEO() };
        const clients = await enter('mine', tokens);
        await postgres.query(`INSERT INTO mine VALUES (1, '34', 'x'), (2, '35', 'x'), (3, NULL, 'x'), (4, '', 'x')`);
        await postgres.query(`UPDATE mine SET title = 'y'`);
        await postgres.query(`UPDATE mine SET owner = '35' WHERE id = 1`);
        await postgres.query(`UPDATE mine SET owner = '34' WHERE id = 3`);
        await postgres.query('UPDATE mine SET id = id + 10 WHERE id IN (1, 3)');
        await postgres.query(`DELETE FROM mine`);
        await postgres.query(`TRUNCATE mine`);
        await see('mine', clients, {
            ann: ['insert 1,owner=34,title=x', 'update 1,owner=34,title=x > 1,owner=34,title=y', 'delete 1,owner=34,title=y (leave)', 'insert 3,owner=34,title=y (enter)',
                'update 3,owner=34,title=y > 13,owner=34,title=y', 'delete 13,owner=34,title=y', 'truncate'],
            ben: ['insert 2,owner=35,title=x', 'update 2,owner=35,title=x > 2,owner=35,title=y', 'insert 1,owner=35,title=y (enter)',
                'update 1,owner=35,title=y > 11,owner=35,title=y', 'delete 2,owner=35,title=y', 'delete 11,owner=35,title=y', 'truncate'],
            cleo: ['truncate'],
            nobody: ['truncate'],
        });
        await retell('mine', clients, tokens);
        await leave(clients);
    });

    test('by a column that nobody is shown', async () => {
        await table('hidden', 'owner text, secret text, title text', `exclude => '{owner,secret}', keep => '{owner,secret}', visible => '${MINE}'`);
        const tokens = { ann: ANN(), ben: BEN(), cleo: CLEO() };
        const clients = await enter('hidden', tokens, { title: { neq: 'z' } });
        Object.values(clients).forEach((client) => (client.filter = { title: { neq: 'z' } }));
        await postgres.query(`INSERT INTO hidden VALUES (1, '34', 's', 'x'), (2, '35', 's', 'x'), (3, '36', 's', 'x')`);
        await postgres.query(`UPDATE hidden SET secret = 'other'`); // of those who see both rows, and of those who see none
        await postgres.query(`UPDATE hidden SET owner = '37' WHERE id = 3`);
        await postgres.query(`UPDATE hidden SET owner = '35' WHERE id = 1`);
        await postgres.query(`UPDATE hidden SET owner = '34', title = 'z' WHERE id = 2`);
        await postgres.query(`UPDATE hidden SET owner = NULL WHERE id = 2`);
        await postgres.query(`DELETE FROM hidden WHERE id = 1`);
        const plain = {
            ann: ['insert 1,title=x', 'delete 1,title=x (leave)', 'insert 2,title=z (enter)', 'delete 2,title=z (leave)'],
            ben: ['insert 2,title=x', 'insert 1,title=x (enter)', 'delete 2,title=x (leave)', 'delete 1,title=x'],
        };
        await see('hidden', clients, plain);
        await see('hidden', clients, { ...plain, ann: plain.ann.slice(0, 2) }, true);
        for (const client of Object.values(clients)) {
            assert.ok(client.frames.every((f) => !/owner|secret|kept|"s"|other/.test(f.text)), 'no word of hidden columns');
        }
        await retell('hidden', clients, tokens);
        await leave(clients);
    });

    test('by a claim, alone or in a list', async () => {
        await table('our', 'org text, title text', `visible => '${OUR}'`);
        await table('teams', 'team int, title text', `visible => '{"team": {"in": {"identity": "extras.a.teams"}}}'`);
        const tokens = { ann: user(12, '34', { org: 'a', a: { teams: [1, '2'] } }), ben: user(12, '35', { org: 'b', a: { teams: [] } }), cleo: user(13, '34', { org: 'a', a: { teams: [2] } }) };
        const clients = await enter('our', tokens), others = await enter('teams', tokens);
        await postgres.query(`INSERT INTO our VALUES (1, 'a', 'x'), (2, 'b', 'x'), (3, NULL, 'x'), (4, 'null', 'x'); UPDATE our SET org = 'b' WHERE id = 1`);
        await postgres.query(`INSERT INTO teams VALUES (1, 1, 'x'), (2, 2, 'x'), (3, 3, 'x'), (4, NULL, 'x')`);
        await see('our', clients, {
            ann: ['insert 1,org=a,title=x', 'delete 1,org=a,title=x (leave)'], cleo: ['insert 1,org=a,title=x', 'delete 1,org=a,title=x (leave)'],
            ben: ['insert 2,org=b,title=x', 'insert 1,org=b,title=x (enter)'],
        });
        await see('teams', others, { ann: ['insert 1,team=1,title=x', 'insert 2,team=2,title=x'], cleo: ['insert 2,team=2,title=x'] });
        await retell('our', clients, tokens);
        await retell('teams', others, tokens);
        await leave(clients);
        await leave(others);
    });

    test('a claim that is missing, or no value of the column, shows nothing', async () => {
        await table('numbered', 'org int, title text', `visible => '{"not": {"org": {"neq": {"identity": "extras.org"}}}}'`);
        const claims = { number: 5, text: '5', other: 6, word: 'five', none: undefined, null: null, list: [5], object: { org: 5 }, true: true, long: '5'.repeat(40), fraction: 5.5 };
        const tokens = Object.fromEntries(Object.entries(claims).map(([name, org]) => [name, user(12, '1', { org })]));
        const clients = await enter('numbered', { ...tokens, bare: user(12, '1') });
        await postgres.query(`INSERT INTO numbered VALUES (1, 5, 'x'), (2, NULL, 'x')`);
        await see('numbered', clients, { number: ['insert 1,org=5,title=x'], text: ['insert 1,org=5,title=x'] });
        await leave(clients);
    });
});

describe('rows that are told by their key', () => {
    const big = `repeat('x', 4000)`;

    test('are judged by what is kept; and a filter that needs more cannot say whether they moved', async () => {
        await table('large', 'owner text, title text, body text', `exclude => '{owner}', keep => '{owner}', max_bytes => 1024, visible => '${MINE}'`);
        const tokens = { ann: ANN(), ben: BEN() };
        const filter = { title: 'x' };
        const clients = await enter('large', tokens, filter);
        Object.values(clients).forEach((client) => (client.filter = filter));
        await postgres.query(`INSERT INTO large VALUES (1, '34', 'x', ${big}), (2, '35', 'y', 'small')`);
        await postgres.query(`UPDATE large SET title = 'z' WHERE id = 1`);
        await postgres.query(`UPDATE large SET owner = '36' WHERE id = 1`); // hidden: who sees both or none learns nothing
        await postgres.query(`UPDATE large SET owner = '34' WHERE id = 1`);
        await postgres.query(`UPDATE large SET owner = '35', id = 3 WHERE id = 1`); // the other one's key is nobody's business
        await postgres.query(`DELETE FROM large WHERE id = 3`);
        await see('large', clients, {
            ann: ['insert 1 size', 'update 1 > 1 size', 'delete 1 (leave) size', 'insert 1 (enter) size', 'delete 1 (leave) size'],
            ben: ['insert 2,title=y,body=small', 'insert 3 (enter) size', 'delete 3 size'],
        });
        await see('large', clients, {
            ann: ['insert 1 (unknown) size', 'update 1 > 1 (unknown) size', 'delete 1 (leave) size', 'insert 1 (unknown) size', 'delete 1 (leave) size'],
            ben: ['insert 3 (unknown) size', 'delete 3 (unknown) size'],
        }, true);
        await retell('large', clients, tokens);
        await leave(clients);
    });

    test('a change of what is kept alone tells a view nothing, however large the row', async () => {
        await table('quiet', 'owner text, secret int, title text, body text', `exclude => '{owner,secret}', keep => '{owner,secret}', max_bytes => 1024, visible => '${MINE}'`);
        const clients = await enter('quiet', { ann: ANN() }, { title: 'x' });
        await postgres.query(`INSERT INTO quiet VALUES (1, '34', 1, 'x', ${big})`);
        await postgres.query('UPDATE quiet SET secret = 2');
        await see('quiet', clients, { ann: ['insert 1 size'] });
        await see('quiet', clients, { ann: ['insert 1 (unknown) size'] }, true);
        await leave(clients);
    });

    test('where who may see them cannot be said, there is a gap', async () => {
        await table('unsaid', 'owner text, title text, body text', `max_bytes => 1024, visible => '${MINE}'`);
        const clients = await enter('unsaid', { ann: ANN(), ben: BEN() }, { id: { lt: 10 } });
        await postgres.query(`INSERT INTO unsaid VALUES (1, '34', 'x', 'small'), (2, '34', 'x', ${big}), (12, '34', 'x', ${big})`);
        await see('unsaid', clients, { ann: ['insert 1,owner=34,title=x,body=small', 'gap', 'gap'], ben: ['gap', 'gap'] });
        await see('unsaid', clients, { ann: ['insert 1,owner=34,title=x,body=small', 'gap'], ben: ['gap'] }, true); // 12 is surely none of it
        const gap = clients.ben.frames.find(isGap);
        assert.deepEqual(Object.keys(gap.payload).sort(), ['epoch', 'gap', 'offset', 'resumed']);
        const again = await world.client({ token: ANN() });
        const { epoch, offset } = clients.ann.joins[0].payload;
        await again.join('unsaid', { since: { epoch, offset } });
        await until('both gaps', () => frames(again).length === 3);
        assert.deepEqual(told(again), ['insert 1,owner=34,title=x,body=small', 'gap', 'gap']);
        again.send('history', 'unsaid');
        const { payload: { history } } = await again.waitFor({ action: 'history' });
        assert.deepEqual(history.filter(isRow), [], 'a history ends where it could not go on');
        await leave(clients);
    });
});

const historyOf = async (channel, token) => {
    const client = await world.client(token ? { token } : {});
    await client.join(channel);
    client.send('history', channel);
    const { payload: { history } } = await client.waitFor({ action: 'history' });
    await client.close();
    return history.filter(isRow).map(words);
};

describe('another word of the owner', () => {
    test('that is stricter counts at once, and for what was before', async () => {
        await table('strict', 'owner text, title text', `keep => '{}'`);
        const clients = await enter('strict', { ann: ANN(), ben: BEN() });
        await postgres.query(`INSERT INTO strict VALUES (1, '34', 'x')`);
        await settle('strict', clients);
        await rewatch('strict', `visible => '${MINE}'`);
        await postgres.query(`INSERT INTO strict VALUES (2, '34', 'x'), (3, '35', 'x')`);
        const first = 'insert 1,owner=34,title=x';
        await see('strict', clients, { ann: [first, 'insert 2,owner=34,title=x'], ben: [first, 'insert 3,owner=35,title=x'], nobody: [first] });
        assert.deepEqual(await historyOf('strict', ANN()), [first, 'insert 2,owner=34,title=x']);
        assert.deepEqual(await historyOf('strict', BEN()), ['insert 3,owner=35,title=x']);
        assert.deepEqual(await historyOf('strict'), []);
        await leave(clients);
    });

    test('that is looser counts for new rows; and for those before if they are restated', async () => {
        await table('loose', 'owner text, title text', `visible => '${MINE}'`);
        const clients = await enter('loose', { ann: ANN(), ben: BEN() });
        await postgres.query(`INSERT INTO loose VALUES (1, '34', 'x'), (2, '35', 'x')`);
        await settle('loose', clients);
        await rewatch('loose', `visible => '"everybody"'`);
        await postgres.query(`INSERT INTO loose VALUES (3, '34', 'x')`);
        const [one, two, three] = [1, 2, 3].map((id) => `insert ${id},owner=${id === 2 ? 35 : 34},title=x`);
        await see('loose', clients, { ann: [one, three], ben: [two, three], nobody: [three] });
        // Those who come now are one group, by today's word; in what was before they are not.
        assert.deepEqual(await historyOf('loose'), [three]);
        assert.deepEqual(await historyOf('loose', ANN()), [one, three]);
        assert.deepEqual(await historyOf('loose', BEN()), [two, three]);
        await leave(clients);
        await rewatch('loose', `visible => '"everybody"', restate => true`);
        assert.deepEqual(await historyOf('loose'), [one, two, three]);
        assert.deepEqual(await historyOf('loose', BEN()), [one, two, three]);
    });

    // Nobody is told apart by today's word. The first one who asks for what was before must not stand for the others.
    test('what was before is judged for who asks, also where all are one group today', async () => {
        await table('apart', 'owner text, title text', `visible => '${MINE}'`);
        const watcher = await enter('apart', {});
        const { epoch, offset } = watcher.nobody.joins[0].payload;
        await postgres.query(`INSERT INTO apart VALUES (1, '34', 'x'), (2, '35', 'x')`);
        await settle('apart', watcher);
        await leave(watcher);
        await rewatch('apart', `visible => '"everybody"'`);
        const clients = await enter('apart', { ann: ANN(), ben: BEN(), cleo: CLEO() });
        for (const [name, token, expected] of [['ben', BEN(), ['insert 2,owner=35,title=x']], ['ann', ANN(), ['insert 1,owner=34,title=x']], ['cleo', CLEO(), []], ['nobody', undefined, []]]) {
            clients[name].send('history', 'apart');
            const { payload: { history } } = await clients[name].waitFor({ action: 'history' });
            assert.deepEqual(history.filter(isRow).map(words), expected, `the history of ${name}`);
            const again = await world.client(token ? { token } : {});
            await again.join('apart', { since: { epoch, offset } });
            await again.waitFor((f) => f.action === 'event' && f.options.replayed && !isRow(f)); // the mark came after the rows
            assert.deepEqual(told(again), expected, `the resume of ${name}`);
            await again.close();
        }
        await leave(clients);
    });

    test('unwatched, what some might see is shown to nobody', async () => {
        await table('gone', 'owner text, title text', `visible => '${MINE}'`);
        await table('open_gone', 'owner text, title text', `keep => '{}'`);
        await postgres.query(`INSERT INTO gone VALUES (1, '34', 'x'); INSERT INTO open_gone VALUES (1, '34', 'x')`);
        await until('both to be there', async () => (await historyOf('gone', ANN())).length + (await historyOf('open_gone')).length === 2);
        await postgres.query(`SELECT herald.unwatch('gone'), herald.unwatch('open_gone')`);
        await world.settled();
        assert.deepEqual(await historyOf('gone', ANN()), []);
        assert.deepEqual(await historyOf('open_gone'), ['insert 1,owner=34,title=x']);
    });

    test('row level security that comes under load: nobody sees a row until somebody says who', async () => {
        await table('secured', 'owner text, title text', `keep => '{}'`);
        const clients = await enter('secured', { ann: ANN() }, { title: 'x' });
        const session = await postgres.connect();
        let isWriting = true, id = 0;
        const writing = (async () => {
            while (isWriting) {
                await session.query(`INSERT INTO secured VALUES ($1, '34', 'x')`, [++id]);
            }
        })();
        await clients.ann.waitFor(isRow);
        await postgres.query(`BEGIN; ALTER TABLE secured ENABLE ROW LEVEL SECURITY; CREATE TABLE last AS SELECT coalesce(max(id), 0) AS id FROM secured; COMMIT`);
        const last = await postgres.value('SELECT id FROM last');
        await until('more rows', () => id > last + 50);
        isWriting = false;
        await writing;
        await settle('secured', clients);
        for (const client of Object.values(clients)) {
            for (const view of [undefined, client.view]) {
                const ids = frames(client, view).map((f) => f.payload.data.new.id);
                assert.ok(ids.length > 0 && ids.every((each, i) => each === i + 1), 'every row until then');
                assert.equal(ids.length, last, 'and none from then on');
            }
        }
        await rewatch('secured', `visible => '${MINE}'`);
        await postgres.query(`INSERT INTO secured VALUES (0, '34', 'x')`);
        await settle('secured', clients);
        assert.equal(told(clients.ann).at(-1), 'insert 0,owner=34,title=x');
        assert.equal(told(clients.ann, clients.ann.view).length, last + 1);
        assert.equal(told(clients.nobody).length, last);
        const history = await historyOf('secured', ANN());
        assert.ok(!history.some((each) => Number(each.match(/insert (\d+)/)[1]) > last), 'what came between stays unseen');
        await session.end();
        await leave(clients);
    });
});
