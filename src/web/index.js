// SPDX-License-Identifier: PostgreSQL
/**
 * The landing page: what changed last in a table, a box that every open page hears, and what to type. And whether the server
 * is ready, and if not why, in its own words (`/ready`).
 */
import { connect } from '/pgherald.js';
import { textToCopy } from '/copy.js';
import { h, readCanonical, showStatus } from '/page.js';

const LOOK_EVERY_MS = 5000;
const MAX_CHANGES = 4;
const MAX_SAID = 3;
const MAX_TEXT = 140;

const find = (id) => document.querySelector(`#${id}`);
/* ---- the server ---- */

async function look() {
    try {
        const response = await fetch('/ready', { cache: 'no-store' });
        const { reason } = await response.json();
        find('server').textContent = response.ok ? `Ready at ${location.origin}` : `Not ready: ${reason}`;
    } catch {
        find('server').textContent = 'The server does not answer. Is it still running?';
    }
}

look();
setInterval(look, LOOK_EVERY_MS);

/* ---- the line ---- */

const canonical = await readCanonical();
const herald = connect({ canonical });
showStatus(find('status'), herald);

/* ---- what came here ---- */

let delivered = 0;

function count() {
    delivered += 1;
    find('delivered').textContent = delivered;
}

/* ---- what changed last ---- */

const COLUMNS = { id: 'right', customer: 'wide', item: '', quantity: 'right', price: 'right wide', status: '' };

const orders = herald.table('live/orders');
/** Newest first. @type {{key: string, action: string, row: object, changed: string[]}[]} */
let changes = [];
let isPlanned = false;

orders.onChange(({ action, key, row, old, frame }) => {
    if (action === 'snapshot') changes = newest([...orders.entries()]);
    else if (action === 'truncate' || action === 'error') changes = [];
    else note({ key, action, row: row ?? old, changed: differences(old, row) });
    if (frame?.action === 'event') count();
    plan();
});

function note(change) {
    changes = [change, ...changes.filter(({ key }) => key !== change.key)].slice(0, MAX_CHANGES);
}

function newest(entries) {
    const at = ([, row]) => Date.parse(row.changed_at);
    return entries.sort((a, b) => at(b) - at(a)).slice(0, MAX_CHANGES).map(([key, row]) => ({ key, action: '', row, changed: [] }));
}

function differences(old, row) {
    return old && row ? Object.keys(row).filter((name) => row[name] !== old[name]) : [];
}

/** However many rows change, they are drawn once per frame of the screen, and what is new in it lights up. */
function plan() {
    if (isPlanned) return;
    isPlanned = true;
    requestAnimationFrame(() => {
        isPlanned = false;
        draw();
    });
}

const drawn = new WeakMap();

function rowOf(change) {
    if (!drawn.has(change)) {
        const cells = Object.entries(COLUMNS).map(([name, classes]) => h('td', {
            className: `${classes}${change.changed.includes(name) ? ' changed' : ''}`, dataset: { column: name },
        }, String(change.row[name] ?? '')));
        drawn.set(change, h('tr', { dataset: { key: change.key, action: change.action } }, ...cells, h('td.right', {}, h('span.kind', {}, change.action))));
    }
    return drawn.get(change);
}

function draw() {
    find('changes').replaceChildren(...changes.map(rowOf));
    find('no-changes').textContent = orders.size === 0 ? 'The table is empty. Insert a row.' : '';
    find('no-changes').hidden = changes.length > 0;
}

/* ---- what is said ---- */

const hello = herald.channel('demo/hello', { history: true, presence: true });

hello
    .on('history', ({ payload }) => payload.history.forEach(show))
    .on('message', heard)
    .on('event', heard)
    .on('presence', (members) => { find('open').textContent = members.length || '–'; });
herald.on('error', ({ payload }) => refuse(payload.message));

function heard(frame) {
    count();
    show(frame);
}

/** A page says {"text": …}, and so does SQL; who says something else is shown as he is. */
function show({ action, payload }) {
    const value = action === 'event' ? payload.data : payload;
    const text = typeof value?.text === 'string' ? value.text : JSON.stringify(value);
    find('said').prepend(h('li', {}, text.slice(0, MAX_TEXT)));
    while (find('said').children.length > MAX_SAID) find('said').lastChild.remove();
}

function refuse(text) {
    find('refusal').hidden = text === '';
    find('refusal').textContent = text;
}

find('say').addEventListener('submit', (event) => {
    event.preventDefault();
    const text = find('text').value.trim();
    if (text === '') return;
    find('text').value = '';
    hello.send({ text }).then(() => refuse(''), ({ message }) => refuse(message));
});

/* ---- what to type ---- */

const PAGE = `<script type="module">
  import { connect } from '${location.origin}/pgherald.js';
  connect({ url: '${location.origin}', canonical: '${canonical}' })
    .channel('demo/hello')
    .on('message', (frame) => document.body.append(frame.payload.text, ' '));
</${'script'}>`;

const LINES = {
    psql: [(await (await fetch('/examples/psql')).text()).trim(), 'update demo.orders set quantity = quantity + 1 where id = (select min(id) from demo.orders);'],
    publish: [`select herald.publish('demo/hello', '{"text": "Hello from SQL"}');`],
    'own-install': ['make && sudo make install', 'export PGHERALD_DATABASE_URL=postgresql://postgres@localhost/shop', 'pgherald install'],
    'own-watch': [
        "pgherald watch orders --channel 'orders/{customer_id}' --columns id,status,total",
        `psql "$PGHERALD_DATABASE_URL" -c "select herald.set_rule('orders/*', anonymous_clients => true)"`,
    ],
    'own-serve': ['PGHERALD_DATABASE_URL=postgresql://herald_server@localhost/shop pgherald serve'],
    'own-page': [PAGE],
};
for (const [id, lines] of Object.entries(LINES)) find(id).append(...lines.map(textToCopy));
const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
find('socket').textContent = `${scheme}://${location.host}/rt/${canonical}`;
