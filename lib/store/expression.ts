import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { marshal } from './marshal.ts';
import type { Clause, Condition, Item, Value } from './store.ts';

/** The expressions of one request; every name and value goes through a placeholder, as some names are reserved words. */
export class Expressions {
  readonly #names: Record<string, string> = {};
  readonly #placeholders = new Map<string, string>();
  readonly #values: Record<string, AttributeValue> = {};
  #valueCount = 0;

  /** The placeholder of an attribute's name. */
  name(attribute: string): string {
    const known = this.#placeholders.get(attribute);
    if (known !== undefined) return known;
    const placeholder = `#${this.#placeholders.size}`;
    this.#placeholders.set(attribute, placeholder);
    this.#names[placeholder] = attribute;
    return placeholder;
  }

  /** The placeholder of a value. */
  value(value: Value): string {
    const placeholder = `:${this.#valueCount++}`;
    this.#values[placeholder] = marshal(value);
    return placeholder;
  }

  /** All clauses of a condition, or undefined when there are none. */
  condition(condition: Condition = [], keyAttribute: string): string | undefined {
    return condition.map((clause) => this.#clause(clause, keyAttribute)).join(' AND ') || undefined;
  }

  /** Attributes to replace and to remove. */
  update(set: Item = {}, remove: readonly string[] = []): string {
    const sets = Object.entries(set).flatMap(([name, value]) =>
      value === undefined ? [] : [`${this.name(name)} = ${this.value(value)}`],
    );
    const removes = remove.map((name) => this.name(name));
    return [
      ...(sets.length > 0 ? [`SET ${sets.join(', ')}`] : []),
      ...(removes.length > 0 ? [`REMOVE ${removes.join(', ')}`] : []),
    ].join(' ');
  }

  /** The placeholders' meanings, for the request; DynamoDB refuses empty ones. */
  get meanings() {
    return {
      ...(this.#placeholders.size > 0 ? { ExpressionAttributeNames: this.#names } : {}),
      ...(this.#valueCount > 0 ? { ExpressionAttributeValues: this.#values } : {}),
    };
  }

  #clause(clause: Clause, keyAttribute: string): string {
    if ('item' in clause) return `attribute_not_exists(${this.name(keyAttribute)})`;
    const name = this.name(clause.attribute);
    if ('equals' in clause) return `${name} = ${this.value(clause.equals)}`;
    if ('absent' in clause) return `attribute_not_exists(${name})`;
    return `(attribute_not_exists(${name}) OR ${name} < ${this.value(clause.below)})`;
  }
}
