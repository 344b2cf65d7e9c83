import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';

import { lasted, seconds, viewers } from '../../src/format.ts';
import { pieces } from '../../src/words/rich.ts';
import { choose, LANGUAGES, setLanguage, t } from '../../src/words/words.ts';

const holes = (text) => [...text.matchAll(/\{(\w+)\}/g)].map((it) => it[1]).sort();
const markup = (text) => pieces(text).map((it) => it.tag).filter(Boolean).sort();

afterEach(() => setLanguage('en'));

for (const [tag, words] of Object.entries(LANGUAGES)) {
  test(`${tag} has every text of English, with the same holes and markup`, () => {
    assert.deepEqual(Object.keys(words).sort(), Object.keys(LANGUAGES.en).sort());
    for (const [key, text] of Object.entries(words)) {
      assert.ok(text.trim(), key);
      assert.deepEqual(holes(text), holes(LANGUAGES.en[key]), key);
      assert.deepEqual(markup(text), markup(LANGUAGES.en[key]), key);
    }
  });
}

test('the first language that the viewer prefers and that there is', () => {
  const rows = [
    [['de-AT', 'en'], 'de'], [['en-GB', 'de'], 'en'], [['fr', 'de'], 'de'], [['fr'], 'en'], [[], 'en'],
    [['toString'], 'en'], [['DE'], 'de'],
  ];
  for (const [preferred, wanted] of rows) assert.equal(choose(preferred), wanted, preferred.join());
});

test('a text is filled in, in the language that was set', () => {
  assert.equal(t('message.starting', { name: 'x' }), 'Starting x');
  setLanguage('de');
  assert.equal(t('message.starting', { name: 'x' }), 'x startet');
  assert.equal(viewers(2), '2 Zuschauer');
  assert.equal(seconds(1.25), '1,3 s');
  assert.equal(lasted(65 * 60_000), '1 Std. 5 Min.');
});

test('markup is split into pieces', () => {
  assert.deepEqual(pieces('a `b` *c*'), [
    { tag: null, text: 'a ' }, { tag: 'code', text: 'b' }, { tag: null, text: ' ' }, { tag: 'b', text: 'c' },
  ]);
});
