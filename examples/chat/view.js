// SPDX-License-Identifier: PostgreSQL
/**
 * What the chat looks like. It knows nothing of the connection: it is given frames, a function that sends and one that
 * signs in and out, so the same view serves this example and chat-xano.
 */
import { avatar, HEROES } from '/heroes.js';
import { h } from '/page.js';
import { me, randomKey } from '/examples/chat/me.js';
import { MAX_TEXT, Room } from '/examples/chat/room.js';

export const ROOMS = [
    { id: 'room/avengers', name: 'Avengers', about: 'Assemble here.' },
    { id: 'room/guardians', name: 'Guardians', about: 'Somewhere in the galaxy.' },
    { id: 'room/shield', name: 'Shield', about: 'Members only.' },
];

/** With so few characters left one is told. */
const ROOM_LEFT = 50;

/** The dialog in which one signs in and out. */
function createPicker(onChosen) {
    const heroes = HEROES.map((name) => h('button.hero', { type: 'button', dataset: { hero: name } }, avatar(name), name));
    const guest = h('button.button.quiet', { type: 'button', dataset: { hero: '' } });
    const dialog = h('dialog.picker.card', { 'aria-label': 'Sign in' },
        h('h2', {}, 'Who are you today?'),
        h('p.muted', {}, 'Sign in as a hero to write. Guests may look around. A second tab can be a second hero.'),
        h('div.heroes', {}, ...heroes), h('p.choice', {}, guest));
    dialog.addEventListener('click', (event) => {
        const hero = event.target.closest('[data-hero]')?.dataset.hero;
        if (hero === undefined) return;
        dialog.close();
        onChosen(hero || null);
    });
    return {
        dialog,
        open() {
            guest.textContent = me.hero ? 'Sign out' : 'Look around as a guest';
            dialog.showModal();
        },
    };
}

/**
 * Builds the chat.
 * @param {HTMLElement} root
 * @param {object} options
 * @param {(room: string, message: object, options: object) => boolean} options.send  false: not connected, nothing was sent
 * @param {(hero: string|null) => void} options.become  signs in, or out
 */
export function createChat(root, { send, become }) {
    const rooms = new Map(ROOMS.map((each) => [each.id, new Room(each)]));
    let current = rooms.get(ROOMS[0].id);
    let isConnected = false;

    const heading = h('h2');
    const about = h('p.muted');
    const input = h('input', { name: 'text', autocomplete: 'off', enterKeyHint: 'send', 'aria-label': 'Message' });
    const lock = h('button.members', { type: 'button', 'aria-pressed': 'false', title: 'Only signed-in members get the message' }, 'Members only');
    const submit = h('button.button', { type: 'submit' });
    const length = h('output.length', { hidden: true });
    const form = h('form.composer', {}, input, length, lock, submit);
    const newer = h('button.newer.button.small', { type: 'button', hidden: true }, 'New messages ↓');
    const identity = h('button.identity', { type: 'button', title: 'Sign in or out' });
    const picker = createPicker((hero) => {
        if (hero !== me.hero) become(hero);
        input.focus();
    });
    const tabs = h('nav.rooms.card', {}, h('h2', {}, 'Rooms'),
        h('div.tabs', { role: 'tablist', 'aria-label': 'Rooms' }, ...[...rooms.values()].map((room) => room.tab)), identity);
    const logs = h('div.logs', {}, ...[...rooms.values()].map((room) => room.log), newer);
    const header = h('header', {}, h('div', {}, heading, about), ...[...rooms.values()].map((room) => room.here));
    root.append(tabs, h('section.room.card', {}, header, logs, form), picker.dialog);

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
        identity.replaceChildren(...(me.hero ? [avatar(me.hero), h('span', {}, me.hero)] : [h('span', {}, 'Sign in')]));
        if (!me.hero) lock.setAttribute('aria-pressed', 'false');
        showComposer();
    }

    function isForMembers() {
        return lock.getAttribute('aria-pressed') === 'true';
    }

    function placeholder() {
        if (!isConnected) return 'Waiting for the connection…';
        if (!me.hero) return 'Sign in to write here';
        if (current.isShut) return 'You are not in this room';
        return isForMembers() ? 'To members only' : `Message the ${current.name}`;
    }

    /** How many characters too many. A text is never cut behind one's back: it is said before it is sent. */
    function excess() {
        return input.value.trim().length - MAX_TEXT;
    }

    function showComposer() {
        input.placeholder = placeholder();
        input.setAttribute('aria-invalid', String(excess() > 0));
        length.hidden = excess() <= -ROOM_LEFT;
        length.textContent = excess() > 0 ? `${excess()} too many` : `${-excess()} left`;
        lock.hidden = !me.hero;
        submit.textContent = me.hero ? 'Send' : 'Sign in';
        submit.disabled = !isConnected || (me.hero !== null && (current.isShut || excess() > 0));
    }

    function open(room) {
        current = room;
        for (const each of rooms.values()) {
            each.log.hidden = each !== room;
            each.here.classList.toggle('elsewhere', each !== room);
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
        if (!me.hero) picker.open();
        if (!me.hero || text === '' || excess() > 0 || current.isShut) return;
        const message = { text, key: randomKey() };
        const options = { authenticated: isForMembers() };
        if (!send(current.id, message, options)) return;
        current.addPending(message, options);
        input.value = '';
        showComposer();
        toEnd();
    }

    form.addEventListener('submit', say);
    input.addEventListener('input', showComposer);
    lock.addEventListener('click', () => {
        lock.setAttribute('aria-pressed', String(!isForMembers()));
        showComposer();
    });
    newer.addEventListener('click', toEnd);
    logs.addEventListener('scroll', onScroll, { capture: true, passive: true });
    new ResizeObserver(() => { if (isFollowing) toEnd(); }).observe(logs);   // a phone's keyboard comes and goes
    identity.addEventListener('click', picker.open);
    tabs.addEventListener('click', (event) => {
        const id = event.target.closest('[data-room]')?.dataset.room;
        if (id) open(rooms.get(id));
    });

    open(current);
    showIdentity();
    if (!me.hero) picker.open();

    return {
        /** @param {string} room @param {object[]} frames */
        replace: (room, frames) => change(room, (each) => each.replace(frames), false),
        /** @param {string} room @param {object} frame */
        add: (room, frame) => change(room, (each) => each.add(frame), true),
        /** @param {string} room @param {string} text */
        note: (room, text) => change(room, (each) => each.note(text), false),
        /** @param {string} room @param {string} key @param {import('/pgherald.js').Receipt} receipt */
        arrived(room, key, receipt) {
            change(room, (each) => each.arrived(key, receipt), false);
            if (receipt.dropped) change(room, (each) => each.note('The room did not take this message.'), false);
        },
        /** @param {string} room @param {string} text @param {string} [key]  of a message */
        fail: (room, text, key) => change(room, (each) => { each.fail(key); each.note(text); }, false),
        /** The server does not let us in, or not any more. @param {string} room @param {string} text */
        shutOut(room, text) {
            rooms.get(room).shutOut(text);
            showComposer();
        },
        /** @param {string} room @param {import('/pgherald.js').Member} self  how the server sees us */
        letIn(room, self) {
            me.self = self;
            rooms.get(room).letIn();
            showComposer();
        },
        /** @param {string} room @param {import('/pgherald.js').Member[]} members */
        here: (room, members) => rooms.get(room).showHere(members),
        /** We are somebody else from now on. */
        changeIdentity() {
            rooms.forEach((room) => room.forgetPending());
            showIdentity();
        },
        /** @param {boolean} now */
        setConnected(now) {
            isConnected = now;
            showComposer();
        },
    };
}
