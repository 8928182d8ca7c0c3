// SPDX-License-Identifier: PostgreSQL
// Servers of several versions on one database. The later ones are this program with another number for its version of the bus: it reads
// that and the one before.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { DURABLE } from './lib/world.js';
import { Several } from './lib/several.js';
import { metric, waitMetric } from './lib/metrics.js';
import { Server, binary, pgherald } from './lib/server.js';
import { until } from './lib/wait.js';

const later = (version) => join(dirname(binary), `later/${version}/pgherald`);
let several;
let world;
before(async () => {
    several = await Several.start(3, { rules: { 'room/*': DURABLE, 'talk/*': { public_messaging: true }, 'here/*': { presence: true } } });
    ({ world } = several);
});
after(() => several?.stop());

// As an upgrade does it: asked to stop, and another program on the same port.
async function replace(i, program, env = {}) {
    const { options, address, port } = several.nodes[i];
    await several.nodes[i].stop();
    several.nodes[i] = await Server.start({ ...options, listen: `${address}:${port}`, program, env: { ...options.env, ...env } });
    return several.nodes[i];
}
const ready = async (node) => JSON.parse((await node.get('/ready')).body);
const doctor = async () => {
    const { code, stdout } = await pgherald(['doctor'], { env: { PGHERALD_DATABASE_URL: world.postgres.url() } });
    return [code, ...stdout.split('\n').filter((line) => /^\w/.test(line)).map((line) => line.trim().replace(/ +/, ' '))];
};
const speaks = (version) => Promise.all(several.nodes.map((node) => waitMetric(node, 'bus_version', (n) => n === version)));
const members = (channel) => Promise.all(several.nodes.map((node) => world.member(channel, undefined, { server: node })));
const hears = (client, payload) => client.waitFor({ action: 'message', payload });

// What one says is heard on all, kept or not.
async function checkAll(name) {
    const kept = await members(`room/${name}`);
    const fleeting = await members(`talk/${name}`);
    for (const i of kept.keys()) {
        kept[i].message(`room/${name}`, `kept ${i}`);
        fleeting[i].message(`talk/${name}`, `said ${i}`);
        await Promise.all([...kept.map((client) => hears(client, `kept ${i}`)), ...fleeting.map((client) => hears(client, `said ${i}`))]);
    }
}

test('three of one version: they speak it, and the doctor is silent', async () => {
    await speaks(2);
    assert.deepEqual((await Promise.all(several.nodes.map(ready))).map(({ bus, other_versions: n }) => [bus, n]), several.nodes.map(() => ['up', 0]));
    await until('all to have said how they stand', async () => (await world.postgres.value('SELECT count(bus_version)::int FROM herald.node')) === 3);
    assert.deepEqual(await doctor(), [0]);
    const { program } = several.nodes[2].options;
    await replace(2, program, { PGHERALD_RETENTION_HOURS: '24' });
    await until('the doctor to know of another retention', async () => String(await doctor()) === '1,warning retention_differs');
    await replace(2, program, { PGHERALD_RETENTION_HOURS: undefined });
    await several.know();
    await until('the doctor to be silent again', async () => String(await doctor()) === '0');
});

test('a rolling upgrade to the next: nothing that is kept is lost, and what is not kept arrives', async () => {
    // A client that comes back to another server goes on where it was.
    const got = [];
    let client = await world.member('room/upgrade', undefined, { server: several.nodes[0] });
    const sent = [];
    let isOver = false;
    const writing = (async () => {
        for (let n = 0; !isOver; n++) {
            await world.publish('room/upgrade', n);
            sent.push(n);
        }
    })();
    for (const i of several.nodes.keys()) {
        await replace(i, later(3));
        await several.know();
        got.push(...client.on('room/upgrade', 'event'));
        const { epoch } = client.joined.payload;
        const offset = client.on('room/upgrade', 'event').at(-1)?.options.id ?? client.since?.offset ?? client.joined.payload.offset;
        client.socket.terminate();
        client = await world.member('room/upgrade', { since: { epoch, offset } }, { server: several.nodes[i] });
        client.since = { offset };
        assert.equal(client.joined.payload.resumed, true);
        if (i < 2) {
            await speaks(2);
            await checkAll(`mixed ${i}`);
            assert.deepEqual((await Promise.all(several.nodes.map(ready))).map(({ other_versions: n }) => n), [0, 0, 0]);
        }
    }
    isOver = true;
    await writing;
    await until('the last', () => client.on('room/upgrade', 'event').some(({ payload }) => payload.data === sent.at(-1)));
    got.push(...client.on('room/upgrade', 'event'));
    assert.deepEqual(got.map(({ payload }) => payload.data), sent);
    await speaks(3);
    await checkAll('next');
});

test('of versions too far apart what is kept goes on, at once, and everybody says what does not', async () => {
    const far = await replace(0, later(5));
    const [, near] = several.nodes;
    for (const [node, n] of [[far, 2], [near, 1]]) {
        await until('it to notice', async () => (await ready(node)).other_versions === n);
        assert.equal(await metric(node, 'bus_peers{state="other_version"}'), n);
        await node.process.says(/speaks version \d of the bus, and this program reads \d and \d: what is kept goes on/);
    }
    assert.ok(await metric(near, 'bus_dropped_total{reason="version"}') > 0);
    const clients = await members('room/far');
    for (const [i, client] of clients.entries()) {
        client.message('room/far', i);
        await Promise.all(clients.map((each) => hears(each, i)));
    }
    // Whoever is told by the bus asks the database every half second: the next message would be there that long after the last one.
    const took = [];
    for (let n = 10; n < 18; n++) {
        const begin = performance.now();
        clients[0].message('room/far', n);
        await Promise.all(clients.map((each) => hears(each, n)));
        took.push(performance.now() - begin);
    }
    assert.ok(Math.min(...took.slice(1)) < 300, `took ${took.map(Math.round)} ms`);
    const talking = await members('talk/far');
    talking[0].message('talk/far', 'from afar');
    await hears(talking[0], 'from afar');
    talking[1].message('talk/far', 'near');
    await Promise.all(talking.slice(1).map((client) => hears(client, 'near')));
    assert.deepEqual(talking.map((client) => client.on('talk/far', 'message').map(({ payload }) => payload)), [['from afar'], ['near'], ['near']]);
    await until('the doctor to know', async () => (await doctor()).filter((line) => line === 'warning bus_versions').length === 3);
    assert.deepEqual(await doctor(), [1, ...Array(3).fill('warning bus_versions'), 'note bus_version_mixed']);
    await replace(0, later(3));
    await several.know();
});

test('servers of the version before serve on the schema of the next, and older ones are refused with a sentence', async () => {
    const [node] = several.nodes;
    const close = () => world.postgres.value(`SELECT clock_timestamp()::text FROM (SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE usename = 'herald_server') closed`);
    const back = (closed) => until('all to be back', async () => (await world.postgres.value(
        `SELECT count(*)::int FROM herald.node n JOIN herald.live_nodes() USING (id) WHERE n.since > '${closed}'`)) === 3);
    await world.postgres.query(`INSERT INTO herald.schema_step (step, name) SELECT max(step) + 1, 'next' FROM herald.schema_step`);
    await back(await close());
    await Promise.all(several.nodes.map((each) => each.waitReady()));
    await checkAll('next step');
    const restarted = await replace(1);
    await restarted.process.says(/newer than this program/);
    await world.postgres.query(`CREATE OR REPLACE FUNCTION herald.oldest_step() RETURNS int LANGUAGE sql STABLE AS 'SELECT herald.schema_version()'`);
    await close();
    await until('the reason', async () => /too new for this program/.test((await ready(node)).reason));
    assert.equal((await node.get('/ready')).status, 503);
    const refused = await pgherald(['serve', '--listen', '127.0.0.1:0'], { env: { PGHERALD_DATABASE_URL: world.postgres.url({ user: 'herald_server' }) } });
    assert.equal(refused.code, 78);
    assert.match(refused.stderr, /too new for this program, which is older than the version before it: install a newer one/);
    await world.postgres.query(`CREATE OR REPLACE FUNCTION herald.oldest_step() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1'`);
    await node.waitReady();
});
