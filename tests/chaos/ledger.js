// SPDX-License-Identifier: PostgreSQL
// What there is to write, and the ledger: a table that every transaction writes together with its changes, so that what
// committed is known whatever became of the connection.
//
// Every event has a key, which never comes twice: the number that its writer gave it. A row that is deleted or moved to
// another channel announces the number it was written with once more, as a delete.
//
// A TRUNCATE has no key. The table `era` counts them, and each row says in which era it was written: so between two rows of a
// channel there must be a TRUNCATE if their eras differ, and none if they do not.
const channels = (prefix, n) => [...Array(n).keys()].map((i) => `${prefix}/${i}`);
export const ROWS = channels('row', 4);
export const BULK = channels('bulk', 2); // mode statement
export const POOL = channels('pool', 3); // is truncated
export const TABLES = { item: ROWS, bulk: BULK, pool: POOL };
export const HOT = ['hot/0', 'hot/1'];
export const PUBLISHED = ['pub/0', 'pub/1', 'pub/2'];
export const AIMED = ['aim/0']; // publishes to an audience
export const ROOMS = ['room/0', 'room/1']; // messages with history
export const DURABLE = [...ROWS, ...BULK, ...POOL, ...HOT, ...PUBLISHED, ...AIMED, ...ROOMS];
export const FLEETING = ['fleeting/0', 'fleeting/1'];

export const DBO_ID = 12;

export const SCHEMA = `
    CREATE TABLE era (n int);
    INSERT INTO era VALUES (0);
    CREATE TABLE item (id bigserial PRIMARY KEY, channel int, writer int, n int, began int, era int);
    CREATE TABLE bulk (LIKE item INCLUDING ALL);
    CREATE TABLE pool (LIKE item INCLUDING ALL);
    CREATE TABLE hot (id int PRIMARY KEY, writer int, n int, began int);
    INSERT INTO hot SELECT i, 0, 0, 0 FROM generate_series(0, ${HOT.length - 1}) i;
    CREATE TABLE ledger (channel text NOT NULL, key text NOT NULL);
    SELECT herald.watch('item', channel => 'row/{channel}', numbers => 'native');
    SELECT herald.watch('bulk', channel => 'bulk/{channel}', numbers => 'native', mode => 'statement');
    SELECT herald.watch('pool', channel => 'pool/{channel}', numbers => 'native');
    SELECT herald.watch('hot', channel => 'hot/{id}', numbers => 'native');`;

export const RULES = {
    'row/*': 'anonymous_clients => true', 'bulk/*': 'anonymous_clients => true', 'pool/*': 'anonymous_clients => true', 'hot/*': 'anonymous_clients => true', 'pub/*': 'anonymous_clients => true',
    'aim/*': 'anonymous_clients => true', 'room/*': 'public_messaging => true, message_history => 100',
    'fleeting/*': 'public_messaging => true',
};

// What an event says: { key, writer, n, began, action }; of messages the sender is the writer, or a connection of his where he has
// gone to another server while this one stood still: what that one still had of him comes when it goes on.
export function facts(event) {
    if (event.action === 'message') {
        const { sender, n, connection = '' } = event.payload;
        return { key: `message ${sender}/${n}`, writer: `s${sender} ${connection}`, n, action: 'message' };
    }
    const { data } = event.payload;
    if (data.table === undefined) {
        return { ...data, key: `publish ${data.writer}/${data.n}`, action: 'publish' };
    }
    if (data.action === 'truncate') {
        return { key: 'truncate', action: 'truncate' };
    }
    const row = data.new ?? data.old;
    return { ...row, key: `${data.new ? 'row' : 'delete'} ${row.writer}/${row.n}`, action: data.action };
}

// The keys of an outbox row, with their channels: what it will be in the log. Its texts are read by its shape; they have numbers only.
export function pendingKeys({ action, channel, old, new: fresh, description }) {
    if (action === 'p') {
        return [`${channel} ${facts({ action: 'event', payload: JSON.parse(fresh) }).key}`];
    } else if (action === 't') {
        return [];
    }
    const [before, after] = [old, fresh].map((text) => {
        const values = text?.slice(1, -1).split(',');
        return values && {
            channel: description.template.map((part) => (typeof part === 'number' ? values[part] : part)).join(''),
            number: ['writer', 'n'].map((name) => values[description.columns.findIndex((column) => column.name === name)]).join('/'),
        };
    });
    return [
        ...(after ? [`${after.channel} row ${after.number}`] : []),
        ...(before && before.channel !== after?.channel ? [`${before.channel} delete ${before.number}`] : []),
    ];
}

// Who may see an event: its options in the log, and a follower's identity (null: anonymous).
export function maySee(options, identity) {
    const wanted = options ?? {};
    if (wanted.dbo_id === undefined) {
        return !wanted.authenticated || identity !== null;
    }
    return identity !== null && identity.dbo_id === wanted.dbo_id
        && (wanted.row_id === undefined || wanted.row_id === null || identity.row_id === wanted.row_id);
}
