/**
 * Takes pictures of the pages against the stand-in daemon, for somebody to look at, and fails when
 * a page complains. `node test/browser/look.mjs [FOLDER [WORD]]`; WORD picks scenes by their name.
 * Needs ffmpeg and Chromium (`CHROMIUM`, else /usr/bin/chromium).
 */

import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

import { startMock, status } from './mock.mjs';

const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };
const PHONE_SIDE = { width: 844, height: 390 };
const ARGS = [
  '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

const SOME = [
  status('demo', 'live', { source: 'test:', viewers: 3 }),
  status('concert', 'waiting', { viewers: 128 }),
  status('clock', 'idle', { source: 'test:' }),
  status('garage', 'failed', { source: 'http://10.0.0.7/video.mjpg', last_error: 'connection refused by 10.0.0.7:80' }),
  status('studio', 'idle'),
  status('a-name-that-is-rather-long-and-goes-on-and-on', 'idle'),
];
const QUIET = SOME.filter((it) => it.state === 'idle');
const playing = (page) => page.waitForFunction(() => window.weir?.view === 'playing' && !window.weir.video.paused && window.weir.video.currentTime > 0);
const view = (wanted) => (page) => page.waitForFunction((it) => window.weir?.view === it, wanted);
const loaded = (page) => page.waitForFunction(() => !document.body.classList.contains('is-loading'));
const thumbs = (page) => page.waitForFunction(() => [...document.querySelectorAll('.card-image')].some((it) => it.naturalWidth > 0));
const settled = async (page) => { await playing(page); await page.waitForTimeout(2_500); };
const then = (...steps) => async (page, mock) => { for (const step of steps) await step(page, mock); };
const press = (key) => (page) => page.keyboard.press(key);
const click = (selector) => (page) => page.click(selector);
const wake = async (page) => {
  await page.mouse.move(300, 300 + Math.random() * 20);
  await page.waitForTimeout(400);
};

/** name, path, streams, what to do before the picture is taken, and how the browser is. */
const SCENES = [
  ['index', '/', SOME, thumbs],
  ['index-dark', '/', SOME, thumbs, { dark: true }],
  ['index-phone', '/', SOME, thumbs, { size: PHONE }],
  ['index-quiet', '/', QUIET, loaded],
  ['index-empty', '/', [], loaded],
  ['index-empty-dark', '/', [], loaded, { dark: true }],
  ['404', '/nothing', [], async () => {}],
  ['watch', '/watch/demo', SOME, then(settled, wake)],
  ['watch-dark', '/watch/demo', SOME, then(settled, wake), { dark: true }],
  ['watch-settings', '/watch/demo', SOME, then(settled, wake, click('#settings-button'))],
  ['watch-stats', '/watch/demo', SOME, then(settled, press('i'), (page) => page.waitForTimeout(1_200), wake)],
  ['watch-back', '/watch/demo', SOME, then(settled, press('ArrowLeft'), (page) => page.waitForTimeout(1_000), wake)],
  ['watch-help', '/watch/demo', SOME, then(settled, press('?'))],
  ['watch-share', '/watch/demo', SOME, then(settled, click('#share summary'))],
  ['watch-reconnecting', '/watch/concert', SOME, then(view('reconnecting'), (page) => page.waitForTimeout(1_500))],
  ['watch-waiting', '/watch/studio', SOME, view('waiting')],
  ['watch-waiting-dark', '/watch/studio', SOME, view('waiting'), { dark: true }],
  ['watch-failed', '/watch/garage', SOME, view('failed')],
  ['watch-missing', '/watch/nobody', SOME, view('missing')],
  ['watch-silenced', '/watch/demo', SOME, then(settled, wake), { autoplay: 'user-gesture-required' }],
  ['watch-phone', '/watch/demo', SOME, then(settled, (page) => page.tap('#video'), (page) => page.waitForTimeout(400)), { size: PHONE, touch: true }],
  ['watch-phone-settings', '/watch/demo', SOME, then(settled, (page) => page.tap('#video'), (page) => page.tap('#settings-button'), (page) => page.waitForTimeout(300)), { size: PHONE, touch: true, dark: true }],
  ['watch-phone-waiting', '/watch/studio', SOME, view('waiting'), { size: PHONE, touch: true }],
  ['watch-phone-side', '/watch/demo', SOME, settled, { size: PHONE_SIDE, touch: true, dark: true }],
  ['embed', '/embed/demo', SOME, settled, { size: { width: 640, height: 360 } }],
  ['watch-begins', '/watch/studio', SOME, then(view('waiting'), begins, settled)],
];

/** A publisher comes: the page must start by itself. */
async function begins(_page, mock) {
  mock.streams = mock.streams.map((it) => (it.name === 'studio' ? status('studio', 'live', { viewers: 1 }) : it));
}

async function takePicture(browser, mock, folder, [name, path, streams, prepare, how = {}]) {
  mock.streams = streams;
  const context = await browser.newContext({
    viewport: how.size ?? DESKTOP,
    colorScheme: how.dark ? 'dark' : 'light',
    hasTouch: how.touch ?? false,
    isMobile: how.touch ?? false,
  });
  const page = await context.newPage();
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    // Chromium writes each 404 to the console; the API's "no such stream" is one.
    if (message.type() === 'error' && !/status of 404/.test(message.text())) complaints.push(message.text());
  });
  try {
    await page.goto(mock.origin + path);
    await prepare(page, mock);
  } catch (error) {
    complaints.push(String(error));
  }
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  if (wide) complaints.push('the page is wider than the window');
  await page.screenshot({ path: join(folder, `${name}.png`) });
  await context.close();
  for (const complaint of complaints) console.error(`${name}: ${complaint}`);
  return complaints.length === 0;
}

async function main() {
  const [folder = join(tmpdir(), 'weir-look'), word = ''] = process.argv.slice(2);
  await mkdir(folder, { recursive: true });
  const scenes = SCENES.filter(([name]) => name.includes(word));
  const mock = await startMock();
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  try {
    for (const autoplay of ['no-user-gesture-required', 'user-gesture-required']) {
      const mine = scenes.filter(([, , , , how]) => (how?.autoplay ?? 'no-user-gesture-required') === autoplay);
      if (!mine.length) continue;
      const browser = await chromium.launch({ executablePath, args: [...ARGS, `--autoplay-policy=${autoplay}`] });
      for (const scene of mine) {
        if (!(await takePicture(browser, mock, folder, scene))) process.exitCode = 1;
      }
      await browser.close();
    }
  } finally {
    await mock.close();
  }
}

await main();
