// SPDX-License-Identifier: PostgreSQL
/**
 * Lines for psql that a click copies.
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

/** An item of a list: what one can type in psql. @param {string} text @returns {HTMLElement} */
export function lineToCopy(text) {
    const code = h('code', {}, text);
    const answer = h('span.answer', {}, 'copy');
    const button = h('button.line', { type: 'button', title: 'Copy' }, code, answer);
    button.addEventListener('click', () => copy(code, answer));
    return h('li', {}, button);
}
