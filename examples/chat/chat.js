// SPDX-License-Identifier: PostgreSQL
/**
 * The chat room: two channels on one connection. This file is all that has to do with pgherald; heroes.js and view.js
 * only draw. The history comes with the join, so a reload shows what was said; after a cut the channels resume, so
 * nothing is missed.
 */
import { connect } from '/pgherald.js';
import { readCanonical, showStatus } from '/page.js';
import { createChat, ROOMS } from '/examples/chat/view.js';

const herald = connect({ canonical: await readCanonical() });

const chat = createChat(document.querySelector('#chat'), {
    send: (room, message) => channels.get(room).message(message),
});

const channels = new Map(ROOMS.map(({ id }) => [id, enter(id)]));

showStatus(document.querySelector('#status'), herald);
herald.on('status', ({ status }) => chat.setConnected(status === 'connected'));
chat.setConnected(herald.status.status === 'connected');

function enter(room) {
    const channel = herald.channel(room, { history: true });
    return channel
        .on('history', (frame) => chat.replace(room, frame.payload.history))
        .on('message', (frame) => chat.add(room, frame))
        .on('event', (frame) => chat.add(room, frame))
        .on('gap', () => chat.note(room, 'You were away for long: these are the newest messages.'))
        .on('error', (frame) => chat.fail(room, frame.payload.message))
        .on('join', (frame) => joined(room, channel, frame));
}

/** A message that was under way when the line broke may have arrived or not. It is said again under the same key, and
 * a key is shown once: so it is neither lost nor seen twice. */
function joined(room, channel, frame) {
    if (frame.payload.resumed) chat.note(room, 'Back again: nothing was missed.');
    chat.unconfirmed(room).forEach((message) => channel.message(message));
}
