/** Structured log: constant messages, variable fields. Never a payload: topic, partition and offset find it. */
export interface Log {
  debug(message: string, fields?: object): void;
  info(message: string, fields?: object): void;
  warn(message: string, fields?: object): void;
  error(message: string, fields?: object): void;
}
