/** The picture above the seek bar: of where the pointer is, or of where the bar stands while it is moved. */

import { storyboardUrl } from '../api.ts';
import { byId, setText } from '../dom.ts';
import { behind } from '../format.ts';
import { t } from '../words/words.ts';
import type { Player } from './player.ts';
import { pictureAt, readStoryboard, type Picture } from './storyboard.ts';

/** The list is asked for again after this time, while the preview is shown. */
const LIST_AGE_MS = 4_000;
/** Width of the bar's thumb; its centre does not come closer to the ends of the bar. */
const THUMB_PX = 14;
/** So close to the live edge, the preview says `live`. */
const EDGE_S = 1.5;

/** Nothing is fetched before it is shown for the first time. */
export class Preview {
  readonly #box = byId('preview', HTMLElement);
  readonly #image = byId('preview-picture', HTMLImageElement);
  #pictures: Picture[] = [];
  #askedMs = -Infinity;
  #asking = false;
  /** Position that is shown, in seconds of the element's clock. */
  #position: number | null = null;
  /** Address of the picture that is wanted; `null` for none. */
  #wanted: string | null = null;
  #loading = false;
  #hovered = false;
  /** Sent away by the viewer, until something moves. */
  #dismissed = false;

  constructor(
    private readonly player: Player,
    private readonly seek: HTMLInputElement,
  ) {
    seek.addEventListener('pointermove', (event) => this.#hover(event));
    seek.addEventListener('pointerleave', () => this.#leave());
    // A finger on the bar moves the bar, and lets go of it.
    seek.addEventListener('input', () => this.#move());
    for (const type of ['change', 'pointerup', 'pointercancel', 'blur']) seek.addEventListener(type, () => this.#release());
    seek.addEventListener('focus', () => this.#move());
    // What appears by itself can be sent away without moving pointer or focus (WCAG 1.4.13).
    player.stage.addEventListener('keydown', ({ key }) => {
      this.#dismissed = key === 'Escape' || (this.#dismissed && !key.startsWith('Arrow'));
      if (this.#dismissed) this.#hide();
    });
    for (const type of ['load', 'error']) this.#image.addEventListener(type, () => this.#loaded(type === 'load'));
  }

  /** Call this when the bar may have moved by itself, or by a key. */
  refresh(): void {
    if (this.seek.disabled) this.#hide();
    else if (this.#isFocused() && !this.#hovered && !this.#dismissed) this.#follow();
  }

  #move(): void {
    this.#dismissed = false;
    if (this.#isFocused() || this.seek.matches(':active')) this.#follow();
  }

  #isFocused = (): boolean => this.seek.matches(':focus-visible');

  #hover(event: PointerEvent): void {
    if (event.pointerType === 'touch' || this.seek.matches(':active')) return;
    const { left, width } = this.seek.getBoundingClientRect();
    const share = (event.clientX - left - THUMB_PX / 2) / Math.max(1, width - THUMB_PX);
    this.#hovered = true;
    this.#dismissed = false;
    this.#show(Math.min(1, Math.max(0, share)));
  }

  #leave(): void {
    this.#hovered = false;
    if (this.seek.matches(':active')) return;
    this.#hide();
    this.refresh();
  }

  #follow(): void {
    const { max, value } = this.seek;
    this.#show(Number(max) > 0 ? Number(value) / Number(max) : 1);
  }

  #release(): void {
    if (!this.#hovered && !this.#isFocused()) this.#hide();
  }

  #hide(): void {
    this.#position = null;
    this.#box.hidden = true;
  }

  /** Shows what is at a share of the window, from 0 to 1. */
  #show(share: number): void {
    const window = this.player.engine?.window();
    if (!window || this.seek.disabled) return this.#hide();
    this.#position = window.start + share * (window.end - window.start);
    this.#box.hidden = false;
    this.#box.style.setProperty('--at', String(share));
    const before = window.end - this.#position;
    setText(byId('preview-time', HTMLElement), before < EDGE_S ? t('player.live') : behind(before));
    this.#draw();
    void this.#ask();
  }

  #draw(): void {
    const position = this.#position;
    const dateMs = position === null ? null : (this.player.engine?.dateAt(position) ?? null);
    this.#wanted = dateMs === null ? null : (pictureAt(this.#pictures, dateMs)?.url ?? null);
    this.#box.classList.toggle('has-picture', this.#wanted !== null && this.#image.src !== '');
    this.#load();
  }

  /** One picture at a time: whoever moves fast over the bar wants only the last one. */
  #load(): void {
    if (this.#loading || this.#wanted === null || this.#image.src === this.#wanted) return;
    this.#loading = true;
    this.#image.src = this.#wanted;
  }

  #loaded(isThere: boolean): void {
    this.#loading = false;
    this.#box.classList.toggle('has-picture', isThere && this.#wanted !== null);
    if (this.#position !== null) this.#load();
  }

  async #ask(): Promise<void> {
    if (this.#asking || performance.now() - this.#askedMs < LIST_AGE_MS) return;
    this.#asking = true;
    try {
      const response = await fetch(storyboardUrl(this.player.name));
      this.#pictures = response.ok ? readStoryboard(await response.text(), response.url) : [];
    } catch {
      // The list that is there may still serve; the next move asks again.
    } finally {
      this.#asking = false;
      this.#askedMs = performance.now();
    }
    this.#draw();
  }
}
