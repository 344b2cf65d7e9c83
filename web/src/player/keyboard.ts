/** The player's keys. */

import { byId } from '../dom.ts';
import type { Controls } from './controls.ts';
import type { Panels } from './panels.ts';

const SEEK_S = 5;
const VOLUME_STEP = 0.05;

/** Listens on the whole page: there is one player on it. */
export function wireKeyboard(controls: Controls, panels: Panels): void {
  const help = byId('help', HTMLDialogElement);
  byId('help-close', HTMLButtonElement).addEventListener('click', () => help.close());
  // A click on the backdrop hits the dialog itself, not what is in it.
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
    if (keepsKey(event.target, event.key)) return;
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    controls.wake();
    action();
  });
}

/** Whether the focused element has a use for the key itself. */
function keepsKey(target: EventTarget | null, key: string): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) {
    return target.type === 'text' || key.startsWith('Arrow') || (key === ' ' && target.type === 'radio');
  }
  if (target instanceof HTMLTextAreaElement) return true;
  return key === ' ' && (target instanceof HTMLButtonElement || target instanceof HTMLAnchorElement);
}
