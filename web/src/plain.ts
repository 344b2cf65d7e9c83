/** A page that only speaks the viewer's language: 404. */

import { speak } from './words/words.ts';

speak();
