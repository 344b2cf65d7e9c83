import assert from 'node:assert/strict';
import { test } from 'node:test';

import { behind, bitrate, lasted, rungLabel, seconds, viewers } from '../../src/format.ts';

const table = (name, run, rows) =>
  test(name, () => {
    for (const [input, wanted] of rows) assert.equal(run(...[].concat(input)), wanted, JSON.stringify(input));
  });

table('viewers', viewers, [[0, '0 viewers'], [1, '1 viewer'], [12, '12 viewers']]);
table('seconds', seconds, [[0, '0.0 s'], [0.64, '0.6 s'], [9.94, '9.9 s'], [9.96, '10 s'], [61.2, '61 s']]);
table('behind', behind, [[0, '-0:00'], [-3, '-0:00'], [23.4, '-0:23'], [59.6, '-1:00'], [65, '-1:05']]);
table('bitrate', bitrate, [
  [800_000, '800 kbit/s'], [999_499, '999 kbit/s'], [999_500, '1.0 Mbit/s'],
  [2_800_000, '2.8 Mbit/s'], [9_940_000, '9.9 Mbit/s'], [12_400_000, '12 Mbit/s'],
]);
table('lasted', lasted, [
  [0, 'moments'], [59_999, 'moments'], [12 * 60_000, '12 min'], [3_600_000, '1 h'],
  [3 * 3_600_000 + 5 * 60_000, '3 h 5 min'], [24 * 3_600_000, '1 day'], [49 * 3_600_000, '2 days'],
]);
table('a rung is named by its short side, and its frame rate above 30', rungLabel, [
  [[1920, 1080, 30], '1080p'], [[1080, 1920, 29.97], '1080p'], [[1280, 720, 59.94], '720p60'],
]);
