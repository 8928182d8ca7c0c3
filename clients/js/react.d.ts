// SPDX-License-Identifier: PostgreSQL
import type { FunctionComponent, ReactNode } from 'react';
import type { Channel, ChannelOptions, Client, EventFrame, Member, MessageFrame, Receipt, Row, SendOptions, Status, Table, TableOptions } from './pgherald.js';

/** Gives the client to all hooks below. Make it once, outside of components. */
export const HeraldProvider: FunctionComponent<{ client: Client<any>; children?: ReactNode }>;

export function useHerald<Watches = any>(): Client<Watches>;

/** Why something was refused. */
export interface Refusal {
  code: string;
  message: string;
}

export interface UseChannelOptions<R extends object = Row> extends Omit<ChannelOptions<R>, 'signal' | 'presence'> {
  /** How many messages and events are kept here; 100. 0: none, nor is anything drawn for them. */
  keep?: number;
}

export interface UseChannel<Payload = any, R extends object = Row> {
  /** The newest ones, the history before them if it was asked for. */
  messages: ReadonlyArray<MessageFrame<Payload> | EventFrame<R>>;
  joined: boolean;
  error: Refusal | null;
  /** null: not mounted yet. */
  channel: Channel<R> | null;
  /** Always the same function. */
  send(payload?: unknown, options?: SendOptions): Promise<Receipt>;
}

/** A channel: its newest messages and events, whether we are in, and how to send. Options may be written in place. */
export function useChannel<Payload = any, R extends object = Row>(name: string, options?: UseChannelOptions<R>): UseChannel<Payload, R>;

export interface UseTable<R extends object = Row> {
  /** In the order that was asked for; another array after each change. */
  rows: ReadonlyArray<R>;
  /** The rows are those of the table. */
  isReady: boolean;
  error: Refusal | null;
  table: Table<R> | null;
}

/** The rows of a watched table, as they are. */
export function useTable<R extends object = Row>(name: string, options?: Omit<TableOptions<R>, 'signal'>): UseTable<R>;

/** Who is in a channel, and what each lets the others know; `state`: what we do, an object of at most 1 KiB. */
export function usePresence<State extends object = Record<string, unknown>>(name: string, state?: State | null): {
  members: ReadonlyArray<Member<State>>;
  self: Member<State> | null;
};

/** The state of the connection. */
export function useStatus(): Status;

