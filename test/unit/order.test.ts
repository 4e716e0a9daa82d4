import { expect, test } from 'vitest';
import { compareUtf8 } from '../../lib/store/order.ts';

test('keys are ordered by UTF-8 bytes, where an emoji comes after every character of the basic plane', () => {
  const keys = ['b', '😀', '\uff5e', 'a', '', 'aa', 'я', '\ue000', '\ud7ff'];
  expect([...keys].sort(compareUtf8)).toEqual(['', 'a', 'aa', 'b', 'я', '\ud7ff', '\ue000', '\uff5e', '😀']);
  expect([...keys].sort(), 'UTF-16 order is another one').not.toEqual([...keys].sort(compareUtf8));
});
