// SPDX-License-Identifier: PostgreSQL
/**
 * The drawing of the rows that a table of pgherald.js has. `touch` only remembers what is to be drawn, `show` draws just that.
 * So a thousand events at once cost one drawing, and a live change draws one row.
 *
 * A bigint and a numeric are strings here and stay strings: to turn them into numbers would lose digits.
 */
import { clock, h } from '/page.js';

export const KINDS = ['insert', 'update', 'delete', 'truncate'];

const COLUMNS = ['id', 'customer', 'item', 'quantity', 'price', 'status', 'express', 'tags', 'extras', 'changed_at'];
const LABELS = { quantity: 'qty', changed_at: 'changed' };
const TO_THE_RIGHT = new Set(['id', 'quantity', 'price', 'changed_at']);
const FADE_MS = 450;

/** When more rows than this change at once, none lights up: a wall of colour says nothing, and each flash costs a layout. */
const MAX_FLASHES = 60;

/** Keys are positive integers of any size, as strings: the shorter one is the smaller one. */
function byKey(a, b) {
    return a.length - b.length || (a < b ? -1 : Number(a > b));
}

const DRAWN = {
    status: (value) => h('span.chip', { dataset: { status: value } }, String(value)),
    express: (value) => (value ? h('span.yes', { title: 'true', 'aria-label': 'true' }, '✓') : h('span.muted', { title: 'false', 'aria-label': 'false' }, '–')),
    tags: (value) => (value.length ? h('span.tags', {}, ...value.map((tag) => h('span.tag', {}, String(tag)))) : ''),
    extras: (value) => h('code', {}, JSON.stringify(value)),
    changed_at: (value) => clock(value, true),
};

/** What a cell holds: a node or a text. Null, and a type that the column did not have when this was written, must not
 * break the page. */
function draw(column, value) {
    if (value === null || value === undefined) return h('span.null', {}, 'null');
    const isExpected = column !== 'tags' || Array.isArray(value);
    if (DRAWN[column] && isExpected) return DRAWN[column](value);
    return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

const isMoving = () => !matchMedia('(prefers-reduced-motion: reduce)').matches;

function flash(element, name) {
    element.classList.remove('came', 'changed');
    void element.offsetWidth;       // starts the animation again if it is still running
    element.classList.add(name);
}

/** A column that the page does not know (somebody altered the table) is not drawn, one it misses is null. */
export function createTable({ head, body, empty }) {
    /** @type {import('/pgherald.js').Table|Map<string, object>} */
    let rows = new Map();
    /** @type {Map<string, {row: HTMLElement, cells: Map<string, HTMLElement>, shown: object}>} */
    const drawn = new Map();
    const touched = new Set();
    let isOther = true;             // these are other rows than those that are drawn
    let isCalm = true;              // nothing moves: the first drawing, or too much at once

    head.append(...COLUMNS.map((column) => h(`th${TO_THE_RIGHT.has(column) ? '.right' : ''}`, { scope: 'col' }, LABELS[column] ?? column)));

    /** Before the first row with a greater key. A new key is mostly the greatest, so the search starts at the end. */
    function place(row, key) {
        let next = null;
        for (let other = body.lastElementChild; other; other = other.previousElementSibling) {
            if (other.dataset.key === undefined) continue;      // it is fading away
            if (byKey(other.dataset.key, key) < 0) break;
            next = other;
        }
        body.insertBefore(row, next);
    }

    function create(key) {
        const cells = new Map(COLUMNS.map((column) =>
            [column, h(`td${TO_THE_RIGHT.has(column) ? '.right' : ''}`, { dataset: { column, label: LABELS[column] ?? column } })]));
        const row = h('tr', { dataset: { key } }, ...cells.values());
        place(row, key);
        const entry = { row, cells, shown: {} };
        drawn.set(key, entry);
        return entry;
    }

    function fill({ cells, shown }, values, withFlash) {
        for (const [column, cell] of cells) {
            const text = JSON.stringify(values[column] ?? null);
            if (text === shown[column]) continue;
            shown[column] = text;
            cell.replaceChildren(draw(column, values[column]));
            if (withFlash) flash(cell, 'changed');
        }
    }

    function remove(key) {
        const { row } = drawn.get(key);
        drawn.delete(key);
        delete row.dataset.key;
        if (isCalm || !isMoving()) {
            row.remove();
            return;
        }
        row.classList.add('gone');
        row.animate([{ opacity: 1 }, { opacity: 0 }], { duration: FADE_MS, easing: 'ease-in' }).finished.finally(() => row.remove());
    }

    function showRow(key) {
        const values = rows.get(key);
        if (!values) {
            if (drawn.has(key)) remove(key);
            return;
        }
        const isNew = !drawn.has(key);
        const entry = drawn.get(key) ?? create(key);
        fill(entry, values, !isNew && !isCalm);
        if (isNew && !isCalm) flash(entry.row, 'came');
    }

    function touchAll() {
        [...drawn.keys(), ...rows.keys()].forEach((key) => touched.add(key));
    }

    return {
        get size() {
            return rows.size;
        },

        /** Other rows from now on. @param {import('/pgherald.js').Table} table */
        follow(table) {
            rows = table;
            isOther = true;
            touchAll();
        },

        /** @param {string} [key] none: any row may have changed */
        touch(key) {
            if (key === undefined) touchAll();
            else touched.add(key);
        },

        show() {
            isCalm = isOther || touched.size > MAX_FLASHES;
            touched.forEach(showRow);
            touched.clear();
            isOther = false;
            empty.hidden = rows.size > 0;
            empty.textContent = 'There is no such row. Insert one, or wait for the next.';
        },
    };
}
