/**
 * What a page fetches before its player is there: which addresses of a running stream hls.js is
 * going to ask for first. Pure; `ahead.ts` fetches them, `ahead-loader.ts` hands them to hls.js.
 */

/** A variant of the multivariant playlist. */
export interface Variant {
  url: string;
  /** Peak bits per second. */
  bandwidth: number;
  width: number;
  height: number;
}

/** What the start needs of a multivariant playlist. */
export interface Master {
  variants: Variant[];
  /** Address of the audio that is played by default; `null` where audio is part of the variants. */
  audio: string | null;
}

/** Most parts that are fetched ahead of one rendition, against a playlist that lists thousands. */
const PARTS_MAX = 16;

const attribute = (line: string, name: string): string | undefined =>
  new RegExp(`[:,]${name}=(?:"([^"]*)"|([^,]*))`).exec(line)?.slice(1).find((it) => it !== undefined);

/** Reads a multivariant playlist; `base` is its own absolute address. */
export function readMaster(text: string, base: string): Master {
  const lines = text.split(/\r?\n/);
  const variants: Variant[] = [];
  let audio: string | null = null;
  lines.forEach((line, at) => {
    if (line.startsWith('#EXT-X-MEDIA:') && attribute(line, 'TYPE') === 'AUDIO') {
      const uri = attribute(line, 'URI');
      if (uri && (audio === null || attribute(line, 'DEFAULT') === 'YES')) audio = new URL(uri, base).href;
    }
    const uri = lines[at + 1];
    if (!line.startsWith('#EXT-X-STREAM-INF:') || !uri || uri.startsWith('#')) return;
    const [width = 0, height = 0] = (attribute(line, 'RESOLUTION') ?? '').split('x').map(Number);
    variants.push({ url: new URL(uri, base).href, bandwidth: Number(attribute(line, 'BANDWIDTH')), width, height });
  });
  return { variants, audio };
}

/**
 * The variant to begin with: the best one that the network carries, but none that is larger than the
 * smallest one that fills the player.
 *
 * @param bandwidth bits per second
 * @param longSidePx the longer side of the player, in pixels of the screen
 */
export function firstVariant(variants: Variant[], bandwidth: number, longSidePx: number): Variant | null {
  const rising = [...variants].sort((a, b) => a.bandwidth - b.bandwidth);
  const filling = rising.findIndex(({ width, height }) => Math.max(width, height) >= longSidePx);
  const shown = filling === -1 ? rising : rising.slice(0, filling + 1);
  return shown.filter((it) => it.bandwidth <= bandwidth).at(-1) ?? rising[0] ?? null;
}

interface Part {
  url: string;
  durationS: number;
  independent: boolean;
}

/** What playback at the live edge begins with. */
export interface Beginning {
  /**
   * Addresses of the init section, and of all parts from the last independent one before the start
   * position on. Empty for a playlist without parts, or one that has ended.
   */
  media: string[];
  /** PART-HOLD-BACK in seconds; 0 where the playlist has none. */
  holdBackS: number;
}

/** Reads a media playlist; `base` is its own absolute address. */
export function beginning(text: string, base: string): Beginning {
  if (text.includes('#EXT-X-ENDLIST')) return { media: [], holdBackS: 0 };
  const absolute = (uri: string): string => new URL(uri, base).href;
  const parts: Part[] = [];
  let init: string | null = null;
  let holdBackS = 0;
  for (const line of text.split(/\r?\n/)) {
    const uri = attribute(line, 'URI');
    if (line.startsWith('#EXT-X-SERVER-CONTROL:')) holdBackS = Number(attribute(line, 'PART-HOLD-BACK') ?? 0);
    else if (line.startsWith('#EXT-X-MAP:') && uri) init = absolute(uri);
    else if (line.startsWith('#EXT-X-PART:') && uri) {
      const durationS = Number(attribute(line, 'DURATION'));
      parts.push({ url: absolute(uri), durationS, independent: attribute(line, 'INDEPENDENT') === 'YES' });
    }
  }
  let first = parts.length;
  let behindS = 0;
  while (first > 0 && behindS < holdBackS) behindS += parts[--first]?.durationS ?? 0;
  while (first > 0 && !parts[first]?.independent) first -= 1;
  const urls = parts.slice(first).slice(0, PARTS_MAX).map((it) => it.url);
  return { media: init && urls.length ? [init, ...urls] : [], holdBackS };
}
