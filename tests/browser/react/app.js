// SPDX-License-Identifier: PostgreSQL
// A page in React, as an application has one: mounted twice by StrictMode, with two components that wish different things of one
// channel. package.test.mjs bundles it.
import { createElement as h, StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { connect } from 'pgherald';
import { HeraldProvider, useChannel, usePresence, useStatus, useTable } from 'pgherald/react';

const { canonical, token } = window.app;
const herald = connect({ canonical, token });
const ORDER = ['made_at'];

function Room() {
    const { messages, joined, error, send } = useChannel('room/avengers', { history: true, keep: 5 });
    return h('section', { id: 'room', 'data-joined': joined },
        h('ol', null, messages.map(({ options, payload }) => h('li', { key: options.id }, payload.text))),
        h('button', { id: 'say', onClick: () => send({ text: `said ${messages.length}` }) }, 'Say'),
        h('p', { id: 'refused' }, error?.message));
}

function Faces({ editing }) {
    const { members, self } = usePresence('room/avengers', { editing });
    return h('ul', { id: 'faces' }, members.map(({ socketId, state }) => h('li', { key: socketId }, `${socketId === self?.socketId ? 'me' : 'other'} ${state?.editing}`)));
}

function Cards({ done }) {
    const { rows, isReady } = useTable('tasks/cards', { filter: { done }, order: ORDER });
    return h('ol', { id: 'cards', 'data-ready': isReady }, rows.map(({ id, title }) => h('li', { key: id }, title)));
}

function App() {
    const [shown, setShown] = useState({ room: true, faces: true, done: false });
    window.app.show = (changes) => setShown((before) => ({ ...before, ...changes }));
    return h('main', { 'data-status': useStatus().status },
        shown.room && h(Room), shown.faces && h(Faces, { editing: shown.editing ?? 'nothing' }), h(Cards, { done: shown.done }));
}

createRoot(document.querySelector('#root')).render(h(StrictMode, null, h(HeraldProvider, { client: herald }, h(App))));
