/**
 * What a viewer cannot see in a picture of the page, in Chromium against a stub daemon: that the start asks
 * for everything once, the language, the system's media controls, and the button for other screens.
 */

import assert from 'node:assert/strict';

import { launch } from './browser.mjs';
import { Daemon, stream } from './server.mjs';

const LIMIT_MS = 30_000;
const daemon = new Daemon();
const origin = await daemon.listen();
const browser = await launch();

async function open(path, { locale = 'en-GB', before = () => undefined } = {}) {
  const context = await browser.newContext({ locale });
  const page = await context.newPage();
  await page.addInitScript(before);
  daemon.requests = [];
  await page.goto(origin + path);
  return page;
}

const playing = (page) =>
  page.waitForFunction(() => window.weir?.view === 'playing' && window.weir.video.currentTime > 0, null, { timeout: LIMIT_MS });
const close = (page) => page.context().close();

/** What the head has fetched is not fetched again, and the rendition that plays is the one that it chose. */
async function theStartAsksOnce() {
  const page = await open('/watch/studio');
  await playing(page);
  const media = daemon.requests.filter((it) => /master\.m3u8$|init\.mp4$|\d+\.\d+\.mp4$/.test(it));
  const twice = media.filter((it, at) => media.indexOf(it) !== at);
  assert.deepEqual(twice, []);
  assert.equal(media.filter((it) => it.endsWith('init.mp4')).length, 2, 'video and audio, and no other rendition');
  const ahead = await page.evaluate(() => [...window.weirAhead.answers.keys()].filter((it) => !/\.mp4$/.test(it)));
  assert.deepEqual(ahead, [], 'master, playlists and status were taken from the head');
  await close(page);
}

async function theLanguageIsTheViewers() {
  for (const [locale, lang, title] of [['de-AT', 'de', 'Livestreams'], ['fr-FR', 'en', 'Live streams']]) {
    const page = await open('/', { locale });
    await page.waitForSelector('#section-live:not([hidden])');
    assert.equal(await page.evaluate(() => document.documentElement.lang), lang);
    assert.equal(await page.textContent('h1'), title);
    await close(page);
  }
  const page = await open('/nowhere', { locale: 'de-DE' });
  await page.waitForFunction(() => document.title === 'Nicht gefunden · weir');
  await close(page);
}

async function theSystemKnowsTheStream() {
  const page = await open('/watch/studio', {
    before: () => {
      window.handlers = {};
      navigator.mediaSession.setActionHandler = (action, handler) => (window.handlers[action] = handler);
    },
  });
  await playing(page);
  await page.waitForFunction(() => navigator.mediaSession.playbackState === 'playing');
  const { title, artwork } = await page.evaluate(() => {
    const { title, artwork } = navigator.mediaSession.metadata;
    return { title, artwork: artwork.map((it) => it.src) };
  });
  assert.equal(title, 'studio');
  assert.deepEqual(artwork, [`${origin}/live/studio/thumb.jpg`]);
  await page.evaluate(() => window.handlers.pause());
  await page.waitForFunction(() => navigator.mediaSession.playbackState === 'paused');
  await page.evaluate(() => window.handlers.play());
  await page.waitForFunction(() => !window.weir.video.paused);
  await page.evaluate(() => window.handlers.seekbackward({ seekOffset: 3600 }));
  assert.ok(await page.evaluate(() => window.weir.video.currentTime >= 0), 'not beyond what the server has');
  await close(page);
}

/** Safari's part is played by a stub: it shows what the page makes of Safari's events, not what Safari does. */
async function otherScreens() {
  let page = await open('/watch/studio');
  await playing(page);
  assert.equal(await page.isHidden('#remote'), true, 'Chromium cannot send this picture elsewhere');
  await close(page);

  page = await open('/watch/studio', {
    before: () => {
      HTMLVideoElement.prototype.webkitShowPlaybackTargetPicker = () => (window.picked = true);
    },
  });
  await playing(page);
  const announce = (availability) =>
    page.evaluate((it) => {
      const event = Object.assign(new Event('webkitplaybacktargetavailabilitychanged'), { availability: it });
      window.weir.video.dispatchEvent(event);
    }, availability);
  assert.equal(await page.isHidden('#remote'), true, 'no screen was announced');
  await announce('available');
  assert.equal(await page.getAttribute('#remote', 'aria-label'), 'AirPlay');
  await page.mouse.move(200, 200);
  await page.click('#remote');
  assert.equal(await page.evaluate(() => window.picked), true);
  await announce('not-available');
  assert.equal(await page.isHidden('#remote'), true);
  await close(page);
}

try {
  await daemon.startLive().untilReady();
  daemon.streams = [stream('studio', 'live')];
  for (const check of [theStartAsksOnce, theLanguageIsTheViewers, theSystemKnowsTheStream, otherScreens]) {
    await check();
    console.log(`ok: ${check.name}`);
  }
} finally {
  await browser.close();
  daemon.close();
}
