/** Words for the state of a stream, the same on every page. */

import type { StreamState, StreamStatus } from './api.ts';
import { lasted, rungLabel } from './format.ts';
import { t } from './words/words.ts';

/** Text and colour of a badge. */
export interface Badge {
  text: string;
  tone: 'live' | 'busy' | 'quiet' | 'bad';
}

const TONES: Record<StreamState, Badge['tone']> = {
  live: 'live',
  starting: 'busy',
  waiting: 'busy',
  idle: 'quiet',
  failed: 'bad',
};

/** Returns the badge for a state. */
export function badgeFor(state: StreamState): Badge {
  return { text: t(`badge.${state}`), tone: TONES[state] };
}

/** Describes a stream in one line: `"1080p · live for 12 min"`. */
export function describe(status: StreamStatus, nowMs: number): string {
  const parts: string[] = [];
  const top = status.rungs[0];
  if (top) parts.push(rungLabel(top.width, top.height, top.fps));
  const sinceMs = Date.parse(status.since);
  if (status.state !== 'live') parts.push(t(`facts.${status.state}`));
  else if (Number.isFinite(sinceMs)) parts.push(t('facts.live', { time: lasted(Math.max(0, nowMs - sinceMs)) }));
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
