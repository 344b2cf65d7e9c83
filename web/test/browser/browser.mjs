/** The browser of the tests: an installed Chromium, because Playwright's own plays no H.264. */

import { execFileSync } from 'node:child_process';

import { chromium } from 'playwright-core';

function installed() {
  for (const name of [process.env.WEIR_CHROMIUM, 'chromium', 'chromium-browser', 'google-chrome'].filter(Boolean)) {
    try {
      return execFileSync('sh', ['-c', 'command -v "$0"', name], { encoding: 'utf8' }).trim();
    } catch {
      // The next one is tried.
    }
  }
  throw new Error('no Chromium here; scripts/setup test installs it');
}

/** Starts it with an autoplay policy. */
export const launch = (policy = 'no-user-gesture-required') =>
  chromium.launch({
    executablePath: installed(),
    args: ['--no-sandbox', '--disable-gpu', `--autoplay-policy=${policy}`],
  });
