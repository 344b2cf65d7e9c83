/**
 * Keeps a viewer at the live edge: plays a little faster when the picture is later than necessary,
 * and aims a little further back after a stall. Pure.
 *
 * The mechanism of hls.js for this is switched off. It speeds up only while more than a second is
 * buffered, so it can never reach a target of three parts (0.6 s), and what it adds to the target
 * after a stall (one second by default) is never taken back.
 */

/** A higher rate is audible in music. */
const RATE_MAX = 1.08;
const RATE_MIN = 1.02;
/** During this time after the start, nobody has got used to the sound yet. */
const YOUNG_MS = 10_000;
const RATE_YOUNG_MAX = 1.16;
/** Additional playback rate per second of excess delay; the second one in the time after the start. */
const GAIN_PER_S = 0.2;
const GAIN_YOUNG_PER_S = 0.4;
/**
 * Catching up starts above the first value and ends below the second, so that the rate does not
 * oscillate around the target.
 */
const EXCESS_START_S = 0.12;
const EXCESS_END_S = 0.03;
/** With less in the buffer, catching up would end in a stall. */
const BUFFER_FLOOR_S = 0.25;
/** With more excess than this, catching up would take minutes: seek instead. */
const EXCESS_JUMP_S = 6;
/**
 * During this time after the start, playback may skip excess buffer; later, viewers would see the
 * skip. They see it at the start too, so less than this is made up for by the rate.
 */
const SKIP_MS = 2_500;
const EXCESS_SKIP_S = 1.5;

const STALL_STEP_S = 0.2;
const MARGIN_MAX_S = 2;
/** This much time without a stall reduces the margin by one step. */
const CALM_MS = 30_000;
const CALM_STEP_S = 0.1;

/** Measurements of a playing element, all in seconds. */
export interface Reading {
  /** Distance from the live edge. */
  latency: number;
  /** Recommended distance: the server's PART-HOLD-BACK. */
  holdBack: number;
  /** What can be played without another request. */
  buffered: number;
  /** Whether the viewer wants the live edge, rather than having paused or gone back in time. */
  following: boolean;
}

/** What to do with the element. */
export interface Decision {
  playbackRate: number;
  /** Seek to the live edge. */
  jump: boolean;
  /** Seconds to seek forward within the buffer; 0 for no seek. */
  skip: number;
}

/** State of one playback. */
export class Governor {
  #marginS = 0;
  #calmSinceMs: number | null = null;
  #catchingUp = false;
  #bornMs: number | null = null;
  #skipped = false;

  /** Seconds that stalls have added to the server's hold-back. */
  get margin(): number {
    return this.#marginS;
  }

  /**
   * Where a viewer who goes to the live edge should land, for the position that the server recommends.
   * Without the margin the seek would end in the next stall.
   */
  livePosition(recommendedS: number): number {
    return recommendedS - this.#marginS;
  }

  /** Call this at every stall for lack of data. */
  stalled(nowMs: number): void {
    this.#marginS = Math.min(MARGIN_MAX_S, this.#marginS + STALL_STEP_S);
    this.#calmSinceMs = nowMs;
    this.#catchingUp = false;
  }

  /** Call this a few times per second. */
  decide({ latency, holdBack, buffered, following }: Reading, nowMs: number): Decision {
    this.#relax(nowMs);
    this.#bornMs ??= nowMs;
    const ageMs = nowMs - this.#bornMs;
    const excess = latency - holdBack - this.#marginS;
    const decision: Decision = { playbackRate: 1, jump: false, skip: 0 };
    if (!following) {
      this.#catchingUp = false;
      return decision;
    }
    if (excess > EXCESS_JUMP_S) return { ...decision, jump: true };
    if (this.#maySkip(excess, buffered, ageMs)) {
      this.#skipped = true;
      return { ...decision, skip: excess };
    }
    this.#catchingUp = excess > (this.#catchingUp ? EXCESS_END_S : EXCESS_START_S);
    const hurry = this.#catchingUp && buffered >= BUFFER_FLOOR_S;
    return hurry ? { ...decision, playbackRate: rateFor(excess, ageMs) } : decision;
  }

  /**
   * On a slow network seconds pass between the choice of the start position and the first frame, so
   * the picture is late by that much. One skip, right at the start, corrects this.
   */
  #maySkip(excess: number, buffered: number, ageMs: number): boolean {
    if (this.#skipped || ageMs > SKIP_MS) return false;
    return excess > EXCESS_SKIP_S && buffered > excess + BUFFER_FLOOR_S;
  }

  #relax(nowMs: number): void {
    this.#calmSinceMs ??= nowMs;
    if (this.#marginS === 0 || nowMs - this.#calmSinceMs < CALM_MS) return;
    this.#marginS = Math.max(0, this.#marginS - CALM_STEP_S);
    this.#calmSinceMs = nowMs;
  }
}

/** Steps of 0.02: browsers re-plan their audio stretching at every change of the rate. */
function rateFor(excess: number, ageMs: number): number {
  const [most, gain] = ageMs < YOUNG_MS ? [RATE_YOUNG_MAX, GAIN_YOUNG_PER_S] : [RATE_MAX, GAIN_PER_S];
  const rate = Math.min(most, Math.max(RATE_MIN, 1 + gain * excess));
  return Math.round(rate * 50) / 50;
}
