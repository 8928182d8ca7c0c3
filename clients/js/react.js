// SPDX-License-Identifier: PostgreSQL
/**
 * pgherald in React: hooks on useSyncExternalStore. A component that is mounted holds a channel or a table; the client counts its
 * holders, and lets go a second after the last one, so that StrictMode, which mounts twice, costs nothing.
 *
 * Each hook has a store: it opens when React subscribes and closes when it unsubscribes. What it shows is an object that is replaced,
 * never changed. On a server nobody subscribes, and it shows what there is before the first answer.
 */
import { createContext, createElement, useContext, useEffect, useMemo, useSyncExternalStore } from 'react';

const Context = createContext(null);

/** Gives the client to all hooks below. Make it once, outside of components. */
export function HeraldProvider({ client, children }) {
    return createElement(Context.Provider, { value: client }, children);
}

/** @returns {import('./pgherald.js').Client} */
export function useHerald() {
    const client = useContext(Context);
    if (!client) throw new Error('There is no <HeraldProvider client={…}> around this component.');
    return client;
}

class Store {
    #listeners = new Set();
    #open;
    #close = null;

    /** @param {object} first  what is shown at first @param {(show: (changes: object) => void) => () => void} open */
    constructor(first, open) {
        this.shown = first;
        this.#open = open;
    }

    get = () => this.shown;

    subscribe = (listener) => {
        this.#listeners.add(listener);
        this.#close ??= this.#open(this.#show);
        return () => {
            this.#listeners.delete(listener);
            if (this.#listeners.size > 0) return;
            this.#close();
            this.#close = null;
        };
    };

    #show = (changes) => {
        this.shown = { ...this.shown, ...changes };
        this.#listeners.forEach((listener) => listener());
    };
}

/** Options are compared by what they say, so that they may be written where they are used. */
function useStore(make, ...what) {
    const client = useHerald();
    const store = useMemo(() => make(client), [client, JSON.stringify(what)]);
    useSyncExternalStore(store.subscribe, store.get, store.get);
    return store;
}

const DEFAULT_KEEP = 100;

/** What the server refuses: an error without a stack, as it comes in frames. */
function refusal({ payload }) {
    return payload;
}

function channelStore(client, name, { keep = DEFAULT_KEEP, ...options }) {
    const store = new Store({ messages: [], joined: false, error: null, channel: null }, (show) => {
        const channel = client.channel(name, options);
        const add = (frame) => show({ messages: [...store.shown.messages, frame].slice(-keep) });
        const look = () => { if (store.shown.joined !== channel.joined) show({ joined: channel.joined }); };
        channel
            .on('join', () => show({ joined: true, error: null }))
            .on('history', ({ payload }) => show({ messages: payload.history.slice(-keep) }))
            .on('error', (frame) => show({ joined: channel.joined, error: refusal(frame) }));
        if (keep > 0) channel.on('message', add).on('event', add);
        client.on('status', look);
        show({ channel, joined: channel.joined });
        return () => {
            client.off('status', look);
            channel.leave();
        };
    });
    /** Stable, so that it may stand in lists of dependencies. */
    store.send = (payload, sendOptions) => (store.shown.channel
        ? store.shown.channel.send(payload, sendOptions)
        : Promise.reject(new Error(`The component that uses the channel ${name} is not mounted.`)));
    return store;
}

/** A channel: its newest messages and events, whether we are in, and how to send. */
export function useChannel(name, options = {}) {
    const store = useStore((client) => channelStore(client, name, options), 'channel', name, options);
    return { ...store.shown, send: store.send };
}

function tableStore(client, name, options) {
    return new Store({ rows: [], isReady: false, error: null, table: null }, (show) => {
        const table = client.table(name, options);
        const all = () => [...table.values()];
        table.onChange(({ action, frame }) => show({ rows: all(), isReady: action !== 'error', error: action === 'error' ? refusal(frame) : null }));
        table.ready.then(() => show({ rows: all(), isReady: true, error: null }), (error) => { if (error.code !== 'left') show({ error }); });
        show({ table });
        return () => table.close();
    });
}

/** The rows of a watched table, as they are. */
export function useTable(name, options = {}) {
    return useStore((client) => tableStore(client, name, options), 'table', name, options).shown;
}

function presenceStore(client, name) {
    return new Store({ members: [], self: null, channel: null }, (show) => {
        const channel = client.channel(name, { presence: 'state' });
        channel.on('presence', (members) => show({ members, self: channel.self }));
        show({ channel });
        return () => channel.leave();
    });
}

/** Who is in a channel, and what each lets the others know; `state`: what we do. */
export function usePresence(name, state = null) {
    const { members, self, channel } = useStore((client) => presenceStore(client, name), 'presence', name).shown;
    const text = JSON.stringify(state);
    useEffect(() => channel?.setState(JSON.parse(text)), [channel, text]);
    return { members, self };
}

/** The state of the connection. */
export function useStatus() {
    const client = useHerald();
    const subscribe = useMemo(() => (listener) => {
        client.on('status', listener);
        return () => client.off('status', listener);
    }, [client]);
    return useSyncExternalStore(subscribe, () => client.status, () => client.status);
}
