import assert from 'node:assert/strict';
import test from 'node:test';

import { isHere } from '../../src/viewer.ts';

test('an edge on another site is not here', () => {
  globalThis.location = { href: 'https://live.example.org/watch/s', origin: 'https://live.example.org' };
  assert.equal(isHere('/live/s/master.m3u8'), true);
  assert.equal(isHere('https://live.example.org/live/s/a.m3u8'), true);
  assert.equal(isHere('https://a.example.org/live/s/a.m3u8'), false);
  assert.equal(isHere('http://live.example.org/live/s/a.m3u8'), false);
  delete globalThis.location;
});
