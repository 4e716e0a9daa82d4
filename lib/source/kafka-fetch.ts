import errors from 'kafkajs/src/errors.js';
import Decoder from 'kafkajs/src/protocol/decoder.js';
import protocolErrors from 'kafkajs/src/protocol/error.js';
import decodeRecordBatch, { type RecordBatch } from 'kafkajs/src/protocol/recordBatch/v0/decoder.js';
import fetchRequest from 'kafkajs/src/protocol/requests/fetch/v11/request.js';

import type { ReadResult } from './broker.ts';
import type { KafkaRecord } from './delivery.ts';
import type { KafkaNode } from './kafka-conversation.ts';

/** What one partition's leader answered to a read_committed fetch. */
export interface Fetched {
  /** Whether it sent no bytes at all: from the offset asked to `lastStable` nothing is left in the log. */
  readonly isHole: boolean;
  /** First offset of the oldest open transaction, otherwise the high watermark. */
  readonly lastStable: number;
  /** Aborted transactions that touch what was sent, in no particular order. */
  readonly aborted: readonly { readonly producerId: string; readonly firstOffset: number }[];
  /** Consecutive, as far as they could be decoded. */
  readonly batches: readonly RecordBatch[];
}

const MAX_BYTES = 1_048_576; // a broker sends a first batch that is larger all the same
const READ_COMMITTED = 1;
const OFFSET_OUT_OF_RANGE = 1;

/**
 * Fetches once, at once, from an offset.
 *
 * kafkajs' own decoding of the answer flattens batches to records. That hides empty batches, which compaction leaves
 * behind, and so how far the answer reaches; here they stay.
 *
 * @returns undefined when the offset is below the log's start or beyond its end.
 * @throws KafkaJSError for an answer with an error code, and for none (a broker that throttles sends no partition).
 * @source https://kafka.apache.org/protocol#The_Messages_Fetch, version 11 (Kafka 2.3 to 4.x)
 */
export async function fetchFrom(
  node: KafkaNode,
  topic: string,
  partition: number,
  offset: number,
): Promise<Fetched | undefined> {
  const request = fetchRequest({
    replicaId: -1,
    maxWaitTime: 0,
    minBytes: 1,
    maxBytes: MAX_BYTES,
    isolationLevel: READ_COMMITTED,
    topics: [{ topic, partitions: [{ partition, fetchOffset: String(offset), maxBytes: MAX_BYTES }] }],
  });
  const connection = await node.connectionPool.getConnection();
  const { errorCode, fetched } = await connection.send({ request, response: { decode, parse: async (it) => it } });
  if (errorCode === OFFSET_OUT_OF_RANGE) return undefined;
  if (errorCode !== 0) throw protocolErrors.createErrorFromCode(errorCode);
  if (!fetched) throw new errors.KafkaJSError('the broker throttles: it sent nothing');
  return fetched;
}

async function decode(raw: Buffer): Promise<{ readonly errorCode: number; readonly fetched: Fetched | undefined }> {
  const decoder = new Decoder(raw);
  decoder.readInt32(); // throttle time
  const errorCode = decoder.readInt16();
  decoder.readInt32(); // session
  const topics = await decoder.readArrayAsync(async () => {
    decoder.readString();
    return decoder.readArrayAsync(decodePartition);
  });
  const [partition] = topics.flat();
  return { errorCode: errorCode || (partition?.errorCode ?? 0), fetched: partition };
}

async function decodePartition(decoder: Decoder): Promise<Fetched & { readonly errorCode: number }> {
  decoder.readInt32(); // its number
  const errorCode = decoder.readInt16();
  decoder.readInt64(); // high watermark
  const lastStable = Number(decoder.readInt64());
  decoder.readInt64(); // log start
  const aborted = decoder.readArray(() => ({
    producerId: decoder.readInt64().toString(),
    firstOffset: Number(decoder.readInt64()),
  }));
  const preferredReplica = decoder.readInt32(); // when one is named, it sends nothing itself
  const bytes = decoder.readBytes() ?? Buffer.alloc(0);
  const isHole = bytes.length === 0 && preferredReplica === -1;
  return { errorCode, isHole, lastStable, aborted, batches: await decodeBatches(bytes) };
}

const BATCH_HEADER_BYTES = 61;
const MAGIC_AT = 16;

/** Whole batches up to one that is cut off, compressed by a codec kafkajs lacks, or older than Kafka 0.11. */
async function decodeBatches(bytes: Buffer): Promise<RecordBatch[]> {
  const decoder = new Decoder(bytes);
  const batches: RecordBatch[] = [];
  while (decoder.canReadBytes(BATCH_HEADER_BYTES) && bytes.readInt8(decoder.offset + MAGIC_AT) === 2) {
    try {
      batches.push(await decodeRecordBatch(decoder));
    } catch (error) {
      if (error instanceof Error && /^KafkaJS(PartialMessageError|NotImplemented)$/.test(error.name)) break;
      throw error;
    }
  }
  return batches;
}

/**
 * The records a read_committed consumer is given, at most `limit`, and how far they reach.
 *
 * kafkajs' own filter is not used: it takes the aborted transactions to be in order, begins at most one per record and
 * takes any key of four zero bytes for the end of one, so that two interleaved producers can show aborted records.
 *
 * @source Kafka's CompletedFetch.java, `nextFetchedRecord`: the same decisions, batch by batch.
 */
export function committedRecords(fetched: Fetched, from: number, limit: number): ReadResult {
  if (fetched.isHole) return { records: [], reached: Math.max(from, fetched.lastStable) };
  const aborted = [...fetched.aborted].sort((a, b) => a.firstOffset - b.firstOffset);
  const aborting = new Set<string>();
  const records: KafkaRecord[] = [];
  let reached = from;
  for (const batch of fetched.batches) {
    const last = Number(batch.firstOffset) + batch.lastOffsetDelta;
    for (let next = aborted[0]; next && next.firstOffset <= last; next = aborted[0]) {
      aborting.add(next.producerId);
      aborted.shift();
    }
    if (isAbortMarker(batch)) aborting.delete(batch.producerId);
    const isHidden = batch.isControlBatch || (batch.inTransaction && aborting.has(batch.producerId));
    for (const record of isHidden ? [] : batch.records) {
      const offset = Number(record.offset);
      if (offset < reached) continue; // a batch is sent whole, also when the offset asked is inside
      if (records.length === limit) return { records, reached };
      records.push({
        offset,
        timestamp: Number(record.timestamp),
        key: record.key?.toString('base64') ?? null,
        value: record.value?.toString('base64') ?? null,
      });
      reached = offset + 1;
    }
    reached = Math.max(reached, last + 1);
  }
  return { records, reached };
}

/** A control record's key is its version and its type, 16 bits each; 0 aborts, 1 commits. */
const isAbortMarker = ({ isControlBatch, records }: RecordBatch): boolean =>
  isControlBatch && records[0]?.key?.readInt16BE(2) === 0;
