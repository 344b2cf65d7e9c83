/**
 * A low-latency HLS source to try the player without the daemon. ffmpeg makes fragments of 200 ms;
 * this script separates them and writes playlists with parts and blocking reload (RFC 8216bis,
 * sections 4.4.4.9 and 6.2.5.2). It is a stub, not a reference: the daemon has tests of its own.
 */

import { spawn } from 'node:child_process';

const SEGMENT_S = 2;
const WINDOW_SEGMENTS = 15;
const PART_TARGET_S = 0.22;

/** Splits an ISO BMFF stream into its init section and its fragments. */
class Boxes {
  #rest = Buffer.alloc(0);
  #held = [];

  /** Calls back with `('init' | 'fragment', bytes)`. */
  push(bytes, emit) {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= 8 && this.#rest.length >= this.#rest.readUInt32BE(0)) {
      const size = this.#rest.readUInt32BE(0);
      const type = this.#rest.toString('latin1', 4, 8);
      this.#held.push(this.#rest.subarray(0, size));
      this.#rest = this.#rest.subarray(size);
      if (type !== 'moov' && type !== 'mdat') continue;
      emit(type === 'moov' ? 'init' : 'fragment', Buffer.concat(this.#held));
      this.#held = [];
    }
  }
}

/** Decode time from a fragment's `tfdt`, in ticks of the track. */
function decodeTime(fragment) {
  const at = fragment.indexOf('tfdt');
  return fragment[at + 4] === 1 ? Number(fragment.readBigUInt64BE(at + 8)) : fragment.readUInt32BE(at + 8);
}

/** One rendition: a window of segments with parts, and readers that wait for the next part. */
class Rendition {
  init = null;
  segments = [];
  ended = false;
  #waiting = [];
  #previous = null;
  startedMs = Date.now();

  constructor(timescale) {
    this.timescale = timescale;
  }

  /**
   * Takes a fragment. The next fragment tells how long this one lasts and whether it ends its
   * segment.
   */
  add(fragment) {
    const time = decodeTime(fragment) / this.timescale;
    const sequence = Math.floor((time + 0.001) / SEGMENT_S) + 1;
    const next = { fragment, time, sequence };
    if (this.#previous) this.#append(this.#previous, next);
    this.#previous = next;
  }

  end() {
    this.ended = true;
    this.#wake();
  }

  #append({ fragment, time, sequence }, next) {
    let segment = this.segments.at(-1);
    const duration = next.time - time;
    if (segment?.sequence !== sequence) {
      segment = { sequence, date: new Date(this.startedMs + time * 1000), parts: [], complete: false };
      this.segments.push(segment);
      if (this.segments.length > WINDOW_SEGMENTS) this.segments.shift();
    }
    segment.parts.push({ bytes: fragment, duration });
    segment.complete = next.sequence !== sequence;
    this.#wake();
  }

  #wake() {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Whether a part exists, or the whole segment when `part` is null. */
  #has(sequence, part) {
    const segment = this.segments.find((it) => it.sequence === sequence);
    if (!segment) return this.segments.length > 0 && sequence < this.segments[0].sequence;
    return segment.complete || (part !== null && segment.parts.length > part);
  }

  async until(sequence, part) {
    while (!this.ended && !this.#has(sequence, part)) await new Promise((wake) => this.#waiting.push(wake));
  }

  get ready() {
    return this.init !== null && this.segments.some((it) => it.complete);
  }

  playlist(video) {
    const lines = [
      '#EXTM3U',
      '#EXT-X-VERSION:9',
      '#EXT-X-TARGETDURATION:2',
      `#EXT-X-PART-INF:PART-TARGET=${PART_TARGET_S}`,
      '#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.66',
      `#EXT-X-MEDIA-SEQUENCE:${this.segments[0].sequence}`,
      '#EXT-X-MAP:URI="init.mp4"',
    ];
    for (const segment of this.segments) {
      lines.push(`#EXT-X-PROGRAM-DATE-TIME:${segment.date.toISOString()}`);
      segment.parts.forEach((part, index) => {
        const independent = index === 0 || !video ? ',INDEPENDENT=YES' : '';
        lines.push(`#EXT-X-PART:DURATION=${part.duration.toFixed(5)},URI="${segment.sequence}.${index}.mp4"${independent}`);
      });
      if (!segment.complete) continue;
      const duration = segment.parts.reduce((sum, part) => sum + part.duration, 0);
      lines.push(`#EXTINF:${duration.toFixed(5)},`, `${segment.sequence}.mp4`);
    }
    const last = this.segments.at(-1);
    const hint = last.complete ? `${last.sequence + 1}.0` : `${last.sequence}.${last.parts.length}`;
    // The hint is always there: after a playlist that ends with a whole segment, hls.js 1.7.4 takes
    // that segment for the open one and places all that follows one segment too early.
    lines.push(this.ended ? '#EXT-X-ENDLIST' : `#EXT-X-PRELOAD-HINT:TYPE=PART,URI="${hint}.mp4"`);
    return lines.join('\n') + '\n';
  }

  /** Returns the bytes of `init.mp4`, `7.mp4` or `7.3.mp4`. */
  media(file) {
    if (file === 'init.mp4') return this.init;
    const [, sequence, part] = /^(\d+)(?:\.(\d+))?\.mp4$/.exec(file) ?? [];
    const parts = this.segments.find((it) => it.sequence === Number(sequence))?.parts;
    if (!parts) return null;
    return part === undefined ? Buffer.concat(parts.map((it) => it.bytes)) : (parts[part]?.bytes ?? null);
  }
}

const MASTER = `#EXTM3U
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="main",DEFAULT=YES,AUTOSELECT=YES,URI="audio/index.m3u8"
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=300000,RESOLUTION=854x480,CODECS="avc1.42c01f",URI="high/iframes.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=1400000,RESOLUTION=854x480,FRAME-RATE=30,CODECS="avc1.42c01f,mp4a.40.2",AUDIO="aac"
high/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=400000,RESOLUTION=426x240,FRAME-RATE=30,CODECS="avc1.42c015,mp4a.40.2",AUDIO="aac"
low/index.m3u8
`;

/** One session of a stream, from the start of its ffmpeg to the end of its playlists. */
export class Live {
  renditions = { high: new Rendition(15360), low: new Rendition(15360), audio: new Rendition(48000) };
  #child;

  constructor() {
    const x264 = (rate) => `-c:v libx264 -preset ultrafast -tune zerolatency -profile:v baseline -g 60 -keyint_min 60 -sc_threshold 0 -b:v ${rate} -maxrate ${rate} -bufsize ${rate}`;
    const mp4 = (movflags, fd) => `-f mp4 -movflags ${movflags}empty_moov+default_base_moof -frag_duration 190000 -flush_packets 1 pipe:${fd}`;
    const args =
      '-hide_banner -loglevel error -re -f lavfi -i testsrc2=size=854x480:rate=30 -re -f lavfi -i sine=frequency=220:sample_rate=48000 ' +
      `-filter_complex [0:v]format=yuv420p,split[a][b];[b]scale=426:240[c] ` +
      `-map [a] ${x264('1200k')} -video_track_timescale 15360 ${mp4('frag_keyframe+', 1)} ` +
      `-map [c] ${x264('300k')} -video_track_timescale 15360 ${mp4('frag_keyframe+', 3)} ` +
      `-map 1:a -c:a aac -b:a 64k ${mp4('', 4)}`;
    this.#child = spawn('ffmpeg', args.split(' '), { stdio: ['ignore', 'pipe', 'inherit', 'pipe', 'pipe'] });
    for (const [name, fd] of [['high', 1], ['low', 3], ['audio', 4]]) {
      const boxes = new Boxes();
      const rendition = this.renditions[name];
      this.#child.stdio[fd].on('data', (bytes) =>
        boxes.push(bytes, (kind, box) => {
          if (kind === 'init') rendition.init = box;
          else rendition.add(box);
        }),
      );
    }
  }

  get ready() {
    return Object.values(this.renditions).every((it) => it.ready);
  }

  async untilReady() {
    for (const rendition of Object.values(this.renditions)) await rendition.until(1, null);
  }

  get master() {
    return MASTER;
  }

  /** Stops the media. The playlists end and stay available. */
  end() {
    this.#child.kill('SIGKILL');
    for (const rendition of Object.values(this.renditions)) rendition.end();
  }
}
