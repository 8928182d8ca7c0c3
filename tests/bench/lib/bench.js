// SPDX-License-Identifier: PostgreSQL
// What all scenarios share: one Postgres that commits for real, the schema, the rules, the tables.
import { Postgres } from '../../integration/lib/postgres.js';
import { install } from '../../integration/lib/server.js';

const COLUMNS = '(id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, stamp text, name text, note text, price numeric)';

// The trigger of the bridge that people write, for the bare LISTEN loop and its peers.
const NOTIFY = `
    CREATE FUNCTION bench_notify() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('bench_changes', row_to_json(NEW)::text);
        RETURN NULL;
    END
    $$;
    CREATE TRIGGER bench_notify AFTER INSERT ON bench_notified FOR EACH ROW EXECUTE FUNCTION bench_notify()`;

export class Bench {
    static async start() {
        const bench = new Bench();
        bench.postgres = await Postgres.start({
            fsync: 'on',
            synchronous_commit: 'on',
            shared_buffers: '256MB',
            max_wal_size: '4GB',
            checkpoint_timeout: '1h',
        });
        await install(bench.postgres);
        bench.canonical = await bench.postgres.value('SELECT herald.rotate_canonical()');
        await bench.sql("SELECT herald.set_rule('chat/*', public_messaging => true)");
        await bench.sql("SELECT herald.set_rule('idle/*', public_messaging => true)");
        await bench.sql("SELECT herald.set_rule('kept/*', public_messaging => true, message_history => 1000)");
        await bench.sql("SELECT herald.set_rule('crowd/*', public_messaging => true, presence => true)");
        for (const channel of ['rows', 'big']) {
            await bench.sql(`SELECT herald.set_rule('${channel}', anonymous_clients => true)`);
        }
        for (const table of ['bench_plain', 'bench_rows', 'bench_statement', 'bench_notified', 'bench_big']) {
            await bench.sql(`CREATE TABLE ${table} ${COLUMNS}`);
        }
        await bench.sql("SELECT herald.watch('bench_rows', channel => 'rows')");
        await bench.sql("SELECT herald.watch('bench_statement', channel => 'rows', mode => 'statement')");
        await bench.sql(NOTIFY);
        return bench;
    }

    async sql(text) {
        return this.postgres.query(text);
    }

    // One server after the other, each fresh: starts it, runs `work` with it, ends it.
    async each(servers, work) {
        const rows = [];
        for (const start of servers) {
            const server = await start(this);
            try {
                rows.push({ server: server.name, ...await work(server) });
            } catch (error) {
                if (server.name.startsWith('pgherald')) {
                    throw new Error(`${server.name}: ${error.message}`, { cause: error });
                }
                console.error(`${server.name}: ${error.message}`);
                rows.push({ server: server.name, errors: 1 });
            } finally {
                await server.stop();
            }
        }
        return rows;
    }

    async stop() {
        await this.postgres.stop();
    }
}
