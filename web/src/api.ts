/**
 * What the daemon says of its streams: the types of `/api/v1/streams` and the two requests the
 * pages make of it.
 */

/** Where a stream stands. `waiting` is playable, but its source is away and may return. */
export type StreamState = 'idle' | 'starting' | 'live' | 'waiting' | 'failed';

/** How a source's pictures become the ladder's. */
export interface InputStatus {
  /** Delay by which jitter is hidden, in milliseconds. */
  delay_ms: number;
  /** Frames that showed the picture before once more. */
  repeated: number;
  /** Pictures that were not shown. */
  skipped: number;
}

/** One rendition a stream is made in. */
export interface RungStatus {
  name: string;
  width: number;
  height: number;
  fps: number;
  /** Bits per second. */
  bitrate: number;
  encoder: string;
  /** Seconds of video encoded in a second. */
  speed: number;
  /** Frames left out. */
  dropped: number;
}

/** One stream. */
export interface StreamStatus {
  name: string;
  state: StreamState;
  /** Without credentials: `push:`, `test:` or an address. */
  source: string;
  /** When `state` was entered, RFC 3339. */
  since: string;
  viewers: number;
  /** `null` until the source arrives, and always for `test:`. */
  input: InputStatus | null;
  rungs: RungStatus[];
  worker_pid: number | null;
  last_error: string | null;
}

/** The answer to "how is this stream?". */
export type Lookup =
  | { kind: 'found'; status: StreamStatus }
  | { kind: 'missing' }
  | { kind: 'unreachable' };

/** A request that takes longer than this counts as "the server cannot be reached". */
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

/** Every configured stream, or `null` when the server cannot be reached. */
export async function listStreams(): Promise<StreamStatus[] | null> {
  try {
    const response = await get('/api/v1/streams');
    return response.ok ? ((await response.json()) as StreamStatus[]) : null;
  } catch {
    return null;
  }
}

/** One stream. Never throws: not reaching the server is an answer, too. */
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

/** Whether somebody has to publish the stream. */
export function isPush(status: Pick<StreamStatus, 'source'>): boolean {
  return status.source.startsWith('push:');
}

/** Whether a viewer's request starts the stream. Cameras run always, and need none. */
export function startsWhenWatched(status: Pick<StreamStatus, 'source'>): boolean {
  return status.source.startsWith('test:');
}

/** The stream's name in `/watch/NAME` or `/embed/NAME`, or `null` if it is not one. */
export function nameInPath(path: string): string | null {
  return /^\/(?:watch|embed)\/([a-z0-9_-]{1,64})\/?$/.exec(path)?.[1] ?? null;
}

/** Address of the multivariant playlist. */
export const masterUrl = (name: string): string => `/live/${name}/master.m3u8`;

/** Address of the latest thumbnail. */
export const thumbUrl = (name: string): string => `/live/${name}/thumb.jpg`;
