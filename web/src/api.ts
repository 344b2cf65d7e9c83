/**
 * The types of `/api/v1/streams` on the public port, and the requests that the pages send.
 */

import { viewerHeaders, viewerHeadersNow } from './viewer.ts';
import { takeAhead, textOf } from './player/fetched.ts';

/** State of a stream. A `waiting` stream is playable, but its source is away and may return. */
export type StreamState = 'idle' | 'starting' | 'live' | 'waiting' | 'failed';

/** One rendition of a stream. */
export interface RungStatus {
  name: string;
  width: number;
  height: number;
  fps: number;
  /** Bits per second. */
  bitrate: number;
  /** Whether it is being made. */
  awake: boolean;
}

/** One stream. */
export interface StreamStatus {
  name: string;
  state: StreamState;
  /** Time when the stream entered `state` (RFC 3339). */
  since: string;
  viewers: number;
  rungs: RungStatus[];
}

/** Result of a request for the status of one stream. */
export type Lookup =
  | { kind: 'found'; status: StreamStatus }
  | { kind: 'missing' }
  | { kind: 'locked' }
  | { kind: 'unreachable' };

/** A request that takes longer counts as an unreachable server. */
const TIMEOUT_MS = 5_000;
/** The server may hold a request for the master for 10 s. */
const MASTER_TIMEOUT_MS = 15_000;

async function get(path: string, timeoutMs = TIMEOUT_MS, headers: HeadersInit = {}): Promise<Response> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), timeoutMs);
  try {
    return await fetch(path, { signal: abort.signal, cache: 'no-store', headers });
  } finally {
    clearTimeout(timer);
  }
}

/** Fetches the status of all streams; `null` when the server cannot be reached. */
export async function listStreams(): Promise<StreamStatus[] | null> {
  try {
    const response = await get('/api/v1/streams');
    return response.ok ? ((await response.json()) as StreamStatus[]) : null;
  } catch {
    return null;
  }
}

/**
 * Fetches the status of one stream, or takes it from what the page's head has fetched. Never throws: an
 * unreachable server is a result too. A player that `plays` counts as a viewer by it.
 */
export async function lookUpStream(name: string, plays: boolean): Promise<Lookup> {
  try {
    const ahead = await takeAhead(new URL(statusUrl(name), location.href).href);
    if (ahead) return { kind: 'found', status: JSON.parse(textOf(ahead)) as StreamStatus };
    const response = await get(statusUrl(name), TIMEOUT_MS, plays ? viewerHeadersNow(performance.now()) : {});
    if (response.status === 401) return { kind: 'locked' };
    if (response.status === 404) return { kind: 'missing' };
    if (!response.ok) return { kind: 'unreachable' };
    return { kind: 'found', status: (await response.json()) as StreamStatus };
  } catch {
    return { kind: 'unreachable' };
  }
}

/** Asks for the master, which starts a stream that runs while it is watched; false where there is none. */
export async function askToStart(name: string): Promise<boolean> {
  try {
    return (await get(masterUrl(name), MASTER_TIMEOUT_MS, viewerHeaders())).ok;
  } catch {
    return false;
  }
}

const PLAYER_PATH = /^(\/s\/[\w.~-]+)?\/(watch|embed)\/([a-z0-9_-]{1,64})\/?$/;

/** Name of the stream in `/watch/NAME` or `/embed/NAME`; `null` for any other path. */
export function nameInPath(path: string): string | null {
  return PLAYER_PATH.exec(path)?.[3] ?? null;
}

/** Whether a path is that of the bare player. */
export const isEmbed = (path: string): boolean => PLAYER_PATH.exec(path)?.[2] === 'embed';

/** What opens a stream that is not public: `/s/PASS` in front of the path of its page, and so of its media. */
export const passInPath = (path: string): string => PLAYER_PATH.exec(path)?.[1] ?? '';

const front = (): string => passInPath(globalThis.location?.pathname ?? '');

/** Address of the status of a stream. */
export const statusUrl = (name: string): string => `${front()}/api/v1/streams/${encodeURIComponent(name)}`;

/** Address of the multivariant playlist. */
export const masterUrl = (name: string): string => `${front()}/live/${name}/master.m3u8`;

/** Address of the latest thumbnail. */
export const thumbUrl = (name: string): string => `${front()}/live/${name}/thumb.jpg`;

/** Address of the list of small pictures of the window. */
export const storyboardUrl = (name: string): string => `${front()}/live/${name}/storyboard.vtt`;
