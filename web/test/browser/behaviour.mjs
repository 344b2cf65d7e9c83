/**
 * What a viewer cannot see in a picture of the page, in Chromium against a stub daemon: that the start asks
 * for everything once, the language, the system's media controls, the button for other screens, and what the seek
 * bar fetches and when.
 */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';

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
  assert.equal(daemon.requests.filter((it) => it.endsWith('iframes.m3u8')).length, 0, 'the page does not use them');
  assert.equal(await page.evaluate(() => window.weir.hls.levels.length), 2);
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

/** A picture every half minute, from an hour ago until an hour from now. */
function storyboard() {
  const zeroMs = Date.now() - 3_600_000;
  const cues = [];
  for (let s = 0; s < 7_200; s += 30) {
    const time = (at) => new Date(at * 1000).toISOString().slice(11, 23);
    cues.push(`\n${time(s)} --> ${time(s + 30)}\n1/thumb-${s / 30}.jpg\n`);
  }
  return `WEBVTT\n\nNOTE PROGRAM-DATE-TIME=${new Date(zeroMs).toISOString()}\n${cues.join('')}`;
}

/** The pictures above the seek bar come with the first hover, not before, and move nothing else. */
async function theSeekBarShowsPictures() {
  daemon.storyboard = storyboard();
  daemon.thumb = execFileSync('ffmpeg', '-v error -f lavfi -i testsrc=size=160x90 -frames:v 1 -f mjpeg -'.split(' '));
  const page = await open('/watch/studio');
  await playing(page);
  await page.waitForSelector('#seek:not(:disabled)', { state: 'attached', timeout: LIMIT_MS });
  const fetched = () => daemon.requests.filter((it) => /storyboard|thumb-/.test(it));
  const places = () => page.evaluate(() => ['seek', 'play', 'controls', 'title'].map((id) => JSON.stringify(document.getElementById(id).getBoundingClientRect())));
  await page.mouse.move(200, 200);
  const before = await places();
  assert.deepEqual(fetched(), []);

  const { x, y, width, height } = await page.locator('#seek').boundingBox();
  await page.mouse.move(x + width / 4, y + height / 2);
  await page.waitForSelector('#preview.has-picture');
  await page.waitForFunction(() => document.getElementById('preview-picture').naturalWidth === 160);
  assert.match(await page.textContent('#preview-time'), /^(-\d+:\d\d|Live)$/);
  assert.deepEqual(fetched().map((it) => it.replace(/\d+(?=\.jpg)/, 'N')), ['/live/studio/storyboard.vtt', '/live/studio/1/thumb-N.jpg']);
  assert.deepEqual(await places(), before, 'nothing has moved');
  await page.mouse.move(200, 200);
  await page.waitForSelector('#preview', { state: 'hidden' });

  // With the keyboard: the focus comes to the bar, a key moves it, and Escape sends the picture away.
  for (let tabs = 0; tabs < 40 && !(await page.evaluate(() => document.activeElement?.id === 'seek')); tabs += 1) {
    await page.keyboard.press('Tab');
  }
  await page.waitForSelector('#preview.has-picture');
  await page.keyboard.press('Escape');
  await page.waitForSelector('#preview', { state: 'hidden' });
  await page.keyboard.press('ArrowLeft');
  await page.waitForSelector('#preview.has-picture');
  await close(page);
}

try {
  await daemon.startLive().untilReady();
  daemon.streams = [stream('studio', 'live')];
  for (const check of [theStartAsksOnce, theLanguageIsTheViewers, theSystemKnowsTheStream, otherScreens, theSeekBarShowsPictures]) {
    await check();
    console.log(`ok: ${check.name}`);
  }
} finally {
  await browser.close();
  daemon.close();
}
