/** The control bar: play, sound, live, full screen, and when the bar hides. */

import { byId, setText } from '../dom.ts';
import { behind, seconds } from '../format.ts';
import { t } from '../words/words.ts';
import { bufferedAhead } from './engine.ts';
import type { Player } from './player.ts';
import { Preview } from './preview.ts';

/** The bar hides this long after the last movement of the pointer. */
const HIDE_AFTER_MS = 2_500;
/** How often times and latency are updated. */
const REFRESH_MS = 250;
/** A seek this close to the live edge goes to the live edge. */
const EDGE_S = 1.5;
/**
 * After a shorter pause, playback returns to the live edge. After a longer one, the viewer wants to
 * see what was missed.
 */
const PAUSE_FORGIVEN_S = 4;

/** iPhones support full screen only for the video element. */
type AppleVideo = HTMLVideoElement & { webkitEnterFullscreen?: () => void };

/** Actions that buttons and keys share. */
export class Controls {
  #hideTimer = 0;
  readonly #seek = byId('seek', HTMLInputElement);
  readonly #volume = byId('volume', HTMLInputElement);
  readonly #preview: Preview;

  constructor(private readonly player: Player) {
    this.#wireButtons();
    this.#wireSeek();
    this.#preview = new Preview(player, this.#seek);
    this.#wireVolume();
    this.#wirePicture();
    this.#wireHiding();
    player.onChange(() => this.refresh());
    window.setInterval(() => this.refresh(), REFRESH_MS);
  }

  togglePlay(): void {
    const { video } = this.player;
    if (video.paused) void video.play().catch(() => undefined);
    else video.pause();
  }

  toggleMute(): void {
    const { video } = this.player;
    if (video.muted || video.volume === 0) this.player.unmute();
    else video.muted = true;
  }

  changeVolume(by: number): void {
    const { video } = this.player;
    video.volume = Math.min(1, Math.max(0, Math.round((video.volume + by) * 20) / 20));
    video.muted = video.volume === 0;
  }

  toggleFullscreen(): void {
    const { stage, video } = this.player;
    if (document.fullscreenElement) void document.exitFullscreen();
    else if (stage.requestFullscreen) void stage.requestFullscreen().catch(() => undefined);
    else (video as AppleVideo).webkitEnterFullscreen?.();
  }

  togglePictureInPicture(): void {
    if (!document.pictureInPictureEnabled) return;
    if (document.pictureInPictureElement) void document.exitPictureInPicture();
    else void this.player.video.requestPictureInPicture().catch(() => undefined);
  }

  goLive(): void {
    this.player.engine?.goLive();
    this.refresh();
  }

  seekBy(seconds: number): void {
    this.seekTo(this.player.video.currentTime + seconds);
  }

  seekTo(position: number): void {
    const { engine, video } = this.player;
    const window = engine?.window();
    if (!engine || !window) return;
    if (position > window.end - EDGE_S) {
      engine.goLive();
      return;
    }
    engine.following = false;
    video.currentTime = Math.max(window.start + 0.1, position);
    this.refresh();
  }

  /** Shows the bar, and hides it again when nothing moves. */
  wake(): void {
    const { stage, video } = this.player;
    stage.dataset['chrome'] = 'shown';
    clearTimeout(this.#hideTimer);
    this.#hideTimer = window.setTimeout(() => {
      const busy = video.paused || stage.querySelector('.controls :focus-visible, [aria-expanded="true"]');
      if (!busy) stage.dataset['chrome'] = 'hidden';
    }, HIDE_AFTER_MS);
  }

  /** Updates everything that changes with time. */
  refresh(): void {
    const { engine, video, stage } = this.player;
    stage.classList.toggle('is-paused', video.paused);
    stage.classList.toggle('is-muted', video.muted || video.volume === 0);
    label('play', t(video.paused ? 'player.play.key' : 'player.pause.key'));
    label('mute', t(video.muted ? 'player.unmute.key' : 'player.mute.key'));
    label('fullscreen', t(document.fullscreenElement ? 'player.fullscreen.leave' : 'player.fullscreen'));
    this.#refreshSeek();

    const { latency = null, target = null } = engine?.readings() ?? {};
    const atEdge = (engine?.following ?? true) && !video.paused;
    const live = byId('live', HTMLButtonElement);
    live.classList.toggle('is-at-edge', atEdge);
    const liveText = atEdge || latency === null ? t('player.live') : behind(latency);
    setText(byId('live-text', HTMLElement), liveText);
    label('live', atEdge ? t('player.atEdge') : t('player.toEdge', { text: liveText }));
    const readout = byId('latency', HTMLElement);
    setText(readout, latency === null || !atEdge ? '' : seconds(latency));
    const buffered = latency === null ? '' : seconds(bufferedAhead(video));
    setText(byId('buffer', HTMLElement), buffered);
    readout.title =
      target === null ? '' : t('player.aim', { seconds: seconds(target) });
  }

  #refreshSeek(): void {
    const { engine, video } = this.player;
    const window = engine?.window();
    const length = window ? window.end - window.start : 0;
    this.#seek.disabled = length < 4;
    if (this.#seek.disabled) this.#preview.refresh();
    if (!window || this.#seek.matches(':active')) return;
    const latency = engine?.following ? 0 : window.end - video.currentTime;
    const value = Math.min(length, Math.max(0, length - latency));
    this.#seek.max = length.toFixed(1);
    this.#seek.value = value.toFixed(1);
    this.#fillSeek();
    this.#preview.refresh();
    this.#seek.setAttribute(
      'aria-valuetext',
      latency < 1 ? t('player.position.live') : t('player.position.behind', { seconds: Math.round(latency) }),
    );
  }

  #fillSeek(): void {
    const { max, value } = this.#seek;
    this.#seek.style.setProperty('--fill', String(Number(max) > 0 ? Number(value) / Number(max) : 1));
  }

  #wireButtons(): void {
    const { video, stage } = this.player;
    const onClick = (id: string, action: () => void): void =>
      byId(id, HTMLButtonElement).addEventListener('click', action);
    onClick('play', () => this.togglePlay());
    onClick('mute', () => this.toggleMute());
    onClick('live', () => this.goLive());
    onClick('fullscreen', () => this.toggleFullscreen());
    onClick('pip', () => this.togglePictureInPicture());
    for (const id of ['pip', 'help-pip']) byId(id, HTMLElement).hidden = !document.pictureInPictureEnabled;
    for (const type of ['play', 'pause', 'volumechange', 'seeked']) {
      video.addEventListener(type, () => this.refresh());
    }
    video.addEventListener('play', () => this.#afterPause());
    video.addEventListener('pause', () => this.wake());
    document.addEventListener('fullscreenchange', () => {
      stage.classList.toggle('is-fullscreen', document.fullscreenElement === stage);
      this.refresh();
    });
  }

  #afterPause(): void {
    const { engine } = this.player;
    const { latency, target } = engine?.readings() ?? {};
    if (engine && latency != null && target != null && latency > target + PAUSE_FORGIVEN_S) {
      engine.following = false;
    }
  }

  #wireSeek(): void {
    this.#seek.addEventListener('input', () => {
      const window = this.player.engine?.window();
      if (window) this.seekTo(window.start + Number(this.#seek.value));
      this.#fillSeek();
    });
  }

  #wireVolume(): void {
    const { video } = this.player;
    const show = (): void => {
      const level = video.muted ? 0 : video.volume;
      this.#volume.value = String(level);
      this.#volume.style.setProperty('--fill', String(level));
    };
    this.#volume.addEventListener('input', () => {
      video.volume = Number(this.#volume.value);
      video.muted = video.volume === 0;
    });
    video.addEventListener('volumechange', show);
    show();
  }

  /** A click on the picture plays or pauses; a touch shows or hides the bar. */
  #wirePicture(): void {
    const { video, stage } = this.player;
    let touched = false;
    video.addEventListener('pointerdown', (event) => (touched = event.pointerType === 'touch'));
    video.addEventListener('click', () => {
      if (!touched) this.togglePlay();
      else if (stage.dataset['chrome'] === 'shown') stage.dataset['chrome'] = 'hidden';
      else this.wake();
    });
    video.addEventListener('dblclick', () => this.toggleFullscreen());
  }

  #wireHiding(): void {
    const { stage } = this.player;
    stage.addEventListener('pointermove', (event) => {
      if (event.pointerType !== 'touch') this.wake();
    });
    stage.addEventListener('focusin', () => this.wake());
    byId('controls', HTMLElement).addEventListener('pointerdown', () => this.wake());
    this.wake();
  }
}

function label(id: string, text: string): void {
  const button = byId(id, HTMLButtonElement);
  if (button.getAttribute('aria-label') === text) return;
  button.setAttribute('aria-label', text);
  button.title = text;
}
