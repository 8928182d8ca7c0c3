// SPDX-License-Identifier: PostgreSQL
// A writer: transactions that commit out of order, of row changes, publishes, savepoints, rollbacks and pauses. It dies with
// its connection and comes back, and never writes a number twice. What fails for it without a broken part is our fault.
import { pause, pick, random } from './chance.js';
import { AIMED, DBO_ID, HOT, PUBLISHED, TABLES } from './ledger.js';

// Commits that have returned, counted: what began at clock c must come after every commit with a number <= c.
export const clock = { now: 0, commits: new Map() };

export class Writer {
    constructor(run, number) {
        this.run = run;
        this.number = number;
        this.n = 0;
        this.nPrepared = 0;
        this.items = []; // its rows, as far as it knows: { table, id }
    }

    async live() {
        while (!this.run.isOver) {
            await this.run.isOn();
            try {
                this.session ??= await this.run.database.connect({ name: 'writer' });
                await this.resolve();
                await this.transaction();
            } catch (error) {
                this.judge(error);
                this.run.count.cutTransactions++;
                await this.session?.end().catch(() => {});
                this.session = null;
                await pause(50 + pick(200));
            }
        }
        await this.session?.end().catch(() => {});
    }

    // A lost connection, a full disk, a database that goes or comes: these are the faults' doing. With a lock_timeout rows and
    // tables of its own may be waited for in vain, but nothing of ours.
    judge({ code = '', message, where = '' }) {
        const isBroken = !/^[0-9A-Z]{5}$/.test(code) || /^(08|53|57|58|XX|3D)/.test(code);
        const isOwnLock = code === '55P03' && !/herald/.test(where + message);
        if (!isBroken && !isOwnLock) {
            this.run.violation('a write failed', `${code} ${message} ${where}`);
        }
    }

    async transaction() {
        const { session } = this;
        this.began = clock.now;
        this.keys = [];
        await session.query('BEGIN');
        if (random() < 0.05) { // first of all: whoever had written the table already would deadlock
            await this.perhapsInVain(() => this.empty());
        }
        for (let i = 1 + pick(3); i > 0; i--) {
            await this.perhapsInVain(() => this.change());
            if (random() < 0.5) {
                await session.query('SELECT pg_sleep($1)', [random() * (random() < 0.05 ? 0.6 : 0.03)]);
            }
        }
        if (random() < 0.2) {
            await this.updateHot();
        }
        if (random() < 0.1) {
            await session.query('ROLLBACK');
            this.run.count.rolledBack++;
            return;
        }
        await this.commit();
        clock.now++;
        this.run.count.transactions++;
        this.keys.forEach((key) => clock.commits.set(key, clock.now));
    }

    async commit() {
        const { session } = this;
        if (!this.run.isTwoPhase || random() < 0.5) {
            await session.query('COMMIT');
            return;
        }
        const name = `writer ${this.number}/${++this.nPrepared}`;
        this.inDoubt = name;
        await session.query(`PREPARE TRANSACTION '${name}'`);
        await pause(pick(50));
        await session.query(`COMMIT PREPARED '${name}'`);
        this.inDoubt = null;
        this.run.count.prepared++;
    }

    // What the connection before this one had prepared is ended before anything else is written: the order of a writer's
    // transactions is that of their commits.
    async resolve() {
        if (this.inDoubt) {
            const { rows } = await this.session.query('SELECT gid FROM pg_prepared_xacts WHERE gid = $1', [this.inDoubt]);
            for (const { gid } of rows) {
                await this.session.query(`${random() < 0.5 ? 'COMMIT' : 'ROLLBACK'} PREPARED '${gid}'`);
            }
            this.inDoubt = null;
        }
    }

    async perhapsInVain(change) {
        if (random() >= 0.25) {
            return change();
        }
        await this.session.query('SAVEPOINT s');
        const kept = this.keys.length;
        await change();
        if (random() < 0.5) {
            await this.session.query('ROLLBACK TO s');
            this.keys.length = kept;
        }
    }

    change() {
        const dice = random();
        return dice < 0.3 ? this.publish(false) : dice < 0.45 ? this.publish(true) : dice < 0.6 && this.items.length > 0 ? this.touch()
            : this.insert();
    }

    async empty() {
        await this.session.query('TRUNCATE pool');
        await this.session.query('UPDATE era SET n = n + 1');
    }

    next(kind) {
        const n = ++this.n;
        this.keys.push(`${kind} ${this.number}/${n}`);
        return n;
    }

    async publish(isAimed) {
        const channel = isAimed ? AIMED[pick(AIMED.length)] : PUBLISHED[pick(PUBLISHED.length)];
        const n = this.next('publish');
        const audience = isAimed ? [DBO_ID, [null, '34', '35'][pick(3)]] : [null, null];
        await this.session.query('SELECT herald.publish($1, $2::jsonb, $3, $4)',
            [channel, JSON.stringify({ writer: this.number, n, began: this.began }), ...audience]);
        await this.session.query('INSERT INTO ledger VALUES ($1, $2)', [channel, `publish ${this.number}/${n}`]);
    }

    // One statement: one row, several, or more than a batch.
    async insert() {
        const [table, channels] = Object.entries(TABLES)[pick(3)];
        const channel = pick(channels.length);
        const dice = random();
        const numbers = [...Array(dice < 0.02 ? 300 : dice < 0.3 ? 1 + pick(5) : 1)].map(() => this.next('row'));
        const { rows } = await this.session.query(`
            WITH made AS (INSERT INTO ${table} (channel, writer, n, began, era) SELECT $1, $2, k, $4, (SELECT era.n FROM era) FROM unnest($3::int[]) k RETURNING *),
                 noted AS (INSERT INTO ledger SELECT $5, format('row %s/%s', writer, n) FROM made)
            SELECT id FROM made`, [channel, this.number, numbers, this.began, channels[channel]]);
        this.items.push(...(table === 'pool' ? [] : rows).map(({ id }) => ({ table, id })));
        this.items.splice(0, this.items.length - 20);
    }

    // Deletes a row, or changes it, perhaps into another channel: that is a delete there and an insert here. The row may
    // be none that was committed: then nothing happens.
    async touch() {
        const [{ table, id }] = this.items.splice(pick(this.items.length), 1);
        const prefix = TABLES[table][0].replace('0', '');
        if (random() < 0.4) {
            await this.session.query(`
                WITH gone AS (DELETE FROM ${table} WHERE id = $1 AND writer = $2 RETURNING *)
                INSERT INTO ledger SELECT $3 || channel, format('delete %s/%s', writer, n) FROM gone`, [id, this.number, prefix]);
            return;
        }
        await this.session.query(`
            WITH was AS (SELECT * FROM ${table} WHERE id = $1 AND writer = $2),
                 changed AS (UPDATE ${table} i SET channel = $3, n = $4, began = $5 FROM was WHERE i.id = was.id RETURNING i.*)
            INSERT INTO ledger SELECT $6 || channel, format('row %s/%s', writer, n) FROM changed
            UNION ALL SELECT $6 || was.channel, format('delete %s/%s', was.writer, was.n) FROM was WHERE was.channel <> $3`,
        [id, this.number, pick(TABLES[table].length), this.next('row'), this.began, prefix]);
    }

    // A row that all writers update.
    async updateHot() {
        await this.session.query(`
            WITH changed AS (UPDATE hot SET writer = $1, n = $2, began = $3 WHERE id = $4 RETURNING *)
            INSERT INTO ledger SELECT 'hot/' || id, format('row %s/%s', writer, n) FROM changed`,
        [this.number, this.next('row'), this.began, pick(HOT.length)]);
    }
}
