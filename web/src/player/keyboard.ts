/** Keyboard control of the player. */

import { byId } from '../dom.ts';
import type { Controls } from './controls.ts';
import type { Panels } from './panels.ts';

const SEEK_S = 5;
const VOLUME_STEP = 0.05;

/** Listens on the whole page, which has one player. */
export function wireKeyboard(controls: Controls, panels: Panels): void {
  const help = byId('help', HTMLDialogElement);
  byId('help-close', HTMLButtonElement).addEventListener('click', () => help.close());
  // A click on the backdrop has the dialog itself as its target, not an element in it.
  help.addEventListener('click', (event) => event.target === help && help.close());

  const actions: Record<string, () => void> = {
    k: () => controls.togglePlay(),
    ' ': () => controls.togglePlay(),
    m: () => controls.toggleMute(),
    f: () => controls.toggleFullscreen(),
    p: () => controls.togglePictureInPicture(),
    l: () => controls.goLive(),
    i: () => panels.toggleStats(),
    ArrowLeft: () => controls.seekBy(-SEEK_S),
    ArrowRight: () => controls.seekBy(SEEK_S),
    ArrowUp: () => controls.changeVolume(VOLUME_STEP),
    ArrowDown: () => controls.changeVolume(-VOLUME_STEP),
    '?': () => help.showModal(),
  };
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    if (event.target instanceof Element && keepsKey(event.target, event.key)) return;
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    // This also applies when the key does nothing: a Space that is held must not scroll the page.
    event.preventDefault();
    if (event.repeat && !repeats(event.key)) return;
    controls.wake();
    action();
  });
}

/** Properties of the focused element that decide who handles a key. */
export interface Focus {
  localName: string;
  id: string;
  /** Type of an input element. */
  type?: string;
}

/** Whether the focused element handles the key itself. */
export function keepsKey({ localName, id, type }: Focus, key: string): boolean {
  switch (localName) {
    case 'input':
      if (type === 'text') return true;
      // The slider's own steps are too small to leave the live edge, so the page's keys seek
      // instead.
      if (key.startsWith('Arrow')) return id !== 'seek';
      return key === ' ' && type === 'radio';
    case 'textarea':
      return true;
    case 'button':
    case 'a':
    case 'summary':
      return key === ' ';
    default:
      return false;
  }
}

/** Whether a key that is held repeats its action. Toggles must not. */
export function repeats(key: string): boolean {
  return key.startsWith('Arrow');
}
