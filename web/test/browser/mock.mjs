/**
 * A stand-in for the daemon: `dist/` under the daemon's policy, an API that says what it is told
 * to, and live HLS of ffmpeg's test picture (plain, not low-latency).
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const DIST = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'dist');
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.m3u8': 'application/vnd.apple.mpegurl',
  '.m4s': 'video/mp4',
  '.mp4': 'video/mp4',
  '.jpg': 'image/jpeg',
};
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
  "img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; " +
  "font-src 'self' data:; worker-src 'self' blob:; base-uri 'none'; form-action 'none'";

/** Two rungs and one sound, as fMP4, with a thumbnail. */
const FFMPEG = [
  '-hide_banner', '-loglevel', 'error', '-re',
  '-f', 'lavfi', '-i', 'testsrc2=size=640x360:rate=30',
  '-f', 'lavfi', '-i', 'sine=frequency=330:beep_factor=4',
  '-filter_complex', '[0:v]split=3[a][b][t];[b]scale=320:180[small];[t]fps=1[thumb]',
  '-map', '[a]', '-map', '[small]', '-map', '1:a',
  '-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-pix_fmt', 'yuv420p', '-g', '30',
  '-b:v:0', '900k', '-b:v:1', '300k', '-c:a', 'aac', '-b:a', '96k',
  '-f', 'hls', '-hls_time', '1', '-hls_list_size', '30', '-hls_segment_type', 'fmp4',
  '-hls_flags', 'delete_segments+independent_segments+program_date_time+temp_file',
  '-master_pl_name', 'master.m3u8', '-hls_fmp4_init_filename', 'init_%v.mp4',
  '-hls_segment_filename', 's_%v_%d.m4s',
  '-var_stream_map', 'v:0,agroup:sound v:1,agroup:sound a:0,agroup:sound,default:yes', 'v_%v.m3u8',
  '-map', '[thumb]', '-f', 'image2', '-update', '1', '-q:v', '4', 'thumb.jpg',
];

/** A status as the API gives it. */
export function status(name, state, more = {}) {
  const rungs = [
    { name: '360p', width: 640, height: 360, fps: 30, bitrate: 900_000, encoder: 'x264', speed: 4.2, dropped: 0 },
    { name: '180p', width: 320, height: 180, fps: 30, bitrate: 300_000, encoder: 'x264', speed: 9.1, dropped: 0 },
  ];
  const idle = state === 'idle' || state === 'failed';
  return {
    name,
    state,
    source: 'push:',
    since: new Date(Date.now() - 12 * 60_000).toISOString(),
    viewers: 0,
    rungs: idle ? [] : rungs,
    worker_pid: idle ? null : 4711,
    last_error: null,
    ...more,
  };
}

/** Starts it on a free port of the loopback. */
export async function startMock() {
  const media = await mkdtemp(join(tmpdir(), 'weir-mock-'));
  const ffmpeg = spawn('ffmpeg', FFMPEG, { cwd: media, stdio: ['ignore', 'inherit', 'inherit'] });
  const mock = { streams: [], api: true, origin: '', media, requests: [], close };
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://mock').pathname;
    mock.requests.push(path);
    answer(mock, path).then(
      ({ code = 200, type, body }) => {
        response.writeHead(code, { 'content-type': type, 'content-security-policy': POLICY });
        response.end(body);
      },
      () => response.writeHead(404).end(),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  mock.origin = `http://127.0.0.1:${server.address().port}`;

  async function close() {
    ffmpeg.kill();
    if (ffmpeg.exitCode === null) await once(ffmpeg, 'exit');
    server.closeAllConnections?.();
    server.close();
    await rm(media, { recursive: true, force: true });
  }
  return mock;
}

async function answer(mock, path) {
  if (path.startsWith('/api/v1/streams')) return answerApi(mock, path.split('/')[4]);
  const [, name, file] = /^\/live\/([\w-]+)\/([\w.]+)$/.exec(path) ?? [];
  if (file) {
    const state = mock.streams.find((it) => it.name === name)?.state;
    if (state !== 'live' && state !== 'waiting') return { code: 404, type: 'text/plain', body: '' };
    return fromFolder(mock.media, file);
  }
  const page = { '/': 'index.html', '/favicon.ico': 'favicon.svg' }[path]
    ?? (/^\/watch\//.test(path) ? 'watch.html' : /^\/embed\//.test(path) ? 'embed.html' : path.slice(1));
  return fromFolder(DIST, page).catch(async () => ({ ...(await fromFolder(DIST, '404.html')), code: 404 }));
}

function answerApi(mock, name) {
  const type = 'application/json';
  if (!mock.api) return { code: 503, type, body: '{}' };
  if (!name) return { type, body: JSON.stringify(mock.streams) };
  const found = mock.streams.find((it) => it.name === name);
  return found ? { type, body: JSON.stringify(found) } : { code: 404, type, body: '{}' };
}

async function fromFolder(folder, file) {
  const path = normalize(join(folder, file));
  if (!path.startsWith(folder)) throw new Error('outside of the folder');
  return { type: TYPES[extname(path)] ?? 'application/octet-stream', body: await readFile(path) };
}
