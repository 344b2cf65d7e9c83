/** Words for the state of a stream, the same on every page. Pure. */

import type { StreamState, StreamStatus } from './api.ts';
import { lasted, rungLabel } from './format.ts';

/** Text and colour of a badge. */
export interface Badge {
  text: string;
  tone: 'live' | 'busy' | 'quiet' | 'bad';
}

/** Returns the badge for a state. */
export function badgeFor(state: StreamState): Badge {
  switch (state) {
    case 'live':
      return { text: 'Live', tone: 'live' };
    case 'starting':
      return { text: 'Starting', tone: 'busy' };
    case 'waiting':
      return { text: 'Reconnecting', tone: 'busy' };
    case 'idle':
      return { text: 'Idle', tone: 'quiet' };
    case 'failed':
      return { text: 'Failed', tone: 'bad' };
  }
}

/** Describes a stream in one line: `"1080p · live for 12 min"`. */
export function describe(status: StreamStatus, nowMs: number): string {
  const parts: string[] = [];
  const top = status.rungs[0];
  if (top) parts.push(rungLabel(top.width, top.height, top.fps));
  const sinceMs = Date.parse(status.since);
  if (status.state === 'live' && Number.isFinite(sinceMs)) {
    parts.push(`live for ${lasted(Math.max(0, nowMs - sinceMs))}`);
  }
  if (status.state === 'starting') parts.push('the first pictures are on their way');
  if (status.state === 'waiting') parts.push('the source is away for a moment');
  if (status.state === 'idle') parts.push('waits for its publisher or its first viewer');
  if (status.state === 'failed') parts.push('cannot be shown right now; the server keeps trying');
  return parts.join(' · ');
}

/** Section of the list. */
export type Section = 'live' | 'offline';

/** Returns the section of the list that a stream belongs to. */
export function sectionOf(status: StreamStatus): Section {
  return status.state === 'idle' || status.state === 'failed' ? 'offline' : 'live';
}

/** Whether the page should explain how to publish: some stream may be waiting for its publisher. */
export function awaitsPublisher(streams: StreamStatus[]): boolean {
  return streams.some((status) => status.state === 'idle');
}
