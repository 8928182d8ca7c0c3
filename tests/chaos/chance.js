// SPDX-License-Identifier: PostgreSQL
// The run's random choices, from one seed. The seed repeats the choices, not the timing of the threads.
export const seed = Number(process.env.CLUSTER_SEED ?? process.env.CHAOS_SEED ?? Date.now() % 1e9);

let state = seed | 0;
export function random() { // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}

export const pick = (n) => Math.floor(random() * n);
export const between = (low, high) => low + random() * (high - low);
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export function shuffle(list) {
    const shuffled = [...list];
    for (let i = shuffled.length - 1; i > 0; i--) {
        const k = pick(i + 1);
        [shuffled[i], shuffled[k]] = [shuffled[k], shuffled[i]];
    }
    return shuffled;
}
