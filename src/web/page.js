// SPDX-License-Identifier: PostgreSQL
/**
 * What the pages of the development server share: a way to make elements, and the badge that shows the state of the
 * connection. Nothing here is needed to use pgherald; an application takes pgherald.js and the module beside it.
 */

/**
 * Makes an element. Text is only ever set as text, never parsed: what comes from a channel was written by strangers.
 * @param {string} selector  `tag.class.class`
 * @param {object} [props]   properties of the element, `dataset` and `aria-…` attributes included
 * @param {...(Node|string|null)} children
 * @returns {HTMLElement}
 */
export function h(selector, props = {}, ...children) {
    const [tag, ...classes] = selector.split('.');
    const element = document.createElement(tag);
    element.classList.add(...classes);
    for (const [name, value] of Object.entries(props)) {
        if (name === 'dataset') Object.assign(element.dataset, value);
        else if (name.includes('-') || name === 'role') element.setAttribute(name, value);
        else element[name] = value;
    }
    element.append(...children.filter((child) => child !== null));
    return element;
}

/** The workspace that the development server has made. @returns {Promise<string>} */
export async function readCanonical() {
    const response = await fetch('/examples/config.json');
    if (!response.ok) throw new Error(`config.json: HTTP ${response.status}`);
    return (await response.json()).canonical;
}

/**
 * A token for somebody, without any question: that is what a development server is for. An application asks its own
 * sign-in.
 * @param {string} name @returns {Promise<string>}
 */
export async function readToken(name) {
    const response = await fetch(`/examples/token?name=${encodeURIComponent(name)}`, { cache: 'no-store' });
    if (!response.ok) throw new Error(`There is no token for ${name}: HTTP ${response.status}`);
    return (await response.json()).token;
}

/* Made once: a formatter costs a hundred times what formatting does. */
const SHORT_TIME = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const FULL_TIME = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });

/** A time of day as this reader writes it; empty for what is no time.
 * @param {string} [at] @param {boolean} [withSeconds] */
export function clock(at, withSeconds = false) {
    const time = new Date(at ?? NaN);
    if (Number.isNaN(time.valueOf())) return '';
    return (withSeconds ? FULL_TIME : SHORT_TIME).format(time);
}

/* Behind the balancer of `pgherald dev --nodes` the answer that opened the connection left this; else there is none. */
function nodeText() {
    const node = document.cookie.match(/(?:^|; )pgherald-node=([\w-]+)/)?.[1];
    return node ? ` on ${node}` : '';
}

const STATUS_TEXT = { connecting: 'Connecting…', connected: 'Live', closed: 'Disconnected' };

/**
 * Keeps a button of class `status` up to date: it shows the state, counts down to the next attempt, and a click tries
 * at once.
 * @param {HTMLButtonElement} button
 * @param {import('./pgherald.js').Client} client
 */
export function showStatus(button, client) {
    let ticker;
    const say = (text) => button.replaceChildren(h('i'), text);
    const countDown = (retryMs) => {
        const until = Date.now() + retryMs;
        const tick = () => say(`Reconnecting in ${Math.max(1, Math.ceil((until - Date.now()) / 1000))} s`);
        tick();
        ticker = setInterval(tick, 500);
    };
    const show = ({ status, retryMs, reason }) => {
        clearInterval(ticker);
        button.dataset.status = status;
        button.disabled = status === 'connected' || status === 'connecting';
        button.title = button.disabled ? '' : `Reconnect now${reason ? ` (${reason})` : ''}`;
        if (status === 'waiting') countDown(retryMs);
        else say(STATUS_TEXT[status] + (status === 'connected' ? nodeText() : ''));
    };
    button.addEventListener('click', () => client.reconnect());
    client.on('status', show);
    show(client.status);
}
