// Chromium with one page that is observed; shared by the tests and the benches.

import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const CANDIDATES = ['chromium', 'chromium-browser', 'google-chrome'];

/** Path of an installed browser that plays H.264; the browser of Playwright does not. */
function installedBrowser() {
  for (const name of [process.env.WEIR_CHROMIUM, ...CANDIDATES].filter(Boolean)) {
    try {
      return execFileSync('sh', ['-c', 'command -v "$0"', name], { encoding: 'utf8' }).trim();
    } catch {
      // The next candidate is tried.
    }
  }
  throw new Error('no Chromium here; scripts/setup test installs it');
}

/**
 * Runs in the page before the page's own scripts and records in `window.seen` when it was loaded,
 * its first frame, its stalls, and the errors of hls.js.
 */
function watchPage() {
  const seen = { loadedAt: Date.now(), firstFrameAt: null, playAt: null, stalls: 0, fatal: [], errors: [] };
  Object.assign(window, { seen });
  let hls = null;
  let video = null;
  const attach = () => {
    const current = window.weir?.hls ?? null;
    if (current && current !== hls) {
      hls = current;
      hls.on('hlsError', (_, data) => {
        seen.errors.push(data.details);
        if (data.details === 'bufferStalledError') seen.stalls += 1;
        if (data.fatal) seen.fatal.push(data.details);
      });
    }
    const element = document.querySelector('video');
    if (element && element !== video) {
      video = element;
      video.addEventListener('play', () => { seen.playAt ??= Date.now(); });
      video.requestVideoFrameCallback(() => { seen.firstFrameAt ??= Date.now(); });
    }
  };
  setInterval(attach, 20);
}

/** Opens a browser; `close()` closes it. */
export async function openBrowser() {
  const browser = await chromium.launch({
    executablePath: installedBrowser(),
    headless: true,
    // Chromium refuses to run its sandbox as root, the usual user in a container.
    chromiumSandbox: process.getuid() !== 0,
    args: [
      '--autoplay-policy=no-user-gesture-required',
      '--disable-background-timer-throttling',
      // The certificates of these tests sign themselves.
      '--ignore-certificate-errors',
    ],
  });
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  await page.addInitScript(watchPage);
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  return { page, complaints, devtools: await context.newCDPSession(page), close: () => browser.close() };
}

/** Plays `url` with hls.js in a bare page, which has the same `window.weir` as weir's own pages. */
export async function playBare(page, url) {
  // An address of the same origin that has no page, so that no other script runs.
  await page.goto(new URL('/healthz', url).href);
  await page.setContent('<video muted playsinline></video>');
  const library = createRequire(import.meta.url).resolve('hls.js/dist/hls.min.js');
  await page.addScriptTag({ path: library });
  await page.evaluate((source) => {
    const video = document.querySelector('video');
    // As docs/EMBEDDING.md advises.
    class FairErrors extends window.Hls.DefaultConfig.errorController {
      constructor(hls) {
        hls.on('hlsError', (_, data) => {
          const isBusy = data.details === 'bufferAppendError' && data.error.name === 'InvalidStateError';
          if (isBusy && !data.fatal) data.errorAction = { action: 0, flags: 0, resolved: true };
        });
        super(hls);
      }
    }
    const hls = new window.Hls({ errorController: FairErrors });
    window.weir = { hls, video, latency: () => hls.latency };
    hls.loadSource(source);
    hls.attachMedia(video);
    hls.on('hlsManifestParsed', () => video.play());
  }, url);
}

/** Limits the page's downloads to `bitsPerSecond`; `null` lifts the limit. */
export async function limitNetwork(devtools, bitsPerSecond) {
  await devtools.send('Network.enable');
  await devtools.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: bitsPerSecond === null ? 0 : 20,
    downloadThroughput: bitsPerSecond === null ? -1 : bitsPerSecond / 8,
    uploadThroughput: -1,
  });
}
