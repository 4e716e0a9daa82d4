import type { Log } from '../runtime/log.ts';
import { formatInstant, isInstant } from '../time/instant.ts';
import type { Report } from './report.ts';

/**
 * Results as structured log lines, one per window, for CloudWatch and whatever reads it.
 *
 * Each says how many groups there are and carries the first rows only: the results table has them all.
 */
export const jsonReport =
  (log: Log): Report =>
  ({ pipeline, window, start, end, status, watermark, keys, totals, rows, incomplete, others }) => {
    const fields = {
      pipeline,
      window,
      window_start: isInstant(start) ? formatInstant(start) : null, // running totals have no bounds
      window_end: Number.isFinite(end) ? formatInstant(end) : null,
      status,
      watermark: isInstant(watermark) ? formatInstant(watermark) : null,
      key_count: keys,
      totals,
      rows,
      ...(others !== undefined && { others_changed: others }),
    };
    if (incomplete === undefined) log.info('window result', fields);
    else log.warn('window result', { ...fields, incomplete });
  };
