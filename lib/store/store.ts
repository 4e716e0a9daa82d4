import type { Decimal } from '../aggregate/decimal.ts';
import { assert } from '../runtime/error.ts';

/** The three tables; their names in AWS are settings. */
export type Table = 'buckets' | 'progress' | 'results';

/** What an attribute can hold. Numbers read back as `number` when that is exact, otherwise as `Decimal`. */
export type Value = string | number | boolean | null | Decimal | readonly Value[] | { readonly [name: string]: Value };

/** One stored item, its two key attributes included. An attribute that is `undefined` is absent. */
export type Item = { readonly [attribute: string]: Value | undefined };

/** An attribute that our own writers always store as text, such as a key. */
export function textOf(item: Item, attribute: string): string {
  const value = item[attribute];
  assert(typeof value === 'string', `attribute ${attribute} is text`, { found: value });
  return value;
}

/** The names of each table's two key attributes: partition key, sort key. */
export const KEY_ATTRIBUTES = {
  buckets: ['pk', 'sk'],
  progress: ['pk', 'sk'],
  results: ['window_id', 'row_id'],
} as const satisfies Record<Table, readonly [string, string]>;

export interface Key {
  readonly table: Table;
  readonly partition: string;
  readonly sort: string;
}

/** One clause of a condition; a condition is all of its clauses. */
export type Clause =
  /** The item does not exist. */
  | { readonly item: 'absent' }
  /** The attribute exists and equals the value. */
  | { readonly attribute: string; readonly equals: string | number | boolean }
  /** The attribute does not exist, or is a number below this. */
  | { readonly attribute: string; readonly below: number }
  /** The attribute does not exist (on an existing or absent item). */
  | { readonly attribute: string; readonly absent: true };

export type Condition = readonly Clause[];

export interface Put {
  readonly kind: 'put';
  readonly table: Table;
  readonly item: Item;
  readonly when?: Condition;
}

export interface Update {
  readonly kind: 'update';
  readonly key: Key;
  /** Attributes to replace; `undefined` leaves one alone. */
  readonly set?: Item;
  readonly remove?: readonly string[];
  readonly when?: Condition;
}

export interface Delete {
  readonly kind: 'delete';
  readonly key: Key;
  readonly when?: Condition;
}

export type Write = Put | Update | Delete;

/** `done`, or `refused` because a condition did not hold. All else is thrown as STORE_BUSY. */
export type Outcome = 'done' | 'refused';

export interface Query {
  readonly table: Table;
  readonly partition: string;
  /** Inclusive bounds of the sort key. */
  readonly from?: string;
  readonly to?: string;
  readonly descending?: boolean;
  /** At most this many items in the page. */
  readonly limit?: number;
  /** The `next` of the page before. */
  readonly after?: string;
  /** Only these attributes, key attributes always included. */
  readonly attributes?: readonly string[];
}

export interface Page {
  readonly items: readonly Item[];
  /** Sort key to go on after; absent on the last page. A page may be short, even empty, and have a next. */
  readonly next?: string;
}

/** Most keys in one `read`, actions in one `transact`, writes in one `writeBatch`. */
export const MAX_READ_KEYS = 100;
export const MAX_TRANSACTION_ACTIONS = 100;
export const MAX_BATCH_WRITES = 25;
export const MAX_ITEM_BYTES = 400 * 1024;

/**
 * The few things Tidemark asks of DynamoDB. Every read is strongly consistent.
 *
 * Throttling, conflicts, timeouts and lost answers are thrown as `STORE_BUSY`: a write may then have happened or not,
 * and the caller starts over from what is stored.
 *
 * @source https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
 */
export interface Store {
  /** BatchGetItem: up to 100 keys. Keys in `unread` were not looked at and must be asked again; absent items are in neither. */
  read(keys: readonly Key[]): Promise<{ readonly items: readonly Item[]; readonly unread: readonly Key[] }>;
  /** One page of one partition, in sort key order (UTF-8 bytes). */
  query(query: Query): Promise<Page>;
  /** One conditional write. */
  write(write: Write): Promise<Outcome>;
  /** TransactWriteItems: up to 100 writes to distinct items, all or nothing. */
  transact(writes: readonly Write[]): Promise<Outcome>;
  /** BatchWriteItem: up to 25 unconditional puts and deletes; returns those that were not done and must be sent again. */
  writeBatch(writes: readonly (Put | Delete)[]): Promise<readonly (Put | Delete)[]>;
}
