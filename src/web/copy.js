// SPDX-License-Identifier: PostgreSQL
/**
 * Lines that a click copies.
 */
import { h } from '/page.js';

/** Clipboards exist only in secure contexts; elsewhere the line is at least selected. */
async function copy(code, answer) {
    getSelection().selectAllChildren(code);
    try {
        await navigator.clipboard.writeText(code.textContent);
        answer.textContent = 'copied';
    } catch {
        answer.textContent = 'selected';
    }
    answer.classList.add('done');
    setTimeout(() => { answer.textContent = 'copy'; answer.classList.remove('done'); }, 1500);
}

/** A button: what one can type in psql, or in a shell. @param {string} text @returns {HTMLElement} */
export function textToCopy(text) {
    const code = h('code', {}, text);
    const answer = h('span.answer', {}, 'copy');
    const button = h('button.line', { type: 'button', title: 'Copy' }, code, answer);
    button.addEventListener('click', () => copy(code, answer));
    return button;
}

/** The same as an item of a list. @param {string} text @returns {HTMLElement} */
export function lineToCopy(text) {
    return h('li', {}, textToCopy(text));
}
