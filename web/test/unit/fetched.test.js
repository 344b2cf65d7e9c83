import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';

import { isAhead, takeAhead, takeVariant, textOf } from '../../src/player/fetched.ts';

const fetched = (endMs) => ({ url: 'u', body: new TextEncoder().encode('text').buffer, startMs: 0, firstMs: 0, endMs, shareMs: 1 });
const put = (answer) => (globalThis.weirAhead = { answers: new Map([['u', Promise.resolve(answer)]]), variant: 'v', holdBackS: 0.6 });

afterEach(() => delete globalThis.weirAhead);

test('an answer is taken once', async () => {
  put(fetched(performance.now()));
  assert.equal(isAhead('u'), true);
  assert.equal(textOf(await takeAhead('u')), 'text');
  assert.equal(isAhead('u'), false);
  assert.equal(await takeAhead('u'), null);
});

test('an old answer, a failed one and none at all are no answers', async () => {
  put(fetched(performance.now() - 10_000));
  assert.equal(await takeAhead('u'), null);
  put(null);
  assert.equal(await takeAhead('u'), null);
  assert.equal(await takeAhead('other'), null);
  delete globalThis.weirAhead;
  assert.equal(await takeAhead('u'), null);
});

test('only the first load begins where the head has begun', () => {
  put(null);
  assert.equal(takeVariant(), 'v');
  assert.equal(takeVariant(), null);
  assert.equal(globalThis.weirAhead.holdBackS, 0);
});
