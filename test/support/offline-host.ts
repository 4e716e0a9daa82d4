import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import path from 'node:path';

/** `serverless offline start` on somebody else's Kafka and DynamoDB: the process that runs the functions. */
export interface OfflineHost {
  /** Everything it printed so far. */
  output(): string;
  /** SIGKILL: no goodbye, nothing committed on the way out. */
  kill(): Promise<void>;
  /** SIGINT: an orderly end. */
  stop(): Promise<void>;
}

export function startOfflineHost(env: Readonly<Record<string, string>>): OfflineHost {
  const require = createRequire(import.meta.url);
  const bin = path.join(path.dirname(require.resolve('serverless/package.json')), 'bin', 'serverless.js');
  const child: ChildProcess = spawn(process.execPath, [bin, 'offline', 'start'], {
    env: { ...process.env, LOG_FORMAT: 'json', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout?.on('data', (data) => (output += String(data)));
  child.stderr?.on('data', (data) => (output += String(data)));
  const end = async (signal: 'SIGKILL' | 'SIGINT'): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  return { output: () => output, kill: () => end('SIGKILL'), stop: () => end('SIGINT') };
}
