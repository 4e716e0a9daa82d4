import { registerHooks } from 'node:module';
import { TidemarkError } from '../../lib/runtime/error.ts';

/** One change of a source file: an exact snippet, found exactly once, and what stands there instead. */
export interface Patch {
  /** Below `lib/`. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/**
 * Changes production code as it is loaded, so that it holds no switches of its own. Before anything loads it.
 *
 * @throws TidemarkError BAD_ARGUMENTS while loading, when a snippet is not there exactly once.
 * @returns a check that every patched file was loaded.
 */
export function plant(patches: readonly Patch[]): () => void {
  const planted = new Set<Patch>();
  const lib = new URL('../../lib/', import.meta.url).href;
  registerHooks({
    load(url, context, nextLoad) {
      const result = nextLoad(url, context);
      const mine = patches.filter(({ file }) => url === lib + file);
      if (mine.length === 0) return result;
      let source = Buffer.from((result.source ?? '') as Uint8Array).toString(); // files load as bytes
      for (const patch of mine) {
        const parts = source.split(patch.find);
        if (parts.length !== 2) {
          throw new TidemarkError(
            'BAD_ARGUMENTS',
            `plant: lib/${patch.file} holds this ${parts.length - 1} times, expected once:\n${patch.find}`,
          );
        }
        source = parts.join(patch.replace);
        planted.add(patch);
      }
      return { ...result, source };
    },
  });
  return () => {
    const left = patches.filter((patch) => !planted.has(patch)).map(({ file }) => `lib/${file}`);
    if (left.length > 0) throw new TidemarkError('BAD_ARGUMENTS', `plant: never loaded: ${left.join(', ')}`);
  };
}
