// SPDX-License-Identifier: PostgreSQL
// What there is to write, and the ledger: a table that every transaction writes together with its changes, so that what
// committed is known whatever became of the connection.
//
// Every event has a key, which never comes twice: the number that its writer gave it. A row that is deleted or moved to
// another channel announces the number it was written with once more, as a delete.
export const ROWS = ['row/0', 'row/1', 'row/2', 'row/3'];
export const HOT = ['hot/0', 'hot/1'];
export const PUBLISHED = ['pub/0', 'pub/1', 'pub/2'];
export const AIMED = ['aim/0']; // publishes to an audience
export const ROOMS = ['room/0', 'room/1']; // messages with history
export const DURABLE = [...ROWS, ...HOT, ...PUBLISHED, ...AIMED, ...ROOMS];
export const FLEETING = ['fleeting/0', 'fleeting/1'];

export const DBO_ID = 12;

export const SCHEMA = `
    CREATE TABLE item (id bigserial PRIMARY KEY, channel int, writer int, n int, began int);
    CREATE TABLE hot (id int PRIMARY KEY, writer int, n int, began int);
    INSERT INTO hot SELECT i, 0, 0, 0 FROM generate_series(0, ${HOT.length - 1}) i;
    CREATE TABLE ledger (channel text NOT NULL, key text NOT NULL);
    SELECT herald.watch('item', channel => 'row/{channel}', numbers => 'native');
    SELECT herald.watch('hot', channel => 'hot/{id}', numbers => 'native');`;

export const RULES = {
    'row/*': 'anonymous_clients => true', 'hot/*': 'anonymous_clients => true', 'pub/*': 'anonymous_clients => true',
    'aim/*': 'anonymous_clients => true', 'room/*': 'public_messaging => true, message_history => 100',
    'fleeting/*': 'public_messaging => true',
};

// What an event says: { key, writer, n, began, action }; of messages the sender is the writer.
export function facts(event) {
    if (event.action === 'message') {
        const { sender, n } = event.payload;
        return { key: `message ${sender}/${n}`, writer: `s${sender}`, n, action: 'message' };
    }
    const { data } = event.payload;
    if (data.table === undefined) {
        return { ...data, key: `publish ${data.writer}/${data.n}`, action: 'publish' };
    }
    const row = data.new ?? data.old;
    return { ...row, key: `${data.new ? 'row' : 'delete'} ${row.writer}/${row.n}`, action: data.action };
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
