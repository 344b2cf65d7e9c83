import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Governor } from '../../src/player/governor.ts';

const HOLD_BACK_S = 0.6;
const reading = (latency, more = {}) => ({ latency, holdBack: HOLD_BACK_S, buffered: 0.5, following: true, ...more });
const rate = (latency, more) => new Governor().decide(reading(latency, more), 0).playbackRate;

test('at the target nothing changes', () => {
  assert.equal(rate(0.6), 1);
  assert.equal(rate(0.7), 1);
  assert.equal(rate(0.2), 1);
});

test('later than the target plays a little faster: at the start up to 1.16, then never above 1.08', () => {
  for (const latency of [0.8, 1, 2, 4, 6]) {
    assert.ok(rate(latency) > 1 && rate(latency) <= 1.16, String(latency));
    const old = new Governor();
    old.decide(reading(0.6), 0);
    const { playbackRate } = old.decide(reading(latency), 10_000);
    assert.ok(playbackRate > 1 && playbackRate <= 1.08, String(latency));
  }
  assert.ok(rate(0.8) < rate(2));
});

test('a start that stands half a second back is made up for in three seconds', () => {
  const governor = new Governor();
  let latency = 1.1;
  for (let ms = 0; ms < 3_000; ms += 250) latency -= (governor.decide(reading(latency), ms).playbackRate - 1) * 0.25;
  assert.ok(latency < 0.8, String(latency));
});

test('catching up goes on until the target is reached, and does not start again just beside it', () => {
  const governor = new Governor();
  assert.ok(governor.decide(reading(0.8), 0).playbackRate > 1);
  assert.ok(governor.decide(reading(0.66), 0).playbackRate > 1);
  assert.equal(governor.decide(reading(0.62), 0).playbackRate, 1);
  assert.equal(governor.decide(reading(0.68), 0).playbackRate, 1);
});

test('an almost empty buffer is not emptied faster', () => assert.equal(rate(2, { buffered: 0.1 }), 1));

test('much too late jumps, unless the viewer went back on purpose', () => {
  assert.equal(new Governor().decide(reading(20), 0).jump, true);
  assert.deepEqual(new Governor().decide(reading(20, { following: false }), 0), {
    playbackRate: 1,
    jump: false,
    skip: 0,
  });
});

test('skips what it buffered too much once, and only at the start', () => {
  const late = reading(2.6, { buffered: 2.4 });
  const young = new Governor();
  assert.ok(Math.abs(young.decide(late, 0).skip - 2) < 1e-9);
  assert.equal(young.decide(late, 250).skip, 0);
  const old = new Governor();
  old.decide(reading(0.6), 0);
  assert.equal(old.decide(late, 10_000).skip, 0);
  assert.equal(new Governor().decide({ ...late, buffered: 2.1 }, 0).skip, 0);
  assert.equal(new Governor().decide(reading(1.9, { buffered: 1.8 }), 0).skip, 0, 'a little is made up for by the rate');
});

test('reaches a target below a second, and stays', () => {
  const governor = new Governor();
  let latency = 2.5;
  let changes = 0;
  let before = 0;
  for (let second = 0; second < 120; second += 0.25) {
    // The buffer is never large enough for a skip.
    const { playbackRate } = governor.decide(reading(latency), second * 1000);
    latency -= (playbackRate - 1) * 0.25;
    if (second > 60 && playbackRate !== before) changes += 1;
    before = playbackRate;
  }
  assert.ok(latency > 0.55 && latency < 0.75, `latency ${latency}`);
  assert.ok(changes <= 1, `${changes} changes of speed after a minute`);
});

test('each stall moves the target back, up to a limit; calm brings it forward again', () => {
  const governor = new Governor();
  governor.stalled(0);
  assert.equal(governor.margin, 0.2);
  assert.equal(governor.decide(reading(0.85), 1_000).playbackRate, 1);
  for (let i = 0; i < 50; i++) governor.stalled(0);
  assert.equal(governor.margin, 2);
  let nowMs = 0;
  while (governor.margin > 0 && nowMs < 3_600_000) governor.decide(reading(0.6), (nowMs += 1_000));
  assert.equal(governor.margin, 0);
  assert.ok(nowMs >= 10 * 60_000, 'calm is earned slowly');
});

test('going live keeps the margin that stalls have added', () => {
  const governor = new Governor();
  assert.equal(governor.livePosition(10), 10);
  governor.stalled(0);
  assert.equal(governor.livePosition(10), 9.8);
});
