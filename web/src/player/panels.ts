/** Panels on top of the picture: the quality menu and the statistics. */

import { byId, make, setText } from '../dom.ts';
import { bitrate, decimal, seconds } from '../format.ts';
import { t } from '../words/words.ts';
import { badgeFor } from '../wording.ts';
import { bufferedAhead } from './engine.ts';
import type { Player } from './player.ts';

const STATS_REFRESH_MS = 500;

/** The two panels. */
export class Panels {
  readonly #settings = byId('settings', HTMLElement);
  readonly #opener = byId('settings-button', HTMLButtonElement);
  readonly #stats = byId('stats', HTMLElement);
  readonly #list = byId('qualities', HTMLElement);
  #drawn = '';
  #timer = 0;
  #framesBefore: { total: number; atMs: number } | null = null;

  constructor(private readonly player: Player) {
    this.#opener.addEventListener('click', () => this.#open(this.#settings.hidden === true));
    byId('stats-toggle', HTMLButtonElement).addEventListener('click', () => {
      this.toggleStats();
      this.#dismiss();
    });
    byId('stats-close', HTMLButtonElement).addEventListener('click', () => {
      this.toggleStats();
      this.#opener.focus();
    });
    byId('help-open', HTMLButtonElement).addEventListener('click', () => {
      // This must come before the dialog opens, because the dialog returns the focus to where it
      // was.
      this.#dismiss();
      byId('help', HTMLDialogElement).showModal();
    });
    document.addEventListener('pointerdown', (event) => {
      const inside = event.target instanceof Element && event.target.closest('#settings, #settings-button');
      if (!inside) this.#open(false);
    });
    player.stage.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && !this.#settings.hidden) this.#dismiss();
    });
    player.onChange(() => this.#drawQualities());
  }

  /** Shows or hides the statistics. */
  toggleStats(): void {
    this.#stats.hidden = !this.#stats.hidden;
    clearInterval(this.#timer);
    this.#framesBefore = null;
    if (this.#stats.hidden) return;
    this.#drawStats();
    this.#timer = window.setInterval(() => this.#drawStats(), STATS_REFRESH_MS);
  }

  #open(open: boolean): void {
    this.#settings.hidden = !open;
    this.#opener.setAttribute('aria-expanded', String(open));
    if (open) this.#list.querySelector<HTMLInputElement>('input:checked')?.focus();
  }

  /**
   * Closes the settings and moves the focus to their button; it would be lost with a hidden
   * element.
   */
  #dismiss(): void {
    this.#open(false);
    this.#opener.focus();
  }

  #drawQualities(): void {
    const { engine } = this.player;
    const qualities = engine?.qualities ?? [];
    const playing = qualities.find((it) => it.index === engine?.playing);
    const auto = engine?.chosen === -1 || !engine;
    const shown = playing?.label ?? t('settings.auto');
    setText(byId('quality-now', HTMLElement), shown);
    this.#opener.setAttribute('aria-label', t('player.moreNow', { quality: shown }));
    byId('quality', HTMLElement).hidden = qualities.length === 0;

    const signature = JSON.stringify([qualities, engine?.chosen]);
    if (signature !== this.#drawn) {
      this.#drawn = signature;
      const best = [...qualities].sort((a, b) => b.bitrate - a.bitrate);
      this.#list.replaceChildren(
        this.#option(-1, t('settings.auto'), '', auto),
        ...best.map((it) =>
          this.#option(it.index, it.label, bitrate(it.bitrate), engine?.chosen === it.index),
        ),
      );
    }
    const hint = this.#list.querySelector('.option-hint');
    if (hint) setText(hint, auto && playing ? t('settings.now', { quality: playing.label }) : '');
  }

  #option(index: number, text: string, hint: string, checked: boolean): HTMLElement {
    const label = make('label', 'option');
    const input = make('input');
    input.type = 'radio';
    input.name = 'quality';
    input.checked = checked;
    input.addEventListener('change', () => {
      if (this.player.engine) this.player.engine.chosen = index;
    });
    label.append(input, make('span', 'option-text', text), make('span', 'option-hint', hint));
    return label;
  }

  #drawStats(): void {
    const rows = this.#rows().map(([term, value]) => {
      const row = make('div');
      row.append(make('dt', '', term), make('dd', '', value));
      return row;
    });
    byId('stats-rows', HTMLElement).replaceChildren(...rows);
  }

  #rows(): [string, string][] {
    const { engine, video, status } = this.player;
    const readings = engine?.readings();
    const quality = engine?.qualities.find((it) => it.index === engine.playing);
    const frames = video.getVideoPlaybackQuality?.();
    const fps = this.#framesPerSecond(frames?.totalVideoFrames);
    const or = <T>(value: T | null | undefined, text: (value: T) => string): string =>
      value == null ? '–' : text(value);
    return [
      [t('stats.picture'), video.videoWidth ? `${video.videoWidth} × ${video.videoHeight}` : '–'],
      [t('stats.frames'), t('stats.frames.value', { fps, dropped: frames?.droppedVideoFrames ?? 0 })],
      [t('stats.rung'), or(quality, (it) => `${it.label}, ${bitrate(it.bitrate)}`)],
      [t('stats.bandwidth'), or(readings?.bandwidth, bitrate)],
      [t('stats.behind'), or(readings?.latency, seconds)],
      [t('stats.aim'), or(readings?.target, seconds)],
      [t('stats.clock'), or(readings?.wallLatency, seconds)],
      [t('stats.buffer'), seconds(bufferedAhead(video))],
      [t('stats.speed'), `${decimal(video.playbackRate, 2)}×`],
      [t('stats.state'), status ? badgeFor(status.state).text : '–'],
    ];
  }

  #framesPerSecond(total: number | undefined): string {
    const nowMs = performance.now();
    const before = this.#framesBefore;
    if (total === undefined) return '–';
    this.#framesBefore = { total, atMs: nowMs };
    if (!before || total < before.total) return '–';
    return (((total - before.total) * 1000) / (nowMs - before.atMs)).toFixed(0);
  }
}
