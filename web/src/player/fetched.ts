/** What `ahead.ts` has fetched, for the player that is loaded after it. */

/** A complete answer with status 200. */
export interface Fetched {
  /** Address after redirects. */
  url: string;
  body: ArrayBuffer;
  /** Times by `performance.now()`. */
  startMs: number;
  firstMs: number;
  endMs: number;
  /** Milliseconds that this answer would have taken without others beside it. */
  shareMs: number;
}

/** The answers by their addresses, and the variant that they belong to. */
export interface Ahead {
  /** `null` for an answer other than 200. */
  answers: Map<string, Promise<Fetched | null>>;
  /** Address of the media playlist of the first variant. */
  variant: string | null;
  /** PART-HOLD-BACK of that playlist in seconds; 0 where it has none. */
  holdBackS: number;
}

declare global {
  var weirAhead: Ahead | undefined;
}

/** After this time the live edge has moved on. */
const FRESH_MS = 2_500;

/** Takes an answer out; `null` where there is none, or where it came too long ago. */
export async function takeAhead(url: string): Promise<Fetched | null> {
  const answer = globalThis.weirAhead?.answers.get(url);
  if (!answer) return null;
  globalThis.weirAhead?.answers.delete(url);
  const fetched = await answer;
  return fetched && performance.now() - fetched.endMs < FRESH_MS ? fetched : null;
}

/** Takes the first variant out: only the first load of a page begins where its head has begun. */
export function takeVariant(): string | null {
  const variant = globalThis.weirAhead?.variant ?? null;
  if (globalThis.weirAhead) Object.assign(globalThis.weirAhead, { variant: null, holdBackS: 0 });
  return variant;
}

/** The answer as text. */
export const textOf = ({ body }: Fetched): string => new TextDecoder().decode(body);

/** Whether an answer was asked for and not yet taken. */
export const isAhead = (url: string): boolean => globalThis.weirAhead?.answers.has(url) ?? false;
