import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { accumulator, avg, count, sum } from '../../lib/aggregate/aggregate.ts';
import { compareUtf8 } from '../../lib/store/order.ts';
import {
  decodeKey,
  decodePartials,
  encodeKey,
  encodePartials,
  mergeInto,
  type Partials,
  type States,
} from '../../lib/store/segment.ts';

const accumulators = [count(), sum('x', { scale: 2 }), avg('x', { scale: 2 })].map(accumulator);
const nasty = fc.constantFrom('\\', '\t', '\n', '\r', 'N', 't', 'n', '\\N', 'null', '😀', '\ue000', '\u2028', '\0');
const column = fc.option(
  fc.string({ unit: fc.oneof(nasty, fc.string({ unit: 'binary', minLength: 1, maxLength: 1 })) }),
  { freq: 5 },
);
const columns = fc.array(column, { minLength: 1, maxLength: 3 });
const value = fc.option(fc.integer({ min: -1_000_000, max: 1_000_000 }));
const event = fc.tuple(columns, value);

const stateOf = (value: number | null): States =>
  accumulators.map((one) => one.of(value === null ? null : value / 100) ?? null);
function partialsOf(events: readonly (readonly [(string | null)[], number | null])[]): Partials {
  const partials: Partials = new Map();
  for (const [key, value] of events) mergeInto(partials, encodeKey(key), stateOf(value), accumulators);
  return partials;
}
const sorted = (partials: Partials) => [...partials].sort(([a], [b]) => compareUtf8(a, b));

test('a key read back is the key; two keys are stored apart unless they are one', () => {
  fc.assert(
    fc.property(columns, columns, (a, b) => {
      expect(decodeKey(encodeKey(a))).toEqual(a);
      expect(encodeKey(a) === encodeKey(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      expect(encodeKey(a)).not.toMatch(/[\n\r]/);
    }),
    { numRuns: 1_000 },
  );
});

test('a segment read back is what was stored, its keys in the order of their bytes', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), (events) => {
      const partials = partialsOf(events);
      const text = encodePartials(partials, accumulators);
      const read: Partials = new Map();
      decodePartials(text, accumulators, read);
      expect(sorted(read)).toEqual(sorted(partials));
      const keys = [...read.keys()];
      expect(keys).toEqual([...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
    }),
  );
});

test('the merge of any split is the whole', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(event, fc.nat(4)), { maxLength: 30 }), (marked) => {
      const read: Partials = new Map();
      for (let part = 0; part <= 4; part++) {
        const events = marked.filter(([, mark]) => mark === part).map(([event]) => event);
        decodePartials(encodePartials(partialsOf(events), accumulators), accumulators, read);
      }
      expect(sorted(read)).toEqual(sorted(partialsOf(marked.map(([event]) => event))));
    }),
  );
});
