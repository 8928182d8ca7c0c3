// SPDX-License-Identifier: PostgreSQL
/**
 * What the server knows of a channel that is held here: one member, or one view of the rows that pass a filter, however many
 * hold it. What they wish is put together. Who comes later and wishes more, or begins elsewhere, makes it join once more.
 *
 * A join while we are in names a position: so nothing is passed over for those who are in already.
 */
import { Channel } from './pgherald-channel.js';
import { HeraldError } from './pgherald-emitter.js';
import { Outbox } from './pgherald-outbox.js';
import { Presence } from './pgherald-presence.js';
import { Rows } from './pgherald-table.js';

/** What is let go may be taken up again: a component that is mounted anew, the next page of an application. */
const LINGER_MS = 1000;

const FIRST_DELAY_MS = 1000;
const MAX_DELAY_MS = 30_000;

/** The server cannot now; later it may. */
const TRANSIENT = new Set(['unavailable', 'rate_limited']);

function isSamePerson(a, b) {
    return JSON.stringify(a?.permissions) === JSON.stringify(b?.permissions);
}

function isSame(a, b) {
    return a.epoch === b.epoch && a.offset === b.offset;
}

export class Membership {
    #client;
    /** @type {Set<Channel>} */
    #holders = new Set();
    /** The join that is on its way: one at a time, so that each says where all the holders are. */
    #asking = null;
    #isRemoved = false;
    /** Why we are not in. @type {HeraldError|null} */
    #refusal = null;
    /** Of the last join. @type {string|null} */
    #ref = null;
    /** A history that was asked for, also by a join, which has no ref here: who waits for it, oldest first.
     * @type {{holders: Channel[], ref?: string}[]} */
    #histories = [];
    /** What the joins of this connection have asked for. */
    #asked = { presence: false };
    /** The newest durable frame that was heard. @type {Position|null} */
    #head = null;
    #lastJoin = null;
    #lingerTimer = null;
    #retryTimer = null;
    #failures = 0;
    joined = false;
    /** @type {string|undefined} */
    view = undefined;
    /** @type {Member|null} */
    self = null;
    /** What the server has said of the channel with its acknowledgement. @type {{message_bytes?: number, durable?: boolean}} */
    limits = {};

    /** @param {import('./pgherald.js').Client} client @param {string} key  by which it is known there @param {string} name
     * @param {{filter?: object, snapshot?: object|true, key?: string[], order?: string[], limit?: number}} what  of a view, of a table */
    constructor(client, key, name, { filter, snapshot, ...table } = {}) {
        this.#client = client;
        this.key = key;
        this.name = name;
        this.filter = filter;
        this.snapshot = snapshot;
        this.isView = Boolean(filter || snapshot);
        this.presence = new Presence((state) => this.#tellState(state));
        this.outbox = new Outbox(this, client._maxQueued);
        /** @type {Rows|null} */
        this.rows = snapshot ? new Rows(this.#add(new Channel(this, {}, true)), () => this.#reread(), table) : null;
    }

    /** A message would come from nobody that the server knows. */
    get isAnonymous() { return !this.self?.permissions?.dbo_id; }
    get secret() { return this.#client._secret; }

    /** @param {object} options  of a holder @returns {Channel} */
    hold(options) {
        const { since } = options;
        const other = [...this.#holders].find((holder) => since && holder.options.since && !isSame(holder.options.since, since));
        if (other) throw new TypeError(`'${this.name}' is held already, since another position`);
        clearTimeout(this.#lingerTimer);
        const holder = this.#add(new Channel(this, options));
        if (this.#asking) this.#goAlong(holder);
        else if (this.joined) this.#askForTheRest();
        else this.enter();
        return holder;
    }

    /** @param {Channel} holder */
    release(holder) {
        this.#holders.delete(holder);
        this.presence.set(holder, null);
        if (!this.isHeld) this.#linger();
    }

    get isAsking() {
        return this.#asking !== null;
    }

    #linger() {
        this.#lingerTimer = setTimeout(() => this.#giveUp(), LINGER_MS);
    }

    /** Nobody has taken it up again. But a join that is on its way, ours or that of a filter which is written otherwise, may be
     * for the same view: to leave would end it behind their back. Its answer tells. */
    #giveUp() {
        if (this.#client._isAsking(this.name)) this.#linger();
        else this.#forget();
    }

    get isHeld() {
        return [...this.#holders].some((holder) => !holder._isInner);
    }

    /** See {@link Channel#send}. */
    async send(payload, options) {
        if (this.#client.status.status === 'closed') throw new HeraldError('closed', 'The connection is closed.');
        if (this.#refusal) throw this.#refusal;
        return this.outbox.send(payload, options);
    }

    /** @returns {string|null} what names it; null: there is no connection */
    request(frame, answer) {
        return this.#client._line.request(frame, answer);
    }

    #add(holder) {
        this.#holders.add(holder);
        return holder;
    }

    #forget() {
        clearTimeout(this.#retryTimer);
        clearTimeout(this.#lingerTimer);
        this.#client._forget(this);
        this.#client._line.unask(this.#ref);
        this.#holders.clear();
        this.presence.lost();
        this.rows?.close();
        this.outbox.end('left', 'The channel was left before it could be sent.');
        const isShared = this.#client._those(this.name, this.view).length > 0;
        if (this.joined && !isShared) this.#client._line.send({ action: 'leave', options: this.#place, payload: null });
    }

    /** As it is named to the server. */
    get #place() {
        return { channel: this.name, ...(this.view && { view: this.view }) };
    }

    /* ---- joining ---- */

    /** As told by the application. */
    enter() {
        this.#isRemoved = false;
        this.join();
    }

    join() {
        if (!this.joined && !this.#isRemoved) this.#ask();
    }

    #ask() {
        if (this.#asking) return;
        clearTimeout(this.#retryTimer);
        const asked = this.#wishes();
        const { since, history, presence } = asked;
        const payload = this.isView ? { history, filter: this.filter, snapshot: this.snapshot } : { history, presence };
        if (since) payload.since = since;
        this.#client._line.unask(this.#ref);
        this.#ref = this.request({ action: 'join', options: { channel: this.name }, payload }, (frame) => this.#answered(frame, asked));
        if (this.#ref === null) return;
        this.#asking = asked;
        this.#asked.presence = presence || this.#asked.presence;
        this.#refusal = null;
    }

    /** The join that is on its way is this holder's, too, unless he begins before it. */
    #goAlong(holder) {
        const { since } = holder.options;
        const { since: from, holders } = this.#asking;
        if (!since || (from?.epoch === since.epoch && from.offset <= since.offset)) holders.push(holder);
    }

    /** Those of all holders. A table's rows are its own business; who looks on from outside does not count. */
    #wishes() {
        const holders = [...this.#holders];
        const deciding = this.rows ? holders.filter(({ _isInner }) => _isInner) : holders.filter(({ options }) => options.resume ?? true);
        const positions = deciding.map(({ _position }) => _position).filter(Boolean);
        const since = positions.reduce((a, b) => (b.epoch === a.epoch && b.offset < a.offset ? b : a), positions[0]);
        const presences = holders.map(({ options }) => options.presence ?? false);
        return {
            holders,
            history: holders.some(({ options }) => options.history === true),
            presence: presences.includes('state') ? 'state' : presences.includes(true),
            since: since && { epoch: since.epoch, offset: since.offset },
        };
    }

    /** What a holder wishes that came after the join had gone out. Who wishes nothing more is in. */
    #askForTheRest() {
        if (this.#asking) return;
        const { presence } = this.#wishes();
        const isMore = presence && this.#asked.presence !== presence && this.#asked.presence !== 'state';
        const late = [...this.#holders].filter(({ _isIn }) => !_isIn);
        late.filter(({ options }) => !options.since).forEach((holder) => holder._late(this.#lastJoin, this.#newest));
        if (isMore || late.some(({ _isIn }) => !_isIn)) this.#ask();
    }

    /** Up to here all has been heard. @returns {Position|null} */
    get #newest() {
        return this.rows ? [...this.#holders].find(({ _isInner }) => _isInner)._position : this.#head;
    }

    #reread() {
        if (!this.#isRemoved) this.#ask();
    }

    /** @returns {boolean} there may be more answers: rows may be refused later */
    #answered(frame, asked) {
        this.#asking = null;
        if (frame.action === 'error') this.#refused(frame);
        else this.#acknowledged(frame, asked);
        return frame.action !== 'error' && this.rows !== null;
    }

    #acknowledged(frame, asked) {
        const { client = null, options, payload } = frame;
        const isSomebodyElse = this.self !== null && !isSamePerson(this.self, client);
        if (isSomebodyElse) this.outbox.end('identity_changed', 'We are somebody else than when it was said.');
        const wasJoined = this.joined;
        Object.assign(this, { joined: true, view: options.view, self: client, limits: payload?.limits ?? {} });
        this.#client._learned(this.limits);
        this.#lastJoin = frame;
        this.#failures = 0;
        if (!wasJoined) this.#head = payload?.epoch === undefined ? null : { epoch: payload.epoch, offset: payload.offset };
        this.outbox.flush();        // before what the application says now that it is told of the join
        this.#tellHolders(frame, asked, isSomebodyElse);
        if (asked.presence === 'state' && !this.presence.isJoined) this.presence.joined();
        this.#askForTheRest();
    }

    #tellHolders(frame, asked, isSomebodyElse) {
        const isEntering = (holder) => !holder._isIn && asked.holders.includes(holder);
        const isPassedOver = ({ _isIn, _position }) => _isIn && frame.payload?.gap && _position && _position.offset < frame.payload.offset;
        const entering = [...this.#holders].filter(isEntering);
        const behind = [...this.#holders].filter(isPassedOver);
        if (asked.history && !asked.since) this.#histories.push({ holders: entering.filter(({ options }) => options.history) });
        const wanting = entering.filter((holder) => holder._acknowledged(frame, asked, isSomebodyElse));
        wanting.push(...behind.filter((holder) => holder._interrupted(frame)));
        if (wanting.length > 0) this._askHistory(wanting);
    }

    /** @param {Channel[]} holders @returns {boolean} false: there is no connection */
    _askHistory(holders) {
        const history = { holders };
        history.ref = this.request({ action: 'history', options: this.#place, payload: null }, (frame) => this.#historyRefused(history, frame));
        if (history.ref === null) return false;
        this.#histories.push(history);
        holders.forEach((holder) => holder._awaitHistory());
        return true;
    }

    #historyRefused(history, frame) {
        this.#histories = this.#histories.filter((each) => each !== history);
        this.#tellError(frame);
        history.holders.forEach((holder) => holder._letGo());
    }

    /** A join, or the rows that it has asked for. */
    #refused(frame) {
        const { code, retry_after: retryAfter } = frame.payload ?? {};
        if (code === 'removed') {           // we were in, and in its views: all of them are to hear of it
            if (!this.#isRemoved) this.#client._received(frame);
            return;
        }
        if (this.rows) this.#client._viewEnded(this);
        this.#tellError(frame);
        if (TRANSIENT.has(code)) this.#retryLater(retryAfter);
        else if (!this.joined) this.#shutOut(frame);
    }

    #retryLater(retryAfter = 0) {
        const delayMs = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#failures++) * (1 + Math.random());
        clearTimeout(this.#retryTimer);
        this.#retryTimer = setTimeout(() => this.#reread(), Math.max(retryAfter * 1000, delayMs));
    }

    #tellError(frame) {
        const isHeard = [...this.#holders].map((holder) => holder._failed(frame)).includes(true);
        if (!isHeard) this.#client._emit('error', frame);
    }

    /* ---- what comes ---- */

    lost() {
        this.#asking = null;
        this.#refusal = null;
        this.#asked = { presence: false };
        this.#histories = [];
        clearTimeout(this.#retryTimer);
        this.leftBehind();
        this.outbox.lost();
        this.outbox.expire();
        if (!this.isHeld) this.#forget();
    }

    /** We are in no more. */
    leftBehind() {
        const wasListed = this.presence.members.length > 0;
        this.joined = false;
        this.presence.lost();
        this.#holders.forEach((holder) => holder._lost());
        if (wasListed) this.#holders.forEach((holder) => holder._presenceChanged(null));
    }

    tellTokenRefused(frame) {
        this.#holders.forEach((holder) => holder._emit('error', frame));
    }

    /** The rows of others in the same view have ended it. */
    enterAgain() {
        this.#ask();
    }

    /** The same person, with what a new token says of him. */
    renewed(member) {
        if (this.joined && member) this.self = member;
        this.join();
    }

    /** @param {Frame} frame  that answers nothing which was asked here, but a history */
    receive(frame) {
        const { action, payload } = frame;
        if (action === 'error') this.#failed(frame);
        else if (!this.joined) return;        // still meant for a membership that we left
        else if (action === 'join') this.#interrupted(frame);
        else if (action === 'history') this.#replaced(frame);
        else if (action === 'snapshot') this.#holders.forEach((holder) => holder._read(frame));
        else if (action === 'presence_full' || action === 'presence_update') this.#listed(action, payload, frame);
        else if (action === 'message' || action === 'event') this.#deliver(frame);
    }

    #failed(frame) {
        const { code } = frame.payload ?? {};
        if (code === 'removed') {
            this.#isRemoved = true;
            clearTimeout(this.#retryTimer);
            this.leftBehind();
            this.#shutOut(frame);
        }
        this.#tellError(frame);
    }

    #shutOut(frame) {
        this.#refusal = HeraldError.of(frame);
        this.outbox.end(this.#refusal.code, this.#refusal.message);
    }

    #interrupted(frame) {
        if (frame.payload?.gap !== true) return;
        this.#head = { epoch: frame.payload.epoch, offset: frame.payload.offset };
        const wanting = [...this.#holders].filter((holder) => holder._interrupted(frame));
        if (wanting.length > 0) this._askHistory(wanting);
    }

    #replaced(frame) {
        const { holders = [], ref } = this.#histories.shift() ?? {};
        this.#client._line.unask(ref);      // a history has no ref
        holders.filter((holder) => this.#holders.has(holder)).forEach((holder) => holder._replaced(frame));
    }

    #listed(action, payload, frame) {
        this.presence.changed(action, payload);
        this.#holders.forEach((holder) => holder._presenceChanged(frame));
    }

    #deliver(frame) {
        const { id } = frame.options;
        if (id !== undefined && this.#head && id > this.#head.offset) this.#head = { epoch: this.#head.epoch, offset: id };
        this.#holders.forEach((holder) => holder._deliver(frame));
    }

    #tellState(state) {
        const answer = (frame) => { if (frame.action === 'error') this.#tellError(frame); };
        this.request({ action: 'presence', options: { channel: this.name }, payload: state }, answer);
    }
}
