// SPDX-License-Identifier: PostgreSQL
// The tables: all have the same columns, and are watched in different ways.
//
// `team` is kept: it decides who may see a row and is shown to nobody. So that a frame can be judged here all the same, it
// follows from `rev`, the number of the version, unless the row is `loose`: then it changes without anything that is announced,
// as `shade` does, which nobody looks at. Of an open table all columns are announced.
import { and, everything, isIn, leaf, or } from './rules.js';

export const N_IDS = 900; // of a table; as many are there as inserts and deletes leave
export const N_TEAMS = 6;
export const N_ROOMS = 4;
export const MAX_BYTES = 1500;

const owner = leaf('owner', 'eq', { of: 'row_id' });
const org = leaf('org', 'eq', { of: 'org' });
const team = isIn('team', { of: 'teams' });
// Under row level security, by another table: what somebody may see can change without a row of it.
const inTeam = (who) => `EXISTS (SELECT FROM member m WHERE m.who = ${who} AND m.team = club.team)`;
const POLICIES = [inTeam, (who) => `owner = ${who} OR ${inTeam(who)}`];
const policies = POLICIES.map((sql) => ({ tree: 'policy', sql: (who) => (who ? sql(who.row_id) : 'false'), test: () => null }));

// visible: what a table's may be, one after the other; the first is the first.
export const TABLES = {
    flat: { channels: ['flat'], template: 'flat', visible: [or(owner, org, team), and(org, leaf('status', 'neq', 'shut')), or(owner, team)] },
    room: { channels: [...Array(N_ROOMS).keys()].map((i) => `room/${i}`), template: 'room/{room}', visible: [everything, or(owner, org)], isOpen: true },
    bulk: { channels: ['bulk'], template: 'bulk', visible: [or(org, team)], mode: 'statement' },
    parts: { channels: ['parts'], template: 'parts', visible: [or(owner, org)], key: ['id', 'room'], isSplit: true },
    club: { channels: ['club'], template: 'club', visible: policies, isJudged: true },
    large: { channels: ['large'], template: 'large', visible: [team], isLarge: true },
};
for (const [name, table] of Object.entries(TABLES)) {
    Object.assign(table, { name, key: table.key ?? ['id'], at: 0 });
}
export const CHANNELS = Object.values(TABLES).flatMap((table) => table.channels.map((channel, i) => ({ channel, table, room: table.channels.length > 1 ? i : null })));

export const policySql = (at) => `ALTER POLICY club ON club USING (${POLICIES[at]('whoever()')})`;

export function watchSql({ name, template, visible, mode = 'row', isLarge, isOpen, isJudged }, at) {
    const tree = visible[at] === everything ? '"everybody"' : JSON.stringify(visible[at].tree).replaceAll("'", "''");
    const size = isLarge ? `, max_bytes => ${MAX_BYTES}` : '';
    const hidden = isOpen ? '' : `, exclude => '{team,shade}', keep => '{team,shade}'`;
    return `SELECT herald.watch('${name}', channel => '${template}', numbers => 'native', mode => '${mode}'${hidden}, visible => '${tree}'${isJudged ? `, claims => '{row_id}'` : ''}, snapshot => true, max_snapshot => 5000${size})`;
}

export const SCHEMA = `
    CREATE SEQUENCE rev;
    CREATE ROLE visitor;
    GRANT visitor TO herald_judge;
    CREATE TABLE member (who int, team int, PRIMARY KEY (who, team));
    GRANT SELECT ON member TO visitor;
    CREATE FUNCTION whoever() RETURNS int LANGUAGE sql STABLE AS $$SELECT (nullif(current_setting('request.jwt.claims', true), '')::json ->> 'row_id')::int$$;
    CREATE FUNCTION reread() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM herald.reread(12, coalesce(NEW.who, OLD.who));
        RETURN NULL;
    END
    $$;
    CREATE TRIGGER reread AFTER INSERT OR DELETE ON member FOR EACH ROW EXECUTE FUNCTION reread();
    CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' AND NEW.shade IS DISTINCT FROM OLD.shade THEN
            NEW.team := CASE WHEN NEW.loose THEN NEW.shade % ${N_TEAMS} ELSE NEW.team END;
        ELSE
            NEW.rev := nextval('rev');
            NEW.team := NEW.rev % ${N_TEAMS};
        END IF;
        RETURN NEW;
    END
    $$;
    ${Object.values(TABLES).map(({ name, key, isSplit, isJudged }) => `
        CREATE TABLE ${name} (id int, owner int, org text COLLATE "C", status text COLLATE "C", n int, room int, loose bool, note text, rev int, team int, shade int DEFAULT 0,
            PRIMARY KEY (${key})) ${isSplit ? 'PARTITION BY LIST (room)' : ''};
        ${isSplit ? [...Array(N_ROOMS).keys()].map((i) => `CREATE TABLE ${name}_${i} PARTITION OF ${name} FOR VALUES IN (${i});`).join('') : ''}
        CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON ${name} FOR EACH ROW EXECUTE FUNCTION stamp();
        ${isJudged ? `GRANT SELECT ON ${name} TO visitor; ALTER TABLE ${name} ENABLE ROW LEVEL SECURITY; CREATE POLICY ${name} ON ${name} USING (true); ${policySql(0)};` : ''}
        ${watchSql(TABLES[name], 0)};`).join('')}`;

export const keyOf = (table, row) => table.key.map((column) => row[column]).join('/');
// Whether somebody may see a row, under one of the table's rules or the other; null: it cannot be told here.
export function maySee(table, row, who) {
    const full = { ...row, team: row.rev % N_TEAMS };
    return row.loose || table.isJudged ? null : table.visible.some((rule) => rule.test(full, who) === true);
}
