// SPDX-License-Identifier: PostgreSQL
// Rooms, as socket.io's documentation shows them.
import { Server } from 'socket.io';

const io = new Server(Number(process.argv[2]), { transports: ['websocket'], perMessageDeflate: false });

io.on('connection', (socket) => {
    socket.on('join', (room) => {
        socket.join(room);
        socket.emit('joined', room);
    });
    socket.on('message', (room, message) => io.to(room).emit('message', message));
});
