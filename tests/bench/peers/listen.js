// SPDX-License-Identifier: PostgreSQL
// The bridge that people write: LISTEN, and every payload to every browser.
import pg from 'pg';
import { WebSocketServer } from 'ws';

const [port, url] = process.argv.slice(2);
const client = new pg.Client({ connectionString: url });
await client.connect();
const server = new WebSocketServer({ port: Number(port), host: '127.0.0.1', perMessageDeflate: false });

client.on('notification', ({ channel, payload }) => {
    const message = JSON.stringify({ channel, data: JSON.parse(payload) });
    for (const socket of server.clients) {
        socket.send(message);
    }
});
await client.query('LISTEN bench_changes');
