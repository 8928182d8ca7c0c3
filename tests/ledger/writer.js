// SPDX-License-Identifier: PostgreSQL
// A writer: transactions of a few changes each, at full speed. Some are rolled back, whole or to a savepoint, some stay open
// for a second or two, some are prepared and committed by whoever comes later.
import pg from 'pg';
import { between, pause, pick, random } from '../chaos/chance.js';
import { MAX_BYTES, N_IDS, N_ROOMS, TABLES } from './tables.js';
import { ORGS, STATUS } from './rules.js';

const oneOf = (list) => list[pick(list.length)];
const id = () => 1 + pick(N_IDS);
const text = (value) => (value === null ? 'NULL' : `'${value.replaceAll("'", "''")}'`);

// In SQL, for each row of a statement another one.
const values = ({ isLarge }) => ({
    owner: '1 + (random() * 5)::int', org: text(oneOf(ORGS)), status: text(oneOf(STATUS)), n: '(random() * 99)::int', room: `(random() * ${N_ROOMS - 1})::int`,
    loose: 'random() < 0.1', note: isLarge && random() < 0.3 ? `repeat('x', ${MAX_BYTES})` : `'note'`,
});

const some = (table) => {
    const list = Object.entries(values(table)).filter(([name]) => (name === 'room' ? random() < 0.15 : random() < 0.5));
    return list.length === 0 ? `n = n + 1` : list.map(([name, value]) => `${name} = ${value}`).join(', ');
};

const CHANGES = [
    [30, (t) => {
        const v = values(t);
        return `INSERT INTO ${t.name} (id, ${Object.keys(v)}) SELECT i, ${Object.values(v)} FROM generate_series(${id()}, ${id()}) i WHERE random() < 0.1 ON CONFLICT DO NOTHING`;
    }],
    [30, (t) => `UPDATE ${t.name} SET ${some(t)} WHERE id = ${id()}`],
    [12, (t) => `UPDATE ${t.name} SET ${some(t)} WHERE id % 120 = ${pick(120)}`],
    [6, (t) => `UPDATE ${t.name} SET shade = ${pick(1000)} WHERE id % 60 = ${pick(60)}`],
    [8, (t) => {
        const fresh = id();
        return `UPDATE ${t.name} SET id = ${fresh}, ${random() < 0.5 ? some(t) : 'n = n'} WHERE id = ${id()} AND NOT EXISTS (SELECT FROM ${t.name} WHERE id = ${fresh})`;
    }],
    [10, (t) => `DELETE FROM ${t.name} WHERE id = ${id()}`],
    [3, (t) => `DELETE FROM ${t.name} WHERE id % 150 = ${pick(150)}`],
    [0.15, (t) => `TRUNCATE ${t.name}`],
];
const TOTAL = CHANGES.reduce((sum, [weight]) => sum + weight, 0);

export function randomChange(table) {
    let dice = random() * TOTAL;
    return CHANGES.find(([weight]) => (dice -= weight) < 0)[1](table);
}

export class Writer {
    constructor(run, number) {
        Object.assign(this, { run, number, n: 0 });
    }

    async live() {
        while (!this.run.isOver) {
            try {
                const client = new pg.Client(this.run.postgres.url());
                this.client = client;
                client.on('error', () => {});
                await client.connect();
                await client.query(`SET application_name = 'writer'; SET lock_timeout = '700ms'; SET deadlock_timeout = '100ms'`);
                await this.write(client);
                await client.end();
            } catch (error) {
                this.run.note(error);
                await this.client.end().catch(() => {});
                await pause(50 + pick(100));
            }
        }
    }

    async write(client) {
        while (!this.run.isOver) {
            await this.run.isOn();
            try {
                await this.transaction(client);
            } catch (error) {
                this.run.note(error);
                await client.query('ROLLBACK'); // of one that failed; fails if the connection did
            }
        }
    }

    async transaction(client) {
        const { count } = this.run;
        const table = oneOf(Object.values(TABLES));
        const change = () => client.query(randomChange(random() < 0.8 ? table : oneOf(Object.values(TABLES))));
        if (random() < 0.5) {
            await change();
            count.transactions++;
            return;
        }
        const dice = random();
        await client.query('BEGIN');
        for (let i = pick(5); i >= 0; i--) {
            await change();
            if (random() < 0.2) {
                await client.query('SAVEPOINT s');
                await change();
                await client.query(random() < 0.5 ? 'ROLLBACK TO s' : 'RELEASE s');
            }
        }
        if (dice < 0.03) {
            await pause(between(100, 1500)); // snapshots begin and end meanwhile
        }
        if (dice > 0.97) {
            const name = `w${this.number}_${++this.n}`;
            await client.query(`PREPARE TRANSACTION '${name}'`);
            await pause(between(0, 400));
            await client.query(`${random() < 0.7 ? 'COMMIT' : 'ROLLBACK'} PREPARED '${name}'`);
            count.prepared++;
        } else {
            await client.query(dice < 0.85 ? 'COMMIT' : 'ROLLBACK');
        }
        count.transactions++;
    }
}
