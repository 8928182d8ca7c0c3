// SPDX-License-Identifier: PostgreSQL
//
// Writes the SQL of differential.sh to standard output, the same for the same seed:
//
//   node differential.js schema               tables: two for each type and its arrays, one for each way of numbers, watched
//   node differential.js writes SEED ROWS     INSERT, UPDATE and DELETE of random rows, under settings of the session that vary
//   node differential.js golden SEED N        rows for table golden: N literals of each type
//   node differential.js types                the names, one a line
import { array, base, chance, contrib, made, multiranges, ranges } from './literals.js';

const [mode, seed, count] = process.argv.slice(2);
const types = { ...base, ...ranges, ...multiranges, ...contrib, ...made };
const names = Object.keys(types);
const quote = (value) => value === null ? 'NULL' : `E'${value.replace(/\\/g, '\\\\').replace(/'/g, "''").replace(/[\u0001-\u001f]/g, (x) => `\\x${x.charCodeAt(0).toString(16).padStart(2, '0')}`)}'`;
const delimiter = (name) => name === 'box' ? ';' : ',';
const out = [];

function schema() {
    names.forEach((name, i) => {
        for (const numbers of ['text', 'native']) {
            const table = `d_${i}_${numbers}`;
            out.push(`SELECT to_regtype('${name}') IS NOT NULL AS there \\gset`, '\\if :there', `CREATE TABLE ${table} (id int PRIMARY KEY, v ${name}, a ${name}[]);`,
                `SELECT herald.watch('${table}', numbers => '${numbers}'${numbers === 'text' ? `, channel => 'd/${i}/{v}'` : ''});`, '\\endif');
        }
    });
}

const settings = {
    TimeZone: ['UTC', 'America/New_York', 'Asia/Kolkata', 'Europe/Dublin', 'LMT-03:12'], DateStyle: ['ISO', 'SQL, DMY', 'German', 'Postgres, MDY', 'ISO, YMD'],
    IntervalStyle: ['postgres', 'iso_8601', 'sql_standard', 'postgres_verbose'], bytea_output: ['hex', 'escape'], extra_float_digits: [-5, 0, 1, 3], xmlbinary: ['hex', 'base64'],
    search_path: ['public', 'pg_catalog, public', 'pg_temp, public'], quote_all_identifiers: ['on', 'off'],
};

function writes() {
    const c = chance(Number(seed));
    const set = () => Object.entries(settings).map(([name, list]) => `SET ${name} = ${name === 'search_path' ? c.of(list) : `'${c.of(list)}'`};`).join(' ');
    names.forEach((name, i) => {
        const value = () => quote(c.is(0.05) ? null : types[name](c));
        const list = () => quote(c.is(0.1) ? null : array(c, types[name], delimiter(name)));
        for (let row = 1; row <= Number(count); row++) {
            const first = [value(), list()], second = [value(), list()];
            for (const numbers of ['text', 'native']) {
                const table = `d_${i}_${numbers}`;
                out.push(set(), `SELECT d_insert('${table}', ${row}, ${first}), d_update('${table}', ${row}, ${second});`);
                if (c.is(0.3)) out.push(`SELECT d_delete('${table}', ${row});`);
            }
        }
    });
}

function golden() {
    const c = chance(Number(seed));
    const rows = [];
    for (const name of names.filter((n) => n !== 'money' && !(n in multiranges) && !/^reg|^d_mix$|^aclitem$/.test(n))) {
        const seen = new Set();
        for (let n = 0; n < Number(count); n++) seen.add(types[name](c));
        for (const literal of seen) rows.push([name, literal]);
        if (!/vector|^refcursor/.test(name)) rows.push([`${name}[]`, array(c, types[name], delimiter(name))]);
    }
    rows.forEach(([name, literal], i) => out.push(`INSERT INTO golden VALUES (${i + 1}, ${quote(name)}, ${quote(literal)});`));
}

({ schema, writes, golden, types: () => out.push(...names) })[mode]();
process.stdout.write(out.join('\n') + '\n');
