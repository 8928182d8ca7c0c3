// SPDX-License-Identifier: PostgreSQL
/**
 * All around the table: the counters, the position in the channel, the last events, and the psql lines to try.
 */
import { clock, h } from '/page.js';
import { KINDS } from '/examples/live-table/table.js';
import { lineToCopy } from '/copy.js';

const MAX_EVENTS = 40;

const LINES = [
    "update demo.orders set status = 'shipped' where id = (select min(id) from demo.orders);",
    "insert into demo.orders (customer, item, price) values ('Nick Fury', 'Eye patch', 7.25);",
    'delete from demo.orders where id = (select max(id) from demo.orders);',
    'begin; update demo.orders set price = price * 1.1; rollback;',
    'truncate demo.orders;',
];

const BIG_CHANGE = 5;

/** What an event did, in a few words. */
function summary({ action, new: now, old }) {
    if (action === 'truncate') return 'every row';
    const key = `#${(now ?? old).id}`;
    if (action !== 'update') return `${key} ${(now ?? old).item ?? ''}`;
    const names = Object.keys(now).filter((name) => name !== 'changed_at' && JSON.stringify(now[name]) !== JSON.stringify(old?.[name]));
    if (names.length > BIG_CHANGE || !old) return `${key} ${names.join(', ')}`;
    return `${key} ${names.map((name) => `${name} ${short(old[name])} → ${short(now[name])}`).join(', ')}`;
}

function short(value) {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return text.length > 24 ? `${text.slice(0, 23)}…` : text;
}

const MOVED = { enter: ' · matches now', leave: ' · matches no more' };

function eventItem({ options, payload: { data } }) {
    return h('li', {},
        h('span.kind', { dataset: { kind: data.action } }, data.action),
        h('span.what', {}, summary(data)),
        h('span.when.muted', {}, `${clock(options.at, true)} · ${options.id}${MOVED[options.moved] ?? ''}${options.replayed ? ' · replayed' : ''}`));
}

/** Like the table: `count` and `note` only remember, `show` draws. */
export function createPanel() {
    const find = (id) => document.querySelector(`#${id}`);
    const events = find('events');
    const counts = Object.fromEntries(KINDS.map((kind) => [kind, 0]));
    let news = [];                  // functions that make the list's new items, oldest first
    find('lines').append(...LINES.map(lineToCopy));

    function remember(makeItem) {
        news.push(makeItem);
        if (news.length > 2 * MAX_EVENTS) news = news.slice(-MAX_EVENTS);
    }

    return {
        count(frame) {
            counts[frame.payload.data.action] += 1;
            remember(() => eventItem(frame));
        },

        note: (text) => remember(() => h('li.note', {}, text)),

        /** @param {import('/pgherald.js').Position|null} position @param {number} size */
        show(position, size) {
            events.prepend(...news.slice(-MAX_EVENTS).reverse().map((makeItem) => makeItem()));
            news = [];
            while (events.children.length > MAX_EVENTS) events.lastChild.remove();
            for (const kind of KINDS) find(`count-${kind}`).textContent = counts[kind];
            find('count-rows').textContent = size;
            find('offset').textContent = position?.offset ?? '–';
            find('epoch').textContent = position ? `epoch ${position.epoch}` : '';
            find('epoch').title = position?.epoch ?? '';
        },
    };
}
