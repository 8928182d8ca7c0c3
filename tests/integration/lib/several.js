// SPDX-License-Identifier: PostgreSQL
// Several servers on one database, which know one another over a NATS server of their own.
import { Nats } from './nats.js';
import { waitMetric } from './metrics.js';
import { World } from './world.js';

export class Several {
    // n of them; the rest is the world's.
    static async start(n, { flags = [], ...options }) {
        const several = new Several();
        several.nats = await Nats.start();
        several.world = await World.start({ ...options, flags: [...flags, ...several.nats.flags] });
        several.nodes = [several.world.server];
        several.world.server = null; // a test says on which of them
        while (several.nodes.length < n) {
            several.nodes.push(await several.world.serve());
        }
        await several.know();
        return several;
    }

    // Until each hears all others.
    know() {
        return Promise.all(this.nodes.map((node) => waitMetric(node, 'bus_peers{state="alive"}', (n) => n === this.nodes.length - 1)));
    }

    async stop() {
        try {
            for (const node of this.nodes) {
                await node.stop();
            }
        } finally {
            await this.world.stop();
            await this.nats.down();
        }
    }
}
