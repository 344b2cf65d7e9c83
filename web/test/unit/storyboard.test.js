import assert from 'node:assert/strict';
import { test } from 'node:test';

import { pictureAt, readStoryboard } from '../../src/player/storyboard.ts';

const BASE = 'https://weir.example/s/PASS/live/studio/storyboard.vtt';
const TEXT = `WEBVTT

NOTE PROGRAM-DATE-TIME=2023-11-14T22:13:20.000Z

00:00:00.500 --> 00:00:02.500
s1/thumb-0.jpg

00:00:02.500 --> 01:02:03.004
s1/thumb-1.jpg

01:02:03.004 --> 01:02:05.004
s1/thumb-2.jpg
`;
const ZERO_MS = Date.parse('2023-11-14T22:13:20.000Z');
const name = (picture) => picture?.url.split('/').at(-1) ?? null;

test('a list gives dates, and addresses with the pass in front', () => {
  const pictures = readStoryboard(TEXT, BASE);
  assert.deepEqual(pictures[0], { url: 'https://weir.example/s/PASS/live/studio/s1/thumb-0.jpg', fromMs: ZERO_MS + 500 });
  assert.deepEqual(pictures.map((it) => it.fromMs - ZERO_MS), [500, 2_500, 3_723_004]);
  assert.deepEqual(readStoryboard(TEXT.replaceAll('\n', '\r\n').replace('\r\nNOTE', '\nNOTE'), BASE).length, 3);
});

test('what is no list, or has no date, gives nothing', () => {
  for (const text of ['', 'not found', TEXT.replace('WEBVTT', 'VTT'), TEXT.replace('2023-11-14T22:13:20.000Z', 'x')]) {
    assert.deepEqual(readStoryboard(text, BASE), []);
  }
});

test('pictures of other sites and endless lists are left out', () => {
  const elsewhere = TEXT.replace('s1/thumb-1.jpg', 'https://elsewhere.example/x.jpg').replace('s1/thumb-2.jpg', '//other.example/x');
  assert.deepEqual(readStoryboard(elsewhere, BASE).map(name), ['thumb-0.jpg']);
  const endless = TEXT + '\n00:00:00.000 --> 00:00:01.000\nx.jpg\n'.repeat(5_000);
  assert.equal(readStoryboard(endless, BASE).length, 500);
});

test('the picture of a time is the last one before it', () => {
  const pictures = [0, 2_000, 4_000, 6_000].map((fromMs, n) => ({ url: `https://x/${n}`, fromMs }));
  for (const [dateMs, wanted] of [[0, '0'], [1_999, '0'], [2_000, '1'], [5_000, '2'], [1e6, '3'], [-3_000, '0'], [-5_000, null]]) {
    assert.equal(name(pictureAt(pictures, dateMs)), wanted, String(dateMs));
  }
  assert.equal(pictureAt([], 0), null);
  assert.equal(name(pictureAt(pictures.slice(0, 1), -9_000)), '0');
});
