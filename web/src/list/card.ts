/** The card of one stream in the list. */

import type { StreamStatus } from '../api.ts';
import { make, setText } from '../dom.ts';
import { viewers } from '../format.ts';
import { badgeFor, describe, sectionOf } from '../wording.ts';
import { Thumbnail } from './thumbnail.ts';

/** A card is built once and then updated in place. */
export class Card {
  readonly element = make('li', 'card');
  readonly #badge = make('span', 'badge');
  readonly #viewers = make('span', 'card-viewers');
  readonly #facts = make('p', 'card-facts');
  readonly #thumbnail: Thumbnail;

  constructor(readonly name: string) {
    const link = make('a', 'card-link', name);
    link.href = `/watch/${name}`;
    const title = make('h3', 'card-title');
    title.append(link);
    const picture = make('div', 'card-picture');
    this.#thumbnail = new Thumbnail(name, picture);
    picture.append(this.#badge, this.#viewers);
    const text = make('div', 'card-text');
    text.append(title, this.#facts);
    this.element.append(picture, text);
  }

  update(status: StreamStatus, nowMs: number): void {
    const section = sectionOf(status);
    const badge = badgeFor(status.state);
    setText(this.#badge, badge.text);
    this.#badge.dataset['tone'] = badge.tone;
    this.element.dataset['section'] = section;
    this.#viewers.hidden = status.viewers === 0;
    setText(this.#viewers, viewers(status.viewers));
    setText(this.#facts, describe(status, nowMs));
    this.#facts.classList.toggle('is-bad', status.state === 'failed');
    this.#thumbnail.wanted = status.state === 'live' || status.state === 'waiting';
  }

  remove(): void {
    this.#thumbnail.wanted = false;
    this.#thumbnail.stop();
    this.element.remove();
  }
}
