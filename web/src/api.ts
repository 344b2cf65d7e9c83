/**
 * The types of `/api/v1/streams`, and the two requests that the pages send to it.
 */

/** State of a stream. A `waiting` stream is playable, but its source is away and may return. */
export type StreamState = 'idle' | 'starting' | 'live' | 'waiting' | 'failed';

/** How the source arrives. */
export interface InputStatus {
  /** Delay that absorbs jitter, in milliseconds. */
  delay_ms: number;
  /** Frames that repeated the previous picture. */
  repeated: number;
  /** Pictures that were left out. */
  skipped: number;
}

/** One rendition of a stream. */
export interface RungStatus {
  name: string;
  width: number;
  height: number;
  fps: number;
  /** Bits per second. */
  bitrate: number;
  encoder: string;
  /** Seconds of video encoded per second. */
  speed: number;
  /** Frames that were left out. */
  dropped: number;
}

/** One stream. */
export interface StreamStatus {
  name: string;
  state: StreamState;
  /** `push:`, `test:` or an address without credentials. */
  source: string;
  /** Time when the stream entered `state` (RFC 3339). */
  since: string;
  viewers: number;
  /** `null` until the source arrives; always `null` for `test:`. */
  input: InputStatus | null;
  rungs: RungStatus[];
  worker_pid: number | null;
  last_error: string | null;
}

/** Result of a request for the status of one stream. */
export type Lookup =
  | { kind: 'found'; status: StreamStatus }
  | { kind: 'missing' }
  | { kind: 'unreachable' };

/** A request that takes longer counts as an unreachable server. */
const TIMEOUT_MS = 5_000;

async function get(path: string): Promise<Response> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), TIMEOUT_MS);
  try {
    return await fetch(path, { signal: abort.signal, cache: 'no-store' });
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

/** Fetches the status of one stream. Never throws: an unreachable server is a result too. */
export async function lookUpStream(name: string): Promise<Lookup> {
  try {
    const response = await get(`/api/v1/streams/${encodeURIComponent(name)}`);
    if (response.status === 404) return { kind: 'missing' };
    if (!response.ok) return { kind: 'unreachable' };
    return { kind: 'found', status: (await response.json()) as StreamStatus };
  } catch {
    return { kind: 'unreachable' };
  }
}

/** Whether a publisher must send the stream. */
export function isPush(status: Pick<StreamStatus, 'source'>): boolean {
  return status.source.startsWith('push:');
}

/** Whether a viewer's request starts the stream. Cameras always run. */
export function startsWhenWatched(status: Pick<StreamStatus, 'source'>): boolean {
  return status.source.startsWith('test:');
}

/** Name of the stream in `/watch/NAME` or `/embed/NAME`; `null` for any other path. */
export function nameInPath(path: string): string | null {
  return /^\/(?:watch|embed)\/([a-z0-9_-]{1,64})\/?$/.exec(path)?.[1] ?? null;
}

/** Address of the multivariant playlist. */
export const masterUrl = (name: string): string => `/live/${name}/master.m3u8`;

/** Address of the latest thumbnail. */
export const thumbUrl = (name: string): string => `/live/${name}/thumb.jpg`;
