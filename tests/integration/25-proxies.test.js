// SPDX-License-Identifier: PostgreSQL
// The configurations of docs/proxies.md, each in front of one real server: their text is taken from the page, and only
// ports, paths and time-outs are changed. A page that says something else than what works fails here.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { chownSync, readFileSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import { join } from 'node:path';
import { Client, refusal } from './lib/client.js';
import { Process, freePort, run, temporaryDirectory, unprivileged } from './lib/process.js';
import { frame, text, FIN, TEXT } from './lib/raw.js';
import { mint, secretFlags } from './lib/token.js';
import { until, within, SECOND } from './lib/wait.js';
import { World, READ_ONLY } from './lib/world.js';

const HOST = 'realtime.example.com';
const page = readFileSync(new URL('../../docs/proxies.md', import.meta.url), 'utf8');
const blocks = (language) => [...page.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, 'gm'))].map((match) => match[1]);

let world;
let directory;
let certificate;
const ports = {}; // of pgherald: plain, tls

// Replaces each of [what, by]; each must be there, or the page and this test have drifted apart.
function change(block, ...pairs) {
    for (const [what, by] of pairs) {
        assert.ok(block.includes(what), `docs/proxies.md does not say ${what} any more`);
        block = block.replaceAll(what, by);
    }
    return block;
}

function file(name, content) {
    const path = join(directory, name);
    writeFileSync(path, content);
    if (unprivileged.uid !== undefined) {
        chownSync(path, unprivileged.uid, unprivileged.gid);
    }
    return path;
}

// ---- how each proxy is started, and what the page leaves to the rest of its configuration ----

const paths = (block) => block.replaceAll('/etc/ssl/realtime', directory);
const upstream = (block) => change(block, ['127.0.0.1:8080', `127.0.0.1:${ports.plain}`]);
const start = (program, ...args) => new Process(program, args, { owner: unprivileged, cwd: directory, env: { HOME: directory, XDG_DATA_HOME: directory } });

const proxies = {
    nginx: (port) => {
        const [block] = blocks('nginx');
        const server = change(upstream(paths(block)), ['listen 443', `listen 127.0.0.1:${port}`], ['75s', '2s']);
        const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${directory}/${name};`);
        return start('/usr/sbin/nginx', '-e', 'stderr', '-c', file('nginx.conf', `
            daemon off; pid ${directory}/nginx.pid; error_log stderr; worker_processes 1;
            events {}
            http { access_log off; ${temporary.join(' ')}\n${server}}`));
    },
    haproxy: (port) => {
        const [block] = blocks('haproxy');
        return start('/usr/sbin/haproxy', '-db', '-f', file('haproxy.cfg',
            change(upstream(paths(block)), ['bind :443', `bind 127.0.0.1:${port}`], ['75s', '2s'], ['inter 5s', 'inter 100ms'])));
    },
    caddy: (port) => {
        const [block] = blocks('caddyfile');
        return start('/usr/bin/caddy', 'run', '--adapter', 'caddyfile', '--config', file('Caddyfile', `
            {\nadmin off\nauto_https disable_redirects\nhttps_port ${port}\ndefault_bind 127.0.0.1\n}
            ${change(upstream(paths(block)), ['health_interval 5s', 'health_interval 100ms'])}`));
    },
    apache: (port) => {
        const [block] = blocks('apache');
        const modules = ['mpm_event', 'authz_core', ...page.match(/`a2enmod ([^`]*)`/)[1].split(' ')];
        const load = [...new Set(modules)].sort((a, b) => (a < b ? -1 : 1)).map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`);
        // mod_proxy_* want mod_proxy, and sorting puts it first.
        return start('/usr/sbin/apache2', '-D', 'FOREGROUND', '-f', file('apache.conf', `
            ServerRoot ${directory}\nPidFile ${directory}/apache.pid\nErrorLog ${directory}/apache.log\nMutex posixsem\nServerName localhost
            DefaultRuntimeDir ${directory}
            ${load.join('\n')}
            Listen 127.0.0.1:${port}
            ${change(upstream(paths(block)), ['*:443', `127.0.0.1:${port}`], ['ProxyTimeout 75', 'ProxyTimeout 2'], ['hcinterval=5', 'hcinterval=100ms'])}`));
    },
    'haproxy, PROXY v2': (port) => passThrough(port, 'send-proxy-v2', 'v2'),
    'haproxy, PROXY v1': (port) => passThrough(port, 'send-proxy', 'v1'),
};

function passThrough(port, how, version) {
    const [, block] = blocks('haproxy');
    return start('/usr/sbin/haproxy', '-db', '-f', file(`haproxy-${version}.cfg`, change(block, ['bind :443', `bind 127.0.0.1:${port}`],
        ['127.0.0.1:8443', `127.0.0.1:${ports.tls}`], ['75s', '2s'], ['inter 5s', 'inter 100ms'], ['send-proxy-v2', how])));
}

// ---- clients ----

let n = 1;
const anotherAddress = () => `127.0.1.${++n}`; // the limits per address are tight here

// What Client takes for a server: the proxy.
const through = (proxy) => ({ socketUrl: () => `wss://127.0.0.1:${proxy.port}/rt/${world.canonical}` });
const trusting = () => ({ ca: certificate, servername: HOST });

async function open(proxy, { localAddress = anotherAddress(), headers = {}, ...options } = {}) {
    const client = await Client.open(through(proxy), { ...options, localAddress, headers: { Host: HOST, ...headers }, tls: trusting() });
    world.clients.push(client);
    return client;
}

const status = (proxy, path) => within(`${path} through ${proxy.name}`, new Promise((resolve, reject) => {
    const options = { port: proxy.port, host: '127.0.0.1', path, agent: false, headers: { Host: HOST }, ...trusting() };
    https.get(options, (response) => response.resume().on('end', () => resolve(response.statusCode))).on('error', reject);
}));

const running = [];
const each = (what, body) => {
    for (const name of Object.keys(proxies)) {
        test(`${name}: ${what}`, () => body(running.find((proxy) => proxy.name === name)));
    }
};

before(async () => {
    directory = temporaryDirectory('proxies', unprivileged);
    const made = await run('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
        '-subj', `/CN=${HOST}`, '-addext', `subjectAltName=DNS:${HOST}`, '-keyout', join(directory, 'key.pem'), '-out', join(directory, 'cert.pem')]);
    assert.equal(made.code, 0, made.stderr);
    certificate = readFileSync(join(directory, 'cert.pem'));
    const key = readFileSync(join(directory, 'key.pem'));
    file('key.pem', key);
    file('both.pem', Buffer.concat([certificate, key]));
    ports.plain = await freePort();
    ports.tls = await freePort();
    const [plain, tls] = blocks('pgherald');
    const settings = file('pgherald.conf', paths(change(plain + tls, ['127.0.0.1:8080', `127.0.0.1:${ports.plain}`],
        ['127.0.0.1:8443', `127.0.0.1:${ports.tls}`], ['ping-interval = 25s', 'ping-interval = 500ms'])));
    world = await World.start({
        rules: { 'news/*': READ_ONLY, 'members/*': { public_messaging: true } },
        server: false,
    });
    await world.serve({ listen: `127.0.0.1:${ports.plain}`, flags: ['-c', settings, ...secretFlags(), '--address-sessions', '1'] });
    for (const [name, make] of Object.entries(proxies)) {
        const proxy = { name, port: await freePort() };
        proxy.process = make(proxy.port);
        running.push(proxy);
    }
    await Promise.all(running.map((proxy) => Promise.race([
        until(`${proxy.name} to answer`, async () => (await status(proxy, '/ready')) === 200, 20 * SECOND),
        proxy.process.ended.then(() => assert.fail(`${proxy.name} ended: ${proxy.process.stderr}`)),
    ])));
});

after(async () => {
    for (const proxy of running) {
        proxy.process.signal('SIGTERM');
    }
    await Promise.all(running.map((proxy) => proxy.process.end()));
    await world?.stop();
});

// ---- what the page promises ----

each('a page, and an event through a WebSocket', async (proxy) => {
    assert.equal(await status(proxy, '/pgherald.js'), 200);
    const client = await open(proxy);
    await client.join('news/today');
    await world.publish('news/today', { through: proxy.name });
    await client.waitFor({ action: 'event', payload: { data: { through: proxy.name } } });
    await client.close();
});

each('the address of the client is what counts, whatever it says it is', async (proxy) => {
    const localAddress = anotherAddress();
    const forged = { 'X-Forwarded-For': '198.51.100.1', Forwarded: 'for=198.51.100.1', 'X-Real-IP': '198.51.100.1' };
    const first = await open(proxy, { localAddress });
    for (const headers of [{}, forged]) {
        assert.equal(await refusal(through(proxy), { localAddress, headers: { Host: HOST, ...headers }, tls: trusting() }), 429);
    }
    await first.close();
    await (await open(proxy, { headers: forged })).close();
});

each('a token of 4 KiB', async (proxy) => {
    const claims = { dbo_id: 1, row_id: 7, extras: { filler: '' } };
    claims.extras.filler = 'x'.repeat(Math.floor((4096 - mint(claims).length) * 3 / 4));
    const token = mint(claims);
    assert.ok(token.length > 4090 && token.length <= 4097, `${token.length}`);
    const client = await open(proxy, { token });
    assert.equal(client.socket.protocol, token);
    await client.join('members/1');
    await client.close();
});

test('pings keep a silent session alive for longer than any time-out of the proxies', async () => {
    const clients = await Promise.all(running.map(async (proxy) => {
        const client = await open(proxy);
        await client.join('news/idle');
        return client;
    }));
    await Promise.all(clients.map((client) => within('pings for three seconds', new Promise((resolve) => {
        const first = performance.now();
        client.socket.on('ping', () => performance.now() - first > 3 * SECOND && resolve());
    }), 20 * SECOND)));
    await world.publish('news/idle', 'still there');
    await Promise.all(clients.map((client) => client.waitFor({ action: 'event' })));
    await Promise.all(clients.map((client) => client.close()));
});

// A session over one stream of HTTP/2: extended CONNECT (RFC 8441), then frames as ever.
async function overHttp2(session) {
    const stream = session.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'https', ':authority': HOST,
        ':path': `/rt/${world.canonical}`, 'sec-websocket-version': '13' });
    const answer = await within('the answer to CONNECT', new Promise((resolve, reject) => stream.on('response', resolve).on('error', reject)));
    assert.equal(answer[':status'], 200);
    let bytes = Buffer.alloc(0);
    stream.on('data', (chunk) => (bytes = Buffer.concat([bytes, chunk])));
    stream.write(text(JSON.stringify({ action: 'join', options: { channel: 'news/h2' }, payload: null })));
    await until('the acknowledgement over HTTP/2', () => bytes.includes('"action":"join"'));
    assert.equal(bytes[0], FIN | TEXT);
    stream.end(frame(0x88, Buffer.from([3, 232])));
    await within('the end of the stream', new Promise((resolve) => stream.on('close', resolve)));
}

const answeredByProxy = Object.keys(proxies).filter((name) => !name.includes('PROXY'));
for (const name of answeredByProxy) {
    test(`${name}: HTTP/2, and a WebSocket inside of it where the page says so`, async () => {
        const proxy = running.find((p) => p.name === name);
        const session = http2.connect(`https://127.0.0.1:${proxy.port}`, { ...trusting(), localAddress: anotherAddress() });
        const settings = await within('the settings', new Promise((resolve, reject) => session.on('remoteSettings', resolve).on('error', reject)));
        const request = session.request({ ':path': '/pgherald.js', ':authority': HOST });
        const answer = await within('a page over HTTP/2', new Promise((resolve) => request.on('response', resolve)));
        request.resume();
        assert.equal(answer[':status'], 200);
        const says = page.match(/^\| WebSocket inside HTTP\/2[^|]*\|(.*)\|$/m)[1].split('|')[['nginx', 'haproxy', 'caddy', 'apache'].indexOf(name)].trim();
        assert.equal(Boolean(settings.enableConnectProtocol), says !== 'no', `the page says ${says}`);
        if (settings.enableConnectProtocol) {
            await overHttp2(session);
        }
        session.close();
    });
}

test('a server that is not ready gets no clients until it is again', async () => {
    const checking = running.filter((proxy) => proxy.name !== 'nginx');
    const all = (what, fits) => Promise.all(checking.map((proxy) => until(`${proxy.name} ${what}`, async () => fits(await status(proxy, '/pgherald.js').catch(() => 0)))));
    await world.postgres.query('SELECT herald.set_enabled(false)');
    await all('to stop asking', (code) => code !== 200); // pgherald itself would answer: the page is no WebSocket
    assert.equal((await world.server.get('/pgherald.js')).status, 200);
    await world.postgres.query('SELECT herald.set_enabled(true)');
    await all('to ask again', (code) => code === 200);
});

test('nginx asks again each time', async () => {
    const proxy = running.find((p) => p.name === 'nginx');
    await world.server.stop();
    assert.equal(await status(proxy, '/ready'), 502);
    world.server = await world.server.again();
    assert.equal(await status(proxy, '/ready'), 200);
});
