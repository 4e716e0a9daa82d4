import { planOf, type Plan, type Plans, type Stored } from '../plan.ts';
import { timeText } from '../sink/grid.ts';
import { formatInstant } from '../time/instant.ts';
import { assertNoMore, parseCommand, pipelineNamed } from './arguments.ts';
import type { Command } from './command.ts';
import { jsonText } from './documents.ts';

/** What the present code would not count. */
const REFUSED = 3;

/** `npx tidemark plan --json` */
export interface PlanDocument {
  readonly version: 1;
  readonly pipelines: readonly {
    readonly pipeline: string;
    readonly revision: number;
    readonly kind: Plan['kind'];
    readonly changes: readonly string[];
    readonly other_revisions: readonly RevisionDocument[];
  }[];
  /** Stored revisions of pipelines that the code does not declare. */
  readonly undeclared: readonly RevisionDocument[];
}

export interface RevisionDocument {
  readonly pipeline: string;
  readonly revision: number;
  readonly state: 'active' | 'retired';
  readonly closed: string | null;
  readonly emitted: string | null;
  /** Wall time when all that a retired revision held was closed and written; null while it is not. */
  readonly finished: string | null;
}

/** `npx tidemark plan`: what deploying this code would do, before it is deployed. */
export const planCommand: Command = {
  name: 'plan',
  summary: 'what the present code would mean for what is stored',
  help: `Compares the declarations with what is stored, and says what deploying them would mean. Changes nothing.

  npx tidemark plan [pipeline] [--json]

  goes on           the same declaration, or settings that may change freely: watermark, retain, trigger, idleAfter,
                    maxFuture, stuckAfter, startAt, maxBatch
  begins anew       another revision: it begins beside the old one, which is retired by a command
  is refused        what is stored would mean something else, but the revision is the same
  drops everything  the revision was retired

Exit code: 0, or 3 when a pipeline would not be counted.

  --json   one JSON document
`,
  async run(args, { pipelines, terminal, connect }) {
    const { values, positionals } = parseCommand('plan', args, { json: { type: 'boolean' } });
    assertNoMore('plan', positionals.slice(1));
    const asked = positionals[0] === undefined ? pipelines : [pipelineNamed(positionals[0], pipelines)];
    const connection = await connect();
    try {
      const found = await planOf(connection.reader(), asked);
      // Of a single pipeline, the others are not undeclared but not asked for.
      const plans = positionals[0] === undefined ? found : { ...found, undeclared: [] };
      terminal.write(values.json ? jsonText(planDocument(plans)) : plansText(plans));
      if (!values.json) terminal.note(`compared with ${connection.where}`);
      return plans.plans.some(({ kind }) => kind === 'refused' || kind === 'retired') ? REFUSED : 0;
    } finally {
      connection.close();
    }
  },
};

const plansText = ({ plans, undeclared }: Plans): string =>
  [
    ...plans.flatMap((plan) => [
      headline(plan),
      ...detailsOf(plan),
      ...plan.others.flatMap((other) => adviceOn(other, plan)),
    ]),
    ...undeclared.flatMap((stored) => [
      `${stored.pipeline.id} · stored, but not declared`,
      ...adviceOn(stored, undefined),
    ]),
    '',
  ].join('\n');

function headline({ pipeline: { id }, kind, others }: Plan): string {
  switch (kind) {
    case 'new':
      return others.length === 0 ? `${id} · begins: nothing is stored` : `${id} · begins anew, beside what is stored`;
    case 'same':
      return `${id} · goes on`;
    case 'settings':
      return `${id} · goes on with other settings`;
    case 'refused':
      return `${id} · is refused: the declaration changed but its revision did not`;
    case 'retired':
      return `${id} · drops everything: it was retired`;
  }
}

function detailsOf({ pipeline, kind, changes, others }: Plan): string[] {
  const revision = 1 + Math.max(pipeline.revision, ...others.map((other) => other.pipeline.revision));
  return [
    ...changes.map((change) => `  ${change}`),
    ...(kind === 'refused' ? [`  raise 'revision' to ${revision}, or take the change back`] : []),
    ...(kind === 'retired' ? [`  raise 'revision' to ${revision}, or npx tidemark activate ${pipeline.id}`] : []),
  ];
}

/** What is stored beside the code's revision, and what becomes of it. */
function adviceOn({ pipeline: { id }, registry }: Stored, plan: Plan | undefined): string[] {
  const { state, closed, finishedAt } = registry;
  const when = plan?.kind === 'new' ? `once ${plan.pipeline.id} counts` : 'nobody counts it any more';
  if (state === 'active')
    return [`  ${id} is active, final up to ${timeText(closed)} UTC; ${when}: npx tidemark retire ${id}`];
  if (finishedAt === undefined)
    return [`  ${id} is retired, but not all of it is closed and written: npx tidemark retire ${id}`];
  return [`  ${id} is retired, final up to ${timeText(closed)} UTC`];
}

const planDocument = ({ plans, undeclared }: Plans): PlanDocument => ({
  version: 1,
  pipelines: plans.map(({ pipeline, kind, changes, others }) => ({
    pipeline: pipeline.name,
    revision: pipeline.revision,
    kind,
    changes,
    other_revisions: others.map(revisionDocument),
  })),
  undeclared: undeclared.map(revisionDocument),
});

const revisionDocument = ({
  pipeline: { name, revision },
  registry: { state, closed, emitted, finishedAt },
}: Stored): RevisionDocument => ({
  pipeline: name,
  revision,
  state,
  closed: Number.isFinite(closed) ? formatInstant(closed) : null,
  emitted: Number.isFinite(emitted) ? formatInstant(emitted) : null,
  finished: finishedAt === undefined ? null : formatInstant(finishedAt),
});
