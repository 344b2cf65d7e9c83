/** Assembles a player for `/watch` and `/embed`. */

import { nameInPath } from '../api.ts';
import { Controls } from './controls.ts';
import { exposeHandle } from './handle.ts';
import { wireKeyboard } from './keyboard.ts';
import { Panels } from './panels.ts';
import { Player } from './player.ts';

/** Creates the player for the stream in the page's address. */
export function mountPlayer(): Player {
  const player = new Player(nameInPath(location.pathname) ?? '');
  const panels = new Panels(player);
  const controls = new Controls(player);
  wireKeyboard(controls, panels);
  exposeHandle(player);
  document.title = `${player.name} · weir`;
  player.start();
  return player;
}
