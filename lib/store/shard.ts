/**
 * Shards that the running totals of a partition are spread over; part of the stored format.
 *
 * With a million keys of usual length one holds about 3 KB, so reading a key's total costs a read unit whatever exists.
 */
export const SHARDS = 4096;

/** The shard of an encoded group key, 0 to {@link SHARDS} - 1: always the same, as totals are stored by it. */
export function shardOf(key: string): number {
  // FNV-1a over UTF-16 units, 32 bits, its high bits folded in.
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return ((hash >>> 16) ^ hash) & (SHARDS - 1);
}
