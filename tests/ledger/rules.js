// SPDX-License-Identifier: PostgreSQL
// Trees as the server takes them (filters of clients, visible of tables), each with what it means: as SQL, which is the truth
// at the end of a round, and as a function of a row, to look at each frame. Three-valued: null is unknown.
import { pick, random } from '../chaos/chance.js';

const quote = (value) => (value === null ? 'NULL' : typeof value === 'number' ? String(value) : `'${value.replaceAll("'", "''")}'`);
const compare = (act) => (a, b) => (a === null || b === null ? null : act(a, b));
const OPS = {
    eq: ['=', compare((a, b) => a === b)],
    neq: ['<>', compare((a, b) => a !== b)],
    lt: ['<', compare((a, b) => a < b)],
    gte: ['>=', compare((a, b) => a >= b)],
};
const any = (list) => (list.some((v) => v === true) ? true : list.some((v) => v === null) ? null : false);
const all = (list) => (list.some((v) => v === false) ? false : list.some((v) => v === null) ? null : true);
const not = (v) => (v === null ? null : !v);

// Parameters: what a value is for somebody; null if he has none.
const PARAMETERS = {
    row_id: [{ identity: 'row_id', dbo_id: 12 }, (who) => who?.row_id ?? null],
    org: [{ identity: 'extras.org' }, (who) => who?.org ?? null],
    teams: [{ identity: 'extras.teams' }, (who) => who?.teams ?? null],
};

export function leaf(column, op, value) {
    const [json, valueOf] = PARAMETERS[value?.of] ?? [value, () => value];
    const [sqlOp, test] = OPS[op];
    return {
        tree: { [column]: { [op]: json } },
        sql: (who) => `${column} ${sqlOp} ${quote(valueOf(who))}`,
        test: (row, who) => test(row[column], valueOf(who)),
    };
}

export function isIn(column, values) {
    const [json, valueOf] = PARAMETERS[values.of] ?? [values, () => values];
    return {
        tree: { [column]: { in: json } },
        sql: (who) => (valueOf(who) === null ? 'NULL' : valueOf(who).length === 0 ? 'false' : `${column} IN (${valueOf(who).map(quote)})`),
        test: (row, who) => (valueOf(who) === null ? null : any(valueOf(who).map((v) => OPS.eq[1](row[column], v)))),
    };
}

export const isNull = (column) => ({ tree: { [column]: { is: null } }, sql: () => `${column} IS NULL`, test: (row) => row[column] === null });
export const starts = (column, text) => ({
    tree: { [column]: { prefix: text } }, sql: () => `starts_with(${column}, ${quote(text)})`, test: (row) => row[column]?.startsWith(text) ?? null,
});

const join = (key, word, decide) => (...parts) => ({
    tree: { [key]: parts.map((p) => p.tree) },
    sql: (who) => `(${parts.map((p) => p.sql(who)).join(` ${word} `)})`,
    test: (row, who) => decide(parts.map((p) => p.test(row, who))),
});
export const or = join('or', 'OR', any);
export const and = join('and', 'AND', all);
export const negate = (part) => ({ tree: { not: part.tree }, sql: (who) => `NOT (${part.sql(who)})`, test: (row, who) => not(part.test(row, who)) });
export const everything = { tree: {}, sql: () => 'true', test: () => true };

// ---- filters of pages ----

const oneOf = (list) => list[pick(list.length)];
export const STATUS = ['open', 'late', 'shut', 'opaque'];
export const ORGS = ['a', 'b', "c'd", null];
const LEAVES = [
    () => leaf('status', 'eq', oneOf(STATUS)),
    () => leaf('status', 'neq', oneOf(STATUS)),
    () => isIn('status', [oneOf(STATUS), oneOf(STATUS)]),
    () => starts('status', 'op'),
    () => leaf('n', 'lt', pick(100)),
    () => leaf('n', 'gte', pick(100)),
    () => leaf('owner', 'eq', 1 + pick(6)),
    () => isIn('owner', [1 + pick(6), 1 + pick(6), 1 + pick(6)]),
    () => leaf('org', 'eq', oneOf(['a', 'b', "c'd"])),
    () => leaf('org', 'neq', 'a'),
    () => isNull('org'),
    () => leaf('status', 'gte', 'm'),
];

export function randomFilter(depth = 2) {
    const dice = random();
    if (depth === 0 || dice < 0.45) {
        return oneOf(LEAVES)();
    }
    const parts = [...Array(2 + pick(2))].map(() => randomFilter(depth - 1));
    return dice < 0.7 ? and(...parts) : dice < 0.85 ? or(...parts) : negate(parts[0]);
}
