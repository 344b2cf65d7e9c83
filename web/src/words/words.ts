/** The texts of the pages in the viewer's language. */

import { de } from './de.ts';
import { en, type Key } from './en.ts';
import { pieces } from './rich.ts';

export type { Key };

/** Every language of the pages; the first is that of the static pages. */
export const LANGUAGES = { en, de } satisfies Record<string, Record<Key, string>>;

/** Tag of a language, as in the `lang` attribute. */
export type Language = keyof typeof LANGUAGES;

let current: Language = 'en';

/** The language of all texts. */
export const language = (): Language => current;

/** The first language that the viewer prefers and that there is; English where there is none. */
export function choose(preferred: readonly string[]): Language {
  for (const tag of preferred) {
    const primary = tag.toLowerCase().split('-')[0] ?? '';
    if (Object.hasOwn(LANGUAGES, primary)) return primary as Language;
  }
  return 'en';
}

/** Sets the language of all texts from now on. */
export function setLanguage(tag: Language): void {
  current = tag;
}

/** Returns a text; `{name}` in it becomes `values.name`. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  return LANGUAGES[current][key].replace(/\{(\w+)\}/g, (hole, name: string) => String(values[name] ?? hole));
}

/** Attributes of static pages that hold a text; `data-t-ATTRIBUTE` names it. */
const ATTRIBUTES = ['aria-label', 'title', 'content', 'data-word'];

/** Chooses the language and translates the static page. Call this once, before anything else is shown. */
export function speak(): void {
  setLanguage(choose(navigator.languages));
  if (current === document.documentElement.lang) return;
  document.documentElement.lang = current;
  for (const element of document.querySelectorAll<HTMLElement>('[data-t]')) {
    const parts = pieces(t(element.dataset['t'] as Key)).map(({ tag, text }) => {
      if (!tag) return text;
      const part = document.createElement(tag);
      part.textContent = text;
      return part;
    });
    element.replaceChildren(...parts);
  }
  for (const attribute of ATTRIBUTES) {
    for (const element of document.querySelectorAll(`[data-t-${attribute}]`)) {
      element.setAttribute(attribute, t(element.getAttribute(`data-t-${attribute}`) as Key));
    }
  }
}
