import assert from 'node:assert/strict';
import test from 'node:test';

import type { StreamState, StreamStatus } from '../../src/api.ts';
import { initial, pollMs, step, viewOf, type Command, type Happening, type Model } from '../../src/player/lifecycle.ts';

function status(state: StreamState, source = 'push:', since = `${state}-1`): StreamStatus {
  return { name: 's', state, source, since, viewers: 0, rungs: [], worker_pid: null, last_error: null };
}

const found = (state: StreamState, source?: string, since?: string): Happening => ({
  type: 'lookup',
  lookup: { kind: 'found', status: status(state, source, since) },
});
const PLAYING: Happening = { type: 'playing' };
const ENDED: Happening = { type: 'ended' };
const FATAL: Happening = { type: 'fatal' };

/** Runs happenings a second apart and returns the commands and the last state. */
function run(...happenings: Happening[]): { commands: Command[]; model: Model; view: string } {
  let model = initial;
  const commands = happenings.map((happening, index) => {
    const [next, command] = step(model, happening, index * 1000, 0.5);
    model = next;
    return command;
  });
  return { commands, model, view: viewOf(model) };
}

test('a published stream waits, and starts when it does', () => {
  assert.equal(run().view, 'connecting');
  assert.equal(run(found('idle')).view, 'waiting');
  assert.deepEqual(run(found('idle'), found('starting'), PLAYING).commands, ['none', 'load', 'none']);
  assert.equal(run(found('idle'), found('starting')).view, 'starting');
  assert.equal(run(found('idle'), found('starting'), PLAYING).view, 'playing');
});

test('every state that has a playlist is loaded at once', () => {
  for (const state of ['starting', 'live', 'waiting'] as const) {
    assert.deepEqual(run(found(state)).commands, ['load'], state);
  }
});

test('an idle source that starts on demand is asked for its master', () => {
  assert.deepEqual(run(found('idle', 'test:')).commands, ['load']);
  assert.deepEqual(run(found('idle', 'http://10.0.0.7/video')).commands, ['load']);
  assert.deepEqual(run(found('idle', 'push:')).commands, ['none']);
});

test('one load at a time', () => {
  assert.deepEqual(run(found('live'), found('live'), PLAYING, found('live')).commands, ['load', 'none', 'none', 'none']);
});

test('a publisher who drops out shows as reconnecting, without a reload', () => {
  const result = run(found('live'), PLAYING, found('waiting'));
  assert.equal(result.view, 'reconnecting');
  assert.deepEqual(result.commands, ['load', 'none', 'none']);
});

test('a session that ended is not loaded again, the next one is', () => {
  const ended = run(found('live'), PLAYING, ENDED, found('live'));
  assert.deepEqual(ended.commands, ['load', 'none', 'unload', 'none']);
  assert.equal(ended.view, 'ended');
  const next = run(found('live'), PLAYING, ENDED, found('idle'), found('starting'));
  assert.equal(next.commands.at(-1), 'load');
  const quick = run(found('live'), PLAYING, ENDED, found('live', 'push:', 'live-2'));
  assert.equal(quick.commands.at(-1), 'load');
});

test('what fails is tried again with growing pauses', () => {
  let model: Model = run(found('live')).model;
  const pauses = [1, 2, 3, 4, 5, 6, 7, 8].map((round) => {
    const nowMs = round * 100_000;
    [model] = step(model, FATAL, nowMs, 0.99);
    const pause = model.notBeforeMs - nowMs;
    const [, early] = step(model, found('live'), nowMs + pause - 1, 0);
    assert.equal(early, 'none');
    const [loaded, late] = step(model, found('live'), nowMs + pause, 0);
    assert.equal(late, 'load');
    model = loaded;
    return pause;
  });
  assert.ok(pauses.every((pause, i) => i === 0 || pause >= pauses[i - 1]!), String(pauses));
  assert.ok(pauses.at(-1)! <= 8_000);
});

test('a playback that breaks is loaded again at once', () => {
  const result = run(found('live'), PLAYING, FATAL);
  assert.equal(result.model.notBeforeMs, 2_000);
  assert.equal(step(result.model, found('live'), 2_000, 0)[1], 'load');
});

test('what cannot be played is explained', () => {
  assert.equal(run({ type: 'lookup', lookup: { kind: 'missing' } }).view, 'missing');
  assert.equal(run({ type: 'lookup', lookup: { kind: 'unreachable' } }).view, 'unreachable');
  assert.equal(run(found('failed')).view, 'failed');
});

test('losing the API does not disturb a picture that plays', () => {
  const result = run(found('live'), PLAYING, { type: 'lookup', lookup: { kind: 'unreachable' } });
  assert.equal(result.view, 'playing');
  assert.equal(result.commands.at(-1), 'none');
});

test('asks often only while somebody waits and looks', () => {
  const pace = { hidden: false, phase: 'resting' as const, waitedMs: 0 };
  assert.equal(pollMs(pace), 600);
  assert.ok(pollMs({ ...pace, hidden: true }) >= 5_000);
  assert.ok(pollMs({ ...pace, waitedMs: 600_000 }) > 600);
  assert.ok(pollMs({ ...pace, phase: 'playing' }) > 600);
});
