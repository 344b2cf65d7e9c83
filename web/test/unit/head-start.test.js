import assert from 'node:assert/strict';
import { test } from 'node:test';

import { beginning, firstVariant, readMaster } from '../../src/player/head-start.ts';

const MASTER = `#EXTM3U
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="x",URI="subtitles.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="Other",URI="s1/other/index.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="Main",DEFAULT=YES,AUTOSELECT=YES,URI="s1/audio/index.m3u8"
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=100000,CODECS="avc1.64001f",RESOLUTION=1280x720,URI="s1/720p/iframes.m3u8"
#EXT-X-STREAM-INF:AVERAGE-BANDWIDTH=1,BANDWIDTH=3000000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,AUDIO="a"
s1/720p/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=900000,CODECS="avc1.640015,mp4a.40.2",RESOLUTION=640x360,AUDIO="a"
s1/360p/index.m3u8
`;
const BASE = 'http://host/live/x/master.m3u8';

test('a master tells its variants and the default audio', () => {
  const { variants, audio } = readMaster(MASTER, BASE);
  assert.equal(audio, 'http://host/live/x/s1/audio/index.m3u8');
  assert.deepEqual(variants, [
    { url: 'http://host/live/x/s1/720p/index.m3u8', bandwidth: 3_000_000, width: 1280, height: 720 },
    { url: 'http://host/live/x/s1/360p/index.m3u8', bandwidth: 900_000, width: 640, height: 360 },
  ]);
  assert.deepEqual(readMaster('#EXTM3U', BASE), { variants: [], audio: null });
});

test('the first variant fits the network and the player', () => {
  const { variants } = readMaster(MASTER, BASE);
  const heightFor = (bandwidth, longSidePx) => firstVariant(variants, bandwidth, longSidePx)?.height;
  assert.equal(heightFor(4e6, 1920), 720);
  assert.equal(heightFor(2e6, 1920), 360);
  assert.equal(heightFor(4e6, 640), 360, 'a small player needs no more');
  assert.equal(heightFor(4e6, 700), 720, 'but it is filled');
  assert.equal(heightFor(1e5, 640), 360, 'a slow network gets the lowest');
  assert.equal(firstVariant([], 4e6, 640), null);
});

/** A playlist of parts of 0.2 s; `segments` lists the number of parts of each segment. */
function playlist(segments, { independent = (part) => part === 0, tail = '' } = {}) {
  const parts = segments.flatMap((count, segment) =>
    Array.from({ length: count }, (_, part) =>
      `#EXT-X-PART:DURATION=0.2,URI="${segment}.${part}.m4s"${independent(part) ? ',INDEPENDENT=YES' : ''}`),
  );
  return ['#EXTM3U', '#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.6', '#EXT-X-MAP:URI="init.mp4"', ...parts, tail].join('\n');
}
const names = (text) => beginning(text, 'http://host/v/index.m3u8').media.map((url) => url.replace('http://host/v/', ''));

test('video begins with the segment of the start position, from its key frame to the edge', () => {
  assert.deepEqual(names(playlist([10, 4])), ['init.mp4', '1.0.m4s', '1.1.m4s', '1.2.m4s', '1.3.m4s']);
  assert.equal(names(playlist([10, 2])).length, 1 + 12, 'the start position is in the segment before');
});

test('audio begins at the start position', () => {
  assert.deepEqual(names(playlist([10, 4], { independent: () => true })), ['init.mp4', '1.1.m4s', '1.2.m4s', '1.3.m4s']);
});

test('the hold-back is that of parts', () => {
  assert.equal(beginning(playlist([4]), BASE).holdBackS, 0.6);
});

test('nothing is fetched of a playlist that has ended, or that has no parts', () => {
  assert.deepEqual(names(playlist([10], { tail: '#EXT-X-ENDLIST' })), []);
  assert.deepEqual(names('#EXTM3U\n#EXT-X-MAP:URI="init.mp4"\n#EXTINF:2,\n1.m4s'), []);
  assert.deepEqual(names(''), []);
});

test('a playlist of thousands of parts is not fetched whole', () => {
  assert.ok(names(playlist([5000])).length <= 17);
});
