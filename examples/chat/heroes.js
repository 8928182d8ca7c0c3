// SPDX-License-Identifier: PostgreSQL
/**
 * Who one can be. The avatar is two letters on a colour. The choice, and the random id by which a page knows its own
 * messages again, live in sessionStorage: they survive a reload, and a second tab is a second hero. They prove nothing
 * to anybody; proof is what tokens are for.
 */
import { h } from '/page.js';

const HUES = {
    'Iron Man': 8, 'Captain America': 214, Thor: 44, 'Black Widow': 345, Hulk: 128, 'Doctor Strange': 268,
    'Spider-Man': 356, 'Black Panther': 290, 'Star-Lord': 22, Gamora: 150, Rocket: 30, Groot: 96,
};

export const HEROES = Object.keys(HUES);

/** A colour for any name: a stranger may call himself what he likes. */
function hueOf(name) {
    let sum = 0;
    for (const character of name) sum = (sum * 31 + character.codePointAt(0)) % 360;
    return Object.hasOwn(HUES, name) ? HUES[name] : sum;
}

function initialsOf(name) {
    const words = name.split(/[\s-]+/u).filter(Boolean);
    const letters = words.length > 1 ? [...words[0]][0] + [...words.at(-1)][0] : [...name].slice(0, 2).join('');
    return letters.toUpperCase();
}

/** @param {string} name @returns {HTMLElement} */
export function avatar(name) {
    const element = h('span.avatar', { 'aria-hidden': 'true' }, initialsOf(name));
    element.style.setProperty('--hue', hueOf(name));
    return element;
}

/** crypto.randomUUID is there only in secure contexts, and a page on the local network is none. */
export function randomKey() {
    const bytes = crypto.getRandomValues(new Uint8Array(12));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function remembered(name, make) {
    let value = sessionStorage.getItem(name);
    if (value === null && make) sessionStorage.setItem(name, value = make());
    return value;
}

/** This page's visitor. */
export const me = {
    id: remembered('chat.id', randomKey),
    /** @type {string|null} */
    hero: remembered('chat.hero'),
    become(hero) {
        this.hero = hero;
        sessionStorage.setItem('chat.hero', hero);
    },
};
