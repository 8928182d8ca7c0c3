// SPDX-License-Identifier: PostgreSQL
// What an operator does with the bus: says where it is, sees that it is there, changes its key and its password.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { connect } from 'node:net';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { World, READ_ONLY } from './lib/world.js';
import { Server, pgherald } from './lib/server.js';
import { freePort, temporaryDirectory } from './lib/process.js';
import { waitMetric, metric } from './lib/metrics.js';
import { until } from './lib/wait.js';

const directory = temporaryDirectory('bus');
const passwordFile = join(directory, 'password');
const config = join(directory, 'nats.conf');
let world;
let port;
let nats;

function configure(passwords) {
    const users = passwords.map((password, i) => `{ user: "herald${i || ''}", password: "${password}" }`);
    writeFileSync(config, `host: 127.0.0.1\nport: ${port}\nauthorization { users: [ ${users.join(', ')} ] }\n`);
}

before(async () => {
    port = await freePort();
    configure(['first']);
    nats = spawn('nats-server', ['-c', config], { stdio: 'ignore' });
    writeFileSync(passwordFile, 'first\n');
    world = await World.start({ server: false, rules: { 'news/*': READ_ONLY } });
});
after(async () => {
    await world?.stop();
    nats?.kill('SIGKILL');
});
process.on('exit', () => nats?.kill('SIGKILL'));

async function serve(options = {}) {
    return Server.start({
        ...options,
        database: world.postgres.url({ user: 'herald_server' }),
        flags: ['--bus', `nats://127.0.0.1:${port}`, '--bus-user', 'herald', '--bus-password-file', passwordFile],
    });
}

const meets = (server, n) => waitMetric(server, 'bus_peers{state="alive"}', (alive) => alive === n);

for (const [flags, words] of [
    [['--bus', 'nats://192.0.2.1:4222'], /who can connect to this NATS server would read all/],
    [['--bus', 'nats://u:hunter2@127.0.0.1:4222'], /--bus-password-file/],
    [['--bus', 'nats://127.0.0.1:4222', '--bus-user', 'herald'], /go together/],
    [['--bus', 'nats://127.0.0.1:4222', '--bus-token-file', '/nowhere'], /cannot read --bus-token-file \/nowhere/],
]) {
    test(`serve ${flags.slice(1).join(' ')} is refused with a sentence`, async () => {
        const result = await pgherald(['serve', ...flags], { env: { PGHERALD_DATABASE_URL: world.postgres.url({ user: 'herald_server' }) } });
        assert.equal(result.code, 78, result.stderr);
        assert.match(result.stderr, words);
        assert.doesNotMatch(result.stderr, /hunter2/);
    });
}

test('two servers meet, and one that comes after the key has changed meets them', async () => {
    const one = await serve();
    const two = await serve();
    await meets(one, 1);
    await meets(two, 1);
    await world.postgres.query('SELECT herald.rotate_bus_key()');
    const three = await serve();
    for (const server of [one, two, three]) {
        await meets(server, 2);
    }
    // It signs with the new key, which the others asked for when they met it.
    assert.ok(await metric(one, 'bus_dropped_total{reason="unsigned"}') > 0);
    await world.postgres.query('SELECT herald.rotate_bus_key()');
    await three.stop();
    await meets(one, 1);
    const four = await serve();
    for (const server of [one, two, four]) {
        await meets(server, 2);
    }
    for (const server of [one, two, four]) {
        await server.stop();
    }
});

// A message of whoever has the key, under any name (src/bus/seal.h).
async function say(root, from) {
    const key = await world.postgres.value('SELECT k FROM herald.bus_keys() k LIMIT 1');
    const message = Buffer.concat([Buffer.from([1, 1]), Buffer.alloc(16, 0x7f), Buffer.from(from), Buffer.alloc(16)]);
    const data = Buffer.concat([message, createHmac('sha256', key).update(message).digest()]);
    const socket = connect(port, '127.0.0.1');
    socket.write(`CONNECT {"verbose":false,"user":"herald","pass":"first"}\r\nPUB ${root}.beat ${data.length}\r\n`);
    socket.write(Buffer.concat([data, Buffer.from('\r\nPING\r\n')]));
    for await (const chunk of socket) {
        if (chunk.includes('PONG')) {
            break;
        }
    }
    socket.destroy();
}

test('who hears his own id from another process takes another one, and goes on', async () => {
    const server = await serve({ listen: `127.0.0.1:${await freePort()}` });
    const ids = () => [...server.process.stderr.matchAll(/this is node (\S+)/g)].map(([, id]) => id);
    const [, root] = await server.process.says(/the bus' subjects are (\S+)\.>/);
    await until('the bus', async () => JSON.parse((await server.get('/ready')).body).bus === 'up');
    const client = await world.member('news/1', undefined, { server });
    await say(root, ids()[0]);
    assert.equal((await client.closes()).code, 1012);
    await server.process.says(/another process speaks as node \S+ \(is this machine a copy of a running one\?\): this one takes another id/);
    await until('another id', () => ids().length === 2);
    assert.notEqual(ids()[0], ids()[1]);
    await server.waitReady();
    await world.member('news/1', undefined, { server });
    await server.stop();
});

test('the password changes while the servers run', async () => {
    const one = await serve();
    const two = await serve();
    await meets(one, 1);
    writeFileSync(passwordFile, 'second\n');
    for (const server of [one, two]) {
        server.process.signal('SIGHUP');
        await server.process.says(/the connection to the bus stays as it was/);
    }
    configure(['second']);
    nats.kill('SIGHUP');
    for (const server of [one, two]) {
        await server.process.says(/the bus is away/);
        await until('the bus to be back', async () => JSON.parse((await server.get('/ready')).body).bus === 'up');
    }
    await meets(one, 1);
    await meets(two, 1);
    assert.equal(await metric(one, 'bus_dropped_total{reason="repeated"}'), 0);
    await one.stop();
    await two.stop();
});
