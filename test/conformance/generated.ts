import type { Event, Fields } from './schema.ts';

/**
 * Events by formulas: `n` of them; every other name is a constant or, as text, a formula over the constants and `i`.
 *
 * @example generated({ n: 100, t: 'a0 + 200*i', v: 'i', a0: 1696871600000 })
 */
export function generated(generator: Fields): Event[] {
  const { n } = generator;
  if (typeof n !== 'number') throw new Error('events_generator: n is not a number');
  const constants: [string, number][] = [];
  const formulas: [string, string][] = [];
  for (const [name, value] of Object.entries(generator)) {
    if (typeof value === 'number') constants.push([name, value]);
    else if (typeof value === 'string') formulas.push([name, value]);
    else throw new Error(`events_generator: ${name} is neither a number nor a formula`);
  }
  if (!formulas.some(([name]) => name === 't')) throw new Error('events_generator: no formula for t');
  return Array.from({ length: n }, (_, i) => {
    const names = new Map([...constants, ['i', i]] as [string, number][]);
    return Object.fromEntries(formulas.map(([name, text]) => [name, evaluate(text, names)])) as Event;
  });
}

/** Numbers, names, `+ - * / %` and parentheses; division and remainder round toward the past. */
function evaluate(text: string, names: ReadonlyMap<string, number>): number {
  const tokens = text.match(/\d+(?:\.\d+)?|\w+|\S/g) ?? [];
  let at = 0;
  const next = (...wanted: string[]): string | undefined =>
    wanted.includes(tokens[at] ?? '') ? tokens[at++] : undefined;
  const operand = (): number => {
    if (next('-')) return -operand();
    if (next('(')) {
      const inside = sum();
      if (!next(')')) throw new Error(`formula '${text}': a parenthesis is not closed`);
      return inside;
    }
    const token = tokens[at++] ?? '';
    const value = names.get(token) ?? (/^\d/.test(token) ? Number(token) : undefined);
    if (value === undefined) throw new Error(`formula '${text}': '${token}' has no value`);
    return value;
  };
  const product = (): number => {
    let value = operand();
    for (let sign = next('*', '/', '%'); sign; sign = next('*', '/', '%')) {
      const by = operand();
      value = sign === '*' ? value * by : sign === '/' ? Math.floor(value / by) : value - Math.floor(value / by) * by;
    }
    return value;
  };
  const sum = (): number => {
    let value = product();
    for (let sign = next('+', '-'); sign; sign = next('+', '-')) value += sign === '+' ? product() : -product();
    return value;
  };
  const value = sum();
  if (at < tokens.length) throw new Error(`formula '${text}': '${tokens[at]}' is not expected`);
  return value;
}
