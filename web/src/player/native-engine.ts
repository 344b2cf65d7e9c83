/**
 * The engine for browsers that play HLS themselves and lack Media Source Extensions: older iPhones.
 */

import type { Engine, EngineEvents, Quality, Readings, SeekWindow } from './engine.ts';

const NOTHING_KNOWN: Readings = { latency: null, target: null, wallLatency: null, bandwidth: null };

/** WebKit alone has this part of the HTML standard. */
type DatedVideo = HTMLVideoElement & { getStartDate?: () => Date };

/** See {@link Engine}. The browser itself chooses renditions and latency. */
export class NativeEngine implements Engine {
  following = true;
  readonly qualities: Quality[] = [];
  readonly playing = -1;
  chosen = -1;
  readonly hls = null;
  #loaded = false;

  constructor(
    private readonly video: HTMLVideoElement,
    events: EngineEvents,
  ) {
    // The stream had ended before playback began: viewers do not want its last minute.
    video.addEventListener('loadedmetadata', () => {
      if (this.#loaded && Number.isFinite(video.duration)) events.onEnded();
    });
    video.addEventListener('loadeddata', () => this.#loaded && events.onFrame());
    video.addEventListener('ended', () => this.#loaded && events.onEnded());
    video.addEventListener('error', () => {
      if (this.#loaded) events.onFatal(video.error?.message ?? 'error');
    });
  }

  load(url: string): void {
    this.#loaded = true;
    this.following = true;
    this.video.src = url;
  }

  unload(): void {
    this.#loaded = false;
    this.video.removeAttribute('src');
    this.video.load();
  }

  goLive(): void {
    this.following = true;
    const { seekable } = this.video;
    if (seekable.length) this.video.currentTime = seekable.end(seekable.length - 1);
    void this.video.play().catch(() => undefined);
  }

  window(): SeekWindow | null {
    const { seekable } = this.video;
    if (!seekable.length) return null;
    return { start: seekable.start(0), end: seekable.end(seekable.length - 1) };
  }

  dateAt(position: number): number | null {
    const startMs = (this.video as DatedVideo).getStartDate?.().getTime() ?? NaN;
    return Number.isNaN(startMs) ? null : startMs + position * 1000;
  }

  readings(): Readings {
    return NOTHING_KNOWN;
  }
}
