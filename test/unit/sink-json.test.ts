import { expect, test } from 'vitest';
import { jsonReport } from '../../lib/sink/json.ts';
import type { WindowReport } from '../../lib/sink/report.ts';

const report: WindowReport = {
  pipeline: 'telegram',
  window: '10m',
  start: Date.UTC(2026, 0, 8, 18, 50),
  end: Date.UTC(2026, 0, 8, 19),
  status: 'open',
  emit: 'update',
  watermark: Number.NEGATIVE_INFINITY,
  keys: 30,
  totals: { message_count: 21 },
  rows: [{ username: 'alice', message_count: 12 }],
  columns: ['username', 'message_count'],
  incomplete: undefined,
  others: 4,
};

function lines(...reports: WindowReport[]) {
  const logged: unknown[] = [];
  const log = (level: string) => (message: string, fields?: object) => void logged.push({ level, message, ...fields });
  reports.forEach(jsonReport({ debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }));
  return logged;
}

test('a window is one line with a constant message', () => {
  expect(lines(report)).toEqual([
    {
      level: 'info',
      message: 'window result',
      pipeline: 'telegram',
      window: '10m',
      window_start: '2026-01-08T18:50:00.000Z',
      window_end: '2026-01-08T19:00:00.000Z',
      status: 'open',
      watermark: null,
      key_count: 30,
      totals: { message_count: 21 },
      rows: [{ username: 'alice', message_count: 12 }],
      others_changed: 4,
    },
  ]);
});

test('a window that may lack records is a warning that says why', () => {
  expect(lines({ ...report, watermark: 0, incomplete: 'partition 0, offsets 1 to 2: expired' })).toMatchObject([
    { level: 'warn', watermark: '1970-01-01T00:00:00.000Z', incomplete: 'partition 0, offsets 1 to 2: expired' },
  ]);
});
