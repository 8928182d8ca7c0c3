// SPDX-License-Identifier: PostgreSQL
/**
 * What the board looks like: two columns of cards. It knows nothing of the connection. Whatever a card says was written by
 * strangers, and is set as text.
 */
import { avatar, nameOf } from '/heroes.js';
import { h } from '/page.js';

const REFUSAL_MS = 8000;
const COLUMNS = [{ id: 'open', name: 'Open', isDone: false }, { id: 'done', name: 'Done', isDone: true }];

const find = (id) => document.querySelector(`#${id}`);

function column({ id, name, isDone }, ...children) {
    const list = h('ol.cards', { dataset: { empty: isDone ? 'Nothing is done yet.' : 'Nothing is to be done.' } });
    const count = h('span.muted.number', {}, '…');
    return { isDone, list, count, element: h('section.column.card', { id, 'aria-label': name }, h('header', {}, h('h2', {}, name), count), ...children, list) };
}

function composer(add) {
    const input = h('input', { name: 'title', placeholder: 'What is to be done?', autocomplete: 'off', enterKeyHint: 'done', 'aria-label': 'Title of a new card' });
    const form = h('form.composer', {}, input, h('button.button', { type: 'submit' }, 'Add'));
    form.addEventListener('submit', (event) => {
        event.preventDefault();
        const title = input.value.trim();
        if (title !== '') add(title);
        input.value = '';
    });
    return form;
}

/**
 * @param {object} actions
 * @param {(title: string) => void} actions.add
 * @param {(id: string, values: {title?: string, done?: boolean}) => void} actions.change
 * @param {(id: string) => void} actions.remove
 * @param {(id: string|null) => void} actions.edit  the user has begun to write in a card's title, or ended it
 */
export function createView({ add, change, remove, edit }) {
    const columns = COLUMNS.map((each) => (each.isDone ? column(each) : column(each, composer(add))));
    /** @type {Map<string, {element: HTMLElement, show: (card: object) => void, showEditor: (name: string|null) => void}>} */
    const cards = new Map();
    /** Who is writing in which card. @type {Map<string, string>} */
    let editors = new Map();
    let timer;
    find('columns').append(...columns.map(({ element }) => element));

    function createCard(id) {
        let card;
        const tick = h('input.tick', { type: 'checkbox' });
        const title = h('input.text', { 'aria-label': 'Title', autocomplete: 'off', enterKeyHint: 'done' });
        const who = h('span.who');
        const bin = h('button.bin', { type: 'button', title: 'Remove', 'aria-label': 'Remove' }, '×');
        const element = h('li.task', { dataset: { id } }, tick, title, who, bin);
        tick.addEventListener('change', () => change(id, { done: tick.checked }));
        bin.addEventListener('click', () => remove(id));
        title.addEventListener('focus', () => edit(id));
        title.addEventListener('keydown', ({ key }) => {
            if (key === 'Escape') title.value = card.title;
            if (key === 'Escape' || key === 'Enter') title.blur();
        });
        title.addEventListener('blur', () => {
            edit(null);
            const written = title.value.trim();
            title.value = card.title;               // or what comes of it: show() is told
            if (written !== card.title) change(id, { title: written });
        });

        function showEditor(name) {
            element.classList.toggle('edited', name !== null);
            who.replaceChildren(avatar(name ?? card.changed_by), name === null ? '' : h('span', {}, `${name} is writing`));
            who.title = name === null ? `Last changed by ${card.changed_by}` : '';
        }
        return {
            element,
            show(now) {
                card = now;
                tick.checked = card.done;
                tick.setAttribute('aria-label', `${card.title}: done`);
                if (document.activeElement !== title) title.value = card.title;     // not under who is writing in it
                element.classList.toggle('pending', card.isPending === true);
                showEditor(editors.get(id) ?? null);
            },
            showEditor,
        };
    }

    /** The cards of a column, in their order; one that is in its place already is not moved, so that it keeps the focus. */
    function fill({ isDone, list, count }, shown) {
        const here = shown.filter(({ done }) => done === isDone);
        let place = list.firstElementChild;
        for (const { id } of here) {
            const { element } = cards.get(id);
            if (element === place) place = place.nextElementSibling;
            else list.insertBefore(element, place);
        }
        count.textContent = here.length;
    }

    return {
        /** @param {object[]} shown  rows of demo.cards, those with `isPending` not in the database yet */
        showCards(shown) {
            const order = (a, b) => (a.made_at < b.made_at ? -1 : Number(a.made_at > b.made_at)) || (a.id < b.id ? -1 : 1);
            const sorted = [...shown].sort(order);
            const ids = new Set(sorted.map(({ id }) => id));
            for (const [id, { element }] of cards) {
                if (ids.has(id)) continue;
                element.remove();
                cards.delete(id);
            }
            for (const card of sorted) {
                if (!cards.has(card.id)) cards.set(card.id, createCard(card.id));
                cards.get(card.id).show(card);
            }
            columns.forEach((each) => fill(each, sorted));
        },

        /** The cards that there are, are here. */
        showReady() {
            find('columns').classList.add('ready');
        },

        /** A face for everybody, and on a card who is writing in it.
         * @param {import('/pgherald.js').Member[]} members @param {import('/pgherald.js').Member|null} self */
        showMembers(members, self) {
            const others = members.filter(({ socketId }) => socketId !== self?.socketId);
            const faces = [...members.filter((each) => !others.includes(each)), ...others];
            find('here').replaceChildren(...faces.map((each) => h('li', { title: each === faces[0] ? `${nameOf(each)} (you)` : nameOf(each) }, avatar(nameOf(each)))));
            editors = new Map(others.filter(({ state }) => typeof state?.editing === 'string').map((each) => [each.state.editing, nameOf(each)]));
            cards.forEach(({ showEditor }, id) => showEditor(editors.get(id) ?? null));
        },

        /** @param {string} text  why something was not done */
        refuse(text) {
            clearTimeout(timer);
            find('refusal').textContent = text;
            find('refusal').hidden = false;
            timer = setTimeout(() => { find('refusal').hidden = true; }, REFUSAL_MS);
        },
    };
}
