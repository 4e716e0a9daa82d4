import { seeded } from '../../lib/pipelines/random.ts';

/** Every choice a world makes, from one seed. */
export interface Dice {
  /** In [0, 1). */
  readonly next: () => number;
  /** A whole number, both bounds included. */
  int(least: number, greatest: number): number;
  chance(probability: number): boolean;
  pick<T>(items: readonly [T, ...T[]]): T;
}

export function dice(seed: number): Dice {
  const next = seeded(seed);
  for (let i = 0; i < 3; i++) next(); // neighbouring seeds begin alike
  return {
    next,
    int: (least, greatest) => least + Math.floor(next() * (greatest - least + 1)),
    chance: (probability) => next() < probability,
    pick: (items) => items[Math.floor(next() * items.length)] ?? items[0],
  };
}
