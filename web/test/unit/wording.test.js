import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isEmbed, nameInPath, passInPath } from '../../src/api.ts';
import { embedCode } from '../../src/share.ts';
import { awaitsPublisher, describe, sectionOf } from '../../src/wording.ts';

const RUNG = { name: '720p', width: 1280, height: 720, fps: 30, bitrate: 2_800_000, awake: true };
const status = (state, rungs = []) => ({ name: 'x', state, since: '2025-01-01T10:00:00Z', viewers: 0, rungs });
const NOW = Date.parse('2025-01-01T10:12:00Z');

test('a stream is described by its top rung and how long it has been live', () => {
  assert.equal(describe(status('live', [RUNG]), NOW), '720p · live for 12 min');
});

test('a clock of the viewer that is behind gives no negative duration', () => {
  assert.equal(describe(status('live'), NOW - 3_600_000), 'live for moments');
});

test('a stream that is not live says what it waits for', () => {
  assert.equal(describe(status('idle'), NOW), 'waits for its publisher or its first viewer');
  assert.equal(describe(status('failed'), NOW), 'cannot be shown right now; the server keeps trying');
  assert.equal(describe(status('waiting', [RUNG]), NOW), '720p · the source is away for a moment');
});

test('sections of the list', () => {
  for (const state of ['live', 'starting', 'waiting']) assert.equal(sectionOf(status(state)), 'live', state);
  for (const state of ['idle', 'failed']) assert.equal(sectionOf(status(state)), 'offline', state);
});

test('how to publish is told where a stream waits for somebody', () => {
  const rows = [[[], false], [['failed', 'live'], false], [['live', 'idle'], true]];
  for (const [states, wanted] of rows) {
    assert.equal(awaitsPublisher(states.map((state) => status(state))), wanted, states.join(', '));
  }
});

test('the name of the stream is what follows /watch/ and /embed/', () => {
  const rows = [
    ['/watch/demo', 'demo'], ['/embed/a-b_9', 'a-b_9'], ['/watch/demo/', 'demo'],
    ['/watch/', null], ['/watch/Demo', null], ['/watch/a/b', null], ['/other/demo', null],
    [`/watch/${'x'.repeat(64)}`, 'x'.repeat(64)], [`/watch/${'x'.repeat(65)}`, null],
    ['/watch/%3Cscript%3E', null],
    ['/s/a.b-c/watch/demo', 'demo'], ['/s/a/embed/demo', 'demo'], ['/s/watch/demo', null], ['/s/a/b/watch/demo', null],
  ];
  for (const [path, wanted] of rows) assert.equal(nameInPath(path), wanted, path);
});

test('what opens a stream stands in front of the path', () => {
  const rows = [
    ['/watch/demo', ''], ['/s/a.b-c/watch/demo', '/s/a.b-c'], ['/s/a/embed/demo', '/s/a'], ['/s/a/live/demo', ''],
  ];
  for (const [path, wanted] of rows) assert.equal(passInPath(path), wanted, path);
  assert.equal(isEmbed('/s/a/embed/demo'), true);
  assert.equal(isEmbed('/embed/demo'), true);
  assert.equal(isEmbed('/watch/embed'), false);
});

test('the embed code frames the bare player and allows full screen', () => {
  const code = embedCode('demo', 'http://host:8080');
  assert.match(code, /src="http:\/\/host:8080\/embed\/demo"/);
  assert.match(code, /allow="[^"]*fullscreen[^"]*"/);
});
