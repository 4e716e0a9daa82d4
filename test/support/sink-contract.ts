import { beforeEach, describe, expect, test } from 'vitest';
import type { Sink } from '../../lib/sink/sink.ts';

/** A sink under test, and what is in it. */
export interface TestSink {
  readonly sink: Sink;
  /** Another one of the same place: another process. */
  readonly other: Sink;
  /** Names of the files there are. */
  names(): Promise<string[]>;
  content(name: string): Promise<Uint8Array>;
}

const NAME = 'clicks@1/big/p0-k3j2h1x9-000000000001-000000000042.parquet';
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/**
 * What every sink does, whatever it is made of.
 *
 * @param makeSink an empty one; called before each test.
 */
export function sinkContract(name: string, makeSink: () => Promise<TestSink>): void {
  describe(`${name}: contract`, () => {
    let made: TestSink;
    beforeEach(async () => {
      made = await makeSink();
    });

    test('a file is there under its name, byte for byte', async () => {
      const content = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7) % 256);
      expect(await made.sink.put(NAME, content)).toBe('put');
      expect(await made.names()).toEqual([NAME]);
      expect(Buffer.from(await made.content(NAME)).equals(Buffer.from(content))).toBe(true);
    });

    test('a second put changes nothing, and is told so', async () => {
      expect(await made.sink.put(NAME, bytes('first'))).toBe('put');
      expect(await made.sink.put(NAME, bytes('second'))).toBe('was there');
      expect(await made.other.put(NAME, bytes('third'))).toBe('was there');
      expect(await made.content(NAME)).toEqual(bytes('first'));
    });

    test('of many puts at once one wins, and its content is whole', async () => {
      const puts = Array.from({ length: 12 }, (_, i) =>
        (i % 2 ? made.sink : made.other).put(NAME, bytes(`${i} `.repeat(10_000))),
      );
      const outcomes = await Promise.all(puts);
      const winners = outcomes.flatMap((outcome, i) => (outcome === 'put' ? [i] : []));
      expect(winners).toHaveLength(1);
      expect(await made.content(NAME)).toEqual(bytes(`${winners[0]} `.repeat(10_000)));
      expect(await made.names()).toEqual([NAME]);
    });

    test('files of other names stand beside it', async () => {
      await made.sink.put(NAME, bytes('a'));
      await made.sink.put(NAME.replace('p0', 'p1'), bytes('b'));
      await made.sink.put(NAME.replace('clicks@1', 'sales@2'), bytes('c'));
      expect(await made.names()).toHaveLength(3);
    });

    test('an empty file is a file', async () => {
      expect(await made.sink.put(NAME, new Uint8Array())).toBe('put');
      expect(await made.sink.put(NAME, bytes('more'))).toBe('was there');
      expect(await made.content(NAME)).toHaveLength(0);
    });
  });
}
