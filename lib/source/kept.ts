import type { Kept } from '../store/draft.ts';
import { decodeKey } from '../store/segment.ts';
import { formatInstant } from '../time/instant.ts';
import { windowsOf, type Geometry } from '../window/geometry.ts';
import { decodeText, type Decoded } from './decode.ts';

/** Bytes of a rejected record's value that are kept. */
const KEPT_BYTES = 4096;
/** Characters of a reason that are kept: a schema may quote the value it refuses. */
const KEPT_REASON = 500;
/** Groups of a late event that are kept: `flatMap` may have made thousands. */
const KEPT_GROUPS = 10;

/** A rejection: where the record is, why it was refused, and the beginning of its value. */
export function keptRejection({ record, reason }: Decoded, otherReason?: string): Kept {
  // 4 KB of bytes are 5,464 characters of base64: no need to decode more of a value of 1 MB.
  const base64 = (record.value ?? '').slice(0, Math.ceil(KEPT_BYTES / 3) * 4);
  const text = (decodeText(base64) ?? base64).slice(0, KEPT_BYTES).toWellFormed();
  return {
    offset: record.offset,
    timestamp: record.timestamp,
    reason: (otherReason ?? reason ?? '').slice(0, KEPT_REASON).toWellFormed(),
    // A stream's decoder leaves out a character that the cut went through.
    value: new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.from(text).subarray(0, KEPT_BYTES), {
      stream: true,
    }),
  };
}

/** A late event: where it is, whose it is, what time stood at, and the windows it missed. */
export function keptLate(geometry: Geometry, decoded: Decoded, slice: number, watermark: number): Kept {
  const missed: Record<string, string> = {};
  for (const name of geometry.kinds.keys()) {
    const starts = windowsOf(geometry, slice)
      .filter((window) => window.name === name)
      .map((window) => formatInstant(window.start));
    missed[name] = starts.length === 1 ? `${starts[0]}` : `${starts[0]} to ${starts.at(-1)} (${starts.length})`;
  }
  return {
    offset: decoded.record.offset,
    timestamp: decoded.record.timestamp,
    reason: 'late: every window of the event had ended',
    time: formatInstant(decoded.instant ?? slice),
    watermark: formatInstant(watermark),
    missed,
    groups: decoded.outputs.slice(0, KEPT_GROUPS).map(({ key }) =>
      decodeKey(key)
        .map((column) => column ?? 'null')
        .join(' / '),
    ),
  };
}
