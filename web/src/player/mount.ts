/** Assembles a player for `/watch` and `/embed`. */

import { nameInPath } from '../api.ts';
import { byId, setText } from '../dom.ts';
import { speak } from '../words/words.ts';
import { Controls } from './controls.ts';
import { exposeHandle } from './handle.ts';
import { wireKeyboard } from './keyboard.ts';
import { wireMediaSession } from './media-session.ts';
import { Panels } from './panels.ts';
import { Player } from './player.ts';
import { wireRemote } from './remote.ts';

/** Creates the player for the stream in the page's address. */
export function mountPlayer(): Player {
  speak();
  const player = new Player(nameInPath(location.pathname) ?? '');
  const panels = new Panels(player);
  const controls = new Controls(player);
  wireKeyboard(controls, panels);
  wireMediaSession(player, controls);
  wireRemote(player.video);
  exposeHandle(player);
  setText(byId('title', HTMLElement), player.name);
  document.title = `${player.name} · weir`;
  player.start();
  return player;
}
