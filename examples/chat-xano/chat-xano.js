// SPDX-License-Identifier: PostgreSQL
/**
 * The chat on the unmodified @xano/js-sdk. Compare it with ../chat/chat.js: the view is the same file, the frames are
 * the same frames.
 *
 * Two ways of the SDK show here. A channel object joins as soon as it finds a socket, open or not, and sending on one
 * that is still connecting throws: so all channels are made before the first `.on()`, which is what opens the
 * connection. And after a cut the SDK joins again without a position: the whole history comes again and replaces what
 * was there, where our own module would have gone on from the last offset.
 */
import { h, readCanonical } from '/page.js';
import { createChat, ROOMS } from '/examples/chat/view.js';

if (globalThis.XanoClient) {
    enter(await readCanonical());
} else {
    document.querySelector('#chat').hidden = true;
    document.querySelector('#status').hidden = true;
    document.querySelector('#missing').hidden = false;
}

function enter(canonical) {
    const xano = new XanoClient({ instanceBaseUrl: location.origin, realtimeConnectionCanonical: canonical });
    const channels = new Map(ROOMS.map(({ id }) => [id, xano.channel(id, { history: true })]));
    let isConnected = false;

    const chat = createChat(document.querySelector('#chat'), {
        send(room, message) {
            if (isConnected) channels.get(room).message(message);
            return isConnected;
        },
    });

    function connection({ payload }) {
        isConnected = payload.status === 'connected';
        chat.setConnected(isConnected);
        showStatus(isConnected);
    }

    for (const [room, channel] of channels) {
        const failed = (action) => chat.fail(room, action.payload.message);
        channel
            .on('connection_status', connection)
            .on('history', (action) => chat.replace(room, action.payload.history))
            .on('message', (action) => chat.add(room, action))
            .on('event', (action) => chat.add(room, action))
            .on('error', () => {}, failed);
    }
}

function showStatus(isConnected) {
    const status = document.querySelector('#status');
    status.dataset.status = isConnected ? 'connected' : 'waiting';
    status.replaceChildren(h('i'), isConnected ? 'Live' : 'Reconnecting…');
}
