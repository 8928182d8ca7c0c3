// SPDX-License-Identifier: PostgreSQL
/**
 * The connection: one WebSocket at a time, and a new one whenever it breaks, for whatever reason but a few that are meant.
 *
 * A line that is dead without knowing it (after a sleep, a change of network) is found by asking: after half a minute of
 * silence, and when the page is looked at or the network comes back. A handshake that is refused has no reason in a
 * browser; so `?why` is asked, over plain HTTP, what the server has against us.
 *
 * Each request has a `ref`, which its answer carries. What was asked on a line that broke is not answered any more.
 */
import { Credentials, TOKEN_CODES } from './pgherald-token.js';

/** Codes after which coming back makes sense: the line broke (1006), a proxy restarts (1001, 1005), the server restarts,
 * is full, or asks for it. After 1009 the frame that was too big is not sent again. */
const RECONNECT_CODES = new Set([1001, 1005, 1006, 1009, 1011, 1012, 1013, 1014, 4000]);

const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 30_000;

/** A connection that lived this long was a real one: the next back-off starts small again. A shorter one was not, so
 * that a server which accepts and then refuses is not hammered. */
const STABLE_MS = 10_000;

const DIAL_MS = 15_000;
const SILENCE_MS = 30_000;
const PONG_MS = 5000;
const ASK_WHY_EVERY_MS = 60_000;

/**
 * @typedef {object} Status
 * @property {'connecting'|'connected'|'waiting'|'closed'} status
 * @property {number} [retryMs]         waiting: how long until the next attempt
 * @property {number} [code]            waiting, closed: the WebSocket close code
 * @property {string} [reason]          waiting, closed: what the server said
 * @property {string} [why]             waiting, closed: the handshake was refused, and this is the server's code of the reason
 */

export class Line {
    #url;
    #WebSocket;
    #fetch;
    #owner;
    #credentials;
    #socket = null;
    #attempt = 0;
    #retryTimer = null;
    /** One at a time: of the dial, of the silence, or of the answer to a ping. */
    #pulseTimer = null;
    #isPinging = false;
    #heardAt = 0;
    #failures = 0;
    #openedAt = null;
    #askedWhyAt = -Infinity;
    /** By ref: what to do with the answer. @type {Map<string, function(object): (boolean|void)>} */
    #requests = new Map();
    #nRequests = 0;
    #renewalRef = null;
    #onWake = () => this.#wake();

    /** @param {object} options see {@link connect}
     * @param {object} owner  is told: `_statusChanged(status)`, `_opened()`, `_received(frame)`, `_lost(code)`, `_renewed(member)`,
     *                        `_tokenRefused(frame)` */
    constructor({ url, canonical, token, WebSocket, fetch }, owner) {
        this.#url = new URL(`/rt/${encodeURIComponent(canonical)}`, url);
        this.#url.protocol = this.#url.protocol.replace(/^http/, 'ws');
        this.#WebSocket = WebSocket;
        this.#fetch = fetch;
        this.#owner = owner;
        this.#credentials = new Credentials(token);
        /** @type {Status} */
        this.status = { status: 'closed' };
    }

    get isOpen() {
        return this.#openedAt !== null && this.#socket.readyState === this.#socket.OPEN;
    }

    setToken(token) {
        this.#credentials.set(token);
    }

    reconnect() {
        this.#credentials.refused = null;
        this.#reopen();
    }

    close() {
        this.#drop(1000);
        this.#setStatus({ status: 'closed', code: 1000, reason: '' });
    }

    /** @returns {boolean} false: there is no connection */
    send(frame) {
        if (this.isOpen) this.#socket.send(JSON.stringify(frame));
        return this.isOpen;
    }

    /** What is answered.
     * @param {object} frame @param {function(object): (boolean|void)} answer  gets the frame that answers; true: more may come
     * @returns {string|null} the ref; null: there is no connection */
    request(frame, answer) {
        const ref = (this.#nRequests++).toString(36);
        if (!this.send({ ...frame, options: { ...frame.options, ref } })) return null;
        this.#requests.set(ref, answer);
        return ref;
    }

    /** No answer is expected any more. @param {string|null} ref */
    unask(ref) {
        this.#requests.delete(ref);
    }

    open() {
        this.#listenToPage('add');
        this.#setStatus({ status: 'connecting' });
        if (this.#credentials.isFunction) this.#askAndDial(++this.#attempt);
        else this.#dialFixed();
    }

    #reopen() {
        this.#drop(4000);
        this.open();
    }

    /** @param {'add'|'remove'} verb */
    #listenToPage(verb) {
        const method = `${verb}EventListener`;
        globalThis[method]?.('online', this.#onWake);
        globalThis[method]?.('pageshow', this.#onWake);
        globalThis.document?.[method]('visibilitychange', this.#onWake);
    }

    #wake() {
        if (globalThis.document?.visibilityState === 'hidden') return;
        if (this.status.status === 'waiting') this.#reopen();
        else if (this.#openedAt !== null) this.#ping();
    }

    async #askAndDial(attempt) {
        try {
            const token = await this.#credentials.ask(this.#credentials.refused);
            if (attempt === this.#attempt) this.#dial(token);
        } catch (error) {
            if (attempt === this.#attempt) this.#closed({ code: 1006, reason: error?.message ?? String(error) });
        }
    }

    /** A token that no WebSocket can carry is not carried by the next one either. */
    #dialFixed() {
        try {
            this.#dial(this.#credentials.fixed);
        } catch (error) {
            this.#closed({ code: 1008, reason: `the token cannot be sent: ${error.message}` });
        }
    }

    #dial(token) {
        if (token !== null && token === this.#credentials.refused) {
            this.#setStatus({ status: 'closed', code: 4000, reason: 'there is no other token than the one that was refused' });
            return;
        }
        this.#credentials.shown = token;
        const socket = new this.#WebSocket(this.#url.href, token === null ? [] : [token]);
        const ifOurs = (handler) => (event) => { if (socket === this.#socket) handler(event); };
        this.#socket = socket;
        this.#setPulse(DIAL_MS, () => this.#closed({ code: 1006, reason: 'the server cannot be reached' }));
        socket.addEventListener('open', ifOurs(() => this.#opened()));
        socket.addEventListener('message', ifOurs((event) => this.#received(event.data)));
        socket.addEventListener('close', ifOurs((event) => this.#closed(event)));
        socket.addEventListener('error', () => {});     // a close always follows, and says more
    }

    /** Forgets the socket first: what it still says is not ours any more. */
    #drop(code, why = code) {
        clearTimeout(this.#retryTimer);
        clearTimeout(this.#pulseTimer);
        this.#credentials.forgetRenewal();
        this.#attempt++;            // a token that is still being fetched was for this connection
        const socket = this.#socket;
        this.#socket = null;
        this.#openedAt = null;
        this.#isPinging = false;
        this.#requests.clear();
        this.#owner._lost(why);
        socket?.close(code);
    }

    #opened() {
        this.#openedAt = Date.now();
        this.#heardAt = Date.now();
        this.#awaitSilence(SILENCE_MS);
        this.#credentials.show(this.#credentials.shown, (expiresAt) => this.#renew(expiresAt));
        this.#setStatus({ status: 'connected' });
        this.#owner._opened();
    }

    #received(text) {
        this.#heard();
        let frame;
        try {
            frame = JSON.parse(text);
        } catch {
            return;
        }
        frame.options ??= {};
        const { ref } = frame.options;
        const isAboutUs = frame.action === 'error' && TOKEN_CODES.has(frame.payload?.code) && (ref === undefined || ref !== this.#renewalRef);
        const answer = this.#requests.get(ref);
        if (isAboutUs) this.#tokenRefused(frame);
        else if (!answer) this.#owner._received(frame);
        else if (!answer(frame)) this.#requests.delete(ref);
    }

    #closed({ code, reason }) {
        const wasOpen = this.#openedAt !== null;
        if (wasOpen && Date.now() - this.#openedAt >= STABLE_MS) this.#failures = 0;
        const wasRefused = this.#socket !== null && !wasOpen && code === 1006;
        this.#drop(1000, code);
        if (!RECONNECT_CODES.has(code) || this.#credentials.hasNoOther) {
            this.#setStatus({ status: 'closed', code, reason });
            return;
        }
        // Half fixed, half random: after a restart of the server its clients must not all come back at the same moment.
        const ceiling = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#failures++);
        const retryMs = Math.round(ceiling * (0.5 + Math.random() / 2));
        this.#retryTimer = setTimeout(() => this.open(), retryMs);
        this.#setStatus({ status: 'waiting', retryMs, code, reason });
        if (wasRefused) this.#askWhy(this.#attempt, Date.now() + retryMs);
    }

    #setStatus(status) {
        if (status.status === 'closed') this.#listenToPage('remove');
        this.status = status;
        this.#owner._statusChanged(status);
    }

    /* ---- is anybody there? ---- */

    #setPulse(ms, action) {
        clearTimeout(this.#pulseTimer);
        this.#pulseTimer = setTimeout(action, ms);
    }

    #awaitSilence(ms) {
        this.#setPulse(ms, () => {
            const silentMs = Date.now() - this.#heardAt;
            if (silentMs >= SILENCE_MS) this.#ping();
            else this.#awaitSilence(SILENCE_MS - silentMs);
        });
    }

    #ping() {
        if (this.#isPinging) return;
        this.#isPinging = true;
        this.#setPulse(PONG_MS, () => this.#closed({ code: 1006, reason: 'the server does not answer' }));
        this.request({ action: 'ping', payload: null }, () => {});
    }

    /** Whatever it is, somebody is there. */
    #heard() {
        this.#heardAt = Date.now();
        if (!this.#isPinging) return;
        this.#isPinging = false;
        this.#awaitSilence(SILENCE_MS);
    }

    /** What the server has against a handshake from here, in its own words; without an answer the status stays as it is. */
    async #askWhy(attempt, retryAt) {
        if (!this.#fetch || Date.now() - this.#askedWhyAt < ASK_WHY_EVERY_MS) return;
        this.#askedWhyAt = Date.now();
        const { shown } = this.#credentials;
        const headers = shown === null ? {} : { Authorization: `Bearer ${shown}` };
        const url = `${this.#url.href.replace(/^ws/, 'http')}?why`;
        let code;
        let message;
        try {
            const response = await this.#fetch.call(globalThis, url, { headers, cache: 'no-store' });
            if (!response.ok) return;
            ({ code, message } = await response.json());
        } catch {
            return;
        }
        if (attempt !== this.#attempt || this.status.status !== 'waiting') return;
        this.#setStatus({ ...this.status, retryMs: Math.max(0, retryAt - Date.now()), why: code, reason: message });
        if (TOKEN_CODES.has(code)) this.#tokenRefused({ action: 'error', client: null, options: {}, payload: { code, message } });
    }

    /* ---- who we are ---- */

    /** The server would go on with us as anonymous, or close in a moment. Neither is for us to wait for. */
    #tokenRefused(frame) {
        const attempt = this.#attempt;
        this.#credentials.refused = this.#credentials.shown;
        this.#owner._tokenRefused(frame);
        if (attempt === this.#attempt) this.#closed({ code: 4000, reason: frame.payload.message });
    }

    /** If it fails, it is tried again in what is left of the time; in the end the server says that the token has expired. */
    async #renew(expiresAt) {
        const attempt = this.#attempt;
        const again = () => this.#credentials.planRenewal(expiresAt, (end) => this.#renew(end));
        let token;
        try {
            token = await this.#credentials.ask(this.#credentials.shown);
        } catch {
            token = this.#credentials.shown;
        }
        if (attempt !== this.#attempt) return;
        if (token === null) this.#reopen();
        else if (token === this.#credentials.shown) again();
        else this.#showRenewed(token, again);
    }

    #showRenewed(token, again) {
        this.#renewalRef = this.request({ action: 'token', payload: token }, (frame) => {
            this.#renewalRef = null;
            if (frame.action === 'token') this.#isRenewed(token, frame);
            else this.#isNotRenewed(frame, again);
        });
    }

    #isRenewed(token, { client, payload }) {
        const end = Date.parse(payload?.expires_at);
        this.#credentials.show(token, (expiresAt) => this.#renew(expiresAt), Number.isNaN(end) ? null : end);
        this.#owner._renewed(client);
    }

    /** The old one is good until its end. A token of somebody else is for another connection: the server closes this one. */
    #isNotRenewed(frame, again) {
        const { code } = frame.payload ?? {};
        if (code === 'bad_action') this.#reopen();
        else if (code === 'unavailable' || code === 'rate_limited') again();
        else this.#owner._received(frame);
    }
}
