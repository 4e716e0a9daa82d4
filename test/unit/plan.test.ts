import { expect, test } from 'vitest';
import { runCommand, type World } from '../../lib/cli/command.ts';
import { planCommand } from '../../lib/cli/plan.ts';
import { count } from '../../lib/count.ts';
import { finalize } from '../../lib/finalize.ts';
import { tumbling, type Pipeline } from '../../lib/index.ts';
import { activate, retire } from '../../lib/retire.ts';
import type { Runtime } from '../../lib/runtime/runtime.ts';
import { memoryStore } from '../../lib/store/memory.ts';
import { crash, faultyStore } from '../support/faulty-store.ts';
import { testRuntime } from '../support/runtime.ts';
import { at, clicks, deliver } from '../support/scene.ts';

const first = clicks();
const second = clicks({ revision: 2, windows: { '1m': tumbling('1 minute', { emit: 'final' }) } });

async function scene(world: Partial<Runtime>, ...counted: Pipeline[]) {
  const { runtime } = testRuntime({ now: at('19:02:00'), ...world });
  const retry = { clock: runtime.clock, random: runtime.random, deadline: Number.POSITIVE_INFINITY };
  for (const pipeline of counted) {
    await count(deliver(0, [0, 'a', '19:00:10'], [1, 'b', '19:01:30']), [pipeline], runtime);
    await finalize({}, [pipeline], runtime);
  }
  const plan = async (pipelines: Pipeline[], line = 'plan') => {
    const [out, notes]: [string[], string[]] = [[], []];
    const world: World = {
      pipelines,
      version: '1.2.3',
      clock: runtime.clock,
      terminal: {
        write: (text) => void out.push(text),
        note: (text) => void notes.push(text),
        colour: false,
        isInteractive: false,
        signal: new AbortController().signal,
      },
      connect: async () => ({
        where: 'memory',
        reader: () => ({ store: runtime.store, retry }),
        endsOf: async () => undefined,
        close: () => undefined,
      }),
    };
    return { code: await runCommand(line.split(' '), [planCommand], world), out: out.join(''), notes: notes.join('') };
  };
  return { runtime, retry, plan };
}

test('nothing is stored', async () => {
  const { plan } = await scene({});
  expect(await plan([first])).toEqual({
    code: 0,
    out: 'clicks@1 · begins: nothing is stored\n',
    notes: 'compared with memory',
  });
});

test('the same declaration goes on', async () => {
  const { plan } = await scene({}, first);
  expect(await plan([first])).toMatchObject({ code: 0, out: 'clicks@1 · goes on\n' });
});

test('settings change freely, and are named', async () => {
  const { plan } = await scene({}, first);
  expect(await plan([clicks({ watermark: '2 minutes' })])).toMatchObject({
    code: 0,
    out: `clicks@1 · goes on with other settings
  delayMs: stored '30000', code '120000'
`,
  });
});

test('another shape under the same revision is refused: exit code 3', async () => {
  const { plan } = await scene({}, first);
  const changed = clicks({ orderBy: 'total' });
  expect(await plan([changed])).toMatchObject({
    code: 3,
    out: `clicks@1 · is refused: the declaration changed but its revision did not
  orderBy: stored 'n', code 'total'
  raise 'revision' to 2, or take the change back
`,
  });
});

test('a new revision begins beside the old one, which is to be retired then', async () => {
  const { plan } = await scene({}, first);
  expect(await plan([second])).toMatchObject({
    code: 0,
    out: `clicks@2 · begins anew, beside what is stored
  clicks@1 is active, final up to 2026-01-08 19:01:00 UTC; once clicks@2 counts: npx tidemark retire clicks@1
`,
  });
});

test('an old revision that is still active is told of; a retired one and going back to it, too', async () => {
  const { plan, runtime, retry } = await scene({}, first, second);
  expect((await plan([second])).out).toBe(`clicks@2 · goes on
  clicks@1 is active, final up to 2026-01-08 19:01:00 UTC; nobody counts it any more: npx tidemark retire clicks@1
`);
  await retire(first, runtime, retry);
  expect((await plan([second])).out).toBe(`clicks@2 · goes on
  clicks@1 is retired, final up to 2026-01-08 19:03:30 UTC
`);
  expect(await plan([first])).toMatchObject({
    code: 3,
    out: `clicks@1 · drops everything: it was retired
  raise 'revision' to 3, or npx tidemark activate clicks@1
  clicks@2 is active, final up to 2026-01-08 19:01:00 UTC; nobody counts it any more: npx tidemark retire clicks@2
`,
  });
  await activate(first, runtime, retry);
  expect(await plan([first], 'plan --json')).toMatchObject({ code: 0, out: expect.stringContaining('"kind": "same"') });
});

test('a retirement that broke off is told of, wherever it did', async () => {
  let left = Number.POSITIVE_INFINITY;
  const faulty = faultyStore(memoryStore(), () => (left-- > 0 ? undefined : { kind: 'before', error: crash }));
  const { plan, runtime, retry } = await scene({ store: faulty.store }, first, second);
  const said: string[] = [];
  let isDone = false;
  for (let n = 0; !isDone; n++) {
    left = n; // it goes on where it broke off, and a little further
    isDone = await retire(first, runtime, retry).then(
      () => true,
      () => false,
    );
    left = Number.POSITIVE_INFINITY;
    const { out } = await plan([second]);
    said.push(out.split('\n')[1]?.split(':')[0]?.trim() ?? '');
  }
  expect([...new Set(said)]).toEqual([
    'clicks@1 is active, final up to 2026-01-08 19',
    'clicks@1 is retired, but not all of it is closed and written',
    'clicks@1 is retired, final up to 2026-01-08 19',
  ]);
});

test('as JSON, with what is stored and not declared at all', async () => {
  const other = clicks({ name: 'gone' });
  const { plan } = await scene({}, first, other);
  const { out, code } = await plan([first], 'plan --json');
  expect(code).toBe(0);
  expect(JSON.parse(out)).toEqual({
    version: 1,
    pipelines: [{ pipeline: 'clicks', revision: 1, kind: 'same', changes: [], other_revisions: [] }],
    undeclared: [
      {
        pipeline: 'gone',
        revision: 1,
        state: 'active',
        closed: '2026-01-08T19:01:00.000Z',
        emitted: '2026-01-08T19:01:00.000Z',
        finished: null,
      },
    ],
  });
  expect((await plan([first])).out).toContain('gone@1 · stored, but not declared\n');
  expect((await plan([first], 'plan clicks')).out).not.toContain('gone');
});
