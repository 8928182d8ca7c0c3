// SPDX-License-Identifier: PostgreSQL
/**
 * The landing page: says whether the server is ready, and if not why, in the server's own words (`/ready`), and shows
 * the address of the WebSocket.
 */
import { h, readCanonical } from '/page.js';

const LOOK_EVERY_MS = 5000;

const badge = document.querySelector('#ready');
const server = document.querySelector('#server');

function show(status, short, long) {
    badge.dataset.status = status;
    badge.replaceChildren(h('i'), short);
    server.textContent = long;
}

async function look() {
    try {
        const response = await fetch('/ready', { cache: 'no-store' });
        const { reason } = await response.json();
        if (response.ok) show('connected', 'Ready', `Ready at ${location.origin}`);
        else show('waiting', 'Not ready', `Not ready: ${reason}`);
    } catch {
        show('closed', 'Away', 'The server does not answer. Is it still running?');
    }
}

async function showAddress() {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    document.querySelector('#socket').textContent = `${scheme}://${location.host}/rt/${await readCanonical()}`;
}

showAddress();
look();
setInterval(look, LOOK_EVERY_MS);
