import assert from 'node:assert/strict';
import { test } from 'node:test';

import { keepsKey, repeats } from '../../src/player/keyboard.ts';

const element = (localName, more = {}) => ({ localName, id: '', ...more });
const input = (type, id = '') => element('input', { type, id });
const ARROWS = ['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown'];
const LETTERS = ['k', 'm', 'f', 'p', 'l', 'i', '?'];

function expect(focus, keys, wanted) {
  for (const key of keys) assert.equal(keepsKey(focus, key), wanted, `${JSON.stringify(focus)} ${key}`);
}

test('with the focus nowhere in particular every key is the page\'s', () => {
  expect(element('body'), [...LETTERS, ...ARROWS, ' '], false);
});

test('Space belongs to what it activates, everything else still to the page', () => {
  for (const name of ['button', 'a', 'summary']) {
    expect(element(name), [' '], true);
    expect(element(name), [...LETTERS, ...ARROWS], false);
  }
});

test('text fields keep every key', () => {
  expect(input('text'), [...LETTERS, ...ARROWS, ' '], true);
});

test('sliders and choices keep their arrows, the position slider leaves them to the page', () => {
  expect(input('range', 'volume'), ARROWS, true);
  expect(input('radio'), [...ARROWS, ' '], true);
  expect(input('range', 'seek'), [...ARROWS, ' '], false);
  expect(input('range', 'volume'), [' '], false);
});

test('a key that is held steps on, but toggles nothing again', () => {
  for (const key of ARROWS) assert.equal(repeats(key), true, key);
  for (const key of [...LETTERS, ' ']) assert.equal(repeats(key), false, key);
});
