// SPDX-License-Identifier: PostgreSQL
// Bytes: a client's payload comes back as it was sent, and a row as Postgres wrote it. So frames are compared as text; a
// JSON parser on the way would hide what this is about.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World, OPEN, DURABLE, READ_ONLY } from './lib/world.js';

const PAYLOADS = [
    '1e400', '-1E-400', '12345678901234567890', '-0', '0.10', '1.10', '123456789.123456789123456789', '9223372036854775807',
    '"\\u0000"', '"a\\u0000b"', '"\\ud83d\\ude00"', '"\u{1F600} \u{1F468}\u200D\u{1F469}\u200D\u{1F467}"', '"\\/\\b\\f\\n\\r\\t\\"\\\\"', '"\u2028\u2029\u007f"',
    '"\\ud800"', '{"b":1,"a":2,"b":3}', '{ "spaces" :\t[ 1 , 2 ,\r\n 3 ] }', '[]', '{}', '""', 'null', 'true', 'false',
    '[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]', '{"":{"__proto__":null,"constructor":1e2}}', `"${'x'.repeat(60000)}"`,
    '{"action":"join","options":{"channel":"forged"},"payload":{"history":true}}',
];

let world;
before(async () => {
    world = await World.start({
        rules: { 'room/*': { ...DURABLE, message_history: 100 }, 'fleeting/*': OPEN, 'public.*': READ_ONLY, 'odd/*': READ_ONLY },
        env: { PGHERALD_OUTQUEUE_BYTES: '16MiB' },
        sql: `
            CREATE TYPE mood AS ENUM ('sad', 'it''s "fine"');
            CREATE DOMAIN positive AS numeric CHECK (VALUE > 0);
            CREATE TABLE public.exact (
                id bigint PRIMARY KEY, price numeric(20,10), ratio float8, small int, flag boolean, name text, data jsonb, raw json, bytes bytea,
                at timestamptz, day date, list int[], texts text[], how mood, worth positive, token uuid, twice int GENERATED ALWAYS AS (small * 2) STORED);
            SELECT herald.watch('public.exact');
            CREATE TABLE public.native (id bigint PRIMARY KEY, price numeric);
            SELECT herald.watch('public.native', numbers => 'native');
            CREATE TABLE public.big (id int PRIMARY KEY, body text);
            SELECT herald.watch('public.big', max_bytes => 1100000);
            CREATE SCHEMA "Odd ""one""";
            CREATE TABLE "Odd ""one"""."Tab.le / ü" ("Key A" int, "b""c" text, "select" text, PRIMARY KEY ("Key A", "b""c"));
            SELECT herald.watch('"Odd ""one"""."Tab.le / ü"', channel => 'odd/{Key A}');`,
    });
});
after(() => world?.stop());

const span = (frame) => {
    const start = frame.text.indexOf('"payload":') + '"payload":'.length;
    return frame.text.slice(start, -1);
};

for (const channel of ['fleeting/bytes', 'room/bytes']) {
    test(`a client's payload comes back byte for byte on ${channel}`, async () => {
        const client = await world.member(channel);
        PAYLOADS.forEach((payload, i) => {
            // The payload's place among the keys is the client's affair.
            const head = `"action":"message","options":{"channel":"${channel}"}`;
            client.raw(i % 2 ? `{"payload": ${payload} ,${head}}` : `{${head},"payload":${payload}}`);
        });
        client.message(channel, 'last');
        await client.waitFor((f) => f.action === 'message' && f.payload === 'last');
        const frames = client.on(channel, 'message');
        PAYLOADS.forEach((payload, i) => assert.equal(span(frames[i]), payload));
        assert.equal(frames.length, PAYLOADS.length + 1);
    });
}

test('and so it does from the history and in a resume', async () => {
    const { payload: { epoch } } = (await world.member('room/bytes')).joined;
    const client = await world.client();
    await client.join('room/bytes', { since: { epoch, offset: 0 } });
    await client.waitFor((f) => f.action === 'message' && f.payload === 'last');
    const frames = client.on('room/bytes', 'message');
    PAYLOADS.forEach((payload, i) => assert.equal(span(frames[i]), payload));
    client.send('history', 'room/bytes');
    const { text } = await client.waitFor({ action: 'history' });
    let from = 0;
    for (const payload of PAYLOADS) {
        const at = text.indexOf(`"payload":${payload}`, from);
        assert.ok(at >= from, `${payload.slice(0, 50)} in the history`);
        from = at + 1;
    }
});

test('a message without a payload has null', async () => {
    const client = await world.member('fleeting/nothing');
    client.raw('{"action":"message","options":{"channel":"fleeting/nothing"}}');
    assert.equal(span(await client.waitFor({ action: 'message' })), 'null');
});

const newRow = (frame) => frame.text.slice(frame.text.indexOf('"new":') + 6, frame.text.lastIndexOf(',"old":'));

test('a row is byte for byte what Postgres wrote, with bigint and numeric as strings', async () => {
    const client = await world.member('public.exact');
    await world.postgres.query(`INSERT INTO exact VALUES (9223372036854775807, 1.1, 0.1, -7, true, $1, '{"b": 1.10, "a": [1e400, "\u{1F600}"]}'::jsonb, $2::json,
        '\\x00ff', '2026-02-03 04:05:06.789+02', '2026-02-03', '{1,NULL,3}', '{"a,b",NULL,"\\"q\\""}', 'it''s "fine"', 1.10, '00000000-0000-4000-8000-00000000000a')`,
        ['\u{1F600} "quoted" \\ back\nline\u0001', '{"k": 1.10,  "k": 12345678901234567890, "z":"\\u0000"}']);
    const frame = await client.waitFor({ action: 'event' });
    assert.equal(newRow(frame), '{"id":"9223372036854775807","price":"1.1000000000","ratio":0.1,"small":-7,"flag":true,' +
        '"name":"\u{1F600} \\"quoted\\" \\\\ back\\nline\\u0001","data":{"a": [1' + '0'.repeat(400) + ', "\u{1F600}"], "b": 1.10},' +
        '"raw":{"k": 1.10,  "k": 12345678901234567890, "z":"\\u0000"},"bytes":"\\\\x00ff","at":"2026-02-03T02:05:06.789+00:00","day":"2026-02-03",' +
        '"list":[1,null,3],"texts":["a,b",null,"\\"q\\""],"how":"it\'s \\"fine\\"","worth":"1.10","token":"00000000-0000-4000-8000-00000000000a","twice":-14}');
    await world.postgres.query('UPDATE exact SET price = NULL, name = NULL, list = NULL');
    const update = await client.waitFor({ action: 'event', payload: { data: { action: 'update' } } });
    assert.match(newRow(update), /"price":null,.*"name":null,.*"list":null/);
    assert.deepEqual(update.payload.data.old, frame.payload.data.new);
});

test('native numbers keep their digits', async () => {
    const client = await world.member('public.native');
    await world.postgres.query(`INSERT INTO native VALUES (9223372036854775807, 1.10), (-9223372036854775808, 123456789012345678901234567890.0)`);
    assert.equal(newRow(await client.waitFor({ action: 'event' })), '{"id":9223372036854775807,"price":1.10}');
    assert.equal(newRow(await client.waitFor({ action: 'event' })), '{"id":-9223372036854775808,"price":123456789012345678901234567890.0}');
});

test('a megabyte of text arrives whole; more than max_bytes is announced by its key', async () => {
    const client = await world.member('public.big');
    const body = '\u{1F600}"'.repeat(160000).slice(0, 3 * 170000); // 4 + 1 bytes each, and a backslash in JSON
    await world.postgres.query('INSERT INTO big VALUES (1, $1)', [body]);
    const frame = await client.waitFor({ action: 'event' }, 20000);
    assert.ok(Buffer.byteLength(frame.text) > 900000);
    assert.ok(frame.payload.data.new.body === body);
    await world.postgres.query('INSERT INTO big VALUES (2, $1)', ['x'.repeat(1200000)]);
    const large = await client.waitFor({ action: 'event' });
    assert.ok(large.text.length < 1000, 'announced by key only');
    assert.equal(large.payload.data.action, 'insert');
    assert.equal(large.payload.data.new.id, 2);
    assert.equal(large.payload.data.new.body, undefined);
});

test('odd identifiers and composite keys', async () => {
    const client = await world.member('odd/1');
    await world.postgres.query(`INSERT INTO "Odd ""one"""."Tab.le / ü" VALUES (1, 'k''"', 's')`);
    const { data } = (await client.waitFor({ action: 'event' })).payload;
    assert.deepEqual(data, { action: 'insert', schema: 'Odd "one"', table: 'Tab.le / ü', new: { 'Key A': 1, 'b"c': 'k\'"', select: 's' }, old: null });
});
