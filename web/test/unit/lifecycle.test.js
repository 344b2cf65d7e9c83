import assert from 'node:assert/strict';
import { test } from 'node:test';

import { backoffMs } from '../../src/backoff.ts';
import { initial, pollMs, step, viewOf } from '../../src/player/lifecycle.ts';

const found = (state, since = state) => ({
  type: 'lookup',
  lookup: {
    kind: 'found',
    status: { name: 'x', state, since, viewers: 0, rungs: [] },
  },
});
const MISSING = { type: 'lookup', lookup: { kind: 'missing' } };
const UNREACHABLE = { type: 'lookup', lookup: { kind: 'unreachable' } };
const PLAYING = { type: 'playing' };
const ENDED = { type: 'ended' };
const FATAL = { type: 'fatal' };

/** Feeds events one second apart; returns the commands and the last view. */
function run(...happenings) {
  let model = initial;
  const commands = [];
  happenings.forEach((happening, index) => {
    const [next, command] = step(model, happening, index * 1_000, 0);
    model = next;
    commands.push(command);
  });
  return { commands, view: viewOf(model), model };
}

test('an idle stream is asked for once: the request starts a stream on demand', () => {
  const { commands, view } = run(found('idle'), found('starting'), PLAYING);
  assert.deepEqual(commands, ['load', 'none', 'none']);
  assert.equal(view, 'playing');
  assert.equal(run(found('idle')).view, 'connecting');
  assert.equal(run(found('idle'), found('starting')).view, 'starting');
});

test('a stream without a publisher waits, and loads as soon as it starts', () => {
  const waits = run(found('idle'), FATAL, found('idle'), found('idle'));
  assert.deepEqual(waits.commands, ['load', 'unload', 'none', 'none']);
  assert.equal(waits.view, 'waiting');
  let model = waits.model;
  // Not even the pause after a failure holds it back.
  [model] = step(model, FATAL, 4_000, 0.999);
  const [, command] = step(model, found('starting'), 4_000, 0);
  assert.equal(command, 'load');
});

test('a broadcast that ended before the page was opened is not played', () => {
  const { commands, view } = run(found('idle'), ENDED, found('idle'));
  assert.deepEqual(commands, ['load', 'unload', 'none']);
  assert.equal(view, 'ended');
});

test('starting, live and waiting streams load at once, and only once', () => {
  for (const state of ['starting', 'live', 'waiting']) {
    assert.deepEqual(run(found(state), found(state)).commands, ['load', 'none'], state);
  }
});

test('what is shown while it plays depends on the publisher', () => {
  assert.equal(run(found('live'), PLAYING).view, 'playing');
  assert.equal(run(found('live'), PLAYING, found('waiting')).view, 'reconnecting');
  assert.equal(run(found('live'), PLAYING, UNREACHABLE).view, 'playing');
});

test('after the end the session that ended is not loaded again, the next one is', () => {
  const end = [found('live'), PLAYING, ENDED];
  assert.deepEqual(run(...end).commands.at(-1), 'unload');
  assert.deepEqual(run(...end, found('live')).commands.at(-1), 'none');
  assert.equal(run(...end, found('live')).view, 'ended');
  const gone = run(...end, found('idle'), ENDED, found('idle'));
  assert.equal(gone.view, 'ended');
  assert.equal(run(...end, found('idle')).view, 'ended');
  assert.equal(gone.commands.at(-1), 'none');
  const again = run(...end, found('idle'), ENDED, found('starting'));
  assert.equal(again.commands.at(-1), 'load');
});

test('a fatal error while playing loads again at once, further ones back off', () => {
  const once = run(found('live'), PLAYING, FATAL, found('live'));
  assert.deepEqual(once.commands, ['load', 'none', 'unload', 'load']);
  const { model } = run(found('live'), FATAL);
  const [tooSoon, none] = step(model, found('live'), model.notBeforeMs - 1, 0);
  assert.equal(none, 'none');
  assert.equal(step(tooSoon, found('live'), model.notBeforeMs, 0)[1], 'load');
});

test('failures in a row wait longer, and a frame forgets them', () => {
  let model = initial;
  const pauses = [];
  let nowMs = 0;
  for (let i = 0; i < 4; i++) {
    [model] = step(model, found('live'), nowMs, 0);
    [model] = step(model, FATAL, nowMs, 0);
    pauses.push(model.notBeforeMs - nowMs);
    nowMs = model.notBeforeMs;
  }
  assert.deepEqual(pauses, [125, 250, 500, 1_000]);
  [model] = step(model, found('live'), nowMs, 0);
  [model] = step(model, PLAYING, nowMs, 0);
  assert.equal(model.failures, 0);
});

test('a missing stream and a server out of reach are told apart, and both are recovered from', () => {
  assert.equal(run(MISSING).view, 'missing');
  assert.equal(run(UNREACHABLE).view, 'unreachable');
  assert.equal(run(UNREACHABLE, found('live')).commands.at(-1), 'load');
  assert.equal(run(MISSING, found('live')).commands.at(-1), 'load');
});

test('what failed is asked for again, later and later, until its state changes', () => {
  const { commands, view, model } = run(found('failed'), FATAL);
  assert.deepEqual(commands, ['load', 'unload']);
  assert.equal(view, 'failed');
  const [tooSoon, none] = step(model, found('failed'), model.notBeforeMs - 1, 0);
  assert.equal(none, 'none');
  assert.equal(step(tooSoon, found('failed'), model.notBeforeMs, 0)[1], 'load');
  assert.equal(step(tooSoon, found('live'), model.notBeforeMs - 1, 0)[1], 'load');
});

test('the pace of asking', () => {
  const minutes = 60_000;
  assert.ok(pollMs({ hidden: false, phase: 'resting', waitedMs: 0 }) <= 600);
  assert.equal(pollMs({ hidden: false, phase: 'playing', waitedMs: 0 }), 2_000);
  assert.equal(pollMs({ hidden: false, phase: 'resting', waitedMs: 5 * minutes }), 2_000);
  assert.equal(pollMs({ hidden: true, phase: 'resting', waitedMs: 0 }), 5_000);
});

test('the back-off doubles to a limit and is spread over its upper half', () => {
  assert.deepEqual([1, 2, 3, 6, 7, 99].map((it) => backoffMs(it, 0)), [125, 250, 500, 4_000, 4_000, 4_000]);
  assert.ok(backoffMs(1, 0.999) <= 250);
  assert.ok(backoffMs(99, 0.999) <= 8_000);
});
