/** What the player shows when there is no picture. */

import { t } from '../words/words.ts';
import type { View } from './lifecycle.ts';

/** A title, a sentence, and whether a spinner shows that work is going on. */
export interface Message {
  title: string;
  detail: string;
  busy: boolean;
}

/** Message for a view; `null` when a picture is shown. */
export function messageFor(view: View, name: string): Message | null {
  if (view === 'playing' || view === 'reconnecting') return null;
  if (view === 'connecting') return { title: t('message.connecting'), detail: '', busy: true };
  return {
    title: t(`message.${view}`, { name }),
    detail: t(`message.${view}.detail`),
    busy: view === 'starting' || view === 'unreachable',
  };
}
