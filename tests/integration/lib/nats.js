// SPDX-License-Identifier: PostgreSQL
// A NATS server for the nodes of a test, on loopback, where none needs a password.
import { freePort, Process } from './process.js';

export class Nats {
    static async start() {
        const nats = new Nats();
        nats.port = await freePort();
        await nats.up();
        return nats;
    }

    // Also after down(), on the same port.
    async up() {
        this.process = new Process('/usr/sbin/nats-server', ['-a', '127.0.0.1', '-p', String(this.port)]);
        await this.process.says(/Server is ready/);
    }

    async down(signal = 'SIGKILL') {
        this.process.signal('SIGCONT');
        this.process.signal(signal);
        await this.process.end();
    }

    get flags() {
        return ['--bus', `nats://127.0.0.1:${this.port}`];
    }
}
