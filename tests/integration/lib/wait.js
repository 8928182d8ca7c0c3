// SPDX-License-Identifier: PostgreSQL
// Waiting without sleeping blindly: every wait names what it waits for and has a deadline, so a test that hangs says why.

export const SECOND = 1000;

// Asks `probe` again and again until it gives something truthy, and returns that. The pause between two questions is
// short and grows a little; it is never what a test measures.
export async function until(what, probe, deadlineMs = 10 * SECOND) {
    const start = performance.now();
    let pause = 2;
    let last;
    for (;;) {
        try {
            const answer = await probe();
            if (answer) {
                return answer;
            }
            last = undefined;
        } catch (error) {
            last = error;
        }
        if (performance.now() - start > deadlineMs) {
            throw new Error(`waited ${deadlineMs} ms for: ${what}${last ? ` (last error: ${last.message})` : ''}`);
        }
        await new Promise((resolve) => setTimeout(resolve, pause));
        pause = Math.min(pause * 1.5, 40);
    }
}

// The promise's outcome, or an error that says what did not happen in time.
export async function within(what, promise, deadlineMs = 10 * SECOND) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`waited ${deadlineMs} ms for: ${what}`)), deadlineMs);
    });
    try {
        return await Promise.race([promise, late]);
    } finally {
        clearTimeout(timer);
    }
}
