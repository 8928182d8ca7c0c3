// SPDX-License-Identifier: PostgreSQL
/**
 * This page's visitor: the hero he has signed in as, or a guest. The choice lives in sessionStorage, so it survives a
 * reload, and a second tab can be a second hero. It proves nothing: the token does, which is fetched for it, and the
 * server's answer says who we are to the others.
 */

/** crypto.randomUUID is there only in secure contexts, and a page on the local network is none. */
export function randomKey() {
    const bytes = crypto.getRandomValues(new Uint8Array(12));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const HERO = 'chat.hero';

export const me = {
    /** @type {string|null} null: a guest */
    hero: sessionStorage.getItem(HERO),
    /** How the server sees us, since the last join. @type {import('/pgherald.js').Member|null} */
    self: null,

    /** @param {string|null} hero */
    become(hero) {
        this.hero = hero;
        this.self = null;
        if (hero === null) sessionStorage.removeItem(HERO);
        else sessionStorage.setItem(HERO, hero);
    },

    /** Was it said by us, here or in another tab or on another day? Guests cannot be told apart by that.
     * @param {import('/pgherald.js').Member|null|undefined} client */
    is(client) {
        const { dbo_id = 0, row_id = 0 } = this.self?.permissions ?? {};
        return dbo_id !== 0 && client?.permissions?.dbo_id === dbo_id && client.permissions.row_id === row_id;
    },
};
