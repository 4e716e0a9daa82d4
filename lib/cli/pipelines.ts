import { describe, type Pipeline } from '../pipeline.ts';
import { grid } from '../sink/grid.ts';
import { assertNoMore, parseCommand, pipelineNamed } from './arguments.ts';
import type { Command } from './command.ts';
import { jsonText, type PipelinesDocument } from './documents.ts';

/** `npx tidemark pipelines`: the declarations, without asking any table. */
export const pipelines: Command = {
  name: 'pipelines',
  summary: 'the declared pipelines',
  help: `Prints what is declared: the shape, which changes only with the revision, and the settings, which may at any time.

  npx tidemark pipelines [pipeline] [--json]

  npx tidemark pipelines
  npx tidemark pipelines telegram --json

  --json   one JSON document
`,
  async run(args, { pipelines, terminal }) {
    const { values, positionals } = parseCommand('pipelines', args, { json: { type: 'boolean' } });
    assertNoMore('pipelines', positionals.slice(1));
    const shown = positionals[0] === undefined ? pipelines : [pipelineNamed(positionals[0], pipelines)];
    const document: PipelinesDocument = { version: 1, pipelines: shown.map(describe) };
    terminal.write(values.json ? jsonText(document) : shown.map(textOf).join('\n'));
  },
};

function textOf(pipeline: Pipeline): string {
  const { shape, settings, fingerprint } = describe(pipeline);
  const entries = Object.entries({ ...shape, ...settings }).filter(([, value]) => value !== '');
  const lines = grid(
    entries.map(([name, value]) => [name, String(value)]),
    [false, false],
  );
  return [`${pipeline.id} · fingerprint ${fingerprint}`, ...lines.map((line) => `  ${line}`), ''].join('\n');
}
