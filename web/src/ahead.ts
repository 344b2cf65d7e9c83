/**
 * Stands in the head of a player page, and runs long before hls.js is there: fetches what hls.js will ask
 * for first, all at once. hls.js itself asks for one thing after the other.
 *
 * The start of hls.js keeps the page busy for a tenth of a second and more. An answer that comes meanwhile
 * is not looked at, and what it names is asked for that much later. So the script of the page is run only
 * once all has been asked for.
 */

import { isEmbed, masterUrl, nameInPath, statusUrl } from './api.ts';
import { textOf, type Ahead, type Fetched } from './player/fetched.ts';
import { isHere, viewerHeaders } from './viewer.ts';
import { beginning, firstVariant, readMaster } from './player/head-start.ts';
import { rememberedBandwidth } from './player/bandwidth.ts';

/** The stage of the watch page is never wider; see watch.css. */
const STAGE_PX_MAX = 1_152;

/** On a slow network, the page starts while answers are on their way. */
const ALONE_MS_MAX = 250;

/** Address of the page's own script. */
const page = document.currentScript?.dataset['page'];

const ahead: Ahead = { answers: new Map(), variant: null, holdBackS: 0 };
globalThis.weirAhead = ahead;

let asked = 0;
let firstStartMs: number | null = null;

async function ask(url: string): Promise<Fetched | null> {
  const startMs = performance.now();
  const response = await fetch(url, { headers: isHere(url) ? viewerHeaders() : {} });
  const firstMs = performance.now();
  if (response.status !== 200) return null;
  const body = await response.arrayBuffer();
  const endMs = performance.now();
  return { url: response.url, body, startMs, firstMs, endMs, shareMs: endMs - startMs };
}

/** Answers that arrive side by side share the network, and so the time that all of them took. */
async function askMedia(url: string): Promise<Fetched | null> {
  firstStartMs ??= performance.now();
  asked += 1;
  const fetched = await ask(url);
  return fetched && { ...fetched, shareMs: (fetched.endMs - firstStartMs) / asked };
}

function keep(url: string, answer: Promise<Fetched | null>): Promise<Fetched | null> {
  // What fails here is asked again by hls.js, which reports it.
  const harmless = answer.catch(() => null);
  ahead.answers.set(url, harmless);
  return harmless;
}

async function rendition(url: string): Promise<void> {
  const playlist = await keep(url, ask(url));
  if (!playlist) return;
  const { media, holdBackS } = beginning(textOf(playlist), playlist.url);
  if (url === ahead.variant) ahead.holdBackS = holdBackS;
  for (const address of media) void keep(address, askMedia(address));
}

const absolute = (path: string): string => new URL(path, location.href).href;

async function start(name: string): Promise<void> {
  const url = absolute(masterUrl(name));
  // The player asks for this too, before it loads anything.
  const status = absolute(statusUrl(name));
  void keep(status, ask(status));
  const fetched = await keep(url, ask(url));
  if (!fetched) return;
  const { variants, audio } = readMaster(textOf(fetched), fetched.url);
  const widthPx = isEmbed(location.pathname) ? innerWidth : Math.min(innerWidth, STAGE_PX_MAX);
  const variant = firstVariant(variants, rememberedBandwidth(), widthPx * devicePixelRatio);
  ahead.variant = variant?.url ?? null;
  // Audio first: it is small, and there is no picture without it.
  await Promise.all([audio, variant?.url].map((url) => url && rendition(url)));
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** Resolves once all elements of the page are there. */
const whole = (): Promise<void> =>
  new Promise((done) => {
    if (document.readyState !== 'loading') done();
    else document.addEventListener('DOMContentLoaded', () => done(), { once: true });
  });

async function openPage(asked: Promise<void>): Promise<void> {
  await Promise.race([asked, pause(ALONE_MS_MAX)]);
  await whole();
  const script = document.createElement('script');
  script.type = 'module';
  script.src = page ?? '';
  document.head.append(script);
}

const name = nameInPath(location.pathname);
// A browser that plays HLS itself asks for everything itself.
const helps = name && ('MediaSource' in window || 'ManagedMediaSource' in window);
// What fails here is asked again by the page, which reports it.
void openPage(helps ? start(name).catch(() => undefined) : Promise.resolve());
