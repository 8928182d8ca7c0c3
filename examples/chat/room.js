// SPDX-License-Identifier: PostgreSQL
/**
 * One room: its log, its tab, who is here, and the messages that have no echo yet.
 *
 * A message goes out with a key of its own and is drawn pale until its echo comes back; the echo, not the click,
 * decides its place in the room. What others send is drawn as text only, whatever it contains. Who said it is not in the
 * message: the server says so, from the sender's token.
 */
import { avatar, nameOf } from '/heroes.js';
import { clock, h } from '/page.js';
import { me } from '/examples/chat/me.js';

export const MAX_TEXT = 500;
const MAX_NAME = 40;
const MAX_KEY = 40;
const MAX_FACES = 5;

/** Messages of one person that follow within this time share a name line. */
const GROUP_MS = 5 * 60_000;

const NOBODY_HAS_SPOKEN = 'Nobody has spoken yet. What is said stays here, also after a reload.';

/**
 * What a frame says. The sender can put anything into a payload, so nothing in it is taken on trust.
 * @returns {{name: string, text: string, author: string, isOwn: boolean, key: string|null, at: string|undefined,
 *   isNews: boolean, isForMembers: boolean}}
 */
function read({ action, client, options, payload }) {
    const isNews = action === 'event';
    const said = (isNews ? payload?.data : payload) ?? {};
    const string = (value, limit, otherwise) => (typeof value === 'string' ? value.slice(0, limit) : otherwise);
    return {
        name: isNews ? string(said.name, MAX_NAME, '') || 'Herald' : nameOf(client),
        text: string(said.text, MAX_TEXT, null) ?? JSON.stringify(said).slice(0, MAX_TEXT),
        author: JSON.stringify(client?.permissions ?? null),
        isOwn: me.is(client),
        key: string(said.key, MAX_KEY, null),
        at: options?.at,
        isNews,
        isForMembers: options?.authenticated === true,
    };
}

function drawNews({ name, text, at }) {
    return h('li.news', {}, h('strong', {}, name), h('span', {}, text), h('time', {}, clock(at)));
}

/** What the server has said of a message of ours: a mark, and what a pointer on it tells.
 * @param {import('/pgherald.js').Receipt} [receipt] */
function drawFate(receipt) {
    if (!receipt) return h('span.fate', { title: 'Under way' }, '…');
    const where = receipt.offset === undefined ? 'This room keeps nothing' : `Number ${receipt.offset} of this room`;
    return h('span.fate', { title: `The server has it. ${where}.` }, '✓');
}

function drawMessage({ name, text, at, isOwn, isForMembers, fate = null }, follows) {
    return h(`li.message${isOwn ? '.own' : ''}${follows ? '.follows' : ''}${isForMembers ? '.for-members' : ''}`, {},
        avatar(name),
        h('div.said', {},
            h('p.who', {}, h('strong', {}, isOwn ? `${name} (you)` : name),
                isForMembers ? h('span.lock', {}, 'members only') : null, h('time', {}, clock(at))),
            h('div.line', {}, fate, h('p.text', {}, text))));
}

export class Room {
    #lastSaid = null;
    #keys = new Set();
    #pending = new Map();           // key → the message as it was sent, its element, and its receipt when it has come

    constructor({ id, name, about }) {
        this.id = id;
        this.name = name;
        this.about = about;
        this.unread = 0;
        this.isShut = false;        // the server does not let us in
        this.badge = h('span.badge', { hidden: true });
        this.preview = h('span.preview', {}, about);
        this.tab = h('button.tab', { role: 'tab', dataset: { room: id } },
            h('span.names', {}, h('strong', {}, name), this.preview), this.badge);
        this.log = h('ol.log', { role: 'log', 'aria-label': name, hidden: true, dataset: { empty: 'Joining the room…' } });
        this.here = h('p.here', { hidden: true });
    }

    /** The history has come: it replaces all but what is still under way. */
    replace(frames) {
        const pending = [...this.#pending.values()];
        this.#clear();
        this.log.dataset.empty = NOBODY_HAS_SPOKEN;
        frames.forEach((frame) => this.add(frame));
        pending.filter(({ message }) => !this.#keys.has(message.key)).forEach(({ element }) => this.log.append(element));
    }

    /** We are not let in, or not any more: what was said here is not for us. */
    shutOut(text) {
        this.isShut = true;
        this.tab.classList.add('shut');
        this.forgetPending();
        this.#clear();
        this.log.dataset.empty = text;
        this.setUnread(0);
    }

    letIn() {
        this.isShut = false;
        this.tab.classList.remove('shut');
    }

    /** @returns {boolean} false: it was there already */
    add(frame) {
        const said = read(frame);
        if (said.key !== null) {
            if (this.#keys.has(said.key)) return false;
            this.#keys.add(said.key);
            said.fate = this.#taken(said.key);
        }
        this.log.append(this.#draw(said));
        this.#sinkPending();
        this.preview.textContent = `${said.name}: ${said.text}`;
        return true;
    }

    /** What was under way is here. @returns {HTMLElement|null} its fate, if it was ours and there is a receipt already */
    #taken(key) {
        const pending = this.#pending.get(key);
        pending?.element.remove();
        this.#pending.delete(key);
        return pending?.receipt ? drawFate(pending.receipt) : null;
    }

    /** The receipt of a message of ours. It comes just before the message itself, except after a cut.
     * @param {string} key @param {import('/pgherald.js').Receipt} receipt */
    arrived(key, receipt) {
        const pending = this.#pending.get(key);
        if (!pending) return;
        pending.receipt = receipt;
        pending.element.querySelector('.fate').replaceWith(drawFate(receipt));
        if (receipt.dropped) this.fail(key);
    }

    addPending(message, options) {
        const lastSaid = this.#lastSaid;
        const said = {
            ...message, name: me.hero, author: JSON.stringify(me.self?.permissions), isOwn: true, isNews: false,
            isForMembers: options.authenticated === true, fate: drawFate(),
        };
        const element = this.#draw(said);
        this.#lastSaid = lastSaid;    // the echo will be drawn in its place, and must find what was before it
        element.classList.add('pending');
        this.#pending.set(message.key, { message, element });
        this.log.append(element);
    }

    note(text) {
        this.#lastSaid = null;
        this.log.append(h('li.note', {}, text));
        this.#sinkPending();
    }

    /** The server refused something. Where it is not known which message, all that have no echo count as refused; the echo
     * of one that was not still puts it right. @param {string} [key] */
    fail(key) {
        const those = key === undefined ? [...this.#pending.values()] : [this.#pending.get(key)].filter(Boolean);
        those.forEach(({ element }) => {
            element.classList.add('failed');
            element.querySelector('.fate').replaceChildren();
        });
    }

    /** Who is here: a face for each person, however many tabs he has, and the number of guests. */
    showHere(members) {
        const isGuest = ({ permissions }) => permissions.dbo_id === 0;
        const people = new Map(members.filter((each) => !isGuest(each)).map((each) => [JSON.stringify(each.permissions), each]));
        const names = [...people.values()].map(nameOf);
        const guests = members.filter(isGuest).length;
        const rest = [
            names.length > MAX_FACES ? `+${names.length - MAX_FACES}` : '',
            guests > 0 ? `${guests} ${guests === 1 ? 'guest' : 'guests'}` : '',
        ].filter(Boolean).join(', ');
        const spoken = [...names, ...(guests > 0 ? [`${guests} ${guests === 1 ? 'guest' : 'guests'}`] : [])].join(', ');
        this.here.hidden = members.length === 0;
        this.here.title = `Here: ${spoken}`;
        this.here.setAttribute('aria-label', `Here: ${spoken}`);
        this.here.replaceChildren(h('span.faces', {}, ...names.slice(0, MAX_FACES).map(avatar)), rest);
    }

    /** What one said shall not be said again by another. */
    forgetPending() {
        this.#pending.forEach(({ element }) => element.remove());
        this.#pending.clear();
    }

    setUnread(count) {
        this.unread = count;
        this.badge.hidden = count === 0;
        this.badge.textContent = count > 99 ? '99+' : String(count);
        this.badge.setAttribute('aria-label', `${count} unread`);
    }

    #clear() {
        this.#lastSaid = null;
        this.#keys.clear();
        this.log.replaceChildren();
        this.preview.textContent = this.about;
    }

    /** What has no echo yet has no place yet either: it stays below all that has. */
    #sinkPending() {
        this.#pending.forEach(({ element }) => this.log.append(element));
    }

    #draw(said) {
        if (said.isNews) {
            this.#lastSaid = null;
            return drawNews(said);
        }
        const time = Date.parse(said.at) || Date.now();
        const last = this.#lastSaid;
        const follows = last && last.author === said.author && last.name === said.name
            && last.isForMembers === said.isForMembers && time - last.time < GROUP_MS;
        this.#lastSaid = { ...said, time };
        return drawMessage(said, follows);
    }
}
