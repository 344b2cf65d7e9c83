import assert from 'node:assert/strict';
import test from 'node:test';

import { Governor, type Reading } from '../../src/player/governor.ts';

const AT_TARGET: Reading = { latency: 0.6, holdBack: 0.6, buffered: 0.4, following: true };

test('plays at normal speed at the target and back in the window', () => {
  assert.deepEqual(new Governor().decide(AT_TARGET, 0), { playbackRate: 1, jump: false, skip: 0 });
  const back = { ...AT_TARGET, latency: 30, following: false };
  assert.deepEqual(new Governor().decide(back, 0), { playbackRate: 1, jump: false, skip: 0 });
});

test('the later the picture the faster, within bounds nobody hears', () => {
  const rate = (latency: number): number => new Governor().decide({ ...AT_TARGET, latency }, 0).playbackRate;
  assert.ok(rate(0.9) > 1);
  assert.ok(rate(1.2) > rate(0.9));
  assert.equal(rate(5), 1.08);
});

test('reaches a target below a second, and stays', () => {
  const governor = new Governor();
  let latency = 2.5;
  let changes = 0;
  let before = 0;
  for (let second = 0; second < 120; second += 0.25) {
    const { playbackRate } = governor.decide({ ...AT_TARGET, latency, buffered: latency - 0.2 }, second * 1000);
    latency -= (playbackRate - 1) * 0.25;
    if (second > 60 && playbackRate !== before) changes += 1;
    before = playbackRate;
  }
  assert.ok(latency > 0.55 && latency < 0.75, `latency ${latency}`);
  assert.ok(changes <= 1, `${changes} changes of speed after a minute`);
});

test('never plays itself into a stall', () => {
  assert.equal(new Governor().decide({ ...AT_TARGET, latency: 1.5, buffered: 0.1 }, 0).playbackRate, 1);
});

test('skips what it buffered too much once, and only at the start', () => {
  const late = { ...AT_TARGET, latency: 1.8, buffered: 1.6 };
  const young = new Governor();
  assert.ok(Math.abs(young.decide(late, 0).skip - 1.2) < 1e-9);
  assert.equal(young.decide(late, 250).skip, 0);
  const old = new Governor();
  old.decide(AT_TARGET, 0);
  assert.equal(old.decide(late, 10_000).skip, 0);
  assert.equal(new Governor().decide({ ...late, buffered: 1.3 }, 0).skip, 0);
});

test('jumps where catching up would take minutes', () => {
  assert.equal(new Governor().decide({ ...AT_TARGET, latency: 8 }, 0).jump, true);
});

test('stalls add a margin that calm takes away again', () => {
  const governor = new Governor();
  for (let i = 0; i < 50; i++) governor.stalled(0);
  assert.equal(governor.margin, 2);
  governor.decide(AT_TARGET, 29_999);
  assert.equal(governor.margin, 2);
  governor.decide(AT_TARGET, 30_000);
  assert.ok(governor.margin < 2);
  for (let minute = 1; minute < 20; minute++) governor.decide(AT_TARGET, minute * 60_000);
  for (let minute = 20; minute < 40; minute++) governor.decide(AT_TARGET, minute * 60_000);
  assert.equal(governor.margin, 0);
});
