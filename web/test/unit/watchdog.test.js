import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Watchdog } from '../../src/player/watchdog.ts';

const LOOK_MS = 500;

/** Cures for a sequence of positions, with two looks per second. */
function cures(looks) {
  const watchdog = new Watchdog();
  return looks.map((look, index) =>
    watchdog.look({ expected: true, atEnd: false, ...look }, index * LOOK_MS));
}
const still = (count, position = 1) => Array.from({ length: count }, () => ({ position }));
const moving = (count) => Array.from({ length: count }, (_, index) => ({ position: 10 + index }));

test('a picture that moves is left alone', () => {
  assert.deepEqual(new Set(cures(moving(60))), new Set(['none']));
});

test('a picture that hangs is sought, then loaded anew', () => {
  const tried = cures(still(30)).filter((it) => it !== 'none');
  assert.deepEqual(tried.slice(0, 2), ['seek', 'reload']);
});

test('nothing is tried while nothing is expected', () => {
  const looks = still(60).map((look) => ({ ...look, expected: false }));
  assert.deepEqual(new Set(cures(looks)), new Set(['none']));
});

test('after a cure that worked the next hang starts with seeking again', () => {
  const tried = cures([...still(12), ...moving(10), ...still(12, 99)]).filter((it) => it !== 'none');
  assert.deepEqual(tried, ['seek', 'seek']);
});

test('standing still at the end of an ended playlist is the end', () => {
  const looks = still(6).map((look) => ({ ...look, atEnd: true }));
  assert.ok(cures(looks).includes('end'));
  assert.ok(!cures(looks).includes('seek'));
});
