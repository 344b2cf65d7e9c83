/** The list of small pictures of the window: WebVTT, read and searched. Pure. */

/** A picture, and when it was taken. */
export interface Picture {
  url: string;
  /** Milliseconds since the Unix epoch. */
  fromMs: number;
}

/** Most pictures that are taken from a list, against one that names thousands. */
const PICTURES_MAX = 500;

const CUE = /^(?:(\d{2,}):)?(\d{2}):(\d{2})\.(\d{3})[ \t]+-->/;

/**
 * Reads a list; `base` is its own absolute address. The times of the cues count from the date in its
 * comment. Pictures of other sites are left out.
 */
export function readStoryboard(text: string, base: string): Picture[] {
  const zeroMs = Date.parse(/^NOTE PROGRAM-DATE-TIME=(\S+)$/m.exec(text)?.[1] ?? '');
  if (!text.startsWith('WEBVTT') || Number.isNaN(zeroMs)) return [];
  const lines = text.split(/\r?\n/);
  const pictures: Picture[] = [];
  lines.forEach((line, at) => {
    const [cue, hours = '0', minutes, seconds, ms] = CUE.exec(line) ?? [];
    const address = lines[at + 1];
    if (!cue || !address || pictures.length >= PICTURES_MAX) return;
    const url = new URL(address, base);
    if (url.origin !== new URL(base).origin) return;
    const fromMs = zeroMs + ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000 + Number(ms);
    pictures.push({ url: url.href, fromMs });
  });
  return pictures;
}

/**
 * The picture of a date, which is the last one before it; before the first one, the first one. `null`
 * where the next one is so far away that it shows something else.
 */
export function pictureAt(pictures: readonly Picture[], dateMs: number): Picture | null {
  const found = pictures.filter((it) => it.fromMs <= dateMs).at(-1) ?? pictures[0];
  const [first, second] = [pictures.at(-2), pictures.at(-1)];
  const everyMs = first && second ? second.fromMs - first.fromMs : Infinity;
  return found && found.fromMs - dateMs <= 2 * everyMs ? found : null;
}
