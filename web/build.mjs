/**
 * Builds `src/` into `dist/` (or the given folder): bundles with content-hashed names, the pages
 * that refer to them, and the licences of the bundled packages. The output depends only on the
 * sources, so `check.mjs` can tell whether the committed `dist/` is up to date.
 */

import { copyFile, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

import { HLS_DEFINES, hlsFromSource } from './hls-source.mjs';

const ROOT = dirname(fileURLToPath(import.meta.url));
const SOURCES = join(ROOT, 'src');
const PAGES = join(SOURCES, 'pages');

// Each of these: source file → name by which pages refer to its bundle.
/** Scripts that stand in the head of a page: a browser should run them with the first bytes it gets. */
const HEAD_SCRIPTS = { 'ahead.ts': 'ahead.js' };
/** Scripts that are whole in one file as well, because a request costs more than the few bytes they share. */
const PLAIN_SCRIPTS = { 'list.ts': 'list.js', 'plain.ts': 'plain.js' };
const SCRIPTS = { 'watch.ts': 'watch.js', 'embed.ts': 'embed.js' };
const LAZY = { 'player/hls-engine.ts': 'player/hls-engine.js' };
const STYLES = { 'styles/list.css': 'list.css', 'styles/watch.css': 'watch.css', 'styles/embed.css': 'embed.css' };
const FILES = { 'favicon.svg': 'favicon.svg' };

/** Options of every bundle. */
const options = (out, sources) => ({
  absWorkingDir: ROOT,
  entryPoints: sources.map((source) => join('src', source)),
  outdir: join(out, 'assets'),
  bundle: true,
  format: 'esm',
  target: ['es2022', 'chrome100', 'firefox100', 'safari15.4'],
  minify: true,
  legalComments: 'none',
  charset: 'utf8',
  loader: { '.svg': 'copy' },
  define: HLS_DEFINES,
  plugins: [hlsFromSource],
  entryNames: '[name]-[hash]',
  chunkNames: '[name]-[hash]',
  assetNames: '[name]-[hash]',
  metafile: true,
  logLevel: 'warning',
});

/** Bundles the scripts that stand in pages and returns them by their names. */
async function headScripts(out) {
  const scripts = new Map();
  for (const [source, name] of Object.entries(HEAD_SCRIPTS)) {
    const { outputFiles } = await build({ ...options(out, [source]), format: 'iife', write: false });
    scripts.set(name, outputFiles[0].text.trim());
  }
  return scripts;
}

/** Bundles the sources and returns the address of every asset by its source. */
async function bundle(out) {
  const sources = [...Object.keys(SCRIPTS), ...Object.keys(STYLES), ...Object.keys(FILES)];
  const { metafile } = await build({ ...options(out, sources), splitting: true });
  const plain = await build(options(out, Object.keys(PLAIN_SCRIPTS)));
  const outputs = { ...metafile.outputs, ...plain.metafile.outputs };
  const addresses = new Map();
  const preloads = new Map();
  for (const [file, { entryPoint, inputs }] of Object.entries(outputs)) {
    const source = entryPoint ?? Object.keys(inputs)[0] ?? '';
    const address = `/${relative(out, join(ROOT, file)).replaceAll('\\', '/')}`;
    addresses.set(relative('src', source), address);
    preloads.set(address, staticImports(metafile, file).map((it) => `/${relative(out, join(ROOT, it))}`));
  }
  return { addresses, preloads };
}

/** Scripts that a bundle imports. Without a preload hint each would cost one more round trip. */
function staticImports({ outputs }, file, found = new Set()) {
  for (const { path, kind } of outputs[file]?.imports ?? []) {
    if (kind !== 'import-statement' || found.has(path)) continue;
    found.add(path);
    staticImports({ outputs }, path, found);
  }
  return [...found].sort();
}

/** Loads a module of the sources. Node 18 cannot read TypeScript, so it is bundled first. */
async function load(source) {
  const { outputFiles } = await build({
    absWorkingDir: ROOT, entryPoints: [join('src', source)], bundle: true, format: 'esm', write: false, charset: 'utf8',
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
}

/**
 * Returns a page with its English texts: `data-t="key"` on an empty element gives its content,
 * `t:title="key"` an attribute. What the script needs to translate them stays in the page.
 */
async function withTexts(page) {
  const { en } = await load('words/en.ts');
  const { pieces } = await load('words/rich.ts');
  const textOf = (key) => {
    if (!Object.hasOwn(en, key)) throw new Error(`a page refers to the text ${key}, which words/en.ts lacks`);
    return en[key];
  };
  const escaped = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;');
  const marked = (key) =>
    pieces(textOf(key)).map(({ tag, text }) => (tag ? `<${tag}>${escaped(text)}</${tag}>` : escaped(text))).join('');
  return page
    .replace(/ t:([\w-]+)="([\w.]+)"/g, (_, name, key) => ` ${name}="${escaped(textOf(key))}" data-t-${name}="${key}"`)
    .replace(/(<\w+ [^<>]*data-t="([\w.]+)"[^<>]*>)(?=<\/)/g, (_, open, key) => open + marked(key));
}

/**
 * Returns a page with its parts (`{{> name}}`), the scripts that stand in it (`{{< name}}`) and the
 * addresses of its assets (`{{name}}`) filled in.
 */
async function render(file, addressOf, scripts) {
  let text = await readFile(join(PAGES, file), 'utf8');
  for (const [tag, part] of text.matchAll(/\{\{> (\w+)\}\}\n?/g)) {
    const partText = await readFile(join(PAGES, `${part}.html`), 'utf8');
    text = text.replace(tag, () => partText);
  }
  return text
    .replace(/\{\{([\w./-]+)\}\}/g, (_, name) => addressOf(name))
    .replace(/\{\{< ([\w./-]+)\}\}/g, (_, name) => scripts.get(name));
}

/** Adds to every preload hint of a script those of what the script imports, each once. */
function withPreloads(page, preloads) {
  const hinted = new Set();
  return page.replace(/<link rel="modulepreload" href="([^"]+)">\n/g, (_, address) => {
    const fresh = [address, ...(preloads.get(address) ?? [])].filter((it) => !hinted.has(it));
    fresh.forEach((it) => hinted.add(it));
    return fresh.map((it) => `<link rel="modulepreload" href="${it}">\n`).join('');
  });
}

/** Builds everything into the folder `out`. */
export async function buildInto(out) {
  await rm(out, { recursive: true, force: true });
  await mkdir(join(out, 'assets'), { recursive: true });
  const { addresses, preloads } = await bundle(out);
  const scripts = await headScripts(out);
  const byName = Object.entries({ ...PLAIN_SCRIPTS, ...SCRIPTS, ...LAZY, ...STYLES, ...FILES });
  const addressOf = (name) => {
    const source = byName.find(([, it]) => it === name)?.[0];
    const address = source && addresses.get(source);
    if (!address) throw new Error(`a page refers to ${name}, which the build did not make`);
    return address;
  };
  for (const file of await readdir(PAGES)) {
    if (!basename(file).startsWith('_')) {
      const page = await withTexts(await render(file, addressOf, scripts));
      await writeFile(join(out, file), withPreloads(page, preloads));
    }
  }
  // Browsers request /favicon.ico whatever a page says; the server answers with this file.
  await copyFile(join(SOURCES, 'favicon.svg'), join(out, 'favicon.svg'));
  const licences = await Promise.all(
    ['licenses/NOTICE.txt', 'node_modules/hls.js/LICENSE', 'licenses/Apache-2.0.txt'].map((file) =>
      readFile(join(ROOT, file), 'utf8'),
    ),
  );
  const rule = `\n${'-'.repeat(80)}\n\n`;
  await writeFile(join(out, 'assets', 'licenses.txt'), licences.map((it) => it.trimEnd() + '\n').join(rule));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildInto(join(ROOT, 'dist'));
