// SPDX-License-Identifier: PostgreSQL
/**
 * A board that several people change at once. This file is all that has to do with pgherald; view.js only draws.
 *
 * What is shown is the table: two live views of it, of the cards that are open and of those that are done. What we do is shown at
 * once, above the rows (optimistic.js), and goes to the database as a private message to ourselves, which a function of the database
 * answers with the number of its transaction. When that transaction has arrived in our rows, what we showed is given up: then the
 * rows say the same, or what somebody else has made of it since.
 *
 * Who is here, and which card he is writing in, is presence: no table knows of it.
 */
import { connect } from '/pgherald.js';
import { HEROES, nameOf } from '/heroes.js';
import { readCanonical, readToken, showStatus } from '/page.js';
import { Optimistic } from '/examples/board/optimistic.js';
import { createView } from '/examples/board/view.js';

const ORDER = ['made_at', 'id'];

const herald = connect({ canonical: await readCanonical(), token: () => readToken(myName()) });
const open = herald.table('tasks/cards', { filter: { done: false }, order: ORDER });
const done = herald.table('tasks/cards', { filter: { done: true }, order: ORDER });
const here = herald.channel('tasks/cards', { presence: 'state' });
const desk = herald.channel('tasks/write');

const optimistic = new Optimistic();
/** What takes the answers of our calls, by their number; null: there will be none. @type {Map<number, (txid: string|null) => void>} */
const waiting = new Map();
let calls = 0;
const view = createView({ add, change, remove, edit });

showStatus(document.querySelector('#status'), herald);
[open, done].forEach((table) => table.onChange(showSoon));
here.on('presence', (members) => view.showMembers(members, here.self));
desk.on('message', ({ payload: { call, txid } }) => waiting.get(call)?.(txid));
herald.on('status', forgetAnswers);
Promise.all([open.ready, done.ready]).then(() => view.showReady(), ({ message }) => view.refuse(message));
herald.on('error', ({ payload: { code, message } }) => {
    if (code !== 'token_expired') view.refuse(message);         // for an expired token the client fetches another
});

/** In this tab, also after a reload; a second tab is somebody else. */
function myName() {
    const name = sessionStorage.getItem('board.name') ?? HEROES[Math.floor(Math.random() * HEROES.length)];
    sessionStorage.setItem('board.name', name);
    return name;
}

/* ---- what is shown ---- */

let isPlanned = false;

/** A card that is ticked leaves one view and enters the other, in two frames: it is drawn when both have come. */
function showSoon() {
    if (isPlanned) return;
    isPlanned = true;
    requestAnimationFrame(() => {
        isPlanned = false;
        const rows = new Map([...open, ...done]);
        view.showCards(optimistic.over([...rows.values()]));
    });
}

/* ---- what we do ---- */

function add(title) {
    const made_at = new Date().toISOString();
    const card = { id: newId(), title, done: false, made_by: myName(), made_at, changed_by: myName() };
    return write({ do: 'add', id: card.id, title }, card);
}

function change(id, values) {
    return write({ do: 'change', id, ...values }, { ...values, changed_by: myName() });
}

function remove(id) {
    return write({ do: 'remove', id }, null);
}

/** We are writing in this card's title, or no more (null). */
function edit(id) {
    here.setState(id && { editing: id });
}

/** crypto.randomUUID is there only in secure contexts, and a page on the local network is none. */
function newId() {
    const hex = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/**
 * @param {object} order  what the function in the database is to do
 * @param {object|null} shown  what is shown of the card until the table has it; null: nothing
 */
async function write(order, shown) {
    const call = ++calls;
    const answer = new Promise((resolve) => { waiting.set(call, resolve); });
    const undo = optimistic.put(order.id, shown);
    showSoon();
    try {
        await desk.ready;
        await desk.send({ ...order, call }, { socketId: desk.self.socketId, queue: false });
        const txid = await answer;
        if (txid !== null) await herald.txid(txid).catch(() => {});     // written it is, also if nobody can say when we have it
    } catch (error) {
        view.refuse(explain(error));
    } finally {
        waiting.delete(call);
        undo();
        showSoon();
    }
}

/** An answer that was on its way when the line broke is kept nowhere. What was written comes with the rows. */
function forgetAnswers({ status }) {
    if (status !== 'connected') waiting.forEach((answer) => answer(null));
}

/** The rows are right in any case: what was written after all is among them, or will be. */
function explain({ code, message }) {
    if (code === 'offline') return 'There is no connection: nothing was written.';
    if (code === 'lost') return 'The connection broke: whether it was written shows in the cards.';
    return message;
}
