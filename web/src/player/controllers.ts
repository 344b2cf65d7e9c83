/** The controllers of hls.js that load media, which leave out no first part of a segment. */

import Hls, { type Fragment, type Part } from 'hls.js';

import { withFirstPart } from './first-part.ts';

const { streamController, audioStreamController } = Hls.DefaultConfig;
if (!audioStreamController) throw new Error('hls.js is built without alternate audio');

/** Loads video, which has more than one independent part per segment where key frames come often. */
export class MainController extends streamController {
  override getNextPart(parts: Part[], fragment: Fragment, targetS: number): number {
    return withFirstPart(parts, super.getNextPart(parts, fragment, targetS));
  }
}

/** Loads audio that is a rendition of its own. */
export class AudioController extends audioStreamController {
  override getNextPart(parts: Part[], fragment: Fragment, targetS: number): number {
    return withFirstPart(parts, super.getNextPart(parts, fragment, targetS));
  }
}
