/**
 * Plugin of esbuild: bundles hls.js from its own sources, without the parts that weir's streams never
 * need. The ready-made bundle is 1.6 times as large, and a viewer waits for it before the first
 * picture. The names of the flags are those of hls.js's own build.
 */

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGE = join(dirname(fileURLToPath(import.meta.url)), 'node_modules', 'hls.js');
const { version } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'));

/**
 * Features of hls.js: weir's audio is always an alternate rendition of its own, and with edges a playlist
 * lists everything once for each of them, which only content steering understands.
 */
const FEATURES = { ALT_AUDIO: true, CONTENT_STEERING: true };
const FLAGS = [
  'ALT_AUDIO', 'CMCD', 'CONTENT_STEERING', 'EME_DRM', 'IFRAMES', 'INTERSTITIALS', 'M2TS_ADVANCED_CODECS',
  'MEDIA_CAPABILITIES', 'SUBTITLES', 'VARIABLE_SUBSTITUTION',
];

/** Constants that the sources of hls.js expect from their build. */
export const HLS_DEFINES = {
  __VERSION__: JSON.stringify(version),
  __IN_WORKER__: 'false',
  __HLS_WORKER_BUNDLE__: 'undefined',
  ...Object.fromEntries(FLAGS.map((flag) => [`__USE_${flag}__`, String(FEATURES[flag] ?? false)])),
};

/** Demuxers of formats that weir's pages never play; media is always fragmented MP4. */
const UNUSED = /\/(tsdemuxer|aacdemuxer|ac3-demuxer|mp3demuxer|cmcd-controller)$/;
const NOTHING = 'const nothing = { probe: () => false };\nexport { nothing as default, nothing as AC3Demuxer };';

export const hlsFromSource = {
  name: 'hls-from-source',
  setup(build) {
    build.onResolve({ filter: /^hls\.js$/ }, () => ({
      path: join(PACKAGE, 'src', 'exports-default.ts'),
      sideEffects: false,
    }));
    build.onResolve({ filter: UNUSED }, ({ path, importer }) =>
      importer.startsWith(PACKAGE) ? { path, namespace: 'nothing', sideEffects: false } : null,
    );
    build.onLoad({ filter: /.*/, namespace: 'nothing' }, () => ({ contents: NOTHING, loader: 'js' }));
  },
};
