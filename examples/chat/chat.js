// SPDX-License-Identifier: PostgreSQL
/**
 * The chat: three channels on one connection. This file is all that has to do with pgherald; the others only draw. The
 * history comes with the join, so a reload shows what was said; after a cut the channels resume, so nothing is missed.
 *
 * Signing in is a token, and the token is a function that is asked at every connect: so to become somebody, or a guest
 * again, is to connect anew. The client then takes the history anew by itself, because members may see more of it.
 */
import { connect } from '/pgherald.js';
import { readCanonical, readToken, showStatus } from '/page.js';
import { createChat, ROOMS } from '/examples/chat/view.js';
import { me } from '/examples/chat/me.js';

const NOT_LET_IN = new Set(['anonymous_refused', 'join_refused', 'hook_refused', 'no_channel', 'removed']);

const herald = connect({ canonical: await readCanonical(), token: () => me.hero && readToken(me.hero) });

const chat = createChat(document.querySelector('#chat'), {
    send,
    become,
});

const channels = new Map(ROOMS.map(({ id }) => [id, enter(id)]));

showStatus(document.querySelector('#status'), herald);
herald
    .on('status', ({ status }) => chat.setConnected(status === 'connected'))
    .on('error', ({ payload }) => failed(payload));
chat.setConnected(herald.status.status === 'connected');

function enter(room) {
    const channel = herald.channel(room, { history: true, presence: true });
    return channel
        .on('history', (frame) => chat.replace(room, frame.payload.history))
        .on('message', (frame) => chat.add(room, frame))
        .on('event', (frame) => chat.add(room, frame))
        .on('presence', (members) => chat.here(room, members))
        .on('gap', () => chat.note(room, 'You were away for long: these are the newest messages.'))
        .on('error', ({ payload }) => refused(room, channel, payload))
        .on('join', (frame) => joined(room, frame));
}

function joined(room, frame) {
    chat.letIn(room, frame.client);
    if (frame.payload.resumed) chat.note(room, 'Back again: nothing was missed.');
}

/** What is under way when the line breaks is sent again by the client, and the server takes it once. A room that keeps
 * nothing cannot say what became of it: then it is said again under the same key, and a key is shown once. */
function send(room, message, options) {
    if (herald.status.status !== 'connected') return false;
    say(room, message, options);
    return true;
}

async function say(room, message, options) {
    try {
        chat.arrived(room, message.key, await channels.get(room).send(message, options));
    } catch ({ code, message: why }) {
        if (code === 'lost') say(room, message, options);
        else if (code !== 'identity_changed') chat.fail(room, why, message.key);
    }
}

function refused(room, channel, { code, message }) {
    if (!channel.joined && NOT_LET_IN.has(code)) chat.shutOut(room, message);
    else chat.fail(room, message);
}

/** @param {string|null} hero  null: a guest again */
function become(hero) {
    me.become(hero);
    chat.changeIdentity();
    herald.reconnect();
    channels.forEach((channel) => channel.join());      // where we were removed from, somebody else may be let in
}

/** What the server says to all of us: our token is not good, or we are disconnected. An expired token needs no words:
 * the client fetches another. */
function failed({ code, message }) {
    if (code === 'token_expired') return;
    if (code === 'token_invalid') become(null);
    ROOMS.forEach(({ id }) => chat.note(id, message));
}
