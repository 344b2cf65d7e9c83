/** The link and the embed code of a stream, each with a button that copies it. */

import { byId, setText } from './dom.ts';
import { t } from './words/words.ts';

const CONFIRMED_MS = 2_000;

/**
 * HTML that embeds the player in another page. Stream names need no escaping: they match
 * `[a-z0-9_-]`.
 */
export function embedCode(name: string, origin: string, pass = ''): string {
  const address = `${origin}${pass}/embed/${name}`;
  return (
    `<iframe src="${address}" width="640" height="360" title="${t('share.frameTitle', { name })}" ` +
    `allow="autoplay; fullscreen; picture-in-picture" allowfullscreen></iframe>`
  );
}

/** Fills in the fields and connects the buttons. */
export function wireShare(name: string, origin: string, pass: string): void {
  wireCopy('share-link', 'share-link-copy', `${origin}${pass}/watch/${name}`);
  wireCopy('share-embed', 'share-embed-copy', embedCode(name, origin, pass));
  const share = byId('share', HTMLDetailsElement);
  document.addEventListener('pointerdown', (event) => {
    if (event.target instanceof Node && !share.contains(event.target)) share.open = false;
  });
  share.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !share.open) return;
    share.open = false;
    share.querySelector('summary')?.focus();
  });
}

function wireCopy(fieldId: string, buttonId: string, value: string): void {
  const field = byId(fieldId, HTMLInputElement);
  const button = byId(buttonId, HTMLButtonElement);
  field.value = value;
  field.addEventListener('focus', () => field.select());
  button.addEventListener('click', () => {
    void copy(field).then((done) => {
      setText(button, t(done ? 'share.copied' : 'share.press'));
      window.setTimeout(() => setText(button, t('share.copy')), CONFIRMED_MS);
    });
  });
}

/** Pages on plain HTTP have no clipboard API; the older command still works there. */
async function copy(field: HTMLInputElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(field.value);
    return true;
  } catch {
    field.select();
    return document.execCommand('copy');
  }
}
