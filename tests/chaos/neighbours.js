// SPDX-License-Identifier: PostgreSQL
// Faults that nothing is broken by: what operators, migrations and other applications do to a database that works, and a
// server that stands still. Under all of them the writers go on; what fails for them that no broken part explains is a
// violation of its own ("a write failed", see writer.js).
import { between, pause, random } from './chance.js';
import { pgherald } from '../integration/lib/server.js';
import { until, within, SECOND } from '../integration/lib/wait.js';

const SIDE = 'side'; // a second database of the cluster, which comes and goes

// Three seconds in which somebody must have been able to commit.
export async function writersGoOn(run, what) {
    const before = run.count.transactions;
    await until(`somebody to commit while ${what}`, () => run.count.transactions > before, 3 * SECOND)
        .catch((error) => run.violation('a write failed', error.message));
}

async function each(clients, work) {
    try {
        return await work(...await Promise.all(clients));
    } finally {
        await Promise.all(clients.map(async (client) => (await client).end().catch(() => {})));
    }
}

// A migration that adds a column of each table and takes it away again, the first table's transaction open over all of it.
// The lock that ALTER TABLE itself takes is all that may hold anybody up: the other table is free meanwhile.
async function migrate({ database, violation }, verb) {
    await each([database.connect(), database.connect()], async (first, second) => {
        await first.query(`BEGIN; ALTER TABLE item ${verb}`);
        await second.query(`SET lock_timeout = '3s'; ALTER TABLE hot ${verb}`)
            .catch((error) => violation('a write failed', `ALTER TABLE hot while one of item was open: ${error.message}`));
        await pause(between(0, 300));
        await first.query('SELECT FROM hot LIMIT 1; UPDATE hot SET n = n WHERE false; COMMIT');
    });
}

// Everybody's locks time out after 20 ms, while somebody takes the strongest lock of one table of ours after the other.
async function impatient({ database }) {
    const tables = await database.query(`SELECT oid::regclass::text AS name FROM pg_class
        WHERE relnamespace = 'herald'::regnamespace AND relkind = 'r' AND relname <> 'outbox' ORDER BY random()`);
    await each([database.connect()], async (client) => {
        await client.query('SET lock_timeout = 0');
        for (const { name } of tables) {
            await client.query(`BEGIN; LOCK TABLE ${name}; SELECT pg_sleep(${random() * 0.1}); COMMIT`);
        }
    });
}

export const NEIGHBOURS = {
    // A paused machine, a stopped process: best while it sleeps, holding its lock.
    async 'server stands still (SIGSTOP)'(run) {
        const { database, server } = run;
        const isAsleep = () => database.value(`SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND classid = 1751478881
            AND objid = 1 AND mode = 'ExclusiveLock' AND granted`);
        await until('the server to sleep', isAsleep, 2 * SECOND).catch(() => {}); // under load it may not
        server.process.signal('SIGSTOP');
        try {
            await writersGoOn(run, 'the server stands still');
            await pause(between(0, 4000));
            await writersGoOn(run, 'the server still stands still');
        } finally {
            server.process.signal('SIGCONT');
        }
    },

    async 'migrations of two watched tables at once'(run) {
        await migrate(run, 'ADD COLUMN IF NOT EXISTS more text');
        await writersGoOn(run, 'the tables have a new column');
        await migrate(run, 'DROP COLUMN IF EXISTS more');
    },

    // Postgres has to be started anew for it, twice.
    async 'two-phase commits'(run) {
        const { database } = run;
        const restart = async (max_prepared_transactions) => {
            await database.primary.down('fast');
            database.primary.settings = { ...database.primary.settings, max_prepared_transactions };
            await database.up();
        };
        await restart('20');
        run.isTwoPhase = true;
        const before = run.count.prepared;
        await until('two-phase commits', () => run.count.prepared >= before + 10, 20 * SECOND)
            .catch((error) => run.violation('a write failed', error.message));
        if (random() < 0.5) {
            await database.primary.down('immediate');
            await database.up();
        }
        run.isTwoPhase = false;
        await until('writers to end what they prepared', () => run.writers.every((writer) => !writer.inDoubt), 20 * SECOND);
        await restart('0');
    },

    // Of a second database, under writers of its own, who must notice nothing. The roles are shared with the first one.
    async 'install and uninstall under load beside'(run) {
        const { database } = run;
        await database.query(`CREATE DATABASE ${SIDE}`, [], { database: 'postgres' });
        const env = { PGHERALD_DATABASE_URL: database.adminUrl(SIDE) };
        const command = async (...args) => {
            const result = await pgherald(args, { env, deadlineMs: 60 * SECOND });
            if (result.code !== 0) {
                run.violation('a write failed', `pgherald ${args[0]} under load: ${result.stderr}`);
            }
        };
        await database.query('CREATE TABLE a (id bigserial PRIMARY KEY, n int); CREATE TABLE b (LIKE a INCLUDING ALL)', undefined, { database: SIDE });
        let isOver = false;
        const write = async (client) => {
            for (let n = 0; !isOver; n++) {
                await client.query(`BEGIN; INSERT INTO a (n) VALUES (${n}); INSERT INTO b (n) VALUES (${n});
                                    UPDATE a SET n = -n WHERE id = currval('a_id_seq'); COMMIT`);
            }
        };
        await each([1, 2, 3].map(() => database.connect({ database: SIDE })), async (...clients) => {
            const writing = Promise.all(clients.map(write))
                .catch((error) => run.violation('a write failed', `install and uninstall beside: ${error.code} ${error.message}`));
            await command('install');
            await command('watch', 'a', '--channel', 'side/{id}');
            await command('watch', 'b');
            await pause(between(0, 500));
            await command('install');
            await command('uninstall', '--yes');
            isOver = true;
            await within('the writers beside to end', writing, 20 * SECOND);
        });
        await database.drop({ database: SIDE });
    },

    // Both take two locks of a table, one after the other, as readers do: a deadlock is no fault of anybody's, and ends them.
    async "VACUUM FULL and REINDEX of herald's tables"(run) {
        const { database } = run;
        for (const { name } of await database.query(`SELECT oid::regclass::text AS name FROM pg_class
            WHERE relnamespace = 'herald'::regnamespace AND relkind = 'r' ORDER BY random()`)) {
            await database.query(`${random() < 0.5 ? 'VACUUM FULL' : 'REINDEX TABLE'} ${name}`).catch((error) => run.note(error));
        }
    },

    async 'lock_timeout on everything'(run) {
        const { database } = run;
        const everywhere = (change) => database.query(`ALTER DATABASE app ${change} lock_timeout${change === 'SET' ? " = '20ms'" : ''}`)
            .then(() => database.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'herald%' OR application_name = 'writer'`));
        await everywhere('SET');
        try {
            await until('the server to serve again', () => run.isServing(), 30 * SECOND).catch((error) => run.note(error));
            await impatient(run);
            await impatient(run);
        } finally {
            await everywhere('RESET');
        }
    },
};
