/**
 * What a page calls itself, so that viewers who share an address count one by one. It is random, is kept
 * nowhere and ends with the page.
 */

/** The header with it. */
export const VIEWER_HEADER = 'Weir-Viewer';

declare global {
  /** Shared by the script in the page's head and the player. */
  var weirViewer: string | undefined;
}

function random(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Where a cache answers for the playlists, the server counts a viewer by the status that the page asks for. */
const EVERY_MS = 5_000;

let namedMs = -Infinity;

/** The header for a request for the status, every few seconds: a request with it passes every cache. */
export function viewerHeadersNow(nowMs: number): Record<string, string> {
  if (nowMs - namedMs < EVERY_MS) return {};
  namedMs = nowMs;
  return viewerHeaders();
}

/** Whether an address is on the page's own site. */
export function isHere(url: string): boolean {
  return new URL(url, location.href).origin === location.origin;
}

/** The header for requests of somebody who watches. */
export function viewerHeaders(): Record<string, string> {
  globalThis.weirViewer ??= random();
  return { [VIEWER_HEADER]: globalThis.weirViewer };
}
