import { keptRecords, type KeptRecord } from '../kept.ts';
import { cutToWidth, safeText, timeText } from '../sink/grid.ts';
import { assertNoMore, countOf, parseCommand, pipelineNamed } from './arguments.ts';
import type { Command } from './command.ts';
import { jsonText, keptDocument } from './documents.ts';

const OPTIONS = { limit: { type: 'string' }, json: { type: 'boolean' } } as const;
const SHOWN_RECORDS = 20;
const WIDTH = 76;

/** `npx tidemark rejected` and `npx tidemark late`: what was kept instead of counted. */
const keptCommand = (name: 'rejected' | 'late', summary: string, what: string): Command => ({
  name,
  summary,
  help: `Lists ${what}, newest first.

  npx tidemark ${name} <pipeline> [options]

  npx tidemark ${name} telegram
  npx tidemark ${name} telegram --limit 100 --json

  --limit N   at most N of them, ${SHOWN_RECORDS} unless said
  --json      one JSON document
`,
  async run(args, { pipelines, terminal, connect }) {
    const { values, positionals } = parseCommand(name, args, OPTIONS);
    assertNoMore(name, positionals.slice(1));
    const pipeline = pipelineNamed(positionals[0], pipelines);
    const limit = countOf('--limit', values.limit) ?? SHOWN_RECORDS;
    const connection = await connect();
    try {
      const records = await keptRecords(connection.reader(), pipeline, name, limit);
      if (values.json) terminal.write(jsonText(keptDocument(pipeline, name, records)));
      else terminal.write(records.map((record) => textOf(pipeline.source.topic, record)).join(''));
      if (records.length === 0) terminal.note(`${pipeline.name} has kept nothing as ${name}, at ${connection.where}`);
    } finally {
      connection.close();
    }
  },
});

export const rejected = keptCommand('rejected', 'records that no event could be made of', 'rejected records');
export const late = keptCommand('late', 'events that came after all of their windows', 'late events');

/** Where the record is and why it was kept, then whatever else was. */
function textOf(topic: string, { partition, offset, timestamp, reason, details }: KeptRecord): string {
  const sent = timestamp === -1 ? 'no timestamp' : `${timeText(timestamp)} UTC`;
  const lines = Object.entries(details).flatMap(([name, value]) => linesOf(name, value));
  const all = [`${topic}-${partition} offset ${offset} · ${sent}`, `  ${reason}`, ...lines];
  return all.map((line) => `${cutToWidth(safeText(line), WIDTH)}\n`).join('');
}

function linesOf(name: string, value: KeptRecord['details'][string] | undefined): string[] {
  if (value === undefined || typeof value !== 'object') return [`  ${name}: ${value}`];
  if (Array.isArray(value)) return [`  ${name}: ${value.join(', ')}`];
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([key, one]) => `  ${name} ${key}: ${one}`);
}
