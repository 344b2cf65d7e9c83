/** A stub of the daemon: `dist/`, an API whose answers the test sets, and live HLS. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Live } from './live.mjs';

const DIST = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'dist');
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
};
/** The script that stands in the player pages. */
const [, HEAD] = /<script data-page="[^"]*">(.*?)<\/script>/s.exec(readFileSync(join(DIST, 'watch.html'), 'utf8'));
const HEAD_HASH = createHash('sha256').update(HEAD).digest('base64');
/**
 * The strictest policy under which the pages work, so that they also work under the daemon's
 * policy.
 */
const POLICY =
  `default-src 'none'; script-src 'self' 'sha256-${HEAD_HASH}'; ` +
  "style-src 'self'; img-src 'self' data: blob:; " +
  "media-src 'self' blob:; connect-src 'self'; base-uri 'none'";

/** Status of a stream, with defaults for everything that a test does not care about. */
export function stream(name, state, more = {}) {
  return {
    name,
    state,
    since: new Date(Date.now() - 12 * 60_000).toISOString(),
    viewers: 0,
    rungs: [],
    ...more,
  };
}

/** The server. The test sets `streams`, `thumb` and `storyboard`, whose pictures are all `thumb`. */
export class Daemon {
  streams = [];
  thumb = null;
  storyboard = null;
  live = null;
  reachable = true;
  requests = [];
  #server = createServer((request, response) => {
    this.#answer(new URL(request.url, 'http://x'), response).catch((error) => {
      console.error(error);
      response.destroy();
    });
  });

  async listen() {
    await new Promise((done) => this.#server.listen(0, '127.0.0.1', done));
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  close() {
    this.live?.end();
    this.#server.closeAllConnections?.();
    this.#server.close();
  }

  /** Starts a session, whose playlists have a path of their own. */
  startLive() {
    this.live = new Live();
    this.session = (this.session ?? 0) + 1;
    return this.live;
  }

  async #answer(url, response) {
    this.requests.push(url.pathname);
    if (!this.reachable) return void response.destroy();
    const { pathname } = url;
    if (pathname.startsWith('/api/')) return this.#api(pathname, response);
    if (pathname.startsWith('/live/')) return this.#media(url, response);
    const page = pathname === '/' ? 'index.html' : (/^\/(watch|embed)\/[^/]+\/?$/.exec(pathname)?.[1] ?? '') + '.html';
    const file = page === '.html' ? normalize(pathname) : page;
    const bytes = await readFile(join(DIST, file)).catch(() => null);
    if (!bytes) return reply(response, 404, TYPES['.html'], await readFile(join(DIST, '404.html')));
    reply(response, 200, TYPES[extname(file)] ?? 'application/octet-stream', bytes);
  }

  #api(pathname, response) {
    const name = /^\/api\/v1\/streams\/(.+)$/.exec(pathname)?.[1];
    const found = name ? this.streams.find((it) => it.name === name) : this.streams;
    reply(response, found ? 200 : 404, 'application/json', JSON.stringify(found ?? { error: 'no such stream' }));
  }

  async #media(url, response) {
    const [, , , ...rest] = url.pathname.split('/');
    if (rest[0] === 'thumb.jpg' && this.thumb) return reply(response, 200, 'image/jpeg', this.thumb);
    if (rest[0] === 'storyboard.vtt' && this.storyboard) return reply(response, 200, 'text/vtt; charset=utf-8', this.storyboard);
    if (/^thumb-\d+\.jpg$/.test(rest[1]) && this.thumb) return reply(response, 200, 'image/jpeg', this.thumb);
    if (!this.live) return reply(response, 404, 'application/json', '{"error":"nothing to show"}');
    if (rest[0] === 'master.m3u8') {
      await this.live.untilReady();
      const master = this.live.master.replace(/^(\w+\/index)|(?<=URI=")/gm, (it) => `${this.session}/${it}`);
      return reply(response, 200, 'application/vnd.apple.mpegurl', master);
    }
    const [session, track, file] = rest;
    const rendition = Number(session) === this.session ? this.live.renditions[track] : null;
    if (!rendition) return reply(response, 404, 'application/json', '{}');
    if (file === 'index.m3u8') {
      const sequence = url.searchParams.get('_HLS_msn');
      const part = url.searchParams.get('_HLS_part');
      if (sequence !== null) await rendition.until(Number(sequence), part === null ? null : Number(part));
      return reply(response, 200, 'application/vnd.apple.mpegurl', rendition.playlist(track !== 'audio'));
    }
    const bytes = rendition.media(file);
    reply(response, bytes ? 200 : 404, 'video/mp4', bytes ?? '');
  }
}

function reply(response, status, type, body) {
  response.writeHead(status, { 'content-type': type, 'content-security-policy': POLICY, 'cache-control': 'no-store' });
  response.end(body);
}
