/** What the player shows when there is no picture. Pure. */

import type { View } from './lifecycle.ts';

/** A title, a sentence, and whether a spinner shows that work is going on. */
export interface Message {
  title: string;
  detail: string;
  busy: boolean;
}

/** Message for a view; `null` when a picture is shown. */
export function messageFor(view: View, name: string): Message | null {
  switch (view) {
    case 'playing':
    case 'reconnecting':
      return null;
    case 'connecting':
      return { title: 'Connecting', detail: '', busy: true };
    case 'starting':
      return { title: `Starting ${name}`, detail: 'The first pictures are on their way.', busy: true };
    case 'waiting':
      return {
        title: `${name} is not live yet`,
        detail: 'Leave this page open: it starts by itself.',
        busy: false,
      };
    case 'ended':
      return {
        title: 'The broadcast has ended',
        detail: 'If it comes back, playback starts by itself.',
        busy: false,
      };
    case 'failed':
      return {
        title: `${name} cannot be shown right now`,
        detail: 'The server keeps trying, and so does this page.',
        busy: false,
      };
    case 'unreachable':
      return {
        title: 'The server cannot be reached',
        detail: "Trying again. You don't need to do anything.",
        busy: true,
      };
    case 'missing':
      return {
        title: `There is no stream called ${name}`,
        detail: 'It may have been renamed or removed.',
        busy: false,
      };
  }
}
