// SPDX-License-Identifier: PostgreSQL
/**
 * A table that follows its original in Postgres. All that is known here comes from `herald.table()`: the rows that match,
 * read once, and then each change. After a cut the missed changes come one by one, as if nothing had been; where that is not
 * possible the rows are read again and replaced in one step.
 *
 * Another filter is another table. The old one goes on until the new one has its rows, so nothing is ever half there.
 */
import { connect } from '/pgherald.js';
import { h, readCanonical, showStatus } from '/page.js';
import { createTable } from '/examples/live-table/table.js';
import { createPanel } from '/examples/live-table/panel.js';

const MAX_DELAY_MS = 250;

const FILTERS = {
    'All orders': undefined,
    New: { status: 'new' },
    'On the way': { status: { in: ['packed', 'shipped'] } },
    Delivered: { status: 'delivered' },
    Express: { express: true },
    'Over 100': { price: { gt: '100' } },
};

const herald = connect({ canonical: await readCanonical() });
const table = createTable({
    head: document.querySelector('#head'),
    body: document.querySelector('#rows'),
    empty: document.querySelector('#empty'),
});
const panel = createPanel();
const buttons = Object.keys(FILTERS).map((name) => h('button', { type: 'button', onclick: () => want(name) }, name));

/** @type {import('/pgherald.js').Table|null} the one that is shown */
let orders = null;
/** The one that waits for its rows. */
let next = null;

showStatus(document.querySelector('#status'), herald);
document.querySelector('#filters').append(...buttons);
want('All orders');

async function want(name) {
    const filter = FILTERS[name];
    buttons.forEach((button) => button.setAttribute('aria-pressed', String(button.textContent === name)));
    document.querySelector('#call').textContent = `herald.table('live/orders'${filter ? `, { filter: ${JSON.stringify(filter)} }` : ''})`;
    next?.close();
    const mine = next = herald.table('live/orders', { filter });
    try {
        await mine.ready;
    } catch (error) {
        note(error.message);
        return;
    }
    if (mine !== next) return;
    next = null;
    orders?.close();
    orders = mine;
    follow(mine);
}

function follow(mine) {
    let newest = null;
    table.follow(mine);
    mine.onChange(({ key, frame }) => {
        table.touch(key);
        // A changed key is a row that goes and one that comes, by the same frame.
        if (frame?.action === 'event' && frame !== newest) panel.count(frame);
        newest = frame;
        plan();
    });
    mine.channel
        .on('join', ({ payload }) => { if (payload.resumed) note('Back again: resumed, nothing was missed.'); })
        .on('gap', () => note('Too much was missed to replay it: the rows are read again.'))
        .on('error', ({ payload }) => note(payload.message));
    plan();
}

function note(text) {
    panel.note(text);
    plan();
}

let isPlanned = false;

/** However many events come, the page is drawn at most once per frame of the screen; a long table less often, because
 * each drawing lays it out anew. */
function plan() {
    if (isPlanned) return;
    isPlanned = true;
    setTimeout(() => requestAnimationFrame(draw), Math.min(MAX_DELAY_MS, table.size / 10));
}

function draw() {
    isPlanned = false;
    table.show();
    panel.show(orders?.channel.position ?? null, table.size);
}
