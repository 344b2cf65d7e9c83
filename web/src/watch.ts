/** `/watch/NAME`: the player, facts about the stream, and ways to share it. */

import { passInPath } from './api.ts';
import { byId, setText } from './dom.ts';
import { viewers } from './format.ts';
import { mountPlayer } from './player/mount.ts';
import type { Player } from './player/player.ts';
import { wireShare } from './share.ts';
import { badgeFor, describe } from './wording.ts';

function showFacts(player: Player): void {
  const { status, view } = player;
  const badge = byId('badge', HTMLElement);
  const { text, tone } = badgeFor(status?.state ?? 'idle');
  setText(badge, text);
  badge.dataset['tone'] = tone;
  badge.hidden = !status || status.state === 'idle';
  setText(byId('facts', HTMLElement), status ? describe(status, Date.now()) : '');
  setText(byId('viewers', HTMLElement), status && status.viewers > 0 ? viewers(status.viewers) : '');
  byId('share', HTMLElement).hidden = view === 'missing' || view === 'locked';
}

const player = mountPlayer();
wireShare(player.name, location.origin, passInPath(location.pathname));
player.onChange(showFacts);
