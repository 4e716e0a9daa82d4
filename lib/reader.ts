import { describe, type Pipeline } from './pipeline.ts';
import { assert } from './runtime/error.ts';
import type { Retry } from './runtime/retry.ts';
import { readAll } from './store/drain.ts';
import { NEVER, checkpointKey, readCheckpoint, type Checkpoint } from './store/progress.ts';
import { checkFingerprint, readRegistry, registryKey, type Registry } from './store/registry.ts';
import type { Store } from './store/store.ts';

/** What reading needs of the world. The clock of `retry` says what has expired. */
export interface Reader {
  readonly store: Store;
  readonly retry: Retry;
}

/**
 * What all partitions of a pipeline share.
 *
 * @returns undefined when the pipeline has not counted anything yet.
 * @throws FINGERPRINT_DIFFERS when what is stored was made by another declaration.
 */
export async function registryOf({ store, retry }: Reader, pipeline: Pipeline): Promise<Registry | undefined> {
  const [item] = await readAll(store, [registryKey(pipeline)], retry);
  const registry = item && readRegistry(item);
  if (registry) checkFingerprint(pipeline, registry, describe(pipeline).shape);
  return registry;
}

/** The registry as it is now, of a pipeline that has one: none is ever deleted. */
export async function currentRegistry(reader: Reader, pipeline: Pipeline): Promise<Registry> {
  const registry = await registryOf(reader, pipeline);
  assert(registry !== undefined, 'a registry stays', { pipeline: pipeline.id });
  return registry;
}

/** Where the registered partitions stand, by number. */
export async function checkpointsOf(
  { store, retry }: Reader,
  pipeline: Pipeline,
  registry: Registry,
): Promise<Checkpoint[]> {
  const keys = registry.partitions.map((partition) => checkpointKey(pipeline, partition));
  const items = await readAll(store, keys, retry);
  return items.map(readCheckpoint).sort((a, b) => a.partition - b.partition);
}

/** A pipeline's watermark: the least of its partitions'. */
export const watermarkOf = (checkpoints: readonly Checkpoint[]): number =>
  checkpoints.length === 0 ? NEVER : Math.min(...checkpoints.map(({ watermark }) => watermark));
