import type { Patch } from './plant.ts';

/** Worlds that can be asked for: of a kind, or those whose pipeline has a side output. */
export const SELECTIONS = ['windows', 'running', 'five', 'side-output'] as const;
export type Selection = (typeof SELECTIONS)[number];

/** A deviation from the protocol that loses, doubles or changes a result. */
export interface Mutant {
  /** As protocol section H numbers them; a name for what is not in there. */
  readonly number: string;
  readonly name: string;
  readonly patches: readonly Patch[];
  /** In so many worlds from seed 1, of those selected, it must be found. */
  readonly withinWorlds: number;
  /** Worlds it is looked for in; `windows` unless said. */
  readonly only?: Selection;
}
