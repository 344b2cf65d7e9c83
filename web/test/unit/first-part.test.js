import assert from 'node:assert/strict';
import { test } from 'node:test';

import { withFirstPart } from '../../src/player/first-part.ts';

/** Parts of segments 6 and 7, ten of each; those in `loaded` are there, counted from the first one. */
const parts = (durationS, loaded = []) =>
  Array.from({ length: 20 }, (_, at) => ({
    start: 60 + at * durationS,
    loaded: loaded.includes(at),
    gap: false,
    fragment: { sn: 6 + Math.floor(at / 10) },
  }));

test('what hls.js would not miss is loaded too', () => {
  assert.equal(withFirstPart(parts(0.192), 11), 10);
  assert.equal(withFirstPart(parts(0.2), 11), 10);
  assert.equal(withFirstPart(parts(0.1), 12), 10);
});

test('what hls.js misses is left out', () => {
  assert.equal(withFirstPart(parts(0.192), 12), 12);
  assert.equal(withFirstPart(parts(0.333), 11), 11);
  assert.equal(withFirstPart(parts(0.1), 13), 13);
});

test('a segment that is begun goes on', () => {
  assert.equal(withFirstPart(parts(0.192), 10), 10);
  assert.equal(withFirstPart(parts(0.192, [10]), 11), 11);
  assert.equal(withFirstPart(parts(0.1, [11]), 12), 12);
});

test('a gap in the media is not loaded', () => {
  const list = parts(0.192);
  list[10].gap = true;
  assert.equal(withFirstPart(list, 11), 11);
});

test('without a part to load there is none before it', () => {
  assert.equal(withFirstPart(parts(0.192), -1), -1);
  assert.equal(withFirstPart([], -1), -1);
});
