/** The loader of hls.js, which takes what `ahead.ts` has already fetched instead of asking again. */

import Hls, { type LoaderCallbacks, type LoaderConfiguration, type LoaderContext, type LoaderStats } from 'hls.js';

import { isAhead, takeAhead, textOf, type Fetched } from './fetched.ts';

const Loader = Hls.DefaultConfig.loader;

/** A loader that answers from memory once, and from the network after that. */
export class AheadLoader extends Loader {
  #gone = false;

  override load(context: LoaderContext, config: LoaderConfiguration, callbacks: LoaderCallbacks<LoaderContext>): void {
    const address = new URL(context.url, location.href).href;
    if (context.rangeEnd || !isAhead(address)) {
      super.load(context, config, callbacks);
      return;
    }
    this.context = context;
    void takeAhead(address).then((fetched) => {
      if (this.#gone) return;
      if (fetched) this.#answer(fetched, context, callbacks);
      else super.load(context, config, callbacks);
    });
  }

  override abort(): void {
    this.#gone = true;
    super.abort();
  }

  override destroy(): void {
    this.#gone = true;
    super.destroy();
  }

  #answer(fetched: Fetched, context: LoaderContext, callbacks: LoaderCallbacks<LoaderContext>): void {
    const isText = context.responseType !== 'arraybuffer';
    fillIn(this.stats, fetched, isText);
    const data = isText ? textOf(fetched) : fetched.body;
    callbacks.onSuccess({ url: fetched.url, data, code: 200 }, this.stats, context, null);
  }
}

/**
 * The age of a playlist counts from its real arrival. Media counts as having arrived just now, in its
 * share of the time: hls.js estimates the bandwidth from the time until it has parsed the media.
 */
function fillIn(stats: LoaderStats, { body, startMs, firstMs, endMs, shareMs }: Fetched, isText: boolean): void {
  const nowMs = performance.now();
  stats.loading.start = isText ? startMs : nowMs - shareMs;
  stats.loading.first = isText ? firstMs : stats.loading.start;
  stats.loading.end = isText ? endMs : nowMs;
  stats.loaded = stats.total = body.byteLength;
}
