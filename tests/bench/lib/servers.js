// SPDX-License-Identifier: PostgreSQL
// What is compared: pgherald, the bare loops, and with PEERS=1 what people use. Each is started for one scenario and ended
// after it: { name, dialect, port, pid, stop() }.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Process, freePort, temporaryDirectory } from '../../integration/lib/process.js';
import { Server } from '../../integration/lib/server.js';
import { until } from '../../integration/lib/wait.js';
import { program } from './load.js';

const peersDirectory = fileURLToPath(new URL('../peers', import.meta.url));
const nginxRoot = fileURLToPath(new URL('../../../build/bench/nginx', import.meta.url));

function answers(port) {
    return new Promise((resolve, reject) => {
        const socket = connect(port, '127.0.0.1', () => resolve(socket.destroy()));
        socket.on('error', reject);
    });
}

async function started(name, dialect, command, args, { port, ...more }) {
    const child = new Process(command, args, more);
    await until(`${name} to listen`, async () => {
        if (child.exit) {
            throw new Error(`${name} ended: ${child.stderr}`);
        }
        await answers(port);
        return true;
    });
    return {
        name,
        dialect,
        port,
        pid: child.pid,
        async stop() {
            child.signal('SIGTERM');
            await child.end();
        },
    };
}

// One load generator is more than one client may be: the limits are there and counted, but far away. And where it shares all cores
// with what it measures, it cannot read as fast as rows can come: they wait for it.
const LIMITS = Object.fromEntries(Object.entries({
    MAX_SESSIONS: 12000, SESSION_MESSAGES: 1e6, SESSION_MESSAGES_BURST: 1e6, SESSION_BYTES: '1GiB', CHANNEL_MESSAGES: 1e6,
    ADDRESS_SESSIONS: 1e6, ADDRESS_HANDSHAKES: 1e6, ADDRESS_HANDSHAKES_BURST: 1e6, ACCEPT_RATE: 1e6, PROXY_HANDSHAKES: 0, OUTQUEUE_BYTES: '1GiB', OUTQUEUE_SOFT_BYTES: '1GiB',
}).map(([name, value]) => [`PGHERALD_${name}`, String(value)]));

// The server under test, with its defaults but for these limits.
export async function pgherald(bench, env = {}) {
    const server = await Server.start({
        database: bench.postgres.url({ user: 'herald_server' }),
        env: { PGHERALD_LOG_LEVEL: 'info', PGHERALD_DRAIN: '0', PGHERALD_WORKERS: '0', ...LIMITS, ...env },
    });
    return {
        name: 'pgherald',
        dialect: 'herald',
        port: server.port,
        pid: server.process.pid,
        canonical: bench.canonical,
        databasePid: bench.postgres.process.pid,
        server,
        stop: () => server.stop(),
    };
}

// The same through TLS, with a certificate of its own (P-256, as most have today).
export async function pgheraldTls(bench) {
    const directory = temporaryDirectory('tls');
    const [key, certificate] = ['key.pem', 'cert.pem'].map((name) => join(directory, name));
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
        '-subj', '/CN=localhost', '-keyout', key, '-out', certificate], { stdio: 'ignore' });
    const server = await pgherald(bench, {
        PGHERALD_TLS_LISTEN: '127.0.0.1:0', PGHERALD_TLS_CERT_FILE: certificate, PGHERALD_TLS_KEY_FILE: key,
    });
    const [, port] = await server.server.process.says(/listening on https:\S+:(\d+)/);
    return { ...server, name: 'pgherald, TLS', port: Number(port), load: 'load-tls' };
}

export async function relay() {
    const port = await freePort();
    return started('bare loop', 'raw', program('relay'), [String(port)], { port });
}

export async function notified(bench) {
    const port = await freePort();
    const server = await started('bare LISTEN loop', 'raw', program('notified'), [String(port), bench.postgres.url()], { port });
    return { ...server, databasePid: bench.postgres.process.pid };
}

// ---- peers ----

async function node(name, dialect, file, args = []) {
    const port = await freePort();
    return started(name, dialect, process.execPath, [join(peersDirectory, file), String(port), ...args], { port });
}

// Debian's nginx and nchan, unpacked into build/ (peers/fetch.sh): installed they would start a server of their own.
async function nchan() {
    const port = await freePort();
    const directory = temporaryDirectory('nginx');
    mkdirSync(join(directory, 'logs'));
    const file = join(directory, 'nginx.conf');
    writeFileSync(file, `
load_module ${nginxRoot}/usr/lib/nginx/modules/ngx_nchan_module.so;
${process.getuid() === 0 ? 'user root;' : ''} daemon off; worker_processes 1; pid ${directory}/pid; error_log ${directory}/error.log error;
worker_rlimit_nofile 16384;
events { worker_connections 12000; }
http {
    access_log off;
    ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${directory}/${name};`).join(' ')}
    nchan_shared_memory_size 256m;
    server {
        listen 127.0.0.1:${port};
        location ~ ^/(\\d+)$ {
            nchan_pubsub websocket; nchan_channel_id $1;
            nchan_subscriber_first_message newest; nchan_message_buffer_length 10000; nchan_message_timeout 10s;
        }
    }
}`);
    return started('nginx with nchan', 'raw', join(nginxRoot, 'usr/sbin/nginx'), ['-p', directory, '-c', file, '-e', join(directory, 'error.log')], { port });
}

const isWanted = process.env.PEERS === '1';
if (isWanted && !existsSync(join(peersDirectory, 'node_modules'))) {
    throw new Error('the peers are not here: run tests/bench/peers/fetch.sh');
}
const hasNchan = existsSync(join(nginxRoot, 'usr/sbin/nginx')) && existsSync('/var/lib/nginx');

// Chat: what a client sends goes to its channel.
export const chatPeers = isWanted ? [
    ...(hasNchan ? [nchan] : []),
    () => node('node, ws', 'raw', 'ws.js'),
    () => node('node, socket.io', 'socketio', 'socketio.js'),
] : [];

// Row changes.
export const rowPeers = isWanted ? [
    async (bench) => ({
        ...await node('node, LISTEN and ws', 'raw', 'listen.js', [bench.postgres.url()]),
        databasePid: bench.postgres.process.pid,
    }),
] : [];
