// SPDX-License-Identifier: PostgreSQL
// A TCP proxy in front of Postgres that misbehaves on demand. It sees whole chunks, and a test decides at a chunk that
// carries a marker (a payload of its own making), which works whatever way the server phrases its queries.
import { createServer, connect } from 'node:net';
import { once } from 'node:events';

export class Proxy {
    static async start(port) {
        const proxy = new Proxy();
        proxy.target = port;
        proxy.links = new Set();
        proxy.isRefusing = false;
        proxy.held = null; // while the network is dead: connections that nobody answers
        proxy.onRequest = null; // (link, chunk) => false: swallow the chunk
        await proxy.open(0);
        return proxy;
    }

    async open(port = this.port) {
        this.server = createServer((client) => this.accept(client)).listen(port, '127.0.0.1');
        await once(this.server, 'listening');
        this.port = this.server.address().port;
    }

    // A host that is down refuses (RST), which is not what a host does that accepts and then closes (isRefusing): libpq
    // goes on to the next host of its list only in the first case.
    async shut() {
        const closed = once(this.server, 'close');
        this.server.close();
        this.cut();
        await closed;
    }

    accept(client) {
        if (this.isRefusing) {
            client.destroy();
            return;
        }
        if (this.held) {
            client.on('error', () => {});
            this.held.push(client);
            return;
        }
        const server = connect(this.target, '127.0.0.1');
        const link = { client, server, isMuted: false };
        this.links.add(link);
        client.setNoDelay(true);
        server.setNoDelay(true);
        client.on('data', (chunk) => {
            if (this.onRequest?.(link, chunk) !== false) {
                server.write(chunk);
            }
        });
        server.on('data', (chunk) => {
            if (link.isHalf) {
                server.destroy();
            } else if (!link.isMuted) {
                client.write(chunk);
            }
        });
        for (const [end, other] of [[client, server], [server, client]]) {
            end.on('error', () => {});
            end.on('close', () => {
                this.links.delete(link);
                if (!link.isHalf) {
                    other.destroy();
                }
            });
        }
    }

    // Neither side hears anything more from the other, and nobody is told: a dead network.
    stall() {
        for (const link of this.links) {
            link.client.pause();
            link.server.pause();
            link.isMuted = true;
        }
    }

    // As stall(), for connections to come as well; until heal(), which ends all of them.
    blackHole() {
        this.held ??= [];
        this.stall();
    }

    heal() {
        this.held?.forEach((client) => client.destroy());
        this.held = null;
        this.cut();
    }

    // The client's side only: Postgres goes on with what it was asked, and learns of the loss by answering.
    cutClient(link) {
        link.isHalf = true;
        link.client.destroy();
    }

    cut(link) {
        for (const each of link ? [link] : this.links) {
            each.client.destroy();
            each.server.destroy();
        }
    }

    async stop() {
        this.isRefusing = true;
        this.cut();
        if (this.server.listening) {
            await this.shut();
        }
    }
}
