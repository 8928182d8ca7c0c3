// SPDX-License-Identifier: PostgreSQL
// The hosts themselves: what a cut does, and that all of it is as it was afterwards.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Cluster } from './cluster.js';
import { areSeparate, everyHost } from './hosts.js';
import { Client } from '../integration/lib/client.js';
import { until, SECOND } from '../integration/lib/wait.js';

let cluster;
let canonical;
before(async () => {
    cluster = await Cluster.start({
        nodes: 2,
        prepare: async ({ postgres }) => {
            canonical = await postgres.value('SELECT herald.rotate_canonical()');
            await postgres.query(`SELECT herald.set_rule('news/*', anonymous_clients => true)`);
        },
    });
});
after(() => cluster?.stop());

test('a row reaches a client of each node, and one behind the balancer', async () => {
    const clients = await Promise.all([...cluster.nodes, cluster.balancer].map((each) => Client.open(each, { canonical })));
    await Promise.all(clients.map((client) => client.join('news/1')));
    await cluster.postgres.query(`SELECT herald.publish('news/1', '{"n": 1}')`);
    const got = await Promise.all(clients.map((client) => client.waitFor({ action: 'event' })));
    assert.deepEqual(got.map((frame) => frame.payload.data.n), [1, 1, 1]);
    assert.equal(new Set(got.map((frame) => frame.options.id)).size, 1);
    clients.forEach((client) => client.socket.terminate());
});

test('one that is cut off is not asked any more, and comes back', { skip: !areSeparate && 'no namespaces here' }, async () => {
    const [first, second] = cluster.nodes;
    const goesTo = async () => {
        const clients = await Promise.all([1, 2, 3, 4].map(() => Client.open(cluster.balancer, { canonical })));
        clients.forEach((client) => client.socket.terminate());
        return [...new Set(clients.map(({ answer }) => answer['x-node']))].sort();
    };
    assert.deepEqual(await goesTo(), [first.name, second.name]);
    first.host.cut(everyHost);
    await assert.rejects(fetch(`http://${first.host.address}:8080/health`, { signal: AbortSignal.timeout(500) }));
    await until('the balancer to go to the other one only', async () => (await goesTo()).join() === second.name, 10 * SECOND);
    first.host.heal();
    await until('both to be asked', async () => (await goesTo()).length === 2, 10 * SECOND);
});
