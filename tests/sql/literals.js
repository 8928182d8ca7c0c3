// SPDX-License-Identifier: PostgreSQL
//
// Literals of every type that a column can have, drawn at random from a seed: for differential.js. The pools are ordered
// ascending, so that ranges can take two of them. Whoever adds a type of Postgres adds it here: differential.sh says which is missing.

export function chance(seed) {
    let state = seed >>> 0 || 1;
    const next = () => {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        return (state >>> 0) / 4294967296;
    };
    const below = (n) => Math.floor(next() * n);
    return { next, below, of: (list) => list[below(list.length)], is: (p) => next() < p };
}

const nasty = ['', ' ', 'a', 'NULL', 'null', '"', '\\', ',', '(', ')', '{', '}', '[', ']', "'", '\t', '\n', '\r', '\b', '\u0001', '\u007f',
    '\u0080', 'ü', '😀', '\u2028', '%', '/', '.', '*', ';', ':', '=>', '1', 'true', '\\"', '""', '\\\\', '/*', '</a>', '$1', '  '];
const text = (c) => Array.from({ length: c.below(5) }, () => c.of(nasty)).join('');
const pool = (...list) => (c) => c.of(list);

const ints = ['-2147483648', '-1', '0', '1', '7', '2147483647'];
const bigints = ['-9223372036854775808', '-9007199254740993', '0', '1', '9007199254740992', '9223372036854775807'];
const numerics = ['-Infinity', '-12345678901234567890.1234567890', '-0.10', '0', '0.000000000000000000001', '1.10', '1e20', '99999999999999999999999999', 'Infinity', 'NaN'];
const floats = ['-Infinity', '-1e300', '-1.5', '-0', '0', '1e-300', '0.1', '0.30000000000000004', '1e15', '1e16', '123456789012345678', '1e300', 'Infinity', 'NaN'];
const reals = ['-Infinity', '-1.5', '-0', '1e-30', '0.1', '1e6', '16777216', '1e30', 'Infinity', 'NaN'];
const dates = ['-infinity', '0044-03-15 BC', '0001-01-01', '1582-10-15', '1970-01-01', '2024-02-29', '9999-12-31', '10000-01-01', '294276-12-31', 'infinity'];
const timestamps = ['-infinity', '0044-03-15 12:00:00 BC', '0001-01-01 00:00:00', '1883-11-18 12:03:57.5', '1970-01-01 00:00:00.000001', '2024-02-29 23:59:59.999999', '2024-07-01 10:20:30.1', '10000-01-01 00:00:00', 'infinity'];
const zoned = ['-infinity', '0044-03-15 12:00:00+00 BC', '0001-01-01 00:00:00+05:30', '1883-11-18 12:03:57.5-04:56:02', '1970-01-01 00:00:00.000001+14', '2024-02-29 23:59:59.999999-12', '2024-07-01 10:20:30.1+02', '10000-01-01 00:00:00+00', 'infinity'];
const jsons = ['null', '1e400', '" a\\u0000"', '{"a" : [1, 2.50, {"b":null}]}', '[ ]', '{"a":1,"a":2}', '"x\\"y"', 'true', ' { "k": "ü" } ', '12345678901234567890.10'];
const jsonbs = jsons.filter((j) => !/0000|e400/.test(j));

export const base = {
    bool: pool('f', 't'), bytea: pool('\\x', '\\x00ff', '\\x5c27220a', '\\xdeadbeef'), '"char"': pool('', 'a', '"', '\\', ',', '{', ' ', '(', 'ü'),
    name: (c) => text(c).slice(0, 20), int2: pool('-32768', '0', '7', '32767'), int4: pool(...ints), int8: pool(...bigints), numeric: pool(...numerics),
    'numeric(10,3)': pool('-1', '0', '1.5', '1234567.891'), float4: pool(...reals), float8: pool(...floats), money: pool('-1.50', '0', '1234567.89'),
    text, varchar: text, 'varchar(30)': text, 'char(12)': (c) => text(c).slice(0, 12), int2vector: pool('', '1', '1 2 -3'), oidvector: pool('', '1', '1 4294967295'),
    oid: pool('0', '1', '4294967295'), regproc: pool('now', 'pg_sleep', '-', '0'), regprocedure: pool('abs(integer)', 'lower(text)', '-'), regoper: pool('!~', '0'),
    regoperator: pool('+(integer,integer)', '0'), regclass: pool('pg_class', '"d Odd"', '-', '4294967295'), regcollation: pool('"C"', '-'), regtype: pool('integer', 'text[]', '-'),
    regrole: pool('postgres', '-'), regnamespace: pool('pg_catalog', 'public', '-'), regconfig: pool('english', 'simple'), regdictionary: pool('english_stem'),
    tid: pool('(0,1)', '(4294967295,65535)'), xid: pool('0', '4294967295'), cid: pool('0', '7'), xid8: pool('0', '18446744073709551615'),
    json: pool(...jsons), jsonb: pool(...jsonbs), jsonpath: pool('$.a[*] ? (@ > 1)', '$', 'strict $."x y"'), xml: pool('<a/>', '<a b="c">d &amp; "e"</a>', 'text, only'),
    point: pool('(1,2)', '(-0.5,1e300)', '(NaN,Infinity)'), lseg: pool('[(1,2),(3,4)]'), path: pool('[(1,2),(3,4)]', '((1,2),(3,4))'), box: pool('(3,4),(1,2)', '(1,1),(0,0)'),
    polygon: pool('((0,0),(1,1),(2,0))'), line: pool('{1,2,3}'), circle: pool('<(1,2),3>'), macaddr: pool('08:00:2b:01:02:03'), macaddr8: pool('08:00:2b:01:02:03:04:05'),
    inet: pool('192.168.1.1', '192.168.1.1/24', '::1', '2001:db8::/32', '10.0.0.1/32'), cidr: pool('10.0.0.0/8', '192.168.1.1/32', '2001:db8::/32'),
    aclitem: pool('postgres=r/postgres', '=arwdDxt/postgres'), date: pool(...dates), time: pool('00:00', '23:59:59.999999', '24:00:00', '12:30:00.5'),
    timetz: pool('00:00+00', '23:59:59.999999-15:59:59', '12:30+05:30'), timestamp: pool(...timestamps), 'timestamp(0)': pool('2024-07-01 10:20:30.6'), timestamptz: pool(...zoned),
    interval: pool('0', '1 year 2 mons 3 days 04:05:06.7', '-1 day 23:00', '-00:00:01', '178000000 years', '1 mon -1 day'),
    bit: pool('0', '1'), 'bit(3)': pool('101', '000'), varbit: pool('', '10110'), uuid: pool('00000000-0000-0000-0000-000000000001', 'ffffffff-ffff-ffff-ffff-ffffffffffff'),
    refcursor: text, pg_lsn: pool('0/0', '16/B374D848'), txid_snapshot: pool('10:20:10,14,15', '1:1:'), pg_snapshot: pool('10:20:10,14,15', '1:1:'),
    tsvector: pool('', "'a':1A,2 'it''s':3B", "'a,b' '\"'"), tsquery: pool('', "'a' & !'b c'", "'x':*AB | 'y'"),
};

const element = (c, value) => value === null ? 'NULL' : c.is(0.3) && /^[a-z0-9.+-]+$/i.test(value) && !/^null$/i.test(value)
    ? value : '"' + value.replace(/["\\]/g, '\\$&') + '"';

// One of: empty, flat, nested, with bounds; with NULLs.
export function array(c, of, delimiter = ',') {
    if (c.is(0.1)) return '{}';
    const depth = c.of([1, 1, 1, 2, 3]);
    const lengths = Array.from({ length: depth }, () => 1 + c.below(3));
    const level = (d) => '{' + Array.from({ length: lengths[d] }, () => d + 1 < depth ? level(d + 1) : element(c, c.is(0.15) ? null : of(c)))
        .join(delimiter + (c.is(0.2) ? ' ' : '')) + '}';
    const bounds = c.is(0.2) ? lengths.map((n) => { const from = c.below(5) - 2; return `[${from}:${from + n - 1}]`; }).join('') + '=' : '';
    return bounds + level(0);
}

export function composite(c, ...fields) {
    return '(' + fields.map((of) => {
        const value = c.is(0.15) ? null : of(c);
        return value === null ? '' : c.is(0.3) && /^[a-z0-9.]+$/i.test(value) ? value : '"' + value.replace(/["\\]/g, '$&$&') + '"';
    }).join(',') + ')';
}

const bound = (value) => '"' + value.replace(/["\\]/g, '\\$&') + '"';
const range = (list) => (c) => {
    if (c.is(0.1)) return 'empty';
    const i = c.below(list.length), j = i + c.below(list.length - i);
    const low = c.is(0.1) ? '' : bound(list[i]), high = c.is(0.1) ? '' : bound(list[j]);
    return (c.is(0.7) ? '[' : '(') + low + ',' + high + (c.is(0.7) ? ')' : ']');
};
// What is infinite, or at the end of what the type holds, has no next value.
const inner = (list) => list.slice(1, -1);
export const ranges = {
    int4range: range(inner(ints)), int8range: range(inner(bigints)), numrange: range(numerics.filter((n) => n !== 'NaN')), daterange: range(dates.slice(1, 8)),
    tsrange: range(timestamps), tstzrange: range(zoned), d_floats: range(floats.slice(0, -1)), d_texts: range(['!', '"', '(', ',', '9', 'A', '\\', 'a b', 'é'].sort()),
};
export const multiranges = Object.fromEntries([['int4', inner(ints)], ['int8', inner(bigints)], ['num', inner(numerics).slice(0, -1)], ['date', dates.slice(1, 8)],
    ['ts', inner(timestamps)], ['tstz', inner(zoned)]].map(([name, list]) => [name + 'multirange', (c) => c.is(0.2) ? '{}' : `{${range(list)(c)}}`]));

const hstore = (c) => Array.from({ length: c.below(4) }, () => `${bound(text(c))}=>${c.is(0.2) ? 'NULL' : bound(text(c))}`).join(', ');
export const contrib = {
    hstore, citext: text, ltree: pool('', 'a.b', 'Top.Science_1'), lquery: pool('*.a*@.!b{1,}'), ltxtquery: pool('a & !b'), cube: pool('(1,2),(3,4)', '(0)'), seg: pool('1.50 .. 2', '~ 3', '<1'),
    lo: base.oid, earth: pool('(6378168,0,0)'), query_int: pool('1&!2', '(1|2)&3'), isbn: pool('978-0-393-04002-9'), isbn13: pool('978-0-393-04002-9'), ean13: pool('978-0-393-04002-9'), upc: pool('036000291452'), issn: pool('1436-4522'), ismn: pool('979-0-060-11561-5'),
};

const mood = pool('glad', 'sa"d', 'a,b', '{', '');
const pair = (c) => composite(c, base.int8, mood, base.numeric);
const nest = (c) => composite(c, pair, (d) => array(d, base.int4), text);
const list = (of, delimiter) => (c) => array(c, of, delimiter);
const deep = (depth) => (c) => depth === 0 ? composite(c, base.timestamptz, base.int8) : composite(c, deep(depth - 1), base.float8);
// What differential.sql makes.
export const made = {
    d_mood: mood, d_big: base.int8, d_word: text, d_bigs: list(base.int8), d_pair: pair, d_pairs: pair, d_nest: nest,
    d_mix: (c) => composite(c, base.bool, base.date, base.timestamp, base.timestamptz, base.json, hstore, ranges.tstzrange, list(pair), base.bytea, base.float8, base.interval),
    d_when: base.timestamptz, d_deep: (c) => composite(c, nest, list(nest)), d_one: (c) => composite(c, text), d_none: pool('()'), d_gone: (c) => composite(c, base.int4, text),
    d_flag: base.bool, d_bytes: base.bytea, d_doc: base.jsonb, d_span: ranges.tstzrange, d_bag: hstore, d_feel: mood, d_days: list(base.date), d_ratio: base.float8, d_lapse: base.interval,
    d_fixed: (c) => text(c).slice(0, 5), d_corner: base.box, d_amount: base.numeric, d_bag_list: list(hstore), d_small: base.int2,
    d_lists: (c) => composite(c, base.int2vector, base.oidvector, list(base.box, ';'), base['char(12)'], base['"char"'], list(base.numeric), list(hstore), list(base.timestamptz), list(base.float8),
        list(base.bytea), list(base.interval), list(base.date)),
    d_odds: (c) => composite(c, base.inet, base.tid, base.point, base.tsvector, base.xml, base.bit, mood, base.jsonb, base.time, base.timetz, base.circle, ranges.daterange, ranges.d_floats),
    d_cycle: deep(8), d_spans: (c) => composite(c, list(ranges.tstzrange), ranges.tstzrange, ranges.tsrange, base.timestamptz), d_bigrange: range(inner(bigints)), d_whens: range(zoned),
    'pg_sequence': (c) => composite(c, base.oid, base.oid, base.int8, base.int8, base.int8, base.int8, base.int8, base.bool),
};
