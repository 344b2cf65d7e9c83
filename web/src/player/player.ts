/** The player: asks the API, drives an engine by the lifecycle, and shows where things stand. */

import { lookUpStream, masterUrl, thumbUrl, type Lookup, type StreamStatus } from '../api.ts';
import { byId, setText } from '../dom.ts';
import type { Engine, EngineEvents } from './engine.ts';
import { initial, pollMs, step, viewOf, type Happening, type Model, type View } from './lifecycle.ts';
import { messageFor } from './messages.ts';
import { NativeEngine } from './native-engine.ts';
import { restoreVolume } from './volume.ts';

/** How old the page must be to be loaded again when part of its code could not be fetched. */
const RELOAD_MS = 5_000;

/** Somebody who wants to know when something about the player has changed. */
export type Listener = (player: Player) => void;

/** One player on a page that contains `_player.html`. */
export class Player {
  readonly stage = byId('stage', HTMLElement);
  readonly video = byId('video', HTMLVideoElement);
  engine: Engine | null = null;
  #model: Model = initial;
  #listeners: Listener[] = [];
  #engineReady: Promise<void> = Promise.resolve();
  #pollTimer = 0;
  #polling = false;
  /** Outlives what is loaded: sound must not come back unasked. */
  #pausedByViewer = false;
  #notPlayingSinceMs = Date.now();
  #shown: View | null = null;

  constructor(readonly name: string) {
    restoreVolume(this.video);
    byId('unmute', HTMLButtonElement).addEventListener('click', () => this.unmute());
    byId('big-play', HTMLButtonElement).addEventListener('click', () => this.#play());
    this.video.addEventListener('playing', () => this.stage.classList.remove('is-blocked', 'is-stalled'));
    this.video.addEventListener('waiting', () => this.stage.classList.add('is-stalled'));
    this.video.addEventListener('play', () => (this.#pausedByViewer = false));
    // A load pauses without this event; the end of a playlist pauses with it.
    this.video.addEventListener('pause', () => (this.#pausedByViewer = !this.video.ended));
    this.video.addEventListener('resize', () => this.#fitStage());
    this.video.addEventListener('volumechange', () => {
      if (!this.video.muted) this.stage.classList.remove('is-silenced');
    });
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) void this.#poll();
    });
  }

  /** Starts asking and, as soon as there is something, playing. */
  start(): void {
    this.#show();
    this.#engineReady = createEngine(this.video, {
      onFrame: () => this.#happen({ type: 'playing' }),
      onEnded: () => this.#happen({ type: 'ended' }),
      onFatal: () => this.#happen({ type: 'fatal' }),
      onQualities: () => this.#notify(),
    }).then(
      (engine) => {
        this.engine = engine;
      },
      () => undefined, // Its code did not arrive; see #startOver.
    );
    void this.#poll();
  }

  /** What the viewer is shown at present. */
  get view(): View {
    return viewOf(this.#model);
  }

  /** The last the API said, if it knew the stream. */
  get status(): StreamStatus | null {
    const { lookup } = this.#model;
    return lookup?.kind === 'found' ? lookup.status : null;
  }

  /** Calls back at each change of view, status or renditions. */
  onChange(listener: Listener): void {
    this.#listeners.push(listener);
    listener(this);
  }

  /** Turns the sound on, as the viewer's own wish. */
  unmute(): void {
    this.video.muted = false;
    if (this.video.volume === 0) this.video.volume = 1;
    this.#play();
  }

  async #poll(): Promise<void> {
    if (this.#polling) return;
    this.#polling = true;
    clearTimeout(this.#pollTimer);
    // The question to the API travels while the engine's code is still arriving.
    const [lookup] = await Promise.all([lookUpStream(this.name), this.#engineReady]);
    this.#polling = false;
    if (this.engine) this.#happen({ type: 'lookup', lookup });
    else this.#startOver(lookup);
    const pace = {
      hidden: document.hidden,
      phase: this.#model.phase,
      waitedMs: Date.now() - this.#notPlayingSinceMs,
    };
    this.#pollTimer = window.setTimeout(() => void this.#poll(), pollMs(pace));
  }

  /**
   * A browser remembers a module that did not arrive: only a new page asks for it again. While the
   * server is away, the new page would be the browser's own error, which tries nothing by itself.
   */
  #startOver(lookup: Lookup): void {
    if (lookup.kind === 'unreachable') this.#happen({ type: 'lookup', lookup });
    else if (performance.now() >= RELOAD_MS) location.reload();
  }

  #happen(happening: Happening): void {
    const before = this.#model.phase;
    const [model, command] = step(this.#model, happening, Date.now(), Math.random());
    this.#model = model;
    if (before === 'playing' && model.phase !== 'playing') this.#notPlayingSinceMs = Date.now();
    if (command === 'unload') this.#unload();
    if (command === 'load') this.#load();
    this.#show();
    if (command === 'unload') void this.#poll();
  }

  #load(): void {
    const state = this.status?.state;
    // Before the first picture there is no thumbnail either.
    if (state === 'live' || state === 'waiting') byId('poster', HTMLImageElement).src = thumbUrl(this.name);
    if (this.#pausedByViewer) this.#waitForClick();
    this.engine?.load(masterUrl(this.name));
    if (!this.#pausedByViewer) this.#play();
  }

  #unload(): void {
    this.engine?.unload();
    this.stage.classList.remove('is-blocked');
  }

  /** Shows the first frame and a button. */
  #waitForClick(): void {
    // The page loads nothing ahead of play(): without it there would be no frame.
    this.video.preload = 'auto';
    this.stage.classList.add('is-blocked');
  }

  /** Plays with sound if the browser lets it, else without, else asks for a click. */
  #play(): void {
    const { video, stage } = this;
    video.play().catch((error: unknown) => {
      if (!(error instanceof DOMException) || error.name !== 'NotAllowedError') return;
      if (video.muted) {
        stage.classList.add('is-blocked');
        return;
      }
      video.muted = true;
      stage.classList.add('is-silenced');
      this.#play();
    });
  }

  #fitStage(): void {
    const { videoWidth, videoHeight } = this.video;
    if (videoWidth && videoHeight) {
      this.stage.style.setProperty('--aspect', String(videoWidth / videoHeight));
    }
  }

  #show(): void {
    const { view, stage } = this;
    if (view !== this.#shown) {
      this.#shown = view;
      stage.dataset['view'] = view;
      if (view !== 'playing' && view !== 'reconnecting') stage.classList.remove('is-stalled');
    }
    const message = messageFor(view, this.name, this.status?.last_error ?? null);
    if (message) {
      setText(byId('message-title', HTMLElement), message.title);
      setText(byId('message-detail', HTMLElement), message.detail);
    }
    stage.classList.toggle('is-busy', message?.busy ?? false);
    this.#notify();
  }

  #notify(): void {
    for (const listener of this.#listeners) listener(this);
  }
}

async function createEngine(video: HTMLVideoElement, events: EngineEvents): Promise<Engine> {
  if ('MediaSource' in window || 'ManagedMediaSource' in window) {
    const { HlsEngine, isSupported } = await import('./hls-engine.ts');
    if (isSupported()) return new HlsEngine(video, events);
  }
  return new NativeEngine(video, events);
}
