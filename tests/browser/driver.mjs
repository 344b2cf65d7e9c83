// Drives a browser over standard input and output: one JSON request per line, one JSON answer per
// line. Ends when its input ends.
//
//   {"do":"goto","url":…}  {"do":"hls","url":…}  {"do":"eval","expression":…}
//   {"do":"network","bps":…|null}  {"do":"screenshot","path":…}  {"do":"complaints"}

import { createInterface } from 'node:readline';
import { limitNetwork, openBrowser, playBare } from './page.mjs';

const browser = await openBrowser();

// Where a page gives way to the next one, the answer is that of the next.
async function evaluate(expression) {
  try {
    return await browser.page.evaluate(expression);
  } catch (error) {
    if (!String(error).includes('Execution context was destroyed')) throw error;
    await browser.page.waitForLoadState();
    return browser.page.evaluate(expression);
  }
}

const actions = {
  goto: ({ url }) => browser.page.goto(url).then(() => null),
  hls: ({ url }) => playBare(browser.page, url).then(() => null),
  eval: ({ expression }) => evaluate(expression),
  network: ({ bps }) => limitNetwork(browser.devtools, bps).then(() => null),
  screenshot: ({ path }) => browser.page.screenshot({ path }).then(() => null),
  complaints: () => browser.complaints,
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await actions[request.do](request)) ?? null };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
