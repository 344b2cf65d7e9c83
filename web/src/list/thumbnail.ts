/** A thumbnail that is refreshed while it is visible. */

import { thumbUrl } from '../api.ts';
import { make } from '../dom.ts';

const REFRESH_MS = 4_000;

/** Shows the latest thumbnail in an element. An unchanged thumbnail costs one 304 answer. */
export class Thumbnail {
  readonly #image = make('img', 'card-image');
  readonly #observer: IntersectionObserver;
  readonly #timer: number;
  #visible = false;
  #wanted = false;
  #etag: string | null = null;
  #address: string | null = null;
  #busy = false;

  constructor(
    private readonly name: string,
    host: HTMLElement,
  ) {
    this.#image.alt = '';
    this.#image.hidden = true;
    host.append(this.#image);
    this.#observer = new IntersectionObserver((entries) => {
      this.#visible = entries.some((entry) => entry.isIntersecting);
      void this.#refresh();
    });
    this.#observer.observe(host);
    this.#timer = window.setInterval(() => void this.#refresh(), REFRESH_MS);
  }

  /** Whether the stream has a thumbnail; without one the picture is removed. */
  set wanted(wanted: boolean) {
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    if (wanted) void this.#refresh();
    else this.#clear();
  }

  /** Stops all timers and requests. */
  stop(): void {
    clearInterval(this.#timer);
    this.#observer.disconnect();
    this.#clear();
  }

  async #refresh(): Promise<void> {
    if (!this.#wanted || !this.#visible || document.hidden || this.#busy) return;
    this.#busy = true;
    try {
      // With `no-cache` the browser sends the ETag, and takes its own copy when the answer is 304.
      const response = await fetch(thumbUrl(this.name), { cache: 'no-cache' });
      const etag = response.headers.get('etag');
      if (response.ok && (etag === null || etag !== this.#etag)) {
        this.#etag = etag;
        await this.#show(await response.blob());
      }
    } catch {
      // The next refresh tries again; the list itself reports an unreachable server.
    } finally {
      this.#busy = false;
    }
  }

  async #show(picture: Blob): Promise<void> {
    let address: string | null = URL.createObjectURL(picture);
    try {
      const decoded = new Image();
      decoded.src = address;
      await decoded.decode();
      if (!this.#wanted) return;
      this.#image.src = address;
      this.#image.hidden = false;
      // The earlier address, which is revoked below, changes places with the new one.
      [this.#address, address] = [address, this.#address];
    } finally {
      if (address) URL.revokeObjectURL(address);
    }
  }

  #clear(): void {
    this.#image.hidden = true;
    this.#image.removeAttribute('src');
    this.#etag = null;
    if (this.#address) URL.revokeObjectURL(this.#address);
    this.#address = null;
  }
}
