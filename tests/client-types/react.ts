// The same of the hooks.
import { createElement } from 'react';
import { connect } from 'pgherald';
import { HeraldProvider, useChannel, useHerald, usePresence, useStatus, useTable } from 'pgherald/react';
import type { Watches } from './watches.js';

type Card = Watches['demo.cards']['row'];

function Board() {
  const { rows, isReady, error } = useTable<Card>('tasks/cards', { filter: { done: false }, order: ['title'] });
  const { messages, joined, send } = useChannel<{ text: string }>('room/1', { history: true, keep: 10 });
  const { members, self } = usePresence<{ editing: string }>('tasks/cards', { editing: '1' });
  const { status } = useStatus();
  const herald = useHerald<Watches>();
  // @ts-expect-error  no such column
  useTable<Card>('tasks/cards', { order: ['colour'] });
  // @ts-expect-error  presence has a hook of its own
  useChannel('room/1', { presence: true });
  const first: string | undefined = rows[0]?.title;
  const editing: string | undefined = members[0]?.state?.editing;
  void send({ text: 'x' }).then(({ offset }) => offset?.toFixed());
  return createElement('p', null, first, editing, error?.message, String(isReady && joined && messages.length), self?.socketId, status, herald.status.status);
}

createElement(HeraldProvider, { client: connect<Watches>({ canonical: 'x' }) }, createElement(Board));
