// SPDX-License-Identifier: PostgreSQL
// What changes beside the rows: the tables, their parts, and who may see them; and what fails.
import { between, pause, pick } from '../chaos/chance.js';
import { N_ROOMS, N_TEAMS, TABLES, policySql, watchSql } from './tables.js';

const oneOf = (list) => list[pick(list.length)];
const altered = () => TABLES[oneOf(['flat', 'room', 'parts'])];

// What is told of a table that is being altered does not fit the rows that were read before.
async function during(table, act) {
    table.alteredAt = Infinity;
    try {
        return await act();
    } finally {
        table.alteredAt = performance.now();
    }
}

export const ALTERATIONS = {
    async 'rewritten'({ alter }) {
        const table = altered();
        table.isWide = !table.isWide;
        return during(table, () => alter(`ALTER TABLE ${table.name} ALTER COLUMN n TYPE ${table.isWide ? 'bigint' : 'int'}`));
    },

    async 'a column comes or goes'({ alter }) {
        const table = altered();
        const isDone = await during(table, () => alter(`ALTER TABLE ${table.name} ${table.hasMore ? 'DROP COLUMN more' : `ADD COLUMN more int DEFAULT ${pick(100)}`}`));
        table.hasMore = isDone ? !table.hasMore : table.hasMore;
        return isDone;
    },

    async 'a part goes and comes'({ alter }) {
        const i = pick(N_ROOMS);
        return during(TABLES.parts, async () => {
            if (!await alter(`ALTER TABLE parts DETACH PARTITION parts_${i}`)) {
                return false;
            }
            await pause(between(0, 1500));
            for (let isBack = false; !isBack;) {
                isBack = await alter(`ALTER TABLE parts ATTACH PARTITION parts_${i} FOR VALUES IN (${i})`);
            }
            return true;
        });
    },

    async 'who may see is another'({ alter }) {
        const table = TABLES[oneOf(['flat', 'room'])];
        const at = (table.at + 1) % table.visible.length;
        const isDone = await during(table, () => alter(watchSql(table, at)));
        table.at = isDone ? at : table.at;
        return isDone;
    },

    // Verdicts are of the moment at which they were asked for: until the rows are read anew events do not fit.
    async 'a membership changes'({ alter, nPeople }) {
        const [who, team] = [1 + pick(nPeople), pick(N_TEAMS)];
        return during(TABLES.club, () => alter(pick(2) ? `INSERT INTO member VALUES (${who}, ${team}) ON CONFLICT DO NOTHING` : `DELETE FROM member WHERE who = ${who} AND team % 3 = ${team} % 3`));
    },

    async 'a policy is another'({ alter }) {
        const table = TABLES.club;
        const at = 1 - table.at;
        const isDone = await during(table, () => alter(policySql(at)));
        table.at = isDone ? at : table.at;
        return isDone;
    },

    async 'a part is truncated'({ alter }) {
        return during(TABLES.parts, () => alter(`TRUNCATE parts_${pick(N_ROOMS)}`));
    },
};

export const FAULTS = {
    async 'server killed'(run) {
        await run.server.kill();
        await pause(between(0, 500));
        await run.serve();
    },

    async 'server restarted'(run) {
        await run.server.stop();
        await run.serve();
    },

    async 'Postgres crashed'({ postgres }) {
        await postgres.down('immediate');
        await pause(between(0, 500));
        await postgres.up();
    },

    async "server's sessions ended"({ postgres }) {
        await postgres.terminate('random() < 0.5');
    },
};

// ALTER and faults, one after the other, until the run pauses; each name is counted.
export async function disturb(run, names) {
    while (!run.isOver) {
        await run.isOn();
        await pause(between(200, run.maxPauseMs));
        if (run.isOver || run.isQuiet) {
            continue;
        }
        const name = oneOf(names);
        run.isDisturbed = true;
        const isDone = await { ...ALTERATIONS, ...FAULTS }[name](run).catch((error) => {
            run.note(error);
            return false;
        });
        run.isDisturbed = false;
        if (isDone !== false) {
            run.made[name]++;
        }
    }
}
