/** The engine that uses hls.js. */

import Hls, { type ErrorData, type Level } from 'hls.js';

import { rungLabel } from '../format.ts';
import { t } from '../words/words.ts';
import {
  bufferedAhead,
  type Engine,
  type EngineEvents,
  type Quality,
  type Readings,
  type SeekWindow,
} from './engine.ts';
import { Governor } from './governor.ts';
import { rememberBandwidth } from './bandwidth.ts';
import { takeVariant } from './fetched.ts';
import { hlsConfig } from './hls-config.ts';
import { isElsewhere, offerAlternative } from './remote.ts';
import { Watchdog } from './watchdog.ts';

/** How often rate and progress are checked. */
const TICK_MS = 250;
/**
 * The server may hold a request for the master for 10 s; init segment and first parts come right
 * after that.
 */
const FIRST_FRAME_MS_MAX = 25_000;
/**
 * If decoding fails more often than this on one playlist, the load is given up and starts again.
 */
const MEDIA_RECOVERIES_MAX = 2;
/** hls.js reads the first playlist this long before the first frame is shown. */
const START_S = 0.25;
/** With less than this after the first frame, the picture would stand still right after it. */
const START_BUFFER_S = 0.3;
/**
 * The start position is corrected during this time after hls.js has gone there. Later the first frame may be
 * on its way, and the correction would come after it. Each one makes the browser decode anew.
 */
const AIM_MS = 100;
const AIM_STEP_S = 0.15;
/** This close to its end, the playlist counts as played. */
const END_TOLERANCE_S = 0.5;

/** Whether this browser can run hls.js. */
export const isSupported = (): boolean => Hls.isSupported();

/** State of one load of a playlist. */
interface Playback {
  hls: Hls;
  governor: Governor;
  watchdog: Watchdog;
  timer: number;
  startedMs: number;
  hasFrame: boolean;
  /** When hls.js went to the start position; `null` before that. */
  soughtMs: number | null;
  /** The playlist has EXT-X-ENDLIST. */
  endListed: boolean;
  mediaRecoveries: number;
}

/** See {@link Engine}. */
export class HlsEngine implements Engine {
  following = true;
  #playback: Playback | null = null;
  #chosen = -1;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly events: EngineEvents,
  ) {
    video.addEventListener('loadeddata', () => this.#onFrame());
    video.addEventListener('webkitcurrentplaybacktargetiswirelesschanged', () => this.#followElsewhere());
    video.addEventListener('seeking', () => this.#aim());
    video.addEventListener('ended', () => this.#playback && this.events.onEnded());
  }

  get hls(): Hls | null {
    return this.#playback?.hls ?? null;
  }

  load(url: string): void {
    this.unload();
    this.following = true;
    const hls = new Hls(hlsConfig());
    this.#playback = {
      hls,
      governor: new Governor(),
      watchdog: new Watchdog(),
      timer: window.setInterval(() => this.#tick(), TICK_MS),
      startedMs: performance.now(),
      hasFrame: false,
      soughtMs: null,
      endListed: false,
      mediaRecoveries: 0,
    };
    const holdBackS = globalThis.weirAhead?.holdBackS ?? 0;
    if (holdBackS > 0) hls.targetLatency = Math.max(holdBackS - START_S, holdBackS / 3);
    this.#listen(hls);
    hls.on(Hls.Events.MEDIA_ATTACHED, () => offerAlternative(this.video, url));
    hls.attachMedia(this.video);
    hls.loadSource(url);
  }

  unload(): void {
    const playback = this.#playback;
    if (!playback) return;
    this.#playback = null;
    clearInterval(playback.timer);
    playback.hls.destroy();
    this.video.playbackRate = 1;
    this.events.onQualities();
  }

  goLive(): void {
    this.following = true;
    const playback = this.#playback;
    const edge = playback?.hls.liveSyncPosition;
    if (playback && edge != null) this.video.currentTime = playback.governor.livePosition(edge);
    void this.video.play().catch(() => undefined);
  }

  get qualities(): Quality[] {
    return (this.hls?.levels ?? []).map((level, index) => ({
      index,
      label: labelOf(level),
      bitrate: level.bitrate,
    }));
  }

  get playing(): number {
    return this.hls?.currentLevel ?? -1;
  }

  get chosen(): number {
    return this.#chosen;
  }

  set chosen(index: number) {
    this.#chosen = index;
    // `loadLevel` keeps the buffer, which is less than a second at the live edge.
    if (this.hls) this.hls.loadLevel = index;
    this.events.onQualities();
  }

  readings(): Readings {
    const playback = this.#playback;
    const hls = playback?.hls;
    const holdBack = hls?.targetLatency ?? null;
    const shownAt = hls?.playingDate?.getTime();
    return {
      latency: hls && playback.hasFrame ? hls.latency : null,
      target: holdBack === null || !playback ? null : holdBack + playback.governor.margin,
      wallLatency: shownAt === undefined ? null : (Date.now() - shownAt) / 1000,
      bandwidth: hls?.bandwidthEstimate ?? null,
    };
  }

  window(): SeekWindow | null {
    const details = this.hls?.latestLevelDetails;
    return details ? { start: details.fragmentStart, end: details.edge } : null;
  }

  dateAt(position: number): number | null {
    const fragments = this.hls?.latestLevelDetails?.fragments ?? [];
    const found = fragments.filter((it) => it.start <= position).at(-1) ?? fragments[0];
    if (found?.programDateTime == null) return null;
    return found.programDateTime + (position - found.start) * 1000;
  }

  #listen(hls: Hls): void {
    hls.on(Hls.Events.MANIFEST_PARSED, () => {
      if (this.#chosen >= hls.levels.length) this.#chosen = -1;
      const variant = takeVariant();
      const ahead = hls.levels.findIndex(({ uri }) => uri === variant);
      if (this.#chosen !== -1) hls.startLevel = hls.loadLevel = this.#chosen;
      else if (ahead !== -1) hls.startLevel = Math.min(ahead, hls.maxAutoLevel);
      this.events.onQualities();
    });
    hls.on(Hls.Events.BUFFER_APPENDED, () => this.#aim());
    hls.on(Hls.Events.LEVEL_SWITCHED, () => this.events.onQualities());
    hls.on(Hls.Events.LEVEL_LOADED, (_, { details }) => {
      const playback = this.#playback;
      if (!playback || playback.hls !== hls || details.live) return;
      playback.endListed = true;
      // The stream had ended before playback began: viewers do not want its last minute.
      if (!playback.hasFrame) queueMicrotask(() => this.events.onEnded());
    });
    // This event comes once per segment; FRAG_LOADED comes with every part, several times per
    // second.
    hls.on(Hls.Events.FRAG_CHANGED, () => rememberBandwidth(hls.bandwidthEstimate));
    hls.on(Hls.Events.ERROR, (_, data) => this.#onError(hls, data));
  }

  #onFrame(): void {
    if (!this.#playback || this.#playback.hasFrame) return;
    this.#playback.hasFrame = true;
    const { hls } = this.#playback;
    const holdBack = hls.latestLevelDetails?.partHoldBack;
    if (holdBack) hls.targetLatency = holdBack;
    this.events.onFrame();
  }

  /** A screen that plays by AirPlay fetches for itself. */
  #followElsewhere(): void {
    if (isElsewhere(this.video)) this.hls?.stopLoad();
    else this.hls?.startLoad();
  }

  /**
   * hls.js has chosen its start position when it read the first playlist, and seeks to it when that is
   * buffered. By then the live edge has moved on, so this goes as far as the buffer allows, before the
   * first frame: a seek after it would be seen.
   */
  #aim(): void {
    const playback = this.#playback;
    const { video } = this;
    if (!playback || playback.hasFrame || !video.seeking || !this.following) return;
    playback.soughtMs ??= performance.now();
    if (performance.now() - playback.soughtMs > AIM_MS) return;
    const wanted = (playback.hls.liveSyncPosition ?? 0) - playback.governor.margin;
    const position = Math.min(wanted, video.currentTime + bufferedAhead(video) - START_BUFFER_S);
    if (position > video.currentTime + AIM_STEP_S) video.currentTime = position;
  }

  #onError(hls: Hls, data: ErrorData): void {
    const playback = this.#playback;
    if (!playback || playback.hls !== hls) return;
    if (data.details === Hls.ErrorDetails.BUFFER_STALLED_ERROR) {
      playback.governor.stalled(performance.now());
    }
    if (!data.fatal) return;
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR && playback.mediaRecoveries < MEDIA_RECOVERIES_MAX) {
      playback.mediaRecoveries += 1;
      this.#recover(hls);
      return;
    }
    // hls.js must leave its own handler before it is destroyed.
    queueMicrotask(() => this.events.onFatal(data.details));
  }

  /** A recovery reloads the element, which leaves the element paused. */
  #recover(hls: Hls): void {
    const wasPlaying = !this.video.paused;
    hls.recoverMediaError();
    if (wasPlaying) void this.video.play().catch(() => undefined);
  }

  #tick(): void {
    const playback = this.#playback;
    if (!playback || isElsewhere(this.video)) return;
    const nowMs = performance.now();
    if (!playback.hasFrame) {
      if (nowMs - playback.startedMs > FIRST_FRAME_MS_MAX) this.events.onFatal('noFirstFrame');
      return;
    }
    this.#govern(playback, nowMs);
    this.#watch(playback, nowMs);
  }

  #govern({ hls, governor, endListed }: Playback, nowMs: number): void {
    const { video } = this;
    const holdBack = hls.targetLatency;
    if (holdBack === null || video.seeking) return;
    const { playbackRate, jump, skip } = governor.decide(
      {
        latency: hls.latency,
        holdBack,
        buffered: bufferedAhead(video),
        following: this.following && !video.paused && !endListed,
      },
      nowMs,
    );
    if (jump) this.goLive();
    if (skip > 0) video.currentTime += skip;
    if (video.playbackRate !== playbackRate) video.playbackRate = playbackRate;
  }

  #watch(playback: Playback, nowMs: number): void {
    const { video } = this;
    const cure = playback.watchdog.look(
      {
        expected: !video.paused && !video.seeking && !video.ended && !document.hidden,
        position: video.currentTime,
        atEnd: playback.endListed && bufferedAhead(video) < END_TOLERANCE_S,
      },
      nowMs,
    );
    if (cure === 'seek') this.goLive();
    else if (cure === 'reload') this.events.onFatal('hangs');
    else if (cure === 'end') this.events.onEnded();
  }
}

function labelOf(level: Level): string {
  if (!level.width || !level.height) return level.name || t('settings.audioOnly');
  return rungLabel(level.width, level.height, level.frameRate || 30);
}
