/** One message of a known log, as it is produced. */
export interface LogMessage {
  readonly partition: number;
  readonly key: string | null;
  readonly value: string | null;
  /** Kafka timestamp, ms. */
  readonly timestamp: number;
}

/** What a message says, read without any of the product's code. */
export interface Said {
  /** Event time, ms. */
  readonly t: number;
  /** What it adds to whom, a whole number; undefined when it is refused although its time is known and counts. */
  readonly adds: { readonly key: string | null; readonly amount: number } | undefined;
}

/** What was added to a key of a window: how often, and in all, a whole number. */
export interface Sum {
  readonly count: number;
  readonly total: number;
}

/** A pipeline's windows, once more and by hand. */
export interface Rules {
  readonly delayMs: number;
  readonly kinds: readonly { readonly name: string; readonly sizeMs: number; readonly everyMs: number }[];
  /** Undefined: refused before it had a time. */
  readonly read: (value: string | null, timestamp: number) => Said | undefined;
  /** A row's columns after its key; rows are ordered by the number `orderBy`. */
  readonly columns: (sum: Sum) => readonly string[];
  readonly orderBy: (sum: Sum) => number;
}

/** A key and its columns, as text. */
export type ExpectedRow = readonly [key: string | null, ...columns: string[]];

/** What a log must come to. Records are named `partition:offset`. */
export interface Expected {
  /** `1m 2026-01-08T18:58:00.000Z` to rows in order. */
  readonly windows: ReadonlyMap<string, readonly ExpectedRow[]>;
  readonly late: readonly string[];
  readonly rejected: readonly string[];
  readonly counted: number;
}

/** A message and the name of the record it is: `partition:offset`. */
export type NamedMessage = LogMessage & { readonly name: string };

/** Judges a log message by message, each partition in the order of its offsets. */
export interface Oracle {
  /** @returns whether the message is a rejection. */
  add(message: NamedMessage): boolean;
  expected(): Expected;
}

type Groups = Map<string | null, Sum>;

/** Adds an amount to what a key has. */
export function addTo(groups: Groups, key: string | null, amount: number): void {
  const { count, total } = groups.get(key) ?? { count: 0, total: 0 };
  groups.set(key, { count: count + 1, total: total + amount });
}

/** The oracle: each partition on its own, record by record, every window by brute force. */
export function oracleOf(rules: Rules): Oracle {
  const windows = new Map<string, Groups>();
  const watermarks = new Map<number, number>();
  const late: string[] = [];
  const rejected: string[] = [];
  let counted = 0;
  return {
    add({ partition, value, timestamp, name }) {
      const said = rules.read(value, timestamp);
      const watermark = watermarks.get(partition) ?? -Infinity;
      const isCredible = said !== undefined && said.t <= timestamp + 300_000;
      if (isCredible) watermarks.set(partition, Math.max(watermark, said.t - rules.delayMs));
      if (!isCredible || said.adds === undefined) {
        rejected.push(name);
        return true;
      }
      const { t, adds } = said;
      let seen = 0;
      for (const { name: kind, sizeMs, everyMs } of rules.kinds) {
        for (let start = Math.floor(t / everyMs) * everyMs; start > t - sizeMs; start -= everyMs) {
          if (start + sizeMs <= watermark) continue;
          seen++;
          const id = `${kind} ${new Date(start).toISOString()}`;
          const groups: Groups = windows.get(id) ?? new Map<string | null, Sum>();
          windows.set(id, groups);
          addTo(groups, adds.key, adds.amount);
        }
      }
      if (seen === 0) late.push(name);
      else counted++;
      return false;
    },
    expected() {
      const rows = [...windows].map(([id, groups]) => [id, ordered(groups, rules)] as const);
      return { windows: new Map(rows), late, rejected, counted };
    },
  };
}

/** What a whole log must come to. */
export function expectedOf(log: readonly LogMessage[], rules: Rules): Expected {
  const oracle = oracleOf(rules);
  for (const message of named(log)) oracle.add(message);
  return oracle.expected();
}

/** Messages with the names of the records they become. */
export function named(log: readonly LogMessage[]): NamedMessage[] {
  const offsets = new Map<number, number>();
  return log.map((message) => {
    const offset = offsets.get(message.partition) ?? 0;
    offsets.set(message.partition, offset + 1);
    return { ...message, name: `${message.partition}:${offset}` };
  });
}

/** Rows by their number, descending; ties by key in UTF-8 byte order, null first. */
export function ordered(
  groups: ReadonlyMap<string | null, Sum>,
  { columns, orderBy }: Pick<Rules, 'columns' | 'orderBy'>,
): ExpectedRow[] {
  return [...groups]
    .sort(
      ([a, sumOfA], [b, sumOfB]) =>
        orderBy(sumOfB) - orderBy(sumOfA) ||
        Number(a !== null) - Number(b !== null) ||
        Buffer.compare(Buffer.from(a ?? ''), Buffer.from(b ?? '')),
    )
    .map(([key, sum]) => [key, ...columns(sum)]);
}
