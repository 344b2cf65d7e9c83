/**
 * Checks the pages without a browser: types, unit tests, and whether the committed `dist/` is what
 * the sources build to. `--only-tests` runs the unit tests alone.
 */

import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

import { buildInto } from './build.mjs';

const ROOT = dirname(fileURLToPath(import.meta.url));

/** Lists all files in a folder and its subfolders, sorted, as paths relative to the folder. */
async function filesIn(folder, below = folder) {
  const entries = await readdir(below, { withFileTypes: true });
  const nested = entries.map((entry) => {
    const path = join(below, entry.name);
    return entry.isDirectory() ? filesIn(folder, path) : [relative(folder, path)];
  });
  return (await Promise.all(nested)).flat().sort();
}

function runNode(...args) {
  return spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'inherit' }).status === 0;
}

function checkTypes() {
  return runNode(join('node_modules', 'typescript', 'bin', 'tsc'), '--noEmit');
}

/** Node 18 cannot read TypeScript, so every test is bundled with its imports first. */
async function runTests(scratch) {
  const folder = join(ROOT, 'test', 'unit');
  const names = (await readdir(folder)).filter((name) => name.endsWith('.test.js'));
  const outdir = join(scratch, 'unit');
  await build({
    entryPoints: names.map((name) => join(folder, name)),
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node18',
    sourcemap: 'inline',
    logLevel: 'warning',
  });
  const files = names.map((name) => join(outdir, name.replace(/\.js$/, '.mjs')));
  return runNode('--enable-source-maps', '--test', ...files);
}

/** Tells whether `dist/` is what the sources build to; prints the differences. */
async function checkDist(scratch) {
  const fresh = join(scratch, 'dist');
  const committed = join(ROOT, 'dist');
  await buildInto(fresh);
  const [wanted, there] = [await filesIn(fresh), await filesIn(committed)];
  const differs = [];
  for (const file of new Set([...wanted, ...there])) {
    if (!there.includes(file)) differs.push(`missing: ${file}`);
    else if (!wanted.includes(file)) differs.push(`left over: ${file}`);
    else {
      const [a, b] = await Promise.all([fresh, committed].map((folder) => readFile(join(folder, file))));
      if (!a.equals(b)) differs.push(`differs: ${file}`);
    }
  }
  if (differs.length) console.error(`dist/ is not what src/ gives; "npm run build" mends it\n  ${differs.join('\n  ')}`);
  return differs.length === 0;
}

async function main() {
  const scratch = await mkdtemp(join(tmpdir(), 'weir-web-'));
  try {
    const checks = { tests: () => runTests(scratch) };
    if (!process.argv.includes('--only-tests')) {
      Object.assign(checks, { types: checkTypes, dist: () => checkDist(scratch) });
    }
    for (const [name, check] of Object.entries(checks)) {
      const passed = await check();
      console.log(`${name}: ${passed ? 'ok' : 'FAILED'}`);
      if (!passed) process.exitCode = 1;
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

await main();
