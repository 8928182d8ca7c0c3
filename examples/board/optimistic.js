// SPDX-License-Identifier: PostgreSQL
/**
 * What the user has done and the rows do not have yet, drawn over them. The rows themselves are never touched: to undo is to forget.
 */
export class Optimistic {
    /** In the order in which they were done. @type {Set<{id: string, values: object|null}>} */
    #changes = new Set();

    /** @param {string} id @param {object|null} values  columns as they will be; null: the row will be gone
     * @returns {() => void} gives it up: the row is here, or will never be */
    put(id, values) {
        const change = { id, values };
        this.#changes.add(change);
        return () => this.#changes.delete(change);
    }

    /** The rows as the user wants them; `isPending` are those that he has changed. Somebody else may have removed one meanwhile: what
     * is left of a row is no row. @param {object[]} rows @returns {object[]} */
    over(rows) {
        const shown = new Map(rows.map((row) => [row.id, row]));
        for (const { id, values } of this.#changes) {
            const row = shown.get(id);
            if (values === null) shown.delete(id);
            else if (row || values.title && values.made_by) shown.set(id, { ...row, ...values, isPending: true });
        }
        return [...shown.values()];
    }
}
