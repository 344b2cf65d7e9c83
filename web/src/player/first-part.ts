/** Which part of a segment playback begins with. Pure. */

/** What the choice of a part needs of it. Times in seconds. */
interface Part {
  start: number;
  loaded: boolean;
  gap: boolean;
  fragment: { sn: number | 'initSegment' };
}

/**
 * hls.js takes a segment for whole if no more than this is missing at one of its ends (`bufferPadding` of its
 * FragmentTracker), but waits for each part of the segment before it goes on to the next segment. So where
 * the first part is shorter than this and playback begins with the second one, neither may happen: the
 * picture freezes until the segment leaves the playlist's list of parts.
 */
const MISSING_S_MAX = 0.2;
const ROUNDING_S = 0.001;

/**
 * The part to load instead of `chosen`: the first one of the segment, where hls.js would not see that the
 * segment begins later. Both are places in `parts`.
 */
export function withFirstPart(parts: Part[], chosen: number): number {
  const part = parts[chosen];
  if (!part) return chosen;
  const isLeftOut = (it: Part | undefined): it is Part =>
    it !== undefined && it.fragment.sn === part.fragment.sn && !it.loaded && !it.gap;
  let first = chosen;
  while (isLeftOut(parts[first - 1])) first -= 1;
  const missingS = part.start - (parts[first]?.start ?? part.start);
  return missingS <= MISSING_S_MAX + ROUNDING_S ? first : chosen;
}
