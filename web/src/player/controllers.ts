/** Controllers of hls.js that do some things otherwise. */

import Hls, { type ErrorData, type Fragment, type Part } from 'hls.js';

import { withFirstPart } from './first-part.ts';

const { streamController, audioStreamController, errorController } = Hls.DefaultConfig;
if (!audioStreamController) throw new Error('hls.js is built without alternate audio');

/**
 * Loads video without leaving out the first part of a segment: video has more than one independent part per
 * segment where key frames come often.
 */
export class MainController extends streamController {
  override getNextPart(parts: Part[], fragment: Fragment, targetS: number): number {
    return withFirstPart(parts, super.getNextPart(parts, fragment, targetS));
  }
}

/** Loads audio that is a rendition of its own, in the same way. */
export class AudioController extends audioStreamController {
  override getNextPart(parts: Part[], fragment: Fragment, targetS: number): number {
    return withFirstPart(parts, super.getNextPart(parts, fragment, targetS));
  }
}

/**
 * hls.js 1.7.4 now and then appends audio while the browser is still busy with the append before
 * (`InvalidStateError`), above all at the start. It blames that on the rendition, and shuns the edge that it came
 * from for five minutes. But nothing is wrong with the bytes, and the controllers load them once more.
 */
function blameNobody(_: string, data: ErrorData): void {
  const isBusy = data.details === Hls.ErrorDetails.BUFFER_APPEND_ERROR && data.error.name === 'InvalidStateError';
  if (!isBusy || data.fatal) return;
  // `NetworkErrorAction.DoNothing` and `ErrorActionFlags.None`.
  data.errorAction = { action: 0, flags: 0, resolved: true };
}

/** Decides what follows from an error. */
export class FairErrorController extends errorController {
  constructor(hls: Hls) {
    // Before the listener of hls.js, which then leaves the error alone.
    hls.on(Hls.Events.ERROR, blameNobody);
    super(hls);
  }
}
