/** What plays a playlist: hls.js where there is Media Source Extensions, else the browser itself. */

/** A rendition a viewer can choose. */
export interface Quality {
  /** The engine's own number for it. */
  index: number;
  label: string;
  /** Bits per second. */
  bitrate: number;
}

/** Numbers about the playback; `null` where the engine cannot know. */
export interface Readings {
  /** Seconds behind the live edge. */
  latency: number | null;
  /** Seconds behind the live edge aimed at. */
  target: number | null;
  /** Seconds between the wall clock the playlist gives the picture and this machine's clock. */
  wallLatency: number | null;
  /** Bits per second, estimated. */
  bandwidth: number | null;
}

/** From the oldest picture the server still has to the live edge. */
export interface SeekWindow {
  start: number;
  end: number;
}

/** What an engine reports. */
export interface EngineEvents {
  /** There is a first frame. */
  onFrame(): void;
  /** The playlist has ended and was played to its end, or had ended before it was opened. */
  onEnded(): void;
  /** It gave up. */
  onFatal(reason: string): void;
  /** The choice of renditions, or which of them plays, has changed. */
  onQualities(): void;
}

/** A player behind a video element. One instance lives as long as the page. */
export interface Engine {
  load(url: string): void;
  unload(): void;
  /** Goes to the live edge and stays there. */
  goLive(): void;
  /** Whether the viewer wants the edge, rather than having gone back in time. */
  following: boolean;
  readonly qualities: Quality[];
  /** The rendition that plays, or -1. */
  readonly playing: number;
  /** The viewer's choice: an index, or -1 for automatic. */
  chosen: number;
  readings(): Readings;
  /** The part of the timeline a viewer can seek in, in seconds of the element's clock. */
  window(): SeekWindow | null;
  /** For tests and the console: the hls.js instance if there is one. */
  readonly hls: unknown;
}

/** Seconds that are buffered beyond the position of an element. */
export function bufferedAhead(video: HTMLVideoElement): number {
  const { buffered, currentTime } = video;
  for (let i = 0; i < buffered.length; i++) {
    // A tenth of tolerance: the first frame may begin a little after the position sought.
    if (buffered.start(i) <= currentTime + 0.1 && currentTime < buffered.end(i)) {
      return buffered.end(i) - currentTime;
    }
  }
  return 0;
}
