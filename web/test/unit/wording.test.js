import assert from 'node:assert/strict';
import { test } from 'node:test';

import { nameInPath } from '../../src/api.ts';
import { embedCode } from '../../src/share.ts';
import { awaitsPublisher, describe, sectionOf } from '../../src/wording.ts';

const RUNG = { name: '720p', width: 1280, height: 720, fps: 30, bitrate: 2_800_000, encoder: 'x264', speed: 2, dropped: 0 };
const status = (state, source, rungs = []) => ({
  name: 'x', state, source, since: '2025-01-01T10:00:00Z', viewers: 0, input: null, rungs, worker_pid: null, last_error: null,
});
const NOW = Date.parse('2025-01-01T10:12:00Z');

test('a stream is described by its top rung and how long it has been live', () => {
  assert.equal(describe(status('live', 'push:', [RUNG]), NOW), '720p · live for 12 min');
});

test('a clock of the viewer that is behind gives no negative duration', () => {
  assert.equal(describe(status('live', 'push:'), NOW - 3_600_000), 'live for moments');
});

test('an idle stream says who starts it', () => {
  assert.equal(describe(status('idle', 'push:'), NOW), 'waiting for a publisher');
  assert.equal(describe(status('idle', 'test:'), NOW), 'starts when you watch');
  assert.equal(describe(status('idle', 'http://camera/'), NOW), 'the source is not connected');
});

test('sections of the list', () => {
  const rows = [
    ['live', 'push:', 'live'], ['starting', 'test:', 'live'], ['waiting', 'push:', 'live'],
    ['idle', 'test:', 'on-demand'], ['failed', 'test:', 'on-demand'],
    ['idle', 'push:', 'offline'], ['failed', 'push:', 'offline'],
    ['idle', 'http://camera/', 'offline'], ['failed', 'http://camera/', 'offline'],
  ];
  for (const [state, source, wanted] of rows) {
    assert.equal(sectionOf(status(state, source)), wanted, `${state} ${source}`);
  }
});

test('how to publish is told where a published stream is offline', () => {
  const camera = status('failed', 'http://camera/');
  const rows = [
    [[], false], [[camera], false], [[camera, status('idle', 'test:')], false],
    [[status('live', 'push:'), camera], false], [[camera, status('idle', 'push:')], true],
    [[status('failed', 'push:')], true],
  ];
  for (const [streams, wanted] of rows) {
    assert.equal(awaitsPublisher(streams), wanted, streams.map((it) => `${it.state} ${it.source}`).join(', '));
  }
});

test('the name of the stream is what follows /watch/ and /embed/', () => {
  const rows = [
    ['/watch/demo', 'demo'], ['/embed/a-b_9', 'a-b_9'], ['/watch/demo/', 'demo'],
    ['/watch/', null], ['/watch/Demo', null], ['/watch/a/b', null], ['/other/demo', null],
    [`/watch/${'x'.repeat(64)}`, 'x'.repeat(64)], [`/watch/${'x'.repeat(65)}`, null],
    ['/watch/%3Cscript%3E', null],
  ];
  for (const [path, wanted] of rows) assert.equal(nameInPath(path), wanted, path);
});

test('the embed code frames the bare player and allows full screen', () => {
  const code = embedCode('demo', 'http://host:8080');
  assert.match(code, /src="http:\/\/host:8080\/embed\/demo"/);
  assert.match(code, /allow="[^"]*fullscreen[^"]*"/);
});
