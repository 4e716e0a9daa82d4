// Claims a folder, starts a process there, prints its id, and waits to be killed.
import { spawn } from 'node:child_process';

import { claimFolder } from '../../localstack/claim.ts';

const claim = await claimFolder(
  process.argv[2] ?? '',
  { brokers: '', dynamodbEndpoint: '' },
  { line: () => undefined, status: () => undefined },
);
const sleeper = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
claim.add('sleeper', sleeper.pid ?? 0);
console.log(sleeper.pid);
setInterval(() => undefined, 1_000);
