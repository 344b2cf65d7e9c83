/** `/embed/NAME`: the player alone. `?muted` starts it without sound. */

import { mountPlayer } from './player/mount.ts';

const player = mountPlayer();
if (new URLSearchParams(location.search).has('muted')) player.video.muted = true;
