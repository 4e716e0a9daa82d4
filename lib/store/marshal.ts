import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { Decimal } from '../aggregate/decimal.ts';
import { TidemarkError } from '../runtime/error.ts';
import { numberText, numberValue } from './number.ts';
import type { Item, Value } from './store.ts';

/**
 * A value as DynamoDB's JSON.
 *
 * Half of a surrogate pair has no UTF-8 and would be refused, with the whole batch, for good: it becomes U+FFFD.
 */
export function marshal(value: Value): AttributeValue {
  if (typeof value === 'string') return { S: value.toWellFormed() };
  if (typeof value === 'number' || value instanceof Decimal) return { N: numberText(value) };
  if (typeof value === 'boolean') return { BOOL: value };
  if (value === null) return { NULL: true };
  if (isList(value)) return { L: value.map(marshal) };
  return { M: marshalItem(value) };
}

/** An item as DynamoDB's JSON; attributes that are `undefined` are left out. */
export const marshalItem = (item: Item): Record<string, AttributeValue> =>
  Object.fromEntries(
    Object.entries(item).flatMap(([name, value]) =>
      value === undefined ? [] : [[name.toWellFormed(), marshal(value)]],
    ),
  );

/** DynamoDB's JSON as a value. Sets and binary are not ours and are refused. */
function unmarshal(attribute: AttributeValue): Value {
  if (attribute.S !== undefined) return attribute.S;
  if (attribute.N !== undefined) return numberValue(attribute.N);
  if (attribute.BOOL !== undefined) return attribute.BOOL;
  if (attribute.NULL !== undefined) return null;
  if (attribute.L !== undefined) return attribute.L.map(unmarshal);
  if (attribute.M !== undefined) return unmarshalMap(attribute.M);
  throw new TidemarkError(
    'BROKEN_INVARIANT',
    `store: an attribute of type ${Object.keys(attribute).join()} is not ours`,
  );
}

/** DynamoDB's JSON as an item. */
export const unmarshalItem = (item: Record<string, AttributeValue>): Item => unmarshalMap(item);

const unmarshalMap = (map: Record<string, AttributeValue>): { [name: string]: Value } =>
  Object.fromEntries(Object.entries(map).map(([name, attribute]) => [name, unmarshal(attribute)]));

/** `Array.isArray` does not narrow readonly arrays. */
export const isList = (value: Value): value is readonly Value[] => Array.isArray(value);
