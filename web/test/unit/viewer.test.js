import assert from 'node:assert/strict';
import { test } from 'node:test';

import { viewerHeaders, viewerHeadersNow } from '../../src/viewer.ts';

test('a page keeps the random name that it gave itself', () => {
  const { 'Weir-Viewer': name } = viewerHeaders();
  assert.match(name, /^[0-9a-f]{32}$/);
  assert.deepEqual(viewerHeaders(), { 'Weir-Viewer': name });
});

test('requests for the status say it every five seconds', () => {
  const named = [0, 2_000, 4_000, 6_000, 8_000, 11_000].map((ms) => Object.keys(viewerHeadersNow(ms)).length);
  assert.deepEqual(named, [1, 0, 0, 1, 0, 1]);
});
