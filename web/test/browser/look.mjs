/**
 * Opens the pages in Chromium against a stub daemon, does what a viewer would do, and takes a
 * picture of every state. Needs ffmpeg and Chromium.
 *
 *     node test/browser/look.mjs [FOLDER FOR THE PICTURES]
 */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { launch } from './browser.mjs';
import { Daemon, stream } from './server.mjs';

const PICTURES = process.argv[2] ?? join(tmpdir(), 'weir-look');
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 780 };
const RUNGS = [
  { name: '480p', width: 854, height: 480, fps: 30, bitrate: 1_200_000, awake: true },
  { name: '240p', width: 426, height: 240, fps: 30, bitrate: 300_000, awake: true },
];

const daemon = new Daemon();
const origin = await daemon.listen();
const browser = await launch();
const strictBrowser = await launch('document-user-activation-required');
const complaints = [];

async function open(path, { scheme = 'dark', size = DESKTOP, touch = false, locale = 'en-GB', inBrowser = browser } = {}) {
  const context = await inBrowser.newContext({ colorScheme: scheme, viewport: size, hasTouch: touch, isMobile: touch, locale });
  const page = await context.newPage();
  page.on('pageerror', (error) => complaints.push(`${path}: ${error}`));
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
      complaints.push(`${path}: ${message.text()}`);
    }
  });
  await page.goto(origin + path);
  return page;
}

const view = (page, wanted) => page.waitForFunction((it) => window.weir?.view === it, wanted, { timeout: 30_000 });
const snap = (page, name) => page.screenshot({ path: join(PICTURES, `${name}.png`) });
/** The message of a start appears late, because most starts need none. */
const message = (page) => page.waitForSelector('.message', { state: 'visible' });
const close = (page) => page.context().close();

function thumbnail() {
  return execFileSync('ffmpeg', '-v error -f lavfi -i mandelbrot=size=640x360 -frames:v 1 -f mjpeg -'.split(' '), {
    maxBuffer: 1 << 24,
  });
}

async function lists() {
  let page = await open('/');
  await page.waitForSelector('#empty:not([hidden])');
  await snap(page, 'list-empty');
  await close(page);

  daemon.thumb = thumbnail();
  daemon.streams = [
    stream('studio', 'live', { viewers: 14, rungs: RUNGS }),
    stream('harbour', 'waiting', { viewers: 1, rungs: RUNGS }),
    stream('rehearsal', 'starting'),
    stream('demo', 'idle'),
    stream('garage', 'failed'),
    stream('church', 'idle'),
    stream('gym', 'idle'),
  ];
  for (const [name, options] of [
    ['list-dark', {}],
    ['list-light', { scheme: 'light' }],
    ['list-phone', { size: PHONE, touch: true }],
    ['list-german', { scheme: 'light', size: PHONE, touch: true, locale: 'de-DE' }],
  ]) {
    page = await open('/', options);
    await page.waitForSelector('.card-image:not([hidden])');
    await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
    await close(page);
  }
  page = await open('/nowhere', { scheme: 'light' });
  await snap(page, '404');
  await close(page);
}

async function states() {
  for (const [name, status] of [
    ['waiting', stream('studio', 'idle')],
    ['failed', stream('studio', 'failed')],
    ['missing', stream('other', 'idle')],
  ]) {
    daemon.streams = [status];
    const page = await open('/watch/studio', { scheme: name === 'failed' ? 'light' : 'dark' });
    await view(page, name);
    await snap(page, `watch-${name}`);
    await close(page);
  }
}

/** A page waits; then a stream starts, drops out, ends and starts again. */
async function aBroadcast() {
  daemon.streams = [stream('studio', 'idle')];
  const page = await open('/watch/studio');
  await view(page, 'waiting');

  daemon.startLive();
  daemon.streams = [stream('studio', 'starting', { since: 'a' })];
  await view(page, 'starting');
  await message(page);
  await snap(page, 'watch-starting');
  await daemon.live.untilReady();
  daemon.streams = [stream('studio', 'live', { viewers: 3, rungs: RUNGS })];
  await view(page, 'playing');
  await steady(page);
  await numbers(page);
  await page.mouse.move(600, 300);
  await page.waitForTimeout(300);
  await snap(page, 'watch-playing');
  await tryControls(page);

  daemon.streams = [{ ...daemon.streams[0], state: 'waiting' }];
  await view(page, 'reconnecting');
  await snap(page, 'watch-reconnecting');

  daemon.live.end();
  daemon.streams = [stream('studio', 'idle')];
  await view(page, 'ended');
  await snap(page, 'watch-ended');

  daemon.startLive();
  daemon.streams = [stream('studio', 'starting', { since: 'b' })];
  await view(page, 'playing');
  daemon.streams = [stream('studio', 'live', { viewers: 1, rungs: RUNGS })];
  await aServerThatGoesAway(page);
  await close(page);
}

async function numbers(page) {
  const first = await page.evaluate(() => window.weir.latency());
  await page.waitForFunction(() => Math.abs(window.weir.latency() - window.weir.hls.targetLatency) < 0.35, null, {
    timeout: 60_000,
  });
  const { latency, target, buffered } = await page.evaluate(() => ({
    latency: window.weir.latency(),
    target: window.weir.hls.targetLatency,
    buffered: window.weir.buffered(),
  }));
  console.log(`latency at first ${first.toFixed(2)} s, then ${latency.toFixed(2)} s for a target of ${target} s, ${buffered.toFixed(2)} s buffered`);
}

async function steady(page) {
  const from = await page.evaluate(() => window.weir.video.currentTime);
  await page.waitForFunction((it) => window.weir.video.currentTime > it + 1.5, from);
}

async function tryControls(page) {
  const paused = () => page.evaluate(() => window.weir.video.paused);
  await page.keyboard.press('k');
  assert.equal(await paused(), true, 'k pauses');
  await page.keyboard.press('k');
  assert.equal(await paused(), false, 'k plays');
  await page.keyboard.press('m');
  assert.equal(await page.evaluate(() => window.weir.video.muted), true, 'm mutes');
  await page.keyboard.press('m');

  await page.waitForFunction(() => window.weir.video.currentTime > 8);
  await page.keyboard.press('ArrowLeft');
  await page.waitForFunction(() => window.weir.latency() > 3 && !window.weir.video.seeking);
  await page.waitForFunction(() => document.getElementById('live-text').textContent.startsWith('-0:0'));
  await page.mouse.move(620, 320);
  await snap(page, 'watch-behind');
  await page.keyboard.press('l');
  await page.waitForFunction(() => window.weir.latency() < 2 && !window.weir.video.seeking);

  await page.keyboard.press('?');
  await snap(page, 'watch-keys');
  await page.keyboard.press('Escape');
  await page.keyboard.press('i');
  await page.click('#settings-button');
  await snap(page, 'watch-panels');
  await page.click('.option:has-text("240p")');
  await page.waitForFunction(() => window.weir.video.videoHeight === 240, null, { timeout: 20_000 });
  await page.click('.option:has-text("Auto")');
  await page.keyboard.press('Escape');
  await page.keyboard.press('i');
  await page.click('.share summary');
  assert.match(await page.inputValue('#share-embed'), /\/embed\/studio"/);
  await page.screenshot({ path: join(PICTURES, 'watch-share.png'), fullPage: true });
  await page.click('.share summary');
  await steady(page);
}

/** Two seconds without a server, then a restarted daemon: new addresses, new session. */
async function aServerThatGoesAway(page) {
  daemon.reachable = false;
  daemon.live.end();
  await view(page, 'unreachable');
  await message(page);
  await snap(page, 'watch-unreachable');
  daemon.startLive();
  daemon.streams = [stream('studio', 'live', { since: 'c', rungs: RUNGS })];
  daemon.reachable = true;
  await view(page, 'playing');
  await steady(page);
}

async function otherSizes() {
  for (const [name, path, options] of [
    ['watch-light', '/watch/studio', { scheme: 'light' }],
    ['watch-phone', '/watch/studio', { size: PHONE, touch: true, scheme: 'light' }],
    ['watch-phone-sideways', '/watch/studio', { size: { width: 780, height: 390 }, touch: true }],
    ['watch-german', '/watch/studio', { locale: 'de-DE' }],
    ['embed', '/embed/studio', { size: { width: 640, height: 360 } }],
  ]) {
    const page = await open(path, options);
    await view(page, 'playing');
    await steady(page);
    if (!options.touch) await page.mouse.move(300, 200);
    await snap(page, name);
    await close(page);
  }
}

/** A browser that requires a click before sound: the page plays muted and says so. */
async function aStrictBrowser() {
  const page = await open('/embed/studio', { size: { width: 640, height: 360 }, inBrowser: strictBrowser });
  await page.waitForSelector('#unmute', { state: 'visible' });
  await steady(page);
  await snap(page, 'embed-silent');
  await page.click('#unmute');
  await page.waitForFunction(() => !window.weir.video.muted && !window.weir.video.paused);
  await page.waitForSelector('#unmute', { state: 'hidden' });
  await close(page);
}

await mkdir(PICTURES, { recursive: true });
try {
  await lists();
  await states();
  await aBroadcast();
  await otherSizes();
  await aStrictBrowser();
  assert.deepEqual(complaints, []);
  console.log(`all as it should be; pictures in ${PICTURES}`);
} finally {
  await browser.close();
  await strictBrowser.close();
  daemon.close();
}
