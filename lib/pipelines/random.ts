/**
 * Numbers in [0, 1) that a seed determines.
 *
 * @param seed a whole number; its low 32 bits count.
 * @source Tommy Ettinger, mulberry32: a 32-bit counter through a mixing function, period 2^32. Not for secrets.
 */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One of the items, each as likely. */
export const pick = <Items extends readonly [unknown, ...unknown[]]>(
  random: () => number,
  items: Items,
): Items[number] => items[Math.floor(random() * items.length)] ?? items[0];
