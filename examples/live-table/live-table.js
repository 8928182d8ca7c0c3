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
        table.show();
        refresh();
    })
    .on('event', (frame) => {
        if (!isChange(frame)) return;
        table.apply(frame.payload.data);
        table.show();
        panel.count(frame);
        refresh();
    })
    .on('join', ({ payload }) => {
        if (payload.resumed) panel.note('Back again: resumed, nothing was missed.');
        refresh();
    })
    .on('gap', () => panel.note('Too much was missed to replay it: built anew from the history.'))
    .on('error', ({ payload }) => panel.note(payload.message));

/** The channel also carries what somebody publishes to it; only the triggers' events are rows. */
function isChange(frame) {
    const data = frame.payload?.data;
    return frame.action === 'event' && data?.table === 'orders' && KINDS.includes(data.action);
}

function refresh() {
    panel.setPosition(orders.position, table.size);
}
