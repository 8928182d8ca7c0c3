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
import { h, readCanonical, readToken } from '/page.js';
import { createChat, ROOMS } from '/examples/chat/view.js';
import { me } from '/examples/chat/me.js';

const NOT_LET_IN = new Set(['anonymous_refused', 'join_refused', 'hook_refused', 'no_channel', 'removed']);

if (globalThis.XanoClient) {
    enter(await readCanonical(), await myToken());
} else {
    document.querySelector('#chat').hidden = true;
    document.querySelector('#status').hidden = true;
    document.querySelector('#missing').hidden = false;
}

/** Where there is no token one is a guest. @returns {Promise<string|null>} */
async function myToken() {
    try {
        return me.hero && await readToken(me.hero);
    } catch {
        me.become(null);
        return null;
    }
}

function enter(canonical, realtimeAuthToken) {
    const xano = new XanoClient({ instanceBaseUrl: location.origin, realtimeConnectionCanonical: canonical, realtimeAuthToken });
    const channels = new Map(ROOMS.map(({ id }) => [id, xano.channel(id, { history: true, presence: true })]));
    const joined = new Set();
    let isConnected = false;

    const chat = createChat(document.querySelector('#chat'), {
        send(room, message, options) {
            if (isConnected) channels.get(room).message(message, options);
            return isConnected;
        },
        become,
    });

    /** @param {string|null} hero  null: a guest again */
    async function become(hero) {
        me.become(hero);
        connection({ payload: { status: 'disconnected' } });       // what is sent before the new connection would be lost
        await renew();
        chat.changeIdentity();
    }

    async function renew() {
        xano.setRealtimeAuthToken(await myToken());
        xano.realtimeReconnect();
    }

    function connection({ payload }) {
        isConnected = payload.status === 'connected';
        joined.clear();
        chat.setConnected(isConnected);
        showStatus(isConnected);
    }

    /** The SDK would go on with the old token, as anonymous: so a new one has to be there when it comes back. */
    function failed(room, { code, message }) {
        if (code === 'removed') joined.delete(room);
        if (code === 'token_expired') renew();
        else if (code === 'token_invalid') become(null);
        else if (!joined.has(room) && NOT_LET_IN.has(code)) chat.shutOut(room, message);
        else chat.fail(room, message);
    }

    for (const [room, channel] of channels) {
        const showHere = () => chat.here(room, channel.getPresence());
        channel
            .on('connection_status', connection)
            .on('join', (action) => { joined.add(room); chat.letIn(room, action.client); })
            .on('history', (action) => chat.replace(room, action.payload.history))
            .on('message', (action) => chat.add(room, action))
            .on('event', (action) => chat.add(room, action))
            .on('presence_full', showHere)
            .on('presence_update', showHere)
            .on('error', () => {}, (action) => failed(room, action.payload));
    }
}

function showStatus(isConnected) {
    const status = document.querySelector('#status');
    status.dataset.status = isConnected ? 'connected' : 'waiting';
    status.replaceChildren(h('i'), isConnected ? 'Live' : 'Reconnecting…');
}
