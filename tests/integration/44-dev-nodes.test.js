// SPDX-License-Identifier: PostgreSQL
// `pgherald dev --nodes`: several servers on one port, each a process of its own, and a clean end of all of it.
import { test, after, afterEach } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from './lib/client.js';
import { Server, binary } from './lib/server.js';
import { run, temporaryDirectory } from './lib/process.js';
import { until, SECOND } from './lib/wait.js';

const base = temporaryDirectory('nodes');
chmodSync(base, 0o755); // Postgres, as another user, must be able to get to its directory
after(() => rmSync(base, { recursive: true, force: true }));
let server;
let n = 0;
async function dev(nodes, directory = join(base, `data-${n++}`)) {
    server = await Server.start({ command: 'dev', flags: ['--data-dir', directory, '--nodes', String(nodes)], ready: false });
    server.directory = directory;
    return server.ready();
}
afterEach(async () => {
    server?.process.signal('SIGTERM');
    await server?.process.end();
    server = null;
});

// What has the directory on its command line: dev, its nodes, and all that it has started.
function processes(directory) {
    return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid).filter((pid) => {
        try {
            return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(directory);
        } catch {
            return false;
        }
    });
}

async function member(channel) {
    const { token } = JSON.parse((await server.get('/examples/token?name=Groot')).body);
    const client = await Client.open(server, { token });
    await client.join(channel);
    client.node = client.answer['set-cookie'][0].match(/^pgherald-node=([\w-]+);/)[1];
    return client;
}

test('messages reach all, whichever node they are on; one that ends is announced and comes back', async () => {
    await dev(3);
    const channel = 'room/nodes';
    const clients = [];
    for (let i = 0; i < 6; i++) {
        clients.push(await member(channel));
    }
    assert.deepEqual([...new Set(clients.map(({ node }) => node))].sort(), ['node-1', 'node-2', 'node-3'], 'a cookie says which node it is');
    clients[0].message(channel, 'to all');
    await Promise.all(clients.map((client) => client.waitFor({ action: 'message', payload: 'to all' })));

    const [, pid] = server.process.stderr.match(/^node-2 serves \(process (\d+), port \d+\)$/m);
    const gone = clients.find(({ node }) => node === 'node-2').closes();
    process.kill(Number(pid), 'SIGKILL');
    await gone;
    await server.process.says(new RegExp(`^node-2 \\(process ${pid}\\) was ended by signal 9; it comes back in 0\\.5 s$`, 'm'));
    await server.process.says(/^node-2 serves again \(process \d+, port \d+\)$/m);
    assert.equal((await server.get('/ready')).status, 200);
    await server.stop('SIGINT');
    assert.deepEqual(processes(server.directory), []);
    const [, password] = readFileSync(join(server.directory, 'nats.conf'), 'utf8').match(/password: "(.+)"/);
    assert.equal(statSync(join(server.directory, 'nats.conf')).mode & 0o077, 0, 'nobody else reads the password');
    readdirSync(server.directory).filter((name) => name.endsWith('.log')).forEach((name) =>
        assert.ok(!readFileSync(join(server.directory, name), 'utf8').includes(password), `the password is not in ${name}`));
    server = null;
});

test('killed, it leaves nothing behind', async () => {
    const { directory } = await dev(2);
    assert.ok(processes(directory).length >= 5);
    await server.kill();
    await until('all processes to have gone', () => processes(directory).length === 0, 20 * SECOND);
    server = null;
});

const canHide = process.getuid() === 0 && (() => {
    try {
        execFileSync('unshare', ['--mount', 'true'], { stdio: 'ignore' });
        return true;
    } catch {
        return false;
    }
})();

test('what is not installed is named', { skip: !canHide && 'no mount namespaces here' }, async () => {
    const nothing = join(base, 'nothing');
    writeFileSync(nothing, '');
    const command = `mount --bind ${nothing} /usr/sbin/nats-server && exec ${binary} dev --listen 127.0.0.1:0 --nodes 2 --data-dir ${join(base, 'none')}`;
    const result = await run('unshare', ['--mount', 'sh', '-c', command]);
    assert.equal(result.code, 78);
    assert.match(result.stderr, /apt-get install nats-server$/m);
});
