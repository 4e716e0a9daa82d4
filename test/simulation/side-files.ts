import { parquetReadObjects } from 'hyparquet';
import 'hyparquet-writer'; // loaded before a world begins: loading takes real time
import { TidemarkError } from '../../lib/runtime/error.ts';
import type { Sink } from '../../lib/sink/sink.ts';
import type { Invocation, Port } from './invocation.ts';
import type { History } from './watch.ts';
import type { World } from './world.ts';

/** A place for files as one invocation meets it: it puts a name once, and may not answer before or after. */
export function simulatedSink({ files, time, mark }: World, port: Port, invocation: Invocation): Sink {
  return {
    put: (name, content) =>
      port.call(invocation, 'put', true, async () => {
        const isThere = files.has(name);
        mark(isThere ? 'file was there' : 'file written');
        time.trace(() => `${invocation.name} puts ${name}, ${content.byteLength} bytes: ${isThere}`, 71);
        if (isThere) return 'was there';
        files.set(name, content);
        return 'put';
      }),
  };
}

/** Every row of every accepted event is in exactly one file, and none is left over. */
export async function checkFiles(world: World, histories: ReadonlyMap<number, History>): Promise<void> {
  const { plan, files, store, wrong, mark } = world;
  const [{ id }] = plan.deployments;
  const expected = new Map<string, number>();
  const add = (line: string, by: number) => expected.set(line, (expected.get(line) ?? 0) + by);
  for (const [partition, { decisions }] of histories) {
    for (const decision of decisions) {
      for (const { truth, offset } of decision.kind === 'count' ? decision.records : []) {
        if (truth.kind === 'event')
          for (const cells of truth.rows) add(JSON.stringify([partition, offset, ...cells]), 1);
      }
    }
  }
  if (files.size > 1) mark('several files');
  for (const [name, content] of files) {
    const rows = await parquetReadObjects({ file: Uint8Array.from(content).buffer });
    if (rows.length === 0) throw new TidemarkError('BROKEN_INVARIANT', `the file ${name} is empty`);
    for (const { topic: _, partition, offset, ...cells } of rows) {
      const texts = Object.values(cells).map((cell) => (typeof cell === 'number' ? cell.toFixed(2) : cell));
      add(JSON.stringify([partition, Number(offset), ...texts]), -1);
    }
  }
  for (const [line, times] of expected) {
    if (times !== 0)
      wrong(`the row ${line} is in files ${times > 0 ? 'too seldom' : 'too often'} by ${Math.abs(times)}`);
  }
  for (const { pk, sk } of store.dump('buckets')) {
    if (String(pk).startsWith(`${id}#out#`) && sk !== 'head') wrong(`rows still wait in ${String(pk)} ${String(sk)}`);
  }
}
