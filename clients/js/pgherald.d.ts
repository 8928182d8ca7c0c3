// SPDX-License-Identifier: PostgreSQL
/**
 * The types of the client. What is not said here says docs/client.md.
 *
 * `connect<Watches>()` knows which rows a channel brings, if it is given what `pgherald types` writes. Without it rows are `Row`, and a
 * type can be given where they are asked for: `herald.table<Order>('live/orders')`.
 */

/** Any JSON value, as a payload may be. */
export type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

/** A row of which nothing is known. */
export type Row = Record<string, unknown>;

/** What `pgherald types` writes: tables by name. */
export type AnyWatches = { [table: string]: { channel: string; key: string; row: object } };

/** The rows that a channel brings: of all tables that are announced there. */
export type RowOf<Watches, Name extends string> = [{ [Table in keyof Watches]: Watches[Table] extends { channel: infer Template; row: infer R }
  ? Name extends Template ? R : never : never }[keyof Watches]] extends [infer R] ? [R] extends [never] ? Row : R extends object ? R : never : never;

/** Somebody in a channel, as the server vouches for him. An anonymous client has no extras, and zeros. */
export interface Member<State = unknown> {
  /** Of this connection: the address for private messages. */
  socketId: string;
  /** What the token says besides. */
  extras: Record<string, unknown>;
  /** Who he is: a row of a table. */
  permissions: { dbo_id: number; row_id: number | string };
  /** What he lets others know, where presence has states. */
  state?: State | null;
}

/** A place in a channel: everything up to and including `offset` has been seen. */
export interface Position {
  epoch: string;
  offset: number;
}

export interface FrameOptions {
  channel?: string;
  /** The server's name for a filter on the channel. */
  view?: string;
  /** The offset of a durable frame. */
  id?: number;
  /** When it became durable, RFC 3339. */
  at?: string;
  /** It was missed, and is delivered late. */
  replayed?: boolean;
  /** A message that only authenticated clients get. */
  authenticated?: boolean;
  /** A private message: to whom. */
  socketId?: string | null;
  to?: Identity;
  /** A row came to pass the filter, or does not any more. unknown: it came by its key, which does not tell. */
  moved?: 'enter' | 'leave' | 'unknown';
  /** The transaction that wrote it. */
  txid?: string;
  ref?: string;
}

export interface Identity {
  dbo_id: number;
  row_id: number | string;
}

/** What travels. */
export interface Frame<Action extends string = string, Payload = any> {
  action: Action;
  client: Member | null;
  options: FrameOptions;
  payload: Payload;
}

export type MessageFrame<Payload = any> = Frame<'message', Payload> & { client: Member };

/** A change of a row, or what herald.publish() was given. */
export type EventFrame<R extends object = Row> = Frame<'event', { data: RowChange<R> | any; dbo_id: number; row_id: number | string }>;

interface ChangeOf {
  schema: string;
  table: string;
  /** Only the key is here, and what names the channel; `reduced` says why. */
  truncated_to_key?: boolean;
  reduced?: 'size' | 'stale' | 'unprintable';
}

/** `payload.data` of a row's event. */
export type RowChange<R extends object = Row> = ChangeOf & (
  | { action: 'insert'; new: R; old: null }
  | { action: 'update'; new: R; old: R }
  | { action: 'delete'; new: null; old: R }
  | { action: 'truncate'; new: null; old: null }
);

export type HistoryFrame = Frame<'history', { history: Array<MessageFrame | EventFrame> }>;
export type JoinFrame = Frame<'join', Partial<Position> & { resumed?: boolean; gap?: boolean; limits?: { message_bytes?: number; durable?: boolean } }>;
export type ErrorFrame = Frame<'error', { code: string; message: string; retry_after?: number }>;

/** Codes of the server (docs/wire.md has them all), and the client's own. */
export type ErrorCode =
  | 'offline' | 'queue_full' | 'too_large' | 'too_old' | 'lost' | 'identity_changed' | 'left' | 'closed' | 'timeout' | 'lagged'
  | (string & {});

/** Something was refused, by the server or by the client itself. */
export class HeraldError extends Error {
  readonly name: string;
  readonly code: ErrorCode;
  /** Seconds. */
  readonly retryAfter?: number;
}

/** A `for await` was slower than what came. */
export class Lagged extends HeraldError {}

export interface Status {
  status: 'connecting' | 'connected' | 'waiting' | 'closed';
  /** waiting: how long until the next attempt. */
  retryMs?: number;
  /** waiting, closed: the WebSocket's close code. */
  code?: number;
  /** waiting, closed: what the server said. */
  reason?: string;
  /** The server's code for why it would refuse us. */
  why?: string;
}

/** What proves who we are; null: anonymous. A function is asked at each connect and before the token expires, with the token that is
 * not good any more. */
export type Token = string | null | ((notGoodAnyMore: string | null) => string | null | Promise<string | null>);

export interface ConnectOptions {
  /** Which workspace: the name in /rt/<canonical>. */
  canonical: string;
  /** http(s):// or ws(s):// and host; the page's own origin unless said otherwise. */
  url?: string;
  token?: Token;
  /** Where none is global. */
  WebSocket?: unknown;
  fetch?: typeof fetch;
  /** How many messages of a channel may wait; 1000. */
  maxQueued?: number;
}

export interface Signal {
  signal?: AbortSignal;
}

export type Filter<R extends object = Row> = { [Column in keyof R]?: unknown } & { and?: Filter<R>[]; or?: Filter<R>[]; not?: Filter<R> };

export interface ChannelOptions<R extends object = Row> extends Signal {
  /** Send the newest messages and events first. */
  history?: boolean;
  /** Tell who is here; 'state': with what each lets the others know. */
  presence?: boolean | 'state';
  /** After a cut go on where we were; true. */
  resume?: boolean;
  /** Begin where an earlier page stopped. */
  since?: Position;
  /** Only changes of rows that pass. */
  filter?: Filter<R>;
}

export interface TableOptions<R extends object = Row> extends Signal {
  filter?: Filter<R>;
  /** What tells a row from all others; 'id'. */
  key?: (keyof R & string) | ReadonlyArray<keyof R & string>;
  /** Columns, `name` or `name.desc`. */
  order?: ReadonlyArray<`${keyof R & string}${'' | '.asc' | '.desc'}`>;
  limit?: number;
}

export interface SendOptions extends Signal {
  /** Only authenticated clients get it. */
  authenticated?: boolean;
  /** A private message: only this member gets it, and we. */
  socketId?: string;
  /** Only the sessions of this identity get it, and we. */
  to?: Identity;
  /** Sent again after a cut, and taken once; true. A text: the key under which it is taken once. */
  idempotent?: boolean | string;
  /** false: without a connection it is refused, not queued. */
  queue?: boolean;
}

/** Where a message stands; `{}` if it is not kept. */
export interface Receipt {
  offset?: number;
  epoch?: string;
  /** It was there already. */
  duplicate?: boolean;
  /** on_message has kept it from being delivered. */
  dropped?: boolean;
}

interface ChannelEvents<R extends object, State> {
  join: JoinFrame;
  message: MessageFrame;
  event: EventFrame<R>;
  history: HistoryFrame;
  gap: JoinFrame;
  error: ErrorFrame;
  presence: Array<Member<State>>;
  presence_full: Frame<'presence_full', { presence: Array<Member<State>> }>;
  presence_update: Frame<'presence_update', { action: 'join' | 'leave' | 'update'; presence: Member<State> }>;
}

/** The channel of one holder. Those of one name share a membership. */
export interface Channel<R extends object = Row, State = unknown> extends AsyncIterable<MessageFrame | EventFrame<R>> {
  readonly name: string;
  readonly options: ChannelOptions<R>;
  readonly joined: boolean;
  readonly self: Member<State> | null;
  readonly presence: ReadonlyArray<Member<State>>;
  readonly position: Position | null;
  readonly isView: boolean;
  readonly view: string | undefined;
  readonly ready: Promise<Channel<R, State>>;
  on<Name extends keyof ChannelEvents<R, State>>(name: Name, handler: (value: ChannelEvents<R, State>[Name]) => void, options?: Signal): this;
  once<Name extends keyof ChannelEvents<R, State>>(name: Name, handler: (value: ChannelEvents<R, State>[Name]) => void, options?: Signal): this;
  off<Name extends keyof ChannelEvents<R, State>>(name: Name, handler: (value: ChannelEvents<R, State>[Name]) => void): this;
  frames<Name extends Exclude<keyof ChannelEvents<R, State>, 'presence'>>(...actions: Name[]): AsyncIterableIterator<ChannelEvents<R, State>[Name]>;
  send(payload?: unknown, options?: SendOptions): Promise<Receipt>;
  /** Needs `presence: 'state'`; at most 1 KiB. */
  setState(state: (State & object) | null): void;
  history(): boolean;
  join(): void;
  leave(): void;
}

export interface Change<R extends object = Row> {
  action: 'insert' | 'update' | 'delete' | 'truncate' | 'snapshot' | 'error';
  key?: string;
  row?: R;
  old?: R;
  frame?: Frame;
}

/** The rows of a watched table, live: a Map that cannot be written. */
export interface Table<R extends object = Row> extends AsyncIterable<Change<R>>, Iterable<[string, R]> {
  readonly ready: Promise<Table<R>>;
  readonly size: number;
  readonly isPartial: boolean;
  /** Another one after each change. */
  readonly version: number;
  readonly channel: Channel<R>;
  get(...key: unknown[]): R | undefined;
  has(...key: unknown[]): boolean;
  entries(): IterableIterator<[string, R]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<R>;
  onChange(callback: (change: Change<R>) => void, options?: Signal): () => void;
  close(): void;
}

/** Only where a type was given: else rows would be whatever the options say. */
type Given<R, Options> = [NoInfer<R>] extends [never] ? never : Options;

interface ClientEvents {
  status: Status;
  error: ErrorFrame;
}

export interface Client<Watches = AnyWatches> {
  readonly status: Status;
  readonly limits: { messageBytes?: number };
  on<Name extends keyof ClientEvents>(name: Name, handler: (value: ClientEvents[Name]) => void, options?: Signal): this;
  once<Name extends keyof ClientEvents>(name: Name, handler: (value: ClientEvents[Name]) => void, options?: Signal): this;
  off<Name extends keyof ClientEvents>(name: Name, handler: (value: ClientEvents[Name]) => void): this;
  channel<Name extends string>(name: Name, options?: ChannelOptions<RowOf<Watches, Name>>): Channel<RowOf<Watches, Name>>;
  channel<R extends object = never, State = unknown>(name: string, options?: Given<R, ChannelOptions<NoInfer<R>>>): Channel<R, State>;
  table<Name extends string>(name: Name, options?: TableOptions<RowOf<Watches, Name>>): Table<RowOf<Watches, Name>>;
  table<R extends object = never>(name: string, options?: Given<R, TableOptions<NoInfer<R>>>): Table<R>;
  txid(txid: string | bigint | number, options?: Signal & { timeout?: number }): Promise<void>;
  setToken(token: Token): this;
  reconnect(): void;
  close(): void;
}

/** Connects, and stays connected. */
export function connect<Watches = AnyWatches>(options: ConnectOptions): Client<Watches>;

/** The channel of a row, by the template that its table is watched with; null: none. */
export function channelName(template: string, row: object): string | null;
