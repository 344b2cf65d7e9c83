/**
 * What must hold before a commit: the types fit, the unit tests pass, and `dist/` is what the
 * sources build to. `--only-tests` leaves it at the tests.
 */

import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

import { buildInto } from './build.mjs';

const ROOT = dirname(fileURLToPath(import.meta.url));

function run(command, ...args) {
  execFileSync(command, args, { cwd: ROOT, stdio: 'inherit' });
}

async function runTests(scratch) {
  const folder = join(ROOT, 'test', 'unit');
  const entryPoints = (await readdir(folder)).filter((it) => it.endsWith('.test.ts')).map((it) => join(folder, it));
  await build({ entryPoints, outdir: scratch, bundle: true, platform: 'node', format: 'esm', outExtension: { '.js': '.mjs' } });
  run(process.execPath, '--test', ...entryPoints.map((it) => join(scratch, it.slice(folder.length).replace(/ts$/, 'mjs'))));
}

/** Every file below a folder, by its relative path. */
async function contents(folder, below = '') {
  const files = new Map();
  for (const entry of await readdir(join(folder, below), { withFileTypes: true })) {
    const path = join(below, entry.name);
    if (entry.isDirectory()) for (const [name, bytes] of await contents(folder, path)) files.set(name, bytes);
    else files.set(path, await readFile(join(folder, path)));
  }
  return files;
}

async function checkDist(scratch) {
  await buildInto(join(scratch, 'dist'));
  const [fresh, committed] = [await contents(join(scratch, 'dist')), await contents(join(ROOT, 'dist'))];
  const names = new Set([...fresh.keys(), ...committed.keys()]);
  const stale = [...names].filter((it) => !fresh.get(it)?.equals(committed.get(it) ?? Buffer.alloc(0)));
  if (stale.length === 0) return;
  console.error(`web/dist is not what web/src builds to; run "npm run build" in web/:\n  ${stale.join('\n  ')}`);
  process.exitCode = 1;
}

const scratch = await mkdtemp(join(tmpdir(), 'weir-web-'));
try {
  await runTests(scratch);
  if (!process.argv.includes('--only-tests')) {
    run(process.execPath, join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', ROOT);
    await checkDist(scratch);
  }
} finally {
  await rm(scratch, { recursive: true, force: true });
}
