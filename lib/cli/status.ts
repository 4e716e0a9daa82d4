import { styleText } from 'node:util';
import { status, type KindStatus, type PartitionStatus, type PipelineStatus } from '../status.ts';
import { grid, safeText, timeText } from '../sink/grid.ts';
import type { Counters } from '../store/progress.ts';
import { assertNoMore, parseCommand, pipelineNamed } from './arguments.ts';
import type { Command } from './command.ts';
import { jsonText, statusDocument } from './documents.ts';

const HELP = `Prints where pipelines stand.

  npx tidemark status [pipeline] [--json]

  npx tidemark status
  npx tidemark status telegram --json

  next, lag            the first offset not counted yet, and how many records the broker has from there on
  clock, watermark     the greatest event time, and how far time has certainly come; windows close by the latter
  records              is the sum of rejected, filtered, late, counted and skipped
  final up to          windows that end by then never change; their results are written soon after
  pairs, missed        (event, window) pairs that count, and pairs that do not because the window had ended
  closes in, at least  until the next window closes: in event time, and on the clock when events come as they happen

  --json   one JSON document
`;

/** `npx tidemark status` */
export const statusCommand: Command = {
  name: 'status',
  summary: 'offsets, lag, watermarks, counters and open windows',
  help: HELP,
  async run(args, { pipelines, terminal, clock, connect }) {
    const { values, positionals } = parseCommand('status', args, { json: { type: 'boolean' } });
    assertNoMore('status', positionals.slice(1));
    const asked = positionals[0] === undefined ? pipelines : [pipelineNamed(positionals[0], pipelines)];
    const connection = await connect();
    try {
      const all: PipelineStatus[] = [];
      for (const pipeline of asked) {
        all.push(await status(connection.reader(), pipeline, await connection.endsOf(pipeline.source.topic)));
      }
      if (values.json) return terminal.write(jsonText(statusDocument(clock.now(), all)));
      terminal.write(all.map((one) => statusText(one, terminal.colour)).join('\n'));
      terminal.note(`read at ${timeText(Math.floor(clock.now() / 1000) * 1000)} UTC from ${connection.where}`);
    } finally {
      connection.close();
    }
  },
};

/** At most 80 columns wide for offsets below ten million. */
export function statusText(found: PipelineStatus, colour: boolean): string {
  const paint = (style: Parameters<typeof styleText>[0], text: string): string =>
    colour ? styleText(style, text, { validateStream: false }) : text;
  const { pipeline, state, watermark, closed, emitted, partitions, counters, windows } = found;
  const heading = `${paint('bold', pipeline.id)} · ${paint(state === 'active' ? 'green' : 'yellow', state)}`;
  if (state === 'new' && partitions.length === 0) {
    return `${heading} · nothing counted yet of topic ${pipeline.source.topic}\n`;
  }
  const tables = [positions(partitions), counts(partitions, counters), kinds(windows)];
  return [
    `${heading} · watermark ${timeText(watermark)} UTC`,
    `final up to ${timeText(closed)}, results written up to ${timeText(emitted)} UTC`,
    ...tables.flatMap(([first = '', ...rest]) => ['', paint('bold', `  ${first}`), ...rest.map((line) => `  ${line}`)]),
    ...remarks(partitions).map((line) => paint('yellow', safeText(line))),
    '',
  ].join('\n');
}

const positions = (partitions: readonly PartitionStatus[]): string[] =>
  grid(
    [
      ['partition', 'state', 'next', 'lag', 'clock, UTC', 'watermark, UTC'],
      ...partitions.map(({ partition, state, stuckSince, next, lag, clock, watermark }) => [
        String(partition),
        state === 'active' && stuckSince !== undefined ? 'stuck' : state,
        String(next ?? '-'),
        String(lag ?? '?'),
        timeText(clock),
        timeText(watermark),
      ]),
    ],
    [true, false, true, true, false, false],
  );

function counts(partitions: readonly PartitionStatus[], all: Counters): string[] {
  const cells = ({ records, rejected, filtered, late, counted, skipped, pairsCounted, pairsMissed }: Counters) =>
    [records, rejected, filtered, late, counted, skipped, pairsCounted, pairsMissed].map(String);
  const headings = ['records', 'rejected', 'filtered', 'late', 'counted', 'skipped', 'pairs', 'missed'];
  const lines = [
    ['partition', ...headings],
    ...partitions.map(({ partition, counters }) => [String(partition), ...cells(counters)]),
    ...(partitions.length > 1 ? [['all', ...cells(all)]] : []),
  ];
  return grid(lines, lines[0]?.map(() => true) ?? []);
}

const kinds = (windows: readonly KindStatus[]): string[] =>
  grid(
    [
      ['window', 'open', 'oldest starts, UTC', 'next ends, UTC', 'closes in', 'at least'],
      ...windows.map(({ name, open, oldest, next, eventTimeLeftMs, wallTimeLeftMs }) => [
        name,
        String(open),
        oldest ? timeText(oldest.start) : '-',
        next ? timeText(next.end) : '-',
        secondsText(eventTimeLeftMs),
        secondsText(wallTimeLeftMs),
      ]),
    ],
    [false, true, false, false, true, true],
  );

const secondsText = (ms: number | undefined): string => (ms === undefined ? '-' : `${Math.ceil(ms / 1000)} s`);

/** What somebody should know or do. */
const remarks = (partitions: readonly PartitionStatus[]): string[] => [
  ...partitions.flatMap(({ partition, reason }) =>
    reason === undefined ? [] : [`partition ${partition} is stopped: ${reason}`],
  ),
  ...partitions.flatMap(({ partition, state, stuckSince }) =>
    stuckSince === undefined || state === 'stopped'
      ? []
      : [
          `partition ${partition} is stuck: it has records to count and has counted none since ${timeText(Math.floor(stuckSince / 1000) * 1000)} UTC`,
        ],
  ),
  ...partitions.flatMap(({ partition, gaps }) =>
    gaps.map(
      ({ from, to, kind, reason }) =>
        `partition ${partition}: offsets ${from} to ${to - 1} were not counted: ${kind}${reason ? `: ${reason}` : ''}`,
    ),
  ),
  ...(partitions.some(({ end }) => end === undefined) ? ['? the lag is unknown: no broker answered'] : []),
];
