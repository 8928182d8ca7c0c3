// SPDX-License-Identifier: PostgreSQL
// What stands around the nodes, each on a host of its own: a NATS server and a balancer.
import { chownSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { Process, temporaryDirectory, unprivileged } from '../integration/lib/process.js';
import { until, within, SECOND } from '../integration/lib/wait.js';

function file(directory, name, content) {
    const path = join(directory, name);
    writeFileSync(path, content);
    if (unprivileged.uid !== undefined) {
        chownSync(path, unprivileged.uid, unprivileged.gid);
    }
    return path;
}

// A program of Debian's with a file that says what it does; it can be killed, stopped and started again.
class Part {
    async up() {
        this.process = new Process(this.command, this.args, { owner: unprivileged, cwd: this.directory, host: this.host });
        await this.isUp();
    }

    async down(signal = 'SIGKILL') {
        this.process.signal('SIGCONT');
        this.process.signal(signal);
        await this.process.end();
    }
}

export class Nats extends Part {
    static async start(host) {
        const nats = Object.assign(new Nats(), { host, port: 4222, user: 'node', directory: temporaryDirectory('nats', unprivileged) });
        nats.password = randomBytes(16).toString('hex');
        nats.passwordFile = file(nats.directory, 'password', `${nats.password}\n`);
        nats.command = '/usr/sbin/nats-server';
        nats.args = ['-c', file(nats.directory, 'nats.conf',
            `listen: "${host.address}:${nats.port}"\nauthorization { user: ${nats.user}, password: "${nats.password}" }\n`)];
        await nats.up();
        return nats;
    }

    get flags() {
        return ['--bus', `nats://${this.host.address}:${this.port}`, '--bus-user', this.user, '--bus-password-file', this.passwordFile,
            '--bus-plaintext'];
    }

    isUp() {
        return this.process.says(/Server is ready/);
    }
}

const page = readFileSync(new URL('../../docs/proxies.md', import.meta.url), 'utf8');
const [, configuration] = page.slice(page.indexOf('## Several nodes')).match(/^```haproxy\n([^]*?)^```$/m);

// HAProxy, as docs/proxies.md has it for several nodes, with a check twice a second and without TLS. It tells who connects which
// node he has got.
export class Balancer extends Part {
    static async start(host, nodes, port = 8080) {
        const balancer = Object.assign(new Balancer(), { host, port, directory: temporaryDirectory('balancer', unprivileged) });
        const text = configuration.replace(/^ *server .*\n/gm, '').replace(/bind :443.*/, `bind ${host.address}:${port}`)
            .replace('timeout connect 5s', 'timeout connect 2s').replace('inter 1s', 'inter 500ms');
        const servers = nodes.map(({ name, host: { address }, port: at }) => `    server ${name} ${address}:${at}`);
        balancer.command = '/usr/sbin/haproxy';
        balancer.args = ['-db', '-f', file(balancer.directory, 'haproxy.cfg', ['global', '    maxconn 4000', text,
            '    http-response add-header X-Node %[srv_name] if { status 101 }', ...servers, ''].join('\n'))];
        await balancer.up();
        return balancer;
    }

    async isUp() {
        await until('the balancer to listen', async () => {
            if (this.process.exit) {
                throw new Error(`HAProxy ended: ${this.process.stderr}`);
            }
            return (await this.get('/health').catch(() => null)) !== null;
        });
    }

    async get(path) {
        const response = await within(`${path} of the balancer`, fetch(`http://${this.host.address}:${this.port}${path}`), 5 * SECOND);
        return { status: response.status, headers: response.headers, body: await response.text() };
    }

    socketUrl(canonical) {
        return `ws://${this.host.address}:${this.port}/rt/${canonical}`;
    }
}
