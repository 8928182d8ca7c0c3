// SPDX-License-Identifier: PostgreSQL
/**
 * Cursors, and who is here. This file is all that has to do with pgherald; board.js and people.js only draw.
 *
 * Who is here is `channel.presence`: the server keeps the list, also when a visitor's line breaks without a word. Where
 * the pointers are nobody keeps. They are ephemeral messages, at most thirty a second, and a newcomer is told by each of
 * us where we are, in a private message. A wave is a private message too.
 */
import { connect } from '/pgherald.js';
import { HEROES, nameOf } from '/heroes.js';
import { readCanonical, readToken, showStatus } from '/page.js';
import { createBoard } from '/examples/presence/board.js';
import { createPeople } from '/examples/presence/people.js';

const SEND_EVERY_MS = 33;

const herald = connect({ canonical: await readCanonical(), token: () => readToken(myName()) });
const channel = herald.channel('board/demo', { presence: true });
const board = createBoard(document.querySelector('#board'), { onMove: move, onClick: wave });
const people = createPeople({ onClick: (member) => (isMe(member) ? becomeSomebodyElse() : wave(member.socketId)) });

showStatus(document.querySelector('#status'), herald);
herald.on('error', ({ payload: { code, message } }) => {
    if (code !== 'token_expired') people.say(message);      // for an expired token the client fetches another
});

channel
    .on('presence', (members) => {
        board.keep(members);
        people.show(members, channel.self);
    })
    .on('presence_update', ({ payload: { action, presence: member } }) => {
        people.say(`${nameOf(member)} has ${action === 'join' ? 'come' : 'gone'}.`);
        if (action === 'join' && place) say({ place }, { socketId: member.socketId });
    })
    .on('message', received)
    .on('error', ({ payload }) => people.say(payload.message));

/* ---- who we are ---- */

/** In this tab, also after a reload; a second tab is somebody else. */
function myName() {
    return become(sessionStorage.getItem('presence.name') ?? anyOf(HEROES));
}

function become(name) {
    sessionStorage.setItem('presence.name', name);
    localStorage.setItem('presence.newest', name);
    return name;
}

/** But not whom the tab before this one became. */
function anyOf(names) {
    const others = names.filter((name) => name !== localStorage.getItem('presence.newest'));
    return others[Math.floor(Math.random() * others.length)] ?? names[0];
}

/** The token is asked for at each connect: so a new name is a new connection. */
function becomeSomebodyElse() {
    const taken = new Set(channel.presence.map(nameOf));
    become(anyOf(HEROES.filter((name) => !taken.has(name) || taken.size >= HEROES.length)));
    herald.reconnect();
}

function isMe(member) {
    return member.socketId === channel.self?.socketId;
}

/* ---- what we say ---- */

/** Where our pointer was last: x and y from 0 to 1; null: not yet on the board. @type {[number, number]|null} */
let place = null;
let isPlanned = false;
let sentAt = 0;

/** However often the pointer moves, its newest place goes out at most once in SEND_EVERY_MS, and always in the end. */
function move(now) {
    place = now;
    if (isPlanned) return;
    isPlanned = true;
    setTimeout(sendPlace, Math.max(0, sentAt + SEND_EVERY_MS - performance.now()));
}

function sendPlace() {
    isPlanned = false;
    sentAt = performance.now();
    say({ place });
}

/** A place is worth nothing later: without a connection it is not kept to be sent. */
function say(payload, options) {
    channel.send(payload, { ...options, queue: false }).catch(({ code, message }) => {
        if (code !== 'offline' && code !== 'lost') people.say(message);
    });
}

function wave(socketId) {
    say({ wave: true }, { socketId });
}

/* ---- what we hear ---- */

/** Everything in a payload was written by a stranger. */
function received({ client, options: { socketId }, payload }) {
    if (socketId && payload?.wave === true) {
        waved(client, channel.presence.find((member) => member.socketId === socketId));
    } else if (!isMe(client) && isPlace(payload?.place)) {
        board.move(client, payload.place);
    }
}

function isPlace(value) {
    return Array.isArray(value) && value.length === 2 && value.every((part) => part >= 0 && part <= 1);
}

/** Our own message comes back, so both of us get here. */
function waved(from, to) {
    if (isMe(from)) {
        people.say(`You waved at ${nameOf(to)}.`, to);
        if (to) board.say(to, 'You waved');
    } else {
        people.say(`${nameOf(from)} waves at you.`, from);
        people.highlight(from);
        board.say(from, 'waves at you');
    }
}
