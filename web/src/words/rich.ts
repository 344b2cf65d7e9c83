/** The little markup of texts: `code` in backticks, *strong* between asterisks. Pure. */

/** A piece of a text, and the element that holds it. */
export interface Piece {
  tag: 'code' | 'b' | null;
  text: string;
}

/** Splits a text into its pieces. */
export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  for (const [, code, strong, plain] of text.matchAll(/`([^`]+)`|\*([^*]+)\*|([^`*]+)/g)) {
    if (code) found.push({ tag: 'code', text: code });
    else if (strong) found.push({ tag: 'b', text: strong });
    else if (plain) found.push({ tag: null, text: plain });
  }
  return found;
}
