// SPDX-License-Identifier: PostgreSQL
//
// Random rows and random filters for filters.sh, the same for the same seed:
//
//   node filters.js table COLLATION           SQL: a table with a column of each type that a filter compares
//   node filters.js rows SEED N MAJOR         SQL: N rows of it
//   node filters.js json SEED N MAJOR         N filters, one a line
//   node filters.js sql SEED N MAJOR          the same filters as SQL: each prints a letter for each row
import { chance } from './literals.js';

const [mode, seed, count, major] = process.argv.slice(2);
const c = chance(Number(seed) * 7919 + 17);
for (let i = 0; i < 20; i++) c.next();

const digits = (n) => Array.from({ length: n }, () => c.below(10)).join('');
const two = (from, to) => String(from + c.below(to - from + 1)).padStart(2, '0');
const signed = (text) => (c.is(0.3) ? '-' : '') + text;

// ---- texts of values, as Postgres reads them: what a draw gives is the same again and again, so that equal values meet

const integer = (bits) => () => {
    const edge = 2n ** BigInt(bits - 1);
    return String(c.of([0n, 1n, -1n, 7n, 10n, 100n, edge - 1n, -edge, BigInt(c.below(20)) - 10n, BigInt(c.below(200)) - 100n]));
};
const decimal = () => c.of([
    () => c.of(['0', '0.0', '-0', '1', '1.0', '1.00', '10', '-1', '0.1', '0.10', '-0.1', '0.01', '99', '100', '1000000', '0.000001', '9.99', '-9.99', '-10']),
    () => signed(`${c.below(100)}.${digits(1 + c.below(2))}`),
    () => signed(`${1 + c.below(9)}${digits(c.below(60))}.${digits(1 + c.below(60))}`),
    () => `1${'0'.repeat(c.below(300))}`,
    () => `0.${'0'.repeat(c.below(300))}${c.of(['1', '10', '2'])}`,
    () => signed(`${c.below(10)}e${c.below(40) - 20}`),
])();
const small = () => {
    const text = decimal();
    return Math.abs(Number(text)) < 1e8 ? text : '5';
};
const word = () => c.of(['NaN', 'NaN', ...(major >= 14 || mode === 'table' ? ['Infinity', '-Infinity'] : [])]);
const numeric = () => c.is(0.15) ? word() : c.is(0.03) ? `${signed('1')}e${c.of(['900', '-900'])}` : decimal();
const float = (most) => () => c.is(0.15) ? c.of(['NaN', 'Infinity', '-Infinity'])
    : c.is(0.3) ? c.of(['0', '-0', '0.1', '0.2', '0.3', '-0.1', '1.5', '16777217', '16777216', '0.30000000000000004', '9007199254740993', '1e10', `${most}`, `-${most}`, '1e-40', '1.1'])
        : c.is(0.5) ? signed(`${c.below(5)}.${digits(1 + c.below(9))}`) : signed(`${c.below(10)}.${digits(3)}e${c.below(70) - 35}`.replace(/^(-?)0\.000/, '$10.001'));
const year = () => c.of(['2024', '2024', '2023', '2000', '1900', '0001', '0044', '9999', '10000', '294276']);
const dayOf = (y) => {
    const month = two(1, 12);
    const n = Number(y), isLeap = n % 4 === 0 && (n % 100 !== 0 || n % 400 === 0);
    return `${y}-${month}-${c.is(0.2) && month === '02' && isLeap ? '29' : c.of(['01', '28', two(1, 28)])}`;
};
// BC years that are leap years are others: 1, 5, 9 …
const day = () => c.is(0.15) ? `${c.of(['0044', '0001', '4713'])}-${two(1, 12)}-${two(1, 28)} BC` : c.is(0.1) ? '0005-02-29 BC' : dayOf(year());
const date = () => c.is(0.1) ? c.of(['infinity', '-infinity']) : c.is(0.1) ? dayOf('5874897') : day();
const clock = () => c.of(['00:00:00', '12:30:00', '23:59:59.999999', `${two(0, 23)}:${two(0, 59)}:${two(0, 59)}`, `10:20:30.${digits(1 + c.below(6))}`, '10:20', '10:20:30.100']);
const moment = (separator, zone) => {
    const [d, era] = day().split(' ');
    return `${d}${separator}${c.is(0.03) ? '24:00:00' : clock()}${zone()}${era ? ` ${era}` : ''}`;
};
const infinite = (f) => () => c.is(0.1) ? c.of(['infinity', '-infinity']) : f();
const zone = () => c.of(['Z', '+00', '+02:00', '-03:30', '+0530', '+01:53:28', '-12', '+14']);
const pieces = ['', ' ', 'a', 'a', 'b', 'ab', 'A', 'Z', '%', '_', '\\', '"', "'", ',', '(', ')', '\t', '\n', '\u0001', '\u007f', 'é', 'ü', 'e\u0301', '😀', '\u{10ffff}', '\ufeff', '\u2028', 'ß', 'ij', '  '];
const text = (most) => () => Array.from({ length: c.below(most) }, () => c.of(pieces)).join('');
const hex = (n) => Array.from({ length: n }, () => c.of([...'01f'])).join('');
const uuid = () => c.is(0.5) ? '00000000-0000-0000-0000-00000000000' + c.of([...'012abf']) : [8, 4, 4, 4, 12].map(hex).join('-');
const moods = ['sad', 'ok', 'Glad', 'a "b"', '', 'zé'];

// ---- columns: SQL type, texts of rows, JSON of constants with the SQL of the same

const quote = (value) => `E'${value.replace(/\\/g, '\\\\').replace(/'/g, "''").replace(/[\u0001-\u001f]/g, (x) => `\\x${x.charCodeAt(0).toString(16).padStart(2, '0')}`)}'`;
const constant = (json, cast) => (value) => ({ json: json(value), sql: `${quote(value)}::${cast}` });
const string = (value) => JSON.stringify(value);
const escaped = (value) => `"${[...value].map((x) => c.is(0.2) ? [...Array(x.length).keys()].map((i) => `\\u${x.charCodeAt(i).toString(16).padStart(4, '0')}`).join('') : JSON.stringify(x).slice(1, -1)).join('')}"`;
const number = (value) => /^-?\d/.test(value) && c.is(0.7) ? value : string(value);
const EQUAL = ['eq', 'neq', 'in', 'nin', 'isdistinct', 'is'], ORDER = [...EQUAL, 'lt', 'lte', 'gt', 'gte'], PATTERN = ['prefix', 'like', 'like'];
const column = (type, draw, ops, made, more = {}) => ({ type, draw, ops, made, ...more });
const upper = (value) => c.is(0.3) ? value.toUpperCase() : c.is(0.3) ? value.replace(/-/g, '') : value;
const columns = {
    b: column('bool', () => c.of(['t', 'f']), ORDER, (v) => ({ json: v === 't' ? 'true' : 'false', sql: v === 't' ? 'true' : 'false' })),
    i2: column('int2', integer(16), ORDER, constant(number, 'numeric'), { constant: decimal, compared: 'numeric' }),
    i4: column('int4', integer(32), ORDER, constant(number, 'numeric'), { compared: 'numeric' }),
    i8: column('int8', integer(64), ORDER, constant(number, 'numeric'), { compared: 'numeric' }),
    dom: column('f_positive', () => String(c.below(5)), ORDER, constant(number, 'int')),
    n: column('numeric', numeric, ORDER, constant(number, 'numeric')),
    n2: column('numeric(12,3)', () => c.is(0.1) ? 'NaN' : small(), ORDER, constant(number, 'numeric'), { constant: numeric }),
    r: column('float4', float('3.4e38'), ORDER, constant(number, 'float4')),
    d: column('float8', float('1.7e308'), ORDER, constant(number, 'float8')),
    u: column('uuid', uuid, ORDER, (v) => constant(string, 'uuid')(upper(v))),
    day: column('date', date, ORDER, constant(string, 'date')),
    clock: column('time', () => c.is(0.05) ? '24:00:00' : clock(), ORDER, constant(string, 'time')),
    at: column('timestamp', infinite(() => moment(c.of([' ', 'T']), () => '')), ORDER, constant(string, 'timestamp')),
    atz: column('timestamptz', infinite(() => moment(c.of([' ', 'T']), zone)), ORDER, constant(string, 'timestamptz')),
    t: column('text', text(4), [...EQUAL, ...PATTERN], constant(escaped, 'text'), { collate: true }),
    v: column('varchar(12)', text(3), [...EQUAL, ...PATTERN], constant(escaped, 'varchar'), { collate: true }),
    c: column('text', text(4), [...ORDER, ...PATTERN], constant(escaped, 'text'), { c: true }),
    nm: column('name', text(4), [...ORDER, ...PATTERN], constant(escaped, 'text')),
    f: column('char(7)', () => [...text(3)()].slice(0, 5).join(''), EQUAL, constant(escaped, 'bpchar')),
    m: column('f_mood', () => c.of(moods), ORDER, constant(string, 'f_mood')),
};
const names = Object.keys(columns);

// ---- filters

// Of what a text may be, something that is often matched.
const pattern = () => Array.from({ length: c.below(5) }, () => c.of(['%', '%', '_', '_', '\\%', '\\_', '\\\\', ...pieces.map((p) => p.replace(/[\\%_]/g, '\\$&'))])).join('');

const OPERATORS = { eq: '=', neq: '<>', lt: '<', lte: '<=', gt: '>', gte: '>=' };

function leaf() {
    const name = c.of(names), { ops, draw, made, compared, constant: other, type } = columns[name];
    const op = c.of(ops), left = compared ? `${name}::${compared}` : name;
    const value = () => made((other && c.is(0.5) ? other : draw)());
    const wrap = (json) => `{${string(name)}:${op === 'eq' && c.is(0.5) ? json : `{"${op}":${json}}`}}`;
    if (op === 'is') {
        const wanted = type === 'bool' ? c.of(['null', 'true', 'false']) : 'null';
        return { json: wrap(wanted), sql: `${name} IS ${wanted}` };
    }
    if (op === 'in' || op === 'nin') {
        const list = Array.from({ length: c.below(c.is(0.1) ? 40 : 4) }, value);
        const sql = list.length ? `${left} ${op === 'in' ? 'IN' : 'NOT IN'} (${list.map((v) => v.sql).join(', ')})` : op === 'in' ? 'false' : 'true';
        return { json: wrap(`[${list.map((v) => v.json).join(',')}]`), sql };
    }
    if (op === 'isdistinct') {
        const v = c.is(0.2) ? { json: 'null', sql: 'NULL' } : value();
        return { json: wrap(v.json), sql: `${left} IS DISTINCT FROM ${v.sql}` };
    }
    if (op === 'like') {
        const p = pattern();
        return { json: wrap(escaped(p)), sql: `${left} LIKE ${quote(p)}` };
    }
    const v = value();
    return { json: wrap(v.json), sql: op === 'prefix' ? `starts_with(${left}::text, ${v.sql})` : `${left} ${OPERATORS[op]} ${v.sql}` };
}

function tree(depth) {
    const kind = depth >= 4 ? 'leaf' : c.of(['leaf', 'leaf', 'leaf', 'and', 'or', 'not', 'all']);
    if (kind === 'leaf') return leaf();
    if (kind === 'not') {
        const of = tree(depth + 1);
        return { json: `{"not":${of.json}}`, sql: `NOT (${of.sql})` };
    }
    const list = Array.from({ length: kind === 'all' ? 2 : c.below(4) }, () => tree(depth + 1));
    // Members of one object, where their keys differ.
    const keys = (t) => Object.keys(JSON.parse(t.json));
    if (kind === 'all' && keys(list[0]).length && keys(list[1]).length && !keys(list[0]).some((k) => keys(list[1]).includes(k))) {
        return { json: `{${list.map((t) => t.json.slice(1, -1)).join(', ')}}`, sql: list.map((t) => `(${t.sql})`).join(' AND ') };
    }
    const isAnd = kind !== 'or';
    return { json: `{"${isAnd ? 'and' : 'or'}":[${list.map((t) => t.json).join(',')}]}`, sql: list.map((t) => `(${t.sql})`).join(isAnd ? ' AND ' : ' OR ') || String(isAnd) };
}

// ---- output

const out = [];
if (mode === 'table') {
    const collation = seed;
    out.push(`CREATE TYPE f_mood AS ENUM (${moods.map(quote).join(', ')});`, 'CREATE DOMAIN f_positive AS int CHECK (VALUE >= 0);');
    out.push(`CREATE TABLE f_text (id int PRIMARY KEY, ${names.map((n) => `${n} ${columns[n].type}${columns[n].collate ? ` COLLATE ${collation}` : columns[n].c ? ' COLLATE "C"' : ''}`).join(', ')});`);
    out.push('CREATE TABLE f_native (LIKE f_text INCLUDING ALL);');
    const half = names.filter((_, i) => i % 2 === 1);
    out.push(`SELECT herald.watch('f_text', channel => 'f'), herald.watch('f_native', channel => 'f', numbers => 'native', columns => '{id,${names.filter((n) => !half.includes(n)).join(',')}}', keep => '{${half.join(',')}}');`);
} else if (mode === 'rows') {
    for (let i = 0; i < Number(count); i++) {
        if (c.is(0.1)) out.push(`SET TimeZone = ${c.of(["'UTC'", "'Europe/Amsterdam'", "'America/St_Johns'", "'Asia/Kathmandu'"])}; SET DateStyle = ${c.of(["'ISO'", "'German'", "'SQL, DMY'"])}; SET extra_float_digits = ${c.of([-15, 0, 3])};`);
        const values = names.map((n) => c.is(0.15) ? 'NULL' : `${quote(columns[n].draw())}::${columns[n].type}`);
        out.push(`INSERT INTO f_text VALUES (${i}, ${values.join(', ')});`);
    }
    out.push('INSERT INTO f_native SELECT * FROM f_text ORDER BY id;');
} else {
    for (let i = 0; i < Number(count); i++) {
        const { json, sql } = tree(1);
        if (Buffer.byteLength(json) > 4096) continue;
        out.push(mode === 'json' ? json : `SELECT string_agg(CASE WHEN v THEN 'y' WHEN NOT v THEN 'n' ELSE 'u' END, '' ORDER BY id) FROM (SELECT id, (${sql}) AS v FROM f_text) f;`);
    }
}
console.log(out.join('\n'));
