/**
 * Whether a trigger is due: the clock has entered another of its intervals since the last time.
 *
 * Intervals lie on the clock's grid, as Spark's processing-time triggers do, so that whoever asks for a refresh and
 * whoever does it agree on when one is due, though their calls are some milliseconds apart.
 *
 * @param last wall time of the last time, ms; -Infinity when there was none.
 */
export const isTriggerDue = (last: number, now: number, triggerMs: number): boolean =>
  Math.floor(now / triggerMs) > Math.floor(last / triggerMs);
