/** Keeps the viewer's volume from visit to visit. */

const KEY = 'weir.volume';

/** Restores the volume and saves later changes. */
export function restoreVolume(video: HTMLVideoElement): void {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? '{}') as { volume?: unknown };
    const { volume } = kept;
    if (typeof volume === 'number' && volume > 0 && volume <= 1) video.volume = volume;
  } catch {
    // No storage, or another script wrote the value: use full volume.
  }
  video.addEventListener('volumechange', () => {
    try {
      localStorage.setItem(KEY, JSON.stringify({ volume: video.volume }));
    } catch {
      // A page embedded in another site may have no storage.
    }
  });
}
