import assert from 'node:assert/strict';
import test from 'node:test';

import { nameInPath, type StreamState, type StreamStatus } from '../../src/api.ts';
import { backoffMs } from '../../src/backoff.ts';
import { behind, bitrate, lasted, rungLabel, seconds, viewers } from '../../src/format.ts';
import { messageFor } from '../../src/player/messages.ts';
import { embedCode } from '../../src/share.ts';
import { describe, sectionOf } from '../../src/wording.ts';

function table<I, O>(name: string, of: (input: I) => O, rows: [I, O][]): void {
  test(name, () => {
    for (const [input, output] of rows) assert.deepEqual(of(input), output, String(input));
  });
}

table('viewers', viewers, [[0, '0 viewers'], [1, '1 viewer'], [12, '12 viewers']]);
table('seconds', seconds, [[0.64, '0.6 s'], [9.94, '9.9 s'], [9.96, '10 s'], [61.4, '61 s']]);
table('behind', behind, [[0, '-0:00'], [-1, '-0:00'], [23.4, '-0:23'], [65, '-1:05']]);
table('bitrate', bitrate, [[800_000, '800 kbit/s'], [999_900, '1.0 Mbit/s'], [2_800_000, '2.8 Mbit/s'], [25e6, '25 Mbit/s']]);
table('lasted', lasted, [
  [59_000, 'moments'],
  [12 * 60_000, '12 min'],
  [3 * 3_600_000, '3 h'],
  [3 * 3_600_000 + 300_000, '3 h 5 min'],
  [24 * 3_600_000, '1 day'],
  [50 * 3_600_000, '2 days'],
]);
table('rungLabel', (it: number[]) => rungLabel(it[0]!, it[1]!, it[2]!), [
  [[1920, 1080, 30], '1080p'],
  [[1280, 720, 59.94], '720p60'],
  [[1080, 1920, 29.97], '1080p'],
]);
table('nameInPath', nameInPath, [
  ['/watch/studio', 'studio'],
  ['/embed/a-b_9/', 'a-b_9'],
  ['/watch/', null],
  ['/watch/Studio', null],
  ['/watch/a/b', null],
  ['/watch/%3Cscript%3E', null],
  [`/watch/${'x'.repeat(65)}`, null],
]);

test('back-off doubles, is spread, and is bounded', () => {
  assert.equal(backoffMs(1, 0.999999), 250);
  assert.equal(backoffMs(3, 0), 500);
  assert.equal(backoffMs(1000, 0.999999), 8_000);
});

test('streams are described and sorted by what a viewer can expect', () => {
  const make = (state: StreamState, source: string): StreamStatus => ({
    name: 's',
    state,
    source,
    since: '2026-01-01T00:00:00Z',
    viewers: 0,
    rungs: state === 'live' ? [{ name: 'top', width: 1920, height: 1080, fps: 30, bitrate: 5e6, encoder: 'x264', speed: 2, dropped: 0 }] : [],
    worker_pid: null,
    last_error: null,
  });
  const now = Date.parse('2026-01-01T00:12:30Z');
  const rows: [StreamState, string, string, string][] = [
    ['live', 'push:', 'live', '1080p · live for 12 min'],
    ['starting', 'push:', 'live', 'the first pictures are on their way'],
    ['waiting', 'push:', 'live', 'the publisher is away for a moment'],
    ['idle', 'push:', 'offline', 'waiting for a publisher'],
    ['idle', 'test:', 'on-demand', 'starts when you watch'],
    ['failed', 'rtsp://camera', 'on-demand', ''],
  ];
  for (const [state, source, section, words] of rows) {
    const status = make(state, source);
    assert.equal(sectionOf(status), section, `${state} ${source}`);
    assert.equal(describe(status, now), words, `${state} ${source}`);
  }
});

test('a failure is explained in the words of the server', () => {
  assert.equal(messageFor('failed', 's', 'the camera refuses the password')?.detail, 'the camera refuses the password');
  assert.equal(messageFor('playing', 's', null), null);
});

test('the embed code points at the bare player', () => {
  assert.match(embedCode('studio', 'https://example.org'), /^<iframe src="https:\/\/example\.org\/embed\/studio" /);
});
