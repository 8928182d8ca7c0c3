// SPDX-License-Identifier: PostgreSQL
//
// Writes the SQL of differential.sh to standard output, the same for the same seed:
//
//   node differential.js schema               for each type tables of it and its arrays, watched in several ways
//   node differential.js stage SEED ROWS      random rows of each type, into tables that nobody watches
//   node differential.js writes SEED          INSERT, UPDATE and DELETE of them, under settings of the session that vary
//   node differential.js plain                the same under those that a session starts with
//   node differential.js golden SEED N        rows for table golden: N literals of each type
//   node differential.js types                the names, one a line
import { array, base, chance, contrib, made, multiranges, ranges } from './literals.js';

const [mode, seed, count] = process.argv.slice(2);
const types = { ...base, ...ranges, ...multiranges, ...contrib, ...made };
const names = Object.keys(types);
const quote = (value) => value === null ? 'NULL' : `E'${value.replace(/\\/g, '\\\\').replace(/'/g, "''").replace(/[\u0001-\u001f]/g, (x) => `\\x${x.charCodeAt(0).toString(16).padStart(2, '0')}`)}'`;
const delimiter = (name) => /^(box|d_corner)$/.test(name) ? ';' : ',';
const parts = 4; // of the rows of a type, each with settings of its own
const out = [];

// The pad makes every row of `key` larger than that.
const watches = {
    text: (i) => `channel => 'd/${i}/{v}'`, native: (i) => `channel => 'd/${i}/{v}', numbers => 'native'`, list: (i) => `channel => 'd/${i}/{a}'`,
    statement: () => `mode => 'statement', numbers => 'native'`, key: () => `max_bytes => 8000, key_columns => '{v,id}'`,
};

function schema() {
    names.forEach((name, i) => {
        out.push(`SELECT to_regtype('${name}[]') IS NOT NULL AS there \\gset`, '\\if :there',
            `CREATE TABLE s_${i} (id int PRIMARY KEY, v ${name}, a ${name}[], v2 ${name}, a2 ${name}[]);`);
        for (const [way, wish] of Object.entries(watches)) {
            const table = `d_${i}_${way}`;
            out.push(`CREATE TABLE ${table} (id int PRIMARY KEY, v ${name}, a ${name}[]${way === 'key' ? `, pad text DEFAULT repeat('x', 8000)` : ''});`, `SELECT herald.watch('${table}', ${wish(i)});`);
        }
        out.push('\\endif');
    });
}

function stage() {
    const c = chance(Number(seed));
    out.push('CREATE TEMP TABLE raw (i int, id int, v text, a text, v2 text, a2 text);');
    names.forEach((name, i) => {
        const value = () => quote(c.is(0.05) ? null : types[name](c));
        const list = () => quote(c.is(0.1) ? null : array(c, types[name], delimiter(name)));
        for (let row = 1; row <= Number(count); row++) {
            const first = [value(), list()], is_same = c.is(0.1), second = [value(), list()];
            out.push(`INSERT INTO raw VALUES (${[i, row, ...first, ...(is_same ? first : second)]});`);
        }
        out.push(`SELECT to_regclass('s_${i}') IS NOT NULL AS there \\gset`, '\\if :there', `TRUNCATE s_${i};`, `SELECT d_stage('s_${i}');`, '\\endif', 'TRUNCATE raw;');
    });
}

const settings = {
    TimeZone: ['UTC', 'America/New_York', 'Asia/Kolkata', 'Europe/Dublin', 'LMT-03:12'], DateStyle: ['ISO', 'SQL, DMY', 'German', 'Postgres, MDY', 'ISO, YMD'],
    IntervalStyle: ['postgres', 'iso_8601', 'sql_standard', 'postgres_verbose'], bytea_output: ['hex', 'escape'], extra_float_digits: [-15, -5, 0, 1, 2, 3], xmlbinary: ['hex', 'base64'],
    xmloption: ['content', 'document'], search_path: ['public', 'pg_catalog, public', 'pg_temp, public'], quote_all_identifiers: ['on', 'off'], array_nulls: ['on', 'off'],
    client_encoding: ['UTF8', 'LATIN1', 'SQL_ASCII'], standard_conforming_strings: ['on', 'off'], transform_null_equals: ['on', 'off'], lc_monetary: ['C', 'POSIX', 'C.UTF-8'],
    lc_numeric: ['C', 'C.UTF-8'], lc_time: ['C', 'C.UTF-8'], plan_cache_mode: ['auto', 'force_generic_plan', 'force_custom_plan'], 'plpgsql.variable_conflict': ['error', 'use_variable', 'use_column'],
    timezone_abbreviations: ['Default', 'Australia', 'India'], default_text_search_config: ['simple', 'english'],
};

function writes(is_plain) {
    const c = chance(Number(seed) + 7);
    const set = () => `SELECT ${Object.entries(settings).filter(() => c.is(0.7)).map(([name, list]) => `pg_catalog.set_config('${name}', '${c.of(list)}', false)`)
        .concat([1, 2, 3].map(() => `public.d_set_other(${c.below(1000)}, ${c.below(100)})`)).join(', ')};`;
    names.forEach((name, i) => {
        out.push(`SELECT to_regclass('public.s_${i}') IS NOT NULL AS there \\gset`, '\\if :there');
        for (const way of Object.keys(watches)) {
            const table = `d_${i}_${way}`;
            out.push(`DELETE FROM ${table};`);
            for (let part = 0; part < parts; part++) {
                const rows = `FROM (SELECT * FROM public.s_${i} WHERE id % ${parts} = ${part} ORDER BY id) s`;
                if (!is_plain) out.push('RESET ALL;', set());
                out.push(`INSERT INTO public.${table} (id, v, a) SELECT id, v, a ${rows};`, `UPDATE public.${table} d SET v = s.v2, a = s.a2 ${rows} WHERE s.id = d.id;`);
                if (part === 0) out.push(`DELETE FROM public.${table};`);
            }
            out.push('RESET ALL;');
        }
        out.push('\\endif');
    });
}

function golden() {
    const c = chance(Number(seed));
    const rows = [];
    for (const name of names.filter((n) => n !== 'money' && !(n in multiranges) && !/^reg|^d_mix$|^aclitem$|^pg_sequence$/.test(n))) {
        const seen = new Set();
        for (let n = 0; n < Number(count); n++) seen.add(types[name](c));
        // A "char" that is no text is none of these.
        if (/char"|d_lists/.test(name)) seen.forEach((literal) => literal.includes('ü') && seen.delete(literal));
        for (const literal of seen) rows.push([name, literal]);
        if (!/vector|^refcursor|^d_lists/.test(name)) rows.push([`${name}[]`, array(c, types[name], delimiter(name))]);
    }
    rows.forEach(([name, literal], i) => out.push(`INSERT INTO golden VALUES (${i + 1}, ${quote(name)}, ${quote(literal)});`));
}

({ schema, stage, writes: () => writes(false), plain: () => writes(true), golden, types: () => out.push(...names) })[mode]();
process.stdout.write(out.join('\n') + '\n');
