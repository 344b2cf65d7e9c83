/**
 * The picture on another screen: AirPlay in Safari, the Remote Playback API elsewhere. The button is
 * there only while the browser says that a screen is.
 *
 * A browser cannot send what hls.js feeds it to another screen; it needs an address that the screen
 * itself can play. Safari takes one from a second source of the element. Other browsers then report
 * no screen, and there is no button.
 */

import { byId } from '../dom.ts';
import { t } from '../words/words.ts';

/** What Safari adds to a video element. */
type AppleVideo = HTMLVideoElement & {
  webkitShowPlaybackTargetPicker?: () => void;
  webkitCurrentPlaybackTargetIsWireless?: boolean;
};

/** Whether another screen shows the picture now. */
export const isElsewhere = (video: HTMLVideoElement): boolean =>
  (video as AppleVideo).webkitCurrentPlaybackTargetIsWireless ?? false;

/** Connects the button. */
export function wireRemote(video: HTMLVideoElement): void {
  const button = byId('remote', HTMLButtonElement);
  const pick = (video as AppleVideo).webkitShowPlaybackTargetPicker?.bind(video);
  const name = t(pick ? 'player.airplay' : 'player.cast');
  button.setAttribute('aria-label', name);
  button.title = name;
  const show = (available: boolean): void => void (button.hidden = !available);
  if (pick) {
    button.addEventListener('click', pick);
    video.addEventListener('webkitplaybacktargetavailabilitychanged', (event) =>
      show('availability' in event && event.availability === 'available'),
    );
    return;
  }
  const { remote } = video;
  if (!remote) return;
  // A prompt that is closed without a choice rejects.
  button.addEventListener('click', () => void remote.prompt().catch(() => undefined));
  // Where the browser cannot tell, or the page forbids it, there is no button.
  remote.watchAvailability(show).catch(() => show(false));
}

/**
 * Gives Safari the address that it hands to an AirPlay screen. Call this once the Managed Media
 * Source is open: before that, Safari opens it only while remote playback is off.
 */
export function offerAlternative(video: HTMLVideoElement, url: string): void {
  // hls.js appends a source for a Managed Media Source; for any other it sets `src`.
  if (!video.querySelector('source')) return;
  const source = document.createElement('source');
  source.type = 'application/vnd.apple.mpegurl';
  source.src = url;
  video.append(source);
  video.disableRemotePlayback = false;
}
