import { describe, differences, type Pipeline } from './pipeline.ts';
import type { Reader } from './reader.ts';
import { storedPipelines } from './store/declaration.ts';
import { readAll } from './store/drain.ts';
import { readRegistry, registryKey, type Registry } from './store/registry.ts';

/** What the present code would mean for what is stored of one declaration. */
export interface Plan {
  readonly pipeline: Pipeline;
  /**
   * `new`: nothing is stored under this revision. `same`: it goes on. `settings`: it goes on with other settings.
   * `refused`: its shape changed, so it would count nothing. `retired`: it would drop every batch.
   */
  readonly kind: 'new' | 'same' | 'settings' | 'refused' | 'retired';
  /** What differs from what is stored, one sentence each: the settings, or the shape when it is refused. */
  readonly changes: readonly string[];
  /** Other stored revisions of the same name, by number. */
  readonly others: readonly Stored[];
}

/** A revision that is stored, and not what the code declares. */
export interface Stored {
  readonly pipeline: Pipeline;
  readonly registry: Registry;
}

export interface Plans {
  readonly plans: readonly Plan[];
  /** Stored revisions of pipelines the code does not declare at all. */
  readonly undeclared: readonly Stored[];
}

/** Compares declarations with what is stored. Reads only. */
export async function planOf({ store, retry }: Reader, pipelines: readonly Pipeline[]): Promise<Plans> {
  const stored = await storedPipelines(store, retry);
  const keys = new Map([...stored, ...pipelines].map((pipeline) => [pipeline.id, registryKey(pipeline)]));
  const items = await readAll(store, [...keys.values()], retry);
  const registries = new Map(items.map((item) => [item['pk'], readRegistry(item)]));
  const all = stored.flatMap((pipeline): Stored[] => {
    const registry = registries.get(pipeline.id);
    return registry ? [{ pipeline, registry }] : [];
  });
  const names = new Set(pipelines.map(({ name }) => name));
  return {
    plans: pipelines.map((pipeline) => {
      const registry = registries.get(pipeline.id);
      const last = stored.find(({ id }) => id === pipeline.id);
      const others = all.filter((other) => other.pipeline.name === pipeline.name && other.pipeline.id !== pipeline.id);
      return { pipeline, ...verdictOf(pipeline, registry, last), others };
    }),
    undeclared: all.filter(({ pipeline }) => !names.has(pipeline.name)),
  };
}

function verdictOf(
  pipeline: Pipeline,
  registry: Registry | undefined,
  last: Pipeline | undefined,
): Pick<Plan, 'kind' | 'changes'> {
  if (!registry) return { kind: 'new', changes: [] };
  const { shape, settings } = describe(pipeline);
  if (registry.fingerprint !== pipeline.fingerprint)
    return { kind: 'refused', changes: differences(registry.shape, shape) };
  if (registry.state === 'retired') return { kind: 'retired', changes: [] };
  const changes = last ? differences(textsOf(describe(last).settings), textsOf(settings)) : [];
  return { kind: changes.length === 0 ? 'same' : 'settings', changes };
}

const textsOf = (settings: Readonly<Record<string, string | number | boolean>>): Record<string, string> =>
  Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, String(value)]));
