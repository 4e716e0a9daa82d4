import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The oldest Java that Kafka 4 runs on. */
export const wantedJava = 17;

/** A Java that answered. */
export interface Java {
  readonly command: string;
  readonly major: number;
}

/** The Java installations that answer: the one of JAVA_HOME, then the one on PATH. */
export async function findJava(env: NodeJS.ProcessEnv): Promise<Java[]> {
  const home = env['JAVA_HOME'];
  const found: Java[] = [];
  for (const command of [...(home ? [join(home, 'bin', 'java')] : []), 'java']) {
    // It prints its version on standard error; a stub without a Java behind it fails.
    const answer = await run(command, ['-version'], { env }).catch(() => undefined);
    const major = answer && javaMajor(answer.stderr);
    if (major) found.push({ command, major });
    if (major && major >= wantedJava) break;
  }
  return found;
}

/** The major version in what `java -version` prints; before 9 it was written 1.8. */
export function javaMajor(text: string): number | undefined {
  const [, first, second] = /version "(\d+)(?:\.(\d+))?/.exec(text) ?? [];
  if (first === undefined) return undefined;
  return first === '1' && second !== undefined ? Number(second) : Number(first);
}
