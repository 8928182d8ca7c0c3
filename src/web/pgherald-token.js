// SPDX-License-Identifier: PostgreSQL
/**
 * Who we are: the token, or the function that is asked for one at every connect and before a token expires.
 *
 * A token that the server does not accept is never used to go on as somebody else, and is not shown a second time: the
 * function is asked for another. Where there is none the connection stays closed, until the application says what to do.
 */

/** The server's words for a token that it does not accept. */
export const TOKEN_CODES = new Set(['token_expired', 'token_invalid']);

/** A token is renewed when a tenth of what is left of its life is left, at most a minute before its end. */
const LEAD_MS = 60_000;
const LEAD_PART = 0.1;

/** Nearer to the end than this the server will tell. */
const TOO_LATE_MS = 1000;

/** A browser's timers end after 24 days. */
const MAX_TIMER_MS = 86_400_000;

/** When a signed token ends, by its own words; null: it does not say, or cannot be read here. */
function expiryOf(token) {
    try {
        const { exp } = JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')));
        return Number.isFinite(exp) ? exp * 1000 : null;
    } catch {
        return null;
    }
}

/**
 * What proves who we are; null or nothing: anonymous. A function gets the token that is not good any more, because the
 * server has just refused it or it is about to expire: so one which keeps its token knows that it needs a new one. If it
 * fails, that is a failed attempt to connect.
 * @typedef {string|null|function((string|null)): (string|null|Promise<string|null>)} Token
 */
export class Credentials {
    /** @type {Token} */
    #token;
    #timer = null;
    /** What went out with the present connection. @type {string|null} */
    shown = null;
    /** What the server did not accept. @type {string|null} */
    refused = null;

    /** @param {Token} token */
    constructor(token) {
        this.#token = token;
    }

    /** @param {Token} token */
    set(token) {
        this.#token = token;
    }

    get isFunction() {
        return typeof this.#token === 'function';
    }

    /** It would be the refused one again. */
    get hasNoOther() {
        return this.refused !== null && this.#token === this.refused;
    }

    /** @returns {string|null} the token, where it is no function */
    get fixed() {
        return this.#token || null;
    }

    /** @param {string|null} stale  what is not good any more @returns {Promise<string|null>} */
    async ask(stale) {
        return (await this.#token(stale)) || null;
    }

    /** This is who we are now. @param {string|null} token @param {number|null} [expiresAt] @param {function()} renew */
    show(token, renew, expiresAt = token && expiryOf(token)) {
        this.shown = token;
        this.planRenewal(expiresAt, renew);
    }

    /** @param {number|null} expiresAt  ms; null: never @param {function(number)} renew  gets expiresAt, to plan it once more if it fails */
    planRenewal(expiresAt, renew) {
        this.forgetRenewal();
        const leftMs = expiresAt - Date.now();
        if (expiresAt === null || !this.isFunction || leftMs < TOO_LATE_MS) return;
        const waitMs = leftMs - Math.min(LEAD_MS, leftMs * LEAD_PART);
        const isFar = waitMs > MAX_TIMER_MS;
        const action = isFar ? () => this.planRenewal(expiresAt, renew) : () => renew(expiresAt);
        this.#timer = setTimeout(action, isFar ? MAX_TIMER_MS : waitMs);
    }

    forgetRenewal() {
        clearTimeout(this.#timer);
    }
}
