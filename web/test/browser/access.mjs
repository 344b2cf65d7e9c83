/**
 * Every page in Chromium under axe-core, with the rules of WCAG 2.2 A and AA: in light and dark, on a
 * desktop and on a phone, in English and German. Any violation fails. Needs ffmpeg and Chromium.
 */

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

import { launch } from './browser.mjs';
import { Daemon, stream } from './server.mjs';

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const RUNGS = [{ name: '480p', width: 854, height: 480, fps: 30, bitrate: 1_200_000, awake: true }];
const LIMIT_MS = 30_000;

const SCREENS = [
  { screen: 'desktop light', colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  { screen: 'desktop dark', colorScheme: 'dark', viewport: { width: 1280, height: 800 }, locale: 'de-DE' },
  { screen: 'phone light', colorScheme: 'light', viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true, locale: 'de-DE' },
  { screen: 'phone dark', colorScheme: 'dark', viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true },
];

const playing = stream('studio', 'live', { viewers: 3, rungs: RUNGS });
const view = (name) => (page) => page.waitForFunction((it) => window.weir?.view === it, name, { timeout: LIMIT_MS });
const there = (selector) => (page) => page.waitForSelector(selector, { timeout: LIMIT_MS });

/** What is checked: the streams of the daemon, an address, when the page is ready, and what is opened on it. */
const PAGES = [
  { name: 'list, empty', streams: [], path: '/', ready: there('#empty:not([hidden])') },
  { name: 'list, quiet', streams: [stream('studio', 'idle')], path: '/', ready: there('#quiet:not([hidden])') },
  {
    name: 'list',
    streams: ['live', 'waiting', 'starting', 'idle', 'failed'].map((state) => stream(`the-${state}`, state, { viewers: 2, rungs: RUNGS })),
    path: '/',
    ready: there('#grid-offline li'),
    open: (page) => page.click('#howto summary'),
  },
  { name: '404', streams: [], path: '/nowhere', ready: there('.hero') },
  ...['idle', 'failed'].map((state) => ({
    name: `watch, ${state}`,
    streams: [stream('studio', state)],
    path: '/watch/studio',
    ready: view(state === 'idle' ? 'waiting' : state),
  })),
  { name: 'watch, missing', streams: [], path: '/watch/studio', ready: view('missing') },
  { name: 'watch, playing', streams: [playing], live: true, path: '/watch/studio', ready: view('playing') },
  {
    name: 'watch, reconnecting, with everything open',
    streams: [{ ...playing, state: 'waiting' }],
    live: true,
    path: '/watch/studio',
    ready: view('reconnecting'),
    open: openAll,
  },
  {
    name: 'watch, help',
    streams: [playing],
    live: true,
    path: '/watch/studio',
    ready: view('playing'),
    open: (page) => page.keyboard.press('?'),
  },
  { name: 'embed, playing', streams: [playing], live: true, path: '/embed/studio', ready: view('playing') },
  { name: 'embed, missing', streams: [], path: '/embed/studio', ready: view('missing') },
];

async function openAll(page) {
  await page.keyboard.press('i');
  await page.click('.share summary');
  await page.evaluate(() => document.getElementById('settings-button').click());
  await page.waitForSelector('#settings:not([hidden])');
}

/** Violations of a page as lines. */
async function violations(page) {
  // The page's policy forbids other scripts; it does not bind the debugger, which this comes through.
  await page.evaluate(AXE);
  return page.evaluate(async (tags) => {
    const { violations: all } = await window.axe.run(document, { runOnly: { type: 'tag', values: tags } });
    return all.flatMap(({ id, help, nodes }) =>
      nodes.map((it) => [`${id}: ${help}`, it.target.join(' '), it.any[0]?.message ?? ''].join('\n    ')),
    );
  }, TAGS);
}

/** Starts or ends the broadcast: what is not live must not have a master. */
async function onAir(wanted = false) {
  if (!wanted) {
    daemon.live?.end();
    daemon.live = null;
  } else if (!daemon.live) {
    await daemon.startLive().untilReady();
  }
}

const daemon = new Daemon();
const origin = await daemon.listen();
const browser = await launch();
let wrong = 0;
try {
  for (const { screen, ...options } of SCREENS) {
    for (const { name, streams, live, path, ready, open } of PAGES) {
      daemon.streams = streams;
      await onAir(live);
      const context = await browser.newContext({ ...options, reducedMotion: 'reduce' });
      const page = await context.newPage();
      await page.goto(origin + path);
      await ready(page);
      await open?.(page);
      const found = await violations(page);
      wrong += found.length;
      console.log(`${found.length ? 'FAILED' : 'ok'}: ${name}, ${screen}${found.map((it) => `\n  ${it}`).join('')}`);
      await context.close();
    }
  }
} finally {
  await browser.close();
  daemon.close();
}
if (wrong) process.exitCode = 1;
