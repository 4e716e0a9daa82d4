import { describe, expect, test } from 'vitest';
import { ALL } from '../../lib/store/segment.ts';
import { NEVER } from '../../lib/store/progress.ts';
import { geometryOf } from '../../lib/window/geometry.ts';
import { advance, judge } from '../../lib/window/verdict.ts';
import { WINDOWS, at } from '../support/scene.ts';

// The event at 19:00:40 is in windows that end at 19:01:00 (two of them), 19:01:30, 19:02:00 and 19:02:30.
const verdictAt = (watermark: number) => judge(geometryOf(WINDOWS))(at('19:00:40'), watermark);

describe('an event', () => {
  test('before every watermark counts in all of its windows', () => {
    expect(verdictAt(NEVER)).toEqual({ slice: at('19:00:30'), visibleFrom: ALL, counted: 5, missed: 0 });
    expect(verdictAt(at('19:00:59.999'))).toMatchObject({ visibleFrom: ALL, counted: 5, missed: 0 });
  });

  test('has missed the windows that end at the watermark, and counts in the others', () => {
    expect(verdictAt(at('19:01:00'))).toMatchObject({ visibleFrom: at('19:01:30'), counted: 3, missed: 2 });
    expect(verdictAt(at('19:01:29.999'))).toMatchObject({ visibleFrom: at('19:01:30'), counted: 3, missed: 2 });
    expect(verdictAt(at('19:01:30'))).toMatchObject({ visibleFrom: at('19:02:00'), counted: 2, missed: 3 });
    expect(verdictAt(at('19:02:29.999'))).toMatchObject({ visibleFrom: at('19:02:30'), counted: 1, missed: 4 });
  });

  test('is late when its last window has ended', () => {
    expect(verdictAt(at('19:02:30'))).toMatchObject({ visibleFrom: undefined, counted: 0, missed: 5 });
  });
});

test('an event of a pipeline without windows counts in none', () => {
  expect(judge(geometryOf({}))(at('19:00:40'), NEVER)).toMatchObject({ visibleFrom: undefined, counted: 0, missed: 0 });
});

describe('time', () => {
  const tide = { clock: at('19:01:00'), watermark: at('19:00:30') };

  test('goes on with the greatest instant, the delay behind it', () => {
    expect(advance(tide, at('19:01:10'), 30_000)).toEqual({ clock: at('19:01:10'), watermark: at('19:00:40') });
  });

  test('stands still for an earlier instant', () => {
    expect(advance(tide, at('18:00:00'), 30_000)).toEqual(tide);
  });

  test('does not go back when a longer delay is deployed', () => {
    expect(advance(tide, at('19:01:10'), 600_000)).toEqual({ clock: at('19:01:10'), watermark: at('19:00:30') });
  });

  test('is not taken back by events when finalize has raised it', () => {
    const raised = { ...tide, watermark: at('20:00:00') };
    expect(advance(raised, at('19:30:00'), 30_000)).toEqual({ clock: at('19:30:00'), watermark: at('20:00:00') });
  });

  test('follows a shorter delay at the next event, even one that is not the greatest', () => {
    expect(advance(tide, at('19:00:59'), 10_000)).toEqual({ clock: at('19:01:00'), watermark: at('19:00:50') });
  });
});
