/** The viewer's volume, kept from visit to visit. */

const KEY = 'weir.volume';

/** Sets what was kept, and keeps what is set from now on. */
export function restoreVolume(video: HTMLVideoElement): void {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? '{}') as { volume?: unknown };
    const { volume } = kept;
    if (typeof volume === 'number' && volume > 0 && volume <= 1) video.volume = volume;
  } catch {
    // No storage, or something else wrote there: full volume, then.
  }
  video.addEventListener('volumechange', () => {
    try {
      localStorage.setItem(KEY, JSON.stringify({ volume: video.volume }));
    } catch {
      // A page embedded in another site may have no storage.
    }
  });
}
