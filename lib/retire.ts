import { finalizePipeline } from './finalize.ts';
import type { Pipeline } from './pipeline.ts';
import { checkpointsOf, currentRegistry } from './reader.ts';
import { changeRegistry } from './retired.ts';
import { TidemarkError } from './runtime/error.ts';
import { retrying, type Retry } from './runtime/retry.ts';
import type { Runtime } from './runtime/runtime.ts';
import { declarationKey, restoredPipeline } from './store/declaration.ts';
import { readAll } from './store/drain.ts';
import * as progress from './store/progress.ts';
import { readRegistry, registryKey, type Registry } from './store/registry.ts';
import { textOf } from './store/store.ts';

/** A revision as it is stored; its code need not exist any more. */
export interface StoredRevision {
  readonly pipeline: Pipeline;
  readonly registry: Registry;
}

/**
 * A stored revision by its id, such as `telegram@1`.
 *
 * @throws BAD_ARGUMENTS when nothing is stored under it, or `finalize` has never run for it.
 */
export async function storedRevision(id: string, { store }: Runtime, retry: Retry): Promise<StoredRevision> {
  const [declared] = await readAll(store, [declarationKey(id)], retry);
  const pipeline = declared && restoredPipeline(textOf(declared, 'declaration'));
  const [stored] = pipeline ? await readAll(store, [registryKey(pipeline)], retry) : [];
  if (pipeline && stored) return { pipeline, registry: readRegistry(stored) };
  throw new TidemarkError(
    'BAD_ARGUMENTS',
    `${id}: no such revision has been finalized; npx tidemark plan lists those that have`,
  );
}

/**
 * What speaks against retiring a revision: nobody would go on counting.
 *
 * @param declared what the code says under this name; undefined when it says nothing.
 * @returns one sentence each; none when a later revision has joined every partition.
 */
export async function objectionsTo(
  { pipeline, registry }: StoredRevision,
  declared: Pipeline | undefined,
  { store }: Runtime,
  retry: Retry,
): Promise<string[]> {
  if (!declared) return [`the code declares no pipeline ${pipeline.name}: nothing goes on counting`];
  if (declared.id === pipeline.id) return [`${pipeline.id} is what the code declares: its batches would be dropped`];
  const [stored] = await readAll(store, [registryKey(declared)], retry);
  const successor = stored && readRegistry(stored);
  if (!successor || successor.partitions.length === 0) return [`${declared.id} has not counted anything yet`];
  if (successor.state === 'retired') return [`${declared.id} is retired itself`];
  const missing = registry.partitions.filter((partition) => !successor.partitions.includes(partition));
  if (missing.length === 0 || declared.source.topic !== pipeline.source.topic) return [];
  return [`${declared.id} has not joined partition ${missing.join(', ')} of ${declared.source.topic} yet`];
}

/**
 * Retires a revision: from here on its batches are dropped, what it holds is closed and emitted, and windows that were
 * not over are marked incomplete (protocol G1). May be repeated after a crash.
 */
export async function retire(pipeline: Pipeline, runtime: Runtime, retry: Retry): Promise<void> {
  await retrying(`retire ${pipeline.id}`, retry, async () => {
    const registry = await currentRegistry({ store: runtime.store, retry }, pipeline);
    if (registry.state === 'retired') return true;
    // Nobody joins and nothing closes by a registry read before this.
    const outcome = await runtime.store.write(changeRegistry(pipeline, registry, { state: 'retired' }));
    return outcome === 'done' ? true : undefined;
  });
  await finalizePipeline(atOnce(pipeline), runtime, retry);
  await retrying('finished', retry, () =>
    runtime.store.write({
      kind: 'update',
      key: registryKey(pipeline),
      set: { finishedAt: runtime.clock.now() },
      when: [{ attribute: 'state', equals: 'retired' }],
    }),
  );
}

/** The pipeline without waiting for triggers: this is the last look at its open windows, and none shall stay shown. */
function atOnce(pipeline: Pipeline): Pipeline {
  const { geometry, running } = pipeline;
  const kinds = new Map(
    [...geometry.kinds].map(([name, kind]) => [name, kind.triggerMs === undefined ? kind : { ...kind, triggerMs: 1 }]),
  );
  return { ...pipeline, geometry: { ...geometry, kinds }, running: running && { ...running, triggerMs: 1 } };
}

/**
 * Sets a retired revision active again: it goes on where it stopped. What it has closed stays final, and what it did not
 * see is a gap, found at its next delivery. May be repeated after a crash.
 */
export async function activate(pipeline: Pipeline, runtime: Runtime, retry: Retry): Promise<void> {
  const { store, clock } = runtime;
  // The registry first: a finalize that met the checkpoints active under a retired registry would retire them again.
  await retrying(`activate ${pipeline.id}`, retry, async () => {
    const registry = await currentRegistry({ store: runtime.store, retry }, pipeline);
    if (registry.state === 'retired') {
      const change = { ...changeRegistry(pipeline, registry, { state: 'active' }), remove: ['finishedAt'] };
      if ((await store.write(change)) === 'refused') return undefined;
    }
    for (const checkpoint of await checkpointsOf({ store, retry }, pipeline, registry)) {
      if (checkpoint.state !== 'retired') continue;
      // One that had stopped has still the reason to.
      const state = checkpoint.reason === undefined ? ('active' as const) : ('stopped' as const);
      const version = progress.nextVersion(checkpoint.version);
      const active = { ...checkpoint, state, version, committedAt: clock.now() };
      if ((await store.write(progress.putCheckpoint(pipeline, active, checkpoint))) === 'refused') return undefined;
    }
    return true;
  });
}
