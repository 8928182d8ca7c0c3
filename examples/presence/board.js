// SPDX-License-Identifier: PostgreSQL
/**
 * The board: where our pointer or finger is, and the others' cursors. Places go from 0 to 1, so a phone and a desktop
 * mean the same spot. A pointer that leaves the board is shown where it was last. A cursor glides from place to place by a CSS transition, which hides that there are only thirty
 * a second.
 */
import { h } from '/page.js';
import { hueOf, nameOf } from '/heroes.js';

const SAID_MS = 3500;

function arrow() {
    const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    svg.setAttribute('viewBox', '0 0 20 20');
    path.setAttribute('d', 'M2.5 2.5 8 17.500l2.200-6.500 6.800-2.200z');
    svg.append(path);
    return svg;
}

function put(element, [x, y]) {
    element.style.setProperty('--x', x);
    element.style.setProperty('--y', y);
}

/**
 * @param {HTMLElement} element
 * @param {{onMove: (place: [number, number]) => void, onClick: (socketId: string) => void}} options
 */
export function createBoard(element, { onMove, onClick }) {
    /** @type {Map<string, HTMLElement>} */
    const cursors = new Map();
    const finger = h('span.finger', { hidden: true });      // a mouse has its own arrow, a finger has nothing
    element.append(finger);

    function placeOf({ clientX, clientY }) {
        const { left, top, width, height } = element.getBoundingClientRect();
        const part = (value) => Math.round(Math.min(1, Math.max(0, value)) * 10_000) / 10_000;
        return [part((clientX - left) / width), part((clientY - top) / height)];
    }

    function moved(event) {
        const place = placeOf(event);
        finger.hidden = event.pointerType === 'mouse';
        put(finger, place);
        onMove(place);
    }

    element.addEventListener('pointerdown', moved);
    element.addEventListener('pointermove', moved);
    element.addEventListener('click', ({ target }) => {
        const cursor = target.closest('[data-socket]');
        if (cursor) onClick(cursor.dataset.socket);
    });

    function create(member) {
        const name = nameOf(member);
        const cursor = h('button.cursor', { type: 'button', tabIndex: -1, title: `Wave at ${name}`, dataset: { socket: member.socketId } },
            arrow(), h('span.label', {}, h('strong', {}, name), h('span.says')));
        cursor.style.setProperty('--hue', hueOf(name));
        cursors.set(member.socketId, cursor);
        element.append(cursor);
        return cursor;
    }

    return {
        /** @param {import('/pgherald.js').Member} member @param {[number, number]} place */
        move(member, place) {
            put(cursors.get(member.socketId) ?? create(member), place);
        },

        /** What somebody says beside his cursor, for a moment. */
        say({ socketId }, text) {
            const says = cursors.get(socketId)?.querySelector('.says');
            if (!says) return;
            says.textContent = text;
            setTimeout(() => says.replaceChildren(), SAID_MS);
        },

        /** Only these are still here. @param {import('/pgherald.js').Member[]} members */
        keep(members) {
            const here = new Set(members.map(({ socketId }) => socketId));
            for (const [socketId, cursor] of cursors) {
                if (here.has(socketId)) continue;
                cursor.remove();
                cursors.delete(socketId);
            }
        },
    };
}
