/** Words for the state of a stream, the same on every page. Pure. */

import { isPush, startsWhenWatched, type StreamState, type StreamStatus } from './api.ts';
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
  if (status.state === 'waiting') parts.push(`the ${isPush(status) ? 'publisher' : 'source'} is away for a moment`);
  if (status.state === 'idle') parts.push(whyIdle(status));
  return parts.join(' · ');
}

function whyIdle(status: StreamStatus): string {
  if (isPush(status)) return 'waiting for a publisher';
  return startsWhenWatched(status) ? 'starts when you watch' : 'the source is not connected';
}

/** Section of the list. */
export type Section = 'live' | 'on-demand' | 'offline';

/** Returns the section of the list that a stream belongs to. */
export function sectionOf(status: StreamStatus): Section {
  if (status.state !== 'idle' && status.state !== 'failed') return 'live';
  return startsWhenWatched(status) ? 'on-demand' : 'offline';
}

/** Whether the page should explain how to publish: some published stream is offline. */
export function awaitsPublisher(streams: StreamStatus[]): boolean {
  return streams.some((status) => isPush(status) && sectionOf(status) === 'offline');
}
