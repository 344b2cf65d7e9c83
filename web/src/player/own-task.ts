/** Cuts long work into tasks, between which the browser can paint and answer. */

const { port1, port2 } = new MessageChannel();
const waiting: (() => void)[] = [];
port1.addEventListener('message', () => waiting.shift()?.());
port1.start();

/** Resolves in a task of its own, as soon as may be: timers are late, above all in a page that nobody sees. */
export const ownTask = (): Promise<void> =>
  new Promise((begin) => {
    waiting.push(begin);
    port2.postMessage(null);
  });
