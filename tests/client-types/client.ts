// What an application in TypeScript writes, and what the compiler must not let it write. Compiled, never run.
import { channelName, connect, HeraldError, Lagged, type Client, type Member, type RowChange, type Table } from 'pgherald';
import type { Watches } from './watches.js';

const herald = connect<Watches>({ canonical: 'x', token: async (old) => (old === null ? 'first' : null) });
// @ts-expect-error  there is no such option
connect({ canonical: 'x', tokn: 'y' });
// @ts-expect-error  one is needed
connect({});

// Rows by the name of the channel, also by a template.
const cards = await herald.table('tasks/cards', { filter: { done: false }, order: ['title.desc', 'id'], key: 'id' }).ready;
for (const [key, card] of cards) show(key, card.title, card.done);
const order = herald.table('orders/7', { key: ['id', 'part'] }).get('1', 2);
if (order) show(order.status === 'new' ? 'n' : 'l', order.total ?? '', true);
// @ts-expect-error  no column of it
herald.table('tasks/cards', { filter: { colour: 'red' } });
// @ts-expect-error  not a way to order by
herald.table('tasks/cards', { order: ['title.down'] });
// @ts-expect-error  NULL is possible
order?.total.length;
// @ts-expect-error  no such column
[...cards.values()][0]?.colour;

// Rows by a type that is given, and of which nothing is known.
const own: Table<{ id: number }> = connect({ canonical: 'x' }).table<{ id: number }>('live/own');
own.onChange(({ action, row, old }) => { if (action === 'update') show(String(row?.id), String(old?.id), true); })();
const loose = connect({ canonical: 'x' }).table('anything').get(1);
// @ts-expect-error  unknown is to be looked at first
loose?.name.length;
// @ts-expect-error  a Map that cannot be written
own.set('1', {});
for await (const { action } of own) if (action === 'truncate') break;

const room = herald.channel('room/1', { history: true, presence: 'state', since: { epoch: 'e', offset: 3 } });
room.on('message', ({ client, options, payload }) => show(client.socketId, options.at ?? '', payload === null));
room.on('history', ({ payload }) => payload.history.forEach((frame) => show(frame.action, '', true)));
room.once('presence', (members) => members.forEach((member: Member) => show(member.socketId, '', true)), { signal: new AbortController().signal });
// @ts-expect-error  there is no such event
room.on('mesage', () => {});
const { offset = 0, duplicate } = await room.send({ text: 'hi' }, { idempotent: 'a-key-of-mine-1234', to: { dbo_id: 12, row_id: '34' } });
show(String(offset), '', duplicate === true);
// @ts-expect-error  there is no such option
room.send('x', { socketID: 'y' });
room.setState({ editing: 1 });
for await (const frame of room.frames('event')) {
  const change: RowChange<{ id: number }> = frame.payload.data;
  if (change.action === 'update') show(String(change.new.id), String(change.old.id), true);
  if (change.action === 'delete') show(String(change.old.id), String(change.new satisfies null), true);
}

const editors = connect({ canonical: 'x' }).channel<{ id: number }, { editing: string }>('tasks', { presence: 'state' });
show(editors.presence[0]?.state?.editing ?? '', '', true);
// @ts-expect-error  not such a state
editors.setState({ edited: 1 });

try {
  await herald.txid(12345678901234567890n, { timeout: 1000 });
} catch (error) {
  if (error instanceof Lagged || (error instanceof HeraldError && error.code === 'timeout')) show(error.message, String(error.retryAfter ?? 0), true);
}
herald.on('status', ({ status, retryMs = 0 }) => show(status, String(retryMs), status === 'connected'));
const name: string | null = channelName('u/{email}', { email: 'a@b' });
const any: Client = connect({ canonical: 'x' });
any.setToken(null).reconnect();
show(name ?? '', herald.status.reason ?? '', herald.limits.messageBytes === 65536);

function show(one: string, two: string, three: boolean): void {
  void [one, two, three];
}
