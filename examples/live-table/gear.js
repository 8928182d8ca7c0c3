// SPDX-License-Identifier: PostgreSQL
/**
 * Two people side by side, each with a connection and a token of his own, in the same channel and with the same code. What each
 * is shown is decided in the database, by `visible` of the watch. To give something away is a message to another channel, where
 * a function of the database checks whose it is; that it has arrived shows in the rows alone.
 */
import { connect } from '/pgherald.js';
import { clock, h, readCanonical, readToken, showStatus } from '/page.js';
import { avatar } from '/heroes.js';
import { lineToCopy } from '/copy.js';

const PEOPLE = ['Thor', 'Rocket'];
const FADE_MS = 450;

const LINES = [
    "update demo.gear set keeper = 'Rocket' where item = 'Stormbreaker';",
    "insert into demo.gear (item, keeper) values ('Tesseract', 'Thor');",
];

const canonical = await readCanonical();

const isMoving = () => !matchMedia('(prefers-reduced-motion: reduce)').matches;

function thing({ id, item, since }, other, give) {
    const button = h('button.button.quiet.small', { type: 'button', onclick: () => give({ id, to: other }) }, `Give to ${other}`);
    return h('li', { dataset: { id } }, h('strong', {}, item), h('span.muted.number', {}, `since ${clock(since, true)}`), button);
}

function goes(item) {
    if (!isMoving()) item.remove();
    else item.animate([{ opacity: 1 }, { opacity: 0, translate: '0 -0.4rem' }], { duration: FADE_MS, easing: 'ease-in' }).finished.finally(() => item.remove());
}

/** What is there no more goes, what is new comes at its place; the rest stays as it is. */
function draw(list, rows, make, isCalm) {
    const items = new Map([...list.querySelectorAll('[data-id]')].map((item) => [item.dataset.id, item]));
    const present = new Set(rows.map(({ id }) => String(id)));
    for (const [id, item] of items) {
        if (present.has(id)) continue;
        delete item.dataset.id;
        item.classList.add('gone');
        goes(item);
    }
    for (const row of rows) {
        const old = items.get(String(row.id));
        const item = make(row);
        if (!old && !isCalm) item.classList.add('came');
        if (old) old.replaceWith(item);
        else list.insertBefore(item, [...list.querySelectorAll('[data-id]')].find((each) => Number(each.dataset.id) > row.id) ?? null);
    }
}

function pane(name, other) {
    const herald = connect({ canonical, token: () => readToken(name) });
    const gear = herald.table('live/gear', { order: ['id'] });
    const giving = herald.channel('live/give');
    const error = h('p.error', { role: 'alert' });
    const give = (what) => giving.send(what).catch(({ message }) => { error.textContent = message; });
    const status = h('button.status', { type: 'button', disabled: true });
    const count = h('span.muted', {}, '…');
    const list = h('ul.things', { 'data-empty': 'Nothing is his.' });
    showStatus(status, herald);
    gear.onChange(({ action }) => {
        draw(list, [...gear.values()], (row) => thing(row, other, give), action === 'snapshot');
        count.textContent = `${gear.size} of his`;
        error.textContent = '';
    });
    giving.on('error', ({ payload }) => { error.textContent = payload.message; });
    herald.on('error', ({ payload }) => { error.textContent = payload.message; });
    return h('section.pane.card', { dataset: { name }, 'aria-label': name },
        h('header', {}, avatar(name), h('h2', {}, name), count, h('span.space'), status), list, error);
}

/** Somebody without a token, in the same channel. */
function guest(line) {
    const gear = connect({ canonical }).table('live/gear');
    const say = () => { line.textContent = `A guest without a token, in the same channel, is shown ${gear.size === 0 ? 'none' : gear.size} of these rows.`; };
    gear.onChange(say);
}

document.querySelector('#panes').append(pane(...PEOPLE), pane(...PEOPLE.toReversed()));
document.querySelector('#gear-lines').append(...LINES.map(lineToCopy));
guest(document.querySelector('#guest'));
