// SPDX-License-Identifier: PostgreSQL
/**
 * What the chat looks like. It knows nothing of the connection: it is given frames and a function that sends, so the
 * same view serves this example and chat-xano.
 *
 * A message goes out with a key of its own and is drawn pale until its echo comes back; the echo, not the click,
 * decides its place in the room. What others send is drawn as text only, whatever it contains.
 */
import { clock, h } from '/page.js';
import { avatar, HEROES, me, randomKey } from '/examples/chat/heroes.js';

export const ROOMS = [
    { id: 'room/avengers', name: 'Avengers', about: 'Assemble here.' },
    { id: 'room/guardians', name: 'Guardians', about: 'Somewhere in the galaxy.' },
];

const MAX_TEXT = 500;
const MAX_NAME = 40;

/** Messages of one hero that follow within this time share a name line. */
const GROUP_MS = 5 * 60_000;

/**
 * What a frame says. The sender can put anything into a payload, so nothing in it is taken on trust.
 * @returns {{name: string, text: string, from: string|null, key: string|null, at: string|undefined, isNews: boolean}}
 */
function read({ action, options, payload }) {
    const isNews = action === 'event';
    const said = (isNews ? payload?.data : payload) ?? {};
    const string = (value, limit, otherwise) => (typeof value === 'string' ? value.slice(0, limit) : otherwise);
    return {
        name: string(said.name, MAX_NAME, '') || (isNews ? 'Herald' : 'Somebody'),
        text: string(said.text, MAX_TEXT, null) ?? JSON.stringify(said).slice(0, MAX_TEXT),
        from: string(said.from, MAX_NAME, null),
        key: string(said.key, MAX_NAME, null),
        at: options?.at,
        isNews,
    };
}

/** One room: its log, its tab, and the messages that have no echo yet. */
class Room {
    #lastSaid = null;
    #keys = new Set();
    #pending = new Map();           // key → the message as it was sent, and its element

    constructor({ id, name, about }) {
        this.id = id;
        this.name = name;
        this.about = about;
        this.unread = 0;
        this.badge = h('span.badge', { hidden: true });
        this.preview = h('span.preview', {}, about);
        this.tab = h('button.tab', { role: 'tab', dataset: { room: id } },
            h('span.names', {}, h('strong', {}, name), this.preview), this.badge);
        this.log = h('ol.log', { role: 'log', 'aria-label': name, hidden: true, dataset: { empty: 'Joining the room…' } });
    }

    /** The history has come: it replaces all but what is still under way. */
    replace(frames) {
        const pending = [...this.#pending.values()];
        this.#lastSaid = null;
        this.#keys.clear();
        this.log.replaceChildren();
        this.log.dataset.empty = 'Nobody has spoken yet. What you say stays here, also after a reload.';
        frames.forEach((frame) => this.add(frame));
        pending.filter(({ message }) => !this.#keys.has(message.key)).forEach(({ element }) => this.log.append(element));
    }

    /** @returns {boolean} false: it was there already */
    add(frame) {
        const said = read(frame);
        if (said.key !== null) {
            if (this.#keys.has(said.key)) return false;
            this.#keys.add(said.key);
            this.#pending.get(said.key)?.element.remove();
            this.#pending.delete(said.key);
        }
        this.log.append(this.#draw(said));
        this.#sinkPending();
        this.preview.textContent = `${said.name}: ${said.text}`;
        return true;
    }

    addPending(message) {
        const lastSaid = this.#lastSaid;
        const element = this.#draw({ ...message, at: undefined, isNews: false });
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

    /** The server refused something. It does not say which message, so all that have no echo count as refused; the echo
     * of one that was not still puts it right. */
    fail() {
        this.#pending.forEach(({ element }) => element.classList.add('failed'));
    }

    unconfirmed() {
        return [...this.#pending.values()]
            .filter(({ element }) => !element.classList.contains('failed'))
            .map(({ message }) => message);
    }

    setUnread(count) {
        this.unread = count;
        this.badge.hidden = count === 0;
        this.badge.textContent = count > 99 ? '99+' : String(count);
        this.badge.setAttribute('aria-label', `${count} unread`);
    }

    /** What has no echo yet has no place yet either: it stays below all that has. */
    #sinkPending() {
        this.#pending.forEach(({ element }) => this.log.append(element));
    }

    #draw(said) {
        if (said.isNews) {
            this.#lastSaid = null;
            return h('li.news', {}, h('strong', {}, said.name), h('span', {}, said.text), h('time', {}, clock(said.at)));
        }
        const time = Date.parse(said.at) || Date.now();
        const last = this.#lastSaid;
        const follows = last && last.from === said.from && last.name === said.name && time - last.time < GROUP_MS;
        this.#lastSaid = { from: said.from, name: said.name, time };
        const isOwn = said.from === me.id;
        return h(`li.message${isOwn ? '.own' : ''}${follows ? '.follows' : ''}`, {},
            avatar(said.name),
            h('div.said', {},
                h('p.who', {}, h('strong', {}, isOwn ? `${said.name} (you)` : said.name), h('time', {}, clock(said.at))),
                h('p.text', {}, said.text)));
    }
}

/** The dialog in which one becomes somebody. */
function createPicker(onChosen) {
    const heroes = HEROES.map((name) => h('button.hero', { type: 'button', dataset: { hero: name } }, avatar(name), name));
    const dialog = h('dialog.picker.card', { 'aria-label': 'Choose your hero' },
        h('h2', {}, 'Who are you today?'),
        h('p.muted', {}, 'Pick a hero. A second tab can be a second one.'),
        h('div.heroes', {}, ...heroes));
    dialog.addEventListener('click', (event) => {
        const hero = event.target.closest('[data-hero]')?.dataset.hero;
        if (!hero) return;
        me.become(hero);
        dialog.close();
        onChosen();
    });
    return dialog;
}

/**
 * Builds the chat.
 * @param {HTMLElement} root
 * @param {{send: (room: string, message: object) => boolean}} options  false: not connected, nothing was sent
 */
export function createChat(root, { send }) {
    const rooms = new Map(ROOMS.map((each) => [each.id, new Room(each)]));
    let current = rooms.get(ROOMS[0].id);
    let isConnected = false;

    const heading = h('h2');
    const about = h('p.muted');
    const input = h('input', { name: 'text', maxLength: MAX_TEXT, autocomplete: 'off', enterKeyHint: 'send', 'aria-label': 'Message' });
    const submit = h('button.button', { type: 'submit' }, 'Send');
    const form = h('form.composer', {}, input, submit);
    const newer = h('button.newer.button.small', { type: 'button', hidden: true }, 'New messages ↓');
    const identity = h('button.identity', { type: 'button', title: 'Be somebody else' });
    const picker = createPicker(() => { showIdentity(); input.focus(); });
    const tabs = h('nav.rooms.card', {}, h('h2', {}, 'Rooms'),
        h('div.tabs', { role: 'tablist', 'aria-label': 'Rooms' }, ...[...rooms.values()].map((room) => room.tab)), identity);
    const logs = h('div.logs', {}, ...[...rooms.values()].map((room) => room.log), newer);
    root.append(tabs, h('section.room.card', {}, h('header', {}, heading, about), logs, form), picker);

    let isFollowing = true;         // the reader is at the end, and stays there when something comes

    function toEnd() {
        current.log.scrollTop = current.log.scrollHeight;
        isFollowing = true;
        newer.hidden = true;
    }

    function onScroll({ target }) {
        if (target !== current.log) return;
        isFollowing = target.scrollHeight - target.scrollTop - target.clientHeight < 80;
        if (isFollowing) newer.hidden = true;
    }

    function showIdentity() {
        identity.replaceChildren(...(me.hero ? [avatar(me.hero), h('span', {}, me.hero)] : [h('span', {}, 'Choose a hero')]));
        showComposer();
    }

    function showComposer() {
        input.placeholder = !isConnected ? 'Waiting for the connection…' : `Message the ${current.name}`;
        submit.disabled = !isConnected;
    }

    function open(room) {
        current = room;
        for (const each of rooms.values()) {
            each.log.hidden = each !== room;
            each.tab.setAttribute('aria-selected', String(each === room));
        }
        heading.textContent = room.name;
        about.textContent = room.about;
        room.setUnread(0);
        showComposer();
        toEnd();
    }

    /** Changes a room's log and keeps the reader where he is, or at the end. */
    function change(id, action, isNew) {
        const room = rooms.get(id);
        const counts = action(room) && isNew;
        if (room !== current) {
            if (counts) room.setUnread(room.unread + 1);
        } else if (isFollowing) {
            toEnd();
        } else if (counts) {
            newer.hidden = false;
        }
    }

    function say(event) {
        event.preventDefault();
        const text = input.value.trim();
        if (!me.hero) picker.showModal();
        if (!me.hero || text === '') return;
        const message = { text, name: me.hero, from: me.id, key: randomKey() };
        if (!send(current.id, message)) return;
        current.addPending(message);
        input.value = '';
        toEnd();
    }

    form.addEventListener('submit', say);
    newer.addEventListener('click', toEnd);
    logs.addEventListener('scroll', onScroll, { capture: true, passive: true });
    new ResizeObserver(() => { if (isFollowing) toEnd(); }).observe(logs);   // a phone's keyboard comes and goes
    identity.addEventListener('click', () => picker.showModal());
    tabs.addEventListener('click', (event) => {
        const id = event.target.closest('[data-room]')?.dataset.room;
        if (id) open(rooms.get(id));
    });

    open(current);
    showIdentity();
    if (!me.hero) picker.showModal();

    return {
        /** @param {string} room @param {object[]} frames */
        replace: (room, frames) => change(room, (each) => each.replace(frames), false),
        /** @param {string} room @param {object} frame */
        add: (room, frame) => change(room, (each) => each.add(frame), true),
        /** @param {string} room @param {string} text */
        note: (room, text) => change(room, (each) => each.note(text), false),
        /** @param {string} room @param {string} text */
        fail: (room, text) => change(room, (each) => { each.fail(); each.note(text); }, false),
        /** What was sent and has no echo yet. @param {string} room @returns {object[]} */
        unconfirmed: (room) => rooms.get(room).unconfirmed(),
        /** @param {boolean} now */
        setConnected(now) {
            isConnected = now;
            showComposer();
        },
    };
}
