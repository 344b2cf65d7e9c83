import assert from 'node:assert/strict';
import test from 'node:test';

import { Watchdog, type Cure } from '../../src/player/watchdog.ts';

/** Looks twice a second at positions and returns what was tried, with the time. */
function watch(positions: number[], atEnd = false): [number, Cure][] {
  const dog = new Watchdog();
  return positions
    .map((position, i): [number, Cure] => [i / 2, dog.look({ expected: true, position, atEnd }, i * 500)])
    .filter(([, cure]) => cure !== 'none');
}

const still = (position: number, looks: number): number[] => Array.from({ length: looks }, () => position);
const moving = (from: number, looks: number): number[] => Array.from({ length: looks }, (_, i) => from + i / 2);

test('leaves a moving picture alone', () => {
  assert.deepEqual(watch(moving(0, 100)), []);
});

test('a hanging picture is sought once, then loaded anew', () => {
  assert.deepEqual(watch(still(5, 18)), [[4, 'seek'], [8, 'reload']]);
});

test('a seek that moves the position without reviving it does not start over', () => {
  assert.deepEqual(watch([...still(5, 9), ...still(9, 10)]).map(([, cure]) => cure), ['seek', 'reload']);
});

test('after a recovery the gentler cure comes first again', () => {
  const cures = watch([...still(5, 9), ...moving(6, 10), ...still(20, 10)]).map(([, cure]) => cure);
  assert.deepEqual(cures, ['seek', 'seek']);
});

test('a still picture at the end of an ended playlist has ended', () => {
  assert.deepEqual(watch(still(5, 3), true), [[1, 'end']]);
});

test('a pause is not a hang', () => {
  const dog = new Watchdog();
  for (let i = 0; i < 100; i++) {
    assert.equal(dog.look({ expected: false, position: 1, atEnd: false }, i * 500), 'none');
  }
});
