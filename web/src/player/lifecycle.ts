/**
 * When the player loads, waits and starts again. A pure state machine: its inputs are the time,
 * answers of the API and events of the engine; its outputs are a command and a view.
 */

import type { Lookup, StreamStatus } from '../api.ts';
import { backoffMs } from '../backoff.ts';

/** What the engine does: nothing, load up to the first frame, or play. */
export type Phase = 'resting' | 'loading' | 'playing';

/** What the viewer sees. */
export type View =
  | 'connecting'
  | 'missing'
  | 'locked'
  | 'unreachable'
  | 'waiting'
  | 'ended'
  | 'starting'
  | 'failed'
  | 'playing'
  | 'reconnecting';

/** What the caller must do with the engine. */
export type Command = 'none' | 'load' | 'unload';

/** State that the decisions depend on. */
export interface Model {
  readonly phase: Phase;
  readonly lookup: Lookup | null;
  /** Number of consecutive loads that did not reach a frame. */
  readonly failures: number;
  /** Earliest time of the next load. */
  readonly notBeforeMs: number;
  /** `since` of the state whose session has ended; that session is not loaded again. */
  readonly endedSince: string | null;
  /** `since` of the idle or failed state in which the master was asked for. */
  readonly askedSince: string | null;
  /** Whether a broadcast has ended while this page was open. */
  readonly sawEnd: boolean;
}

/** Events from outside. */
export type Happening =
  | { type: 'lookup'; lookup: Lookup }
  | { type: 'playing' }
  | { type: 'ended' }
  | { type: 'fatal' };

/** State of a page that has just been opened. */
export const initial: Model = {
  phase: 'resting',
  lookup: null,
  failures: 0,
  notBeforeMs: 0,
  endedSince: null,
  askedSince: null,
  sawEnd: false,
};

/**
 * Returns the next state and a command.
 *
 * @param random a number in [0, 1), for the back-off
 */
export function step(
  model: Model,
  happening: Happening,
  nowMs: number,
  random: number,
): [Model, Command] {
  switch (happening.type) {
    case 'lookup':
      return considerLoading(forgetState({ ...model, lookup: happening.lookup }), nowMs);
    case 'playing':
      return [{ ...model, phase: 'playing', failures: 0, sawEnd: false, endedSince: null }, 'none'];
    case 'ended':
      return [rest({ ...model, sawEnd: true, endedSince: sinceOf(model) }, nowMs, random), 'unload'];
    case 'fatal':
      return [rest(model, nowMs, random), 'unload'];
  }
}

/** Returns what to show in a state. */
export function viewOf(model: Model): View {
  const { phase, lookup } = model;
  const status = lookup?.kind === 'found' ? lookup.status : null;
  if (phase === 'playing') return status?.state === 'waiting' ? 'reconnecting' : 'playing';
  if (!lookup) return 'connecting';
  if (lookup.kind === 'missing' || lookup.kind === 'locked') return lookup.kind;
  if (!status) return 'unreachable';
  if (status.state === 'failed') return 'failed';
  const loads = phase === 'loading' || loadable(model, status);
  // The answer to a load tells whether the stream starts because somebody watches.
  if (loads && (status.state !== 'idle' || !model.sawEnd)) return status.state === 'idle' ? 'connecting' : 'starting';
  return model.sawEnd ? 'ended' : 'waiting';
}

/** What the delay before the next API request depends on. */
export interface Pace {
  hidden: boolean;
  phase: Phase;
  /** How long the page has been waiting for a publisher, in milliseconds. */
  waitedMs: number;
}

/**
 * Milliseconds until the next API request. On a visible page that waits for a publisher, this
 * decides how soon the picture appears. A hidden page, or one that has waited for long, asks less
 * often.
 */
export function pollMs({ hidden, phase, waitedMs }: Pace): number {
  if (hidden) return 5_000;
  if (phase === 'playing') return 2_000;
  if (waitedMs < 3 * 60_000) return 600;
  return waitedMs < 15 * 60_000 ? 2_000 : 5_000;
}

function sinceOf(model: Model): string | null {
  return model.lookup?.kind === 'found' ? model.lookup.status.since : null;
}

function rest(model: Model, nowMs: number, random: number): Model {
  // The first load after a session that played comes at once; later ones back off.
  const failures = model.phase === 'playing' ? 0 : model.failures + 1;
  const pause = failures === 0 ? 0 : backoffMs(failures, random);
  return { ...model, phase: 'resting', failures, notBeforeMs: nowMs + pause };
}

/** A state other than the one that ended, or that was asked in vain, may lead to a picture. */
function forgetState(model: Model): Model {
  const since = sinceOf(model);
  let next = model;
  if (next.endedSince !== null && since !== next.endedSince) next = { ...next, endedSince: null };
  if (since !== null && next.askedSince !== null && since !== next.askedSince) {
    next = { ...next, askedSince: null, failures: 0, notBeforeMs: 0 };
  }
  return next;
}

/** Whether a request for the master is likely to lead to a picture. */
function loadable(model: Model, status: StreamStatus): boolean {
  switch (status.state) {
    case 'starting':
    case 'live':
    case 'waiting':
      return model.endedSince !== status.since;
    case 'idle':
      // The first request starts a stream that runs while somebody watches. Any other stream waits
      // for its publisher, so that further requests would only fail.
      return model.askedSince !== status.since;
    case 'failed':
      // A stream that runs while somebody watches is tried again only when somebody asks.
      return true;
  }
}

function considerLoading(model: Model, nowMs: number): [Model, Command] {
  const { lookup } = model;
  if (model.phase !== 'resting' || nowMs < model.notBeforeMs) return [model, 'none'];
  if (lookup?.kind !== 'found' || !loadable(model, lookup.status)) return [model, 'none'];
  const { state, since } = lookup.status;
  const askedSince = state === 'idle' || state === 'failed' ? since : null;
  return [{ ...model, phase: 'loading', askedSince }, 'load'];
}
