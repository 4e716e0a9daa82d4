import { link, mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Sink } from './sink.ts';

/**
 * A folder of this computer as a sink.
 *
 * A file is written under another name first and linked to its own: a link appears whole, at once, and fails where a file
 * is. What a crash in between leaves lies in a hidden folder that no reader looks into, and does no harm.
 *
 * @throws the file system's own errors, such as ENOTSUP where it knows no hard links.
 */
export function fileSink(folder: string): Sink {
  return {
    async put(name, content) {
      const target = join(folder, name);
      await mkdir(dirname(target), { recursive: true });
      const scratch = await mkdtemp(join(dirname(target), '.writing-'));
      try {
        const written = join(scratch, 'content');
        await writeDurably(written, content);
        await link(written, target);
        await flush(dirname(target));
        return 'put';
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        return 'was there';
      } finally {
        await rm(scratch, { recursive: true, force: true });
      }
    },
  };
}

async function writeDurably(path: string, content: Uint8Array): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A name is as durable as its folder. */
async function flush(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
