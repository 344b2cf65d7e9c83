/** `/`: the list of all streams, refreshed while the page is visible. */

import { listStreams, type StreamStatus } from './api.ts';
import { backoffMs } from './backoff.ts';
import { byId, setText } from './dom.ts';
import { Card } from './list/card.ts';
import { awaitsPublisher, sectionOf, type Section } from './wording.ts';
import { speak } from './words/words.ts';

speak();

const REFRESH_MS = 2_000;
const SECTIONS: Section[] = ['live', 'offline'];

const cards = new Map<string, Card>();
let failures = 0;
let timer = 0;
let asking = false;

async function refresh(): Promise<void> {
  if (asking) return;
  asking = true;
  clearTimeout(timer);
  const streams = await listStreams();
  asking = false;
  failures = streams ? 0 : failures + 1;
  // A single lost answer is not worth a note; two in a row are.
  byId('offline-note', HTMLElement).hidden = failures < 2;
  if (streams) show(streams);
  if (!document.hidden) {
    timer = window.setTimeout(() => void refresh(), streams ? REFRESH_MS : backoffMs(failures + 2, Math.random()));
  }
}

function show(streams: StreamStatus[]): void {
  const now = Date.now();
  const gone = new Set(cards.keys());
  const sorted: Record<Section, Card[]> = { live: [], offline: [] };
  for (const status of streams) {
    gone.delete(status.name);
    const card = cards.get(status.name) ?? new Card(status.name);
    cards.set(status.name, card);
    card.update(status, now);
    sorted[sectionOf(status)].push(card);
  }
  for (const name of gone) {
    cards.get(name)?.remove();
    cards.delete(name);
  }
  for (const section of SECTIONS) place(section, sorted[section]);
  byId('empty', HTMLElement).hidden = streams.length > 0;
  byId('quiet', HTMLElement).hidden = streams.length === 0 || sorted.live.length > 0;
  byId('howto', HTMLElement).hidden = !awaitsPublisher(streams);
}

/** Moves only cards that are out of place: a card that stays keeps its focus and its picture. */
function place(section: Section, wanted: Card[]): void {
  const grid = byId(`grid-${section}`, HTMLElement);
  wanted.forEach((card, index) => {
    const there = grid.children[index];
    if (there !== card.element) grid.insertBefore(card.element, there ?? null);
  });
  byId(`section-${section}`, HTMLElement).hidden = wanted.length === 0;
  setText(byId(`count-${section}`, HTMLElement), String(wanted.length));
}

document.addEventListener('visibilitychange', () => {
  if (!document.hidden) void refresh();
});
void refresh();
