/** What the lock screen, media keys and headsets show and do. */

import { thumbUrl } from '../api.ts';
import type { Controls } from './controls.ts';
import type { Player } from './player.ts';

const SEEK_S = 5;

/** Announces the stream to the system, and obeys its buttons. */
export function wireMediaSession(player: Player, controls: Controls): void {
  if (!('mediaSession' in navigator)) return;
  const { mediaSession } = navigator;
  const { video } = player;
  const artwork = [{ src: new URL(thumbUrl(player.name), location.href).href, type: 'image/jpeg' }];
  const state = (): void => void (mediaSession.playbackState = video.paused ? 'paused' : 'playing');
  // The session begins with the first picture: before that there is no thumbnail.
  video.addEventListener('playing', () => {
    mediaSession.metadata = new MediaMetadata({ title: player.name, artist: location.host, artwork });
    state();
  });
  video.addEventListener('pause', state);
  on('play', () => void video.play().catch(() => undefined));
  on('pause', () => video.pause());
  // Both stay within what the server has; see Controls.seekTo. There is nothing to skip to.
  on('seekbackward', ({ seekOffset }) => controls.seekBy(-(seekOffset ?? SEEK_S)));
  on('seekforward', ({ seekOffset }) => controls.seekBy(seekOffset ?? SEEK_S));
}

function on(action: MediaSessionAction, handler: MediaSessionActionHandler): void {
  try {
    navigator.mediaSession.setActionHandler(action, handler);
  } catch {
    // A browser that does not know the action.
  }
}
