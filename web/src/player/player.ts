/**
 * The player: queries the API, drives an engine according to the lifecycle, and shows the state.
 */

import { askToStart, lookUpStream, masterUrl, thumbUrl, type Lookup, type StreamStatus } from '../api.ts';
import { byId, setText } from '../dom.ts';
import type { Engine, EngineEvents } from './engine.ts';
import { initial, pollMs, step, viewOf, type Happening, type Model, type View } from './lifecycle.ts';
import { messageFor } from './messages.ts';
import { NativeEngine } from './native-engine.ts';
import { restoreVolume } from './volume.ts';

/** The page reloads only when it is at least this old, if part of its code could not be fetched. */
const RELOAD_MS = 5_000;

/** A start that takes longer shows the thumbnail meanwhile; a faster one would only be delayed by it. */
const POSTER_AFTER_MS = 700;

/** Called when something about the player has changed. */
export type Listener = (player: Player) => void;

/** The player of a page that contains `_player.html`. */
export class Player {
  readonly stage = byId('stage', HTMLElement);
  readonly video = byId('video', HTMLVideoElement);
  engine: Engine | null = null;
  #model: Model = initial;
  #listeners: Listener[] = [];
  #engineReady: Promise<void> = Promise.resolve();
  #pollTimer = 0;
  #polling = false;
  /** Kept across loads: sound must not come back without the viewer's action. */
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

  /** Starts to query the API and plays as soon as there is something to play. */
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
      () => undefined, // Its code could not be fetched; see #startOver.
    );
    void this.#poll();
  }

  /** What the viewer sees now. */
  get view(): View {
    return viewOf(this.#model);
  }

  /** Last status from the API, if it knew the stream. */
  get status(): StreamStatus | null {
    const { lookup } = this.#model;
    return lookup?.kind === 'found' ? lookup.status : null;
  }

  /** Registers a callback for changes of view, status or renditions. */
  onChange(listener: Listener): void {
    this.#listeners.push(listener);
    listener(this);
  }

  /** Turns the sound on because the viewer asked for it. */
  unmute(): void {
    this.video.muted = false;
    if (this.video.volume === 0) this.video.volume = 1;
    this.#play();
  }

  async #poll(): Promise<void> {
    if (this.#polling) return;
    this.#polling = true;
    clearTimeout(this.#pollTimer);
    // The request to the API runs while the engine's code is still being loaded.
    const [lookup] = await Promise.all([lookUpStream(this.name, this.#model.phase === 'playing' && !this.video.paused), this.#engineReady]);
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
   * Browsers remember that a module failed to load and fetch it again only for a new page. So the
   * page reloads, but not while the server is unreachable: the browser would then show its own
   * error page, which never tries again.
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
    // Without a publisher the answer is 404, which is no fault that an engine should report.
    if (state === 'idle' || state === 'failed') void this.#ask();
    else this.#loadEngine();
  }

  async #ask(): Promise<void> {
    if (await askToStart(this.name)) this.#loadEngine();
    else this.#happen({ type: 'fatal' });
  }

  #loadEngine(): void {
    const state = this.status?.state;
    // Before the first picture there is no thumbnail.
    if (state === 'live' || state === 'waiting') window.setTimeout(() => this.#showPoster(), POSTER_AFTER_MS);
    if (this.#pausedByViewer) this.#waitForClick();
    this.engine?.load(masterUrl(this.name));
    if (!this.#pausedByViewer) this.#play();
  }

  #showPoster(): void {
    if (this.#model.phase === 'loading') byId('poster', HTMLImageElement).src = thumbUrl(this.name);
  }

  #unload(): void {
    this.engine?.unload();
    this.stage.classList.remove('is-blocked');
  }

  /** Shows the first frame and a play button. */
  #waitForClick(): void {
    // The page loads nothing before play(), so without it there would be no frame.
    this.video.preload = 'auto';
    this.stage.classList.add('is-blocked');
  }

  /** Plays with sound if the browser allows it, otherwise muted, otherwise asks for a click. */
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
    const message = messageFor(view, this.name);
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
