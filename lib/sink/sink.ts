import { fileURLToPath } from 'node:url';
import { fileSink } from './files.ts';
import { s3Sink } from './s3.ts';

/** Where files of side outputs go. */
export interface Sink {
  /**
   * Puts a file, whole or not at all, unless one of that name is there: nothing is ever overwritten.
   *
   * @param name a relative path with `/`.
   * @returns whether this call put it. When it was there, another call has put it before: both mean done.
   * @throws STORE_BUSY when nobody knows whether it is there: put it again.
   */
  put(name: string, content: Uint8Array): Promise<'put' | 'was there'>;
}

/** What SINK_URL says. */
export type SinkPlace =
  | { readonly kind: 'file'; readonly folder: string }
  | { readonly kind: 's3'; readonly bucket: string; readonly prefix: string };

/**
 * Reads SINK_URL: `file:folder`, `file:///folder` or `s3://bucket/prefix`.
 *
 * @returns undefined for anything else.
 */
export function sinkPlace(url: string): SinkPlace | undefined {
  const [, bucket, prefix = ''] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(url) ?? [];
  if (bucket !== undefined) return { kind: 's3', bucket, prefix: prefix.replace(/\/+$/, '') };
  if (url.startsWith('file:///')) return URL.canParse(url) ? { kind: 'file', folder: fileURLToPath(url) } : undefined;
  const [, folder] = /^file:(?!\/\/)(.+)$/.exec(url) ?? [];
  return folder === undefined ? undefined : { kind: 'file', folder };
}

/** Opens a place; nothing is touched before the first file. */
export const sinkAt = (place: SinkPlace): Sink =>
  place.kind === 'file' ? fileSink(place.folder) : s3Sink(place.bucket, place.prefix);
