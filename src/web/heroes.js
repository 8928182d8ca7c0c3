// SPDX-License-Identifier: PostgreSQL
/**
 * Who one can be in the examples, and how people are drawn: two letters on a colour. A name is what somebody's token
 * says in its extras, so the server vouches for it; an anonymous client has none and is called a guest.
 */
import { h } from '/page.js';

const HUES = {
    'Iron Man': 8, 'Captain America': 214, Thor: 44, 'Black Widow': 345, Hulk: 128, 'Doctor Strange': 268,
    'Spider-Man': 356, 'Black Panther': 290, 'Star-Lord': 22, Gamora: 150, Rocket: 30, Groot: 96,
};

const MAX_NAME = 40;

export const HEROES = Object.keys(HUES);

/** A colour for any name: a stranger may call himself what he likes. @param {string} name @returns {number} */
export function hueOf(name) {
    let sum = 0;
    for (const character of name) sum = (sum * 31 + character.codePointAt(0)) % 360;
    return Object.hasOwn(HUES, name) ? HUES[name] : sum;
}

/** @param {import('/pgherald.js').Member|null|undefined} member @returns {string} */
export function nameOf(member) {
    const name = member?.extras?.name;
    if (typeof name === 'string' && name !== '') return name.slice(0, MAX_NAME);
    return member ? `Guest ${member.socketId.slice(0, 4)}` : 'Somebody';
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
