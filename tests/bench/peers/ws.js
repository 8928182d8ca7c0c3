// SPDX-License-Identifier: PostgreSQL
// The broadcaster of the `ws` package's own README, with channels by path.
import { WebSocketServer } from 'ws';

const channels = new Map();
const server = new WebSocketServer({ port: Number(process.argv[2]), host: '127.0.0.1', perMessageDeflate: false });

server.on('connection', (socket, request) => {
    const members = channels.get(request.url) ?? channels.set(request.url, new Set()).get(request.url);
    members.add(socket);
    socket.on('close', () => members.delete(socket));
    socket.on('error', () => {});
    socket.on('message', (data) => {
        for (const member of members) {
            member.send(data, { binary: false });
        }
    });
});
