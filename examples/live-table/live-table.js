// SPDX-License-Identifier: PostgreSQL
/**
 * A table that follows its original in Postgres. The state of the page is nothing but the sum of the channel's events:
 * the history that came with the join, then each change. So there is no second way by which rows get in here, and what
 * the page shows is what the channel carries.
 *
 * After a cut the channel resumes: the missed changes come one by one, as if nothing had been. Where that is not
 * possible the history comes again, and the table is built anew.
 */
import { connect } from '/pgherald.js';
import { readCanonical, showStatus } from '/page.js';
import { createTable, KINDS } from '/examples/live-table/table.js';
import { createPanel } from '/examples/live-table/panel.js';

const MAX_DELAY_MS = 250;

const herald = connect({ canonical: await readCanonical() });
const orders = herald.channel('live/orders', { history: true });
const table = createTable({
    head: document.querySelector('#head'),
    body: document.querySelector('#rows'),
    empty: document.querySelector('#empty'),
});
const panel = createPanel();

showStatus(document.querySelector('#status'), herald);

orders
    .on('history', ({ payload }) => {
        table.clear();
        payload.history.filter(isChange).forEach((frame) => table.apply(frame.payload.data));
        plan();
    })
    .on('event', (frame) => {
        if (isChange(frame)) {
            table.apply(frame.payload.data);
            panel.count(frame);
        }
        plan();
    })
    .on('join', ({ payload }) => {
        if (payload.resumed) note('Back again: resumed, nothing was missed.');
    })
    .on('gap', () => note('Too much was missed to replay it: built anew from the history.'))
    .on('error', ({ payload }) => note(payload.message));

function note(text) {
    panel.note(text);
    plan();
}

/** The channel also carries what somebody publishes to it; only the triggers' events are rows. */
function isChange(frame) {
    const data = frame.payload?.data;
    return frame.action === 'event' && data?.table === 'orders' && KINDS.includes(data.action);
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
    panel.show(orders.position, table.size);
}
