/**
 * What plays a playlist: hls.js where the browser has Media Source Extensions, otherwise the
 * browser itself.
 */

/** A rendition that a viewer can choose. */
export interface Quality {
  /** Number of the rendition in the engine. */
  index: number;
  label: string;
  /** Bits per second. */
  bitrate: number;
}

/** Statistics of the playback; `null` for what the engine does not know. */
export interface Readings {
  /** Distance from the live edge, in seconds. */
  latency: number | null;
  /** Target distance from the live edge, in seconds. */
  target: number | null;
  /** Seconds between the picture's wall-clock time in the playlist and this machine's clock. */
  wallLatency: number | null;
  /** Estimated bandwidth in bits per second. */
  bandwidth: number | null;
}

/** From the oldest picture that the server has to the live edge. */
export interface SeekWindow {
  start: number;
  end: number;
}

/** Events of an engine. */
export interface EngineEvents {
  /** The first frame is shown. */
  onFrame(): void;
  /** The playlist has been played to its end, or had ended before it was opened. */
  onEnded(): void;
  /** The engine has given up. */
  onFatal(reason: string): void;
  /** The list of renditions, or the one that plays, has changed. */
  onQualities(): void;
}

/** Plays into a video element. One instance lives as long as the page. */
export interface Engine {
  load(url: string): void;
  unload(): void;
  /** Goes to the live edge and stays there. */
  goLive(): void;
  /** Whether the viewer wants the live edge, rather than having gone back in time. */
  following: boolean;
  readonly qualities: Quality[];
  /** Number of the rendition that plays, or -1. */
  readonly playing: number;
  /** Number of the rendition that the viewer chose, or -1 for automatic. */
  chosen: number;
  readings(): Readings;
  /** Range that a viewer can seek in, in seconds of the element's clock. */
  window(): SeekWindow | null;
  /** When the picture at a position was taken, in milliseconds since the Unix epoch; `null` if nobody knows. */
  dateAt(position: number): number | null;
  /** The hls.js instance, if there is one, for tests and the console. */
  readonly hls: unknown;
}

/** Seconds buffered after the current position. */
export function bufferedAhead(video: HTMLVideoElement): number {
  const { buffered, currentTime } = video;
  for (let i = 0; i < buffered.length; i++) {
    // 0.1 s of tolerance: the first frame may begin a little after the position of the seek.
    if (buffered.start(i) <= currentTime + 0.1 && currentTime < buffered.end(i)) {
      return buffered.end(i) - currentTime;
    }
  }
  return 0;
}
