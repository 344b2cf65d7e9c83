/**
 * Keeps a viewer at the live edge: plays a little faster when the picture is later than it need
 * be, and aims a little further back after a stall. Pure.
 *
 * hls.js has a mechanism for it, which weir leaves off: it speeds up only while more than a second
 * is buffered, so it can never reach a target of three parts (0.6 s), and what it adds to the
 * target at a stall (a second by default) stays for good.
 */

/** Faster than this is heard in music. */
const RATE_MAX = 1.08;
const RATE_MIN = 1.02;
/** Speed above 1 for each second of delay. */
const GAIN_PER_S = 0.2;
/** Catching up starts beyond the first and ends below the second: no hunting around the target. */
const EXCESS_START_S = 0.12;
const EXCESS_END_S = 0.03;
/** With less than this in the buffer, catching up would end in a stall. */
const BUFFER_FLOOR_S = 0.25;
/** Later than this, catching up would take minutes: jump. */
const EXCESS_JUMP_S = 6;
/** A playback this young may skip what it has buffered too much; later a skip would be seen. */
const YOUNG_MS = 2_500;
const EXCESS_SKIP_S = 0.3;

const STALL_STEP_S = 0.2;
const MARGIN_MAX_S = 2;
/** This long without a stall earns one step back. */
const CALM_MS = 30_000;
const CALM_STEP_S = 0.1;

/** What is measured of a playing element; all in seconds. */
export interface Reading {
  /** Behind the live edge. */
  latency: number;
  /** The server's recommendation, PART-HOLD-BACK. */
  holdBack: number;
  /** Playable without another request. */
  buffered: number;
  /** Whether the viewer wants the edge, rather than having gone back in time or paused. */
  following: boolean;
}

/** What to do about it. */
export interface Decision {
  playbackRate: number;
  /** Seek to the live edge. */
  jump: boolean;
  /** Seek on within the buffer by so many seconds; 0 is no seek. */
  skip: number;
}

/** The state of one playback. */
export class Governor {
  #marginS = 0;
  #calmSinceMs: number | null = null;
  #catchingUp = false;
  #bornMs: number | null = null;
  #skipped = false;

  /** What stalls have added to the server's hold-back, in seconds. */
  get margin(): number {
    return this.#marginS;
  }

  /** To be told of each stall for want of data. */
  stalled(nowMs: number): void {
    this.#marginS = Math.min(MARGIN_MAX_S, this.#marginS + STALL_STEP_S);
    this.#calmSinceMs = nowMs;
    this.#catchingUp = false;
  }

  /** To be asked a few times a second. */
  decide({ latency, holdBack, buffered, following }: Reading, nowMs: number): Decision {
    this.#relax(nowMs);
    const excess = latency - holdBack - this.#marginS;
    const decision: Decision = { playbackRate: 1, jump: false, skip: 0 };
    if (!following) {
      this.#catchingUp = false;
      return decision;
    }
    if (excess > EXCESS_JUMP_S) return { ...decision, jump: true };
    if (this.#maySkip(excess, buffered, nowMs)) {
      this.#skipped = true;
      return { ...decision, skip: excess };
    }
    this.#catchingUp = excess > (this.#catchingUp ? EXCESS_END_S : EXCESS_START_S);
    const hurry = this.#catchingUp && buffered >= BUFFER_FLOOR_S;
    return hurry ? { ...decision, playbackRate: rateFor(excess) } : decision;
  }

  /**
   * Between choosing where to start and showing the first frame a good second passes, by which
   * the picture is late. Once, right at the start, it is put where it should have begun.
   */
  #maySkip(excess: number, buffered: number, nowMs: number): boolean {
    this.#bornMs ??= nowMs;
    if (this.#skipped || nowMs - this.#bornMs > YOUNG_MS) return false;
    return excess > EXCESS_SKIP_S && buffered > excess + BUFFER_FLOOR_S;
  }

  #relax(nowMs: number): void {
    this.#calmSinceMs ??= nowMs;
    if (this.#marginS === 0 || nowMs - this.#calmSinceMs < CALM_MS) return;
    this.#marginS = Math.max(0, this.#marginS - CALM_STEP_S);
    this.#calmSinceMs = nowMs;
  }
}

/** Steps of two hundredths: browsers re-plan their audio stretching at each change of rate. */
function rateFor(excess: number): number {
  const rate = Math.min(RATE_MAX, Math.max(RATE_MIN, 1 + GAIN_PER_S * excess));
  return Math.round(rate * 50) / 50;
}
