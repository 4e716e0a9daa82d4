import type { ColumnSource, SchemaElement } from 'hyparquet-writer';
import { ORIGIN_COLUMNS, type Cell, type Column } from './side-output.ts';

/** Rows that waited under one commit, and where in Kafka they come from. */
export interface Pack {
  readonly topic: string;
  readonly partition: number;
  /** JSON lists: offset, then the cells of the columns. */
  readonly lines: readonly string[];
}

/**
 * Rows as one Parquet file, snappy-compressed. The same packs give the same bytes.
 *
 * The writer is loaded with the first file: most invocations write none.
 */
export async function parquetOf(columns: readonly Column[], packs: readonly Pack[]): Promise<Uint8Array> {
  const { parquetWriteBuffer } = await import('hyparquet-writer');
  const width = ORIGIN_COLUMNS.length + columns.length;
  const data: unknown[][] = Array.from({ length: width }, () => []);
  for (const { topic, partition, lines } of packs) {
    for (const line of lines) {
      const [offset = 0, ...cells] = JSON.parse(line) as Cell[]; // written by rowsOf alone
      data[0]?.push(topic);
      data[1]?.push(partition);
      data[2]?.push(BigInt(Number(offset)));
      columns.forEach((column, i) => data[i + ORIGIN_COLUMNS.length]?.push(valueOf(column, cells[i] ?? null)));
    }
  }
  const schema: SchemaElement[] = [
    { name: 'root', num_children: width },
    { name: 'topic', repetition_type: 'REQUIRED', ...TEXT },
    { name: 'partition', repetition_type: 'REQUIRED', type: 'INT32' },
    { name: 'offset', repetition_type: 'REQUIRED', type: 'INT64' },
    ...columns.map((column): SchemaElement => ({
      name: column.name,
      repetition_type: 'OPTIONAL',
      ...typeOf(column),
    })),
  ];
  const columnData = schema.slice(1).map(({ name }, i): ColumnSource => ({ name, data: data[i] ?? [] }));
  return new Uint8Array(parquetWriteBuffer({ schema, columnData, createdBy: 'tidemark' }));
}

type Type = Omit<SchemaElement, 'name'>;

const TEXT: Type = { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } };

/** Both generations of annotation: readers of the older one are still about. */
function typeOf({ kind, scale }: Column): Type {
  switch (kind) {
    case 'text':
      return TEXT;
    case 'boolean':
      return { type: 'BOOLEAN' };
    case 'double':
      return { type: 'DOUBLE' };
    case 'integer':
      return { type: 'INT64' };
    case 'timestamp': {
      const logical_type = { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MILLIS' } as const;
      return { type: 'INT64', converted_type: 'TIMESTAMP_MILLIS', logical_type };
    }
    case 'decimal': {
      const logical_type = { type: 'DECIMAL', precision: 18, scale } as const;
      return { type: 'INT64', converted_type: 'DECIMAL', precision: 18, scale, logical_type };
    }
  }
}

/** A cell as the writer takes it: a bigint is a whole count of the smallest unit, and is written as it is. */
function valueOf({ kind }: Column, cell: Cell): unknown {
  if (cell === null) return null;
  return kind === 'integer' || kind === 'decimal' || kind === 'timestamp' ? BigInt(cell) : cell;
}
