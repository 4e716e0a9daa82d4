import { stripVTControlCharacters } from 'node:util';

/** What serverless-offline says when all is well. */
const noise = [
  /^Starting Offline at stage /,
  /^Offline \[http for lambda\] listening on /,
  /^Function names exposed for local invocation /,
  /^ {3}\* \S+: \S+$/,
  /^Scheduling \[/,
  /^Successfully invoked scheduled function: /,
  /^\(λ: .*\) RequestId: /,
  /^\s+at .*(node:internal|node_modules)/, // of a stack, our own frames stay
];

const quietLevels = new Set(['TRACE', 'DEBUG', 'INFO']);

/** Fields of every structured log line, of no interest to a person who started the system a minute ago. */
const usualFields = new Set([
  'level',
  'message',
  'timestamp',
  'service',
  'sampling_rate',
  'xray_trace_id',
  'cold_start',
]);

/**
 * What to show of one line of output, or undefined for nothing.
 *
 * Structured log lines are for machines: metrics and everything up to INFO stay in the log file, warnings and errors are
 * shown as `WARN message field=value`. What is not known to be noise is shown.
 */
export function readable(line: string): string | undefined {
  const plain = stripVTControlCharacters(line);
  if (noise.some((pattern) => pattern.test(plain))) return undefined;
  const entry = structured(line);
  if (!entry) return line;
  const { level, message } = entry;
  if ('_aws' in entry || typeof level !== 'string' || quietLevels.has(level)) return undefined;
  const fields = Object.entries(entry)
    .filter(([name]) => !usualFields.has(name) && !name.startsWith('function_'))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return [level, String(message), ...fields].join(' ');
}

function structured(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{') || !line.endsWith('}')) return undefined;
  try {
    return JSON.parse(line) as Record<string, unknown>; // begins with a brace: an object
  } catch {
    return undefined;
  }
}
