import assert from 'node:assert/strict';
import { test } from 'node:test';

import { messageFor } from '../../src/player/messages.ts';

test('the picture speaks for itself', () => {
  assert.equal(messageFor('playing', 'demo'), null);
  assert.equal(messageFor('reconnecting', 'demo'), null);
});

test('every other view has words', () => {
  for (const view of ['connecting', 'starting', 'waiting', 'ended', 'failed', 'unreachable', 'missing']) {
    assert.ok(messageFor(view, 'demo')?.title, view);
  }
});
