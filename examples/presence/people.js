// SPDX-License-Identifier: PostgreSQL
/**
 * The list of who is here, and the line or two that say what happened. An entry is kept as long as its member is here,
 * so that what is drawn about it does not vanish with the next change of the list.
 */
import { h } from '/page.js';
import { avatar, nameOf } from '/heroes.js';

const MAX_NEWS = 8;
const HIGHLIGHT_MS = 3500;

const find = (id) => document.querySelector(`#${id}`);

/** @param {{onClick: (member: import('/pgherald.js').Member) => void}} options */
export function createPeople({ onClick }) {
    /** @type {Map<string, HTMLElement>} */
    const entries = new Map();
    const list = find('people');
    const news = find('news');

    function create(member, isMe) {
        const name = nameOf(member);
        const button = h('button.person', { type: 'button', title: isMe ? 'Become somebody else' : `Wave at ${name}` },
            avatar(name), h('span.name', {}, name), h('span.what', {}, isMe ? 'You' : 'Wave'));
        button.addEventListener('click', () => onClick(member));
        return h(`li${isMe ? '.me' : ''}`, { dataset: { socket: member.socketId } }, button);
    }

    return {
        /** Ourselves first, the others as they came.
         * @param {import('/pgherald.js').Member[]} members @param {import('/pgherald.js').Member|null} self */
        show(members, self) {
            const isMe = ({ socketId }) => socketId === self?.socketId;
            const here = new Map();
            for (const member of [...members.filter(isMe), ...members.filter((each) => !isMe(each))]) {
                here.set(member.socketId, entries.get(member.socketId) ?? create(member, isMe(member)));
            }
            for (const [socketId, entry] of entries) if (!here.has(socketId)) entry.remove();
            entries.clear();
            let place = list.firstElementChild;
            for (const [socketId, entry] of here) {
                entries.set(socketId, entry);
                if (entry === place) place = place.nextElementSibling;
                else list.insertBefore(entry, place);
            }
            find('count').textContent = here.size;
            find('hint').hidden = here.size !== 1;
        },

        /** @param {string} text @param {import('/pgherald.js').Member} [about]  a wave: in his colour */
        say(text, about) {
            news.prepend(h(`li${about ? '.wave' : ''}`, {}, about ? avatar(nameOf(about)) : null, h('span', {}, text)));
            while (news.children.length > MAX_NEWS) news.lastChild.remove();
        },

        /** @param {import('/pgherald.js').Member} member */
        highlight({ socketId }) {
            const entry = entries.get(socketId);
            entry?.classList.add('waving');
            setTimeout(() => entry?.classList.remove('waving'), HIGHLIGHT_MS);
        },
    };
}
