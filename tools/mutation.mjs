// Do the tests bite? Plants small faults into the core, one after the other, and says which of them no test notices.
//
//   node tools/mutation.mjs [--sample 40] [--seed 1] [--seconds 60] [--only NUMBER] [--tests PART,…] [--workers 2] [FOLDER or FILE …]
//
// --sample faults are drawn from each folder (default src/training, src/generation/engine, src/checkpoint and src/nn); 0: all.
// A first run of the tests notes which test file reaches which fault; then each fault is tried on the test files that
// reach it, quick ones first, for --seconds at most (--tests: only files whose path holds one of these parts). A fault that ends in an endless loop counts as noticed.
// --workers faults are tried at once (default: one a core). Needs `npm run setup`. Ends with exit code 1 if fewer than 80 % are noticed. Code in worker threads and second processes
// runs from dist/ and is not looked at.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { findMutants } from './mutation/mutants.mjs';
import { filesBelow, root } from './setup/paths.mjs';

const GOAL = 0.8;
const CORE = ['src/training', 'src/generation/engine', 'src/checkpoint', 'src/nn'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sample: { type: 'string', default: '40' },
    seed: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '60' },
    only: { type: 'string' },
    tests: { type: 'string', default: '' },
    workers: { type: 'string', default: String(availableParallelism()) },
  },
});
const [sample, seed, seconds] = [values.sample, values.seed, values.seconds].map(Number);
const workers = Math.max(1, Number(values.workers));
const folders = positionals.length === 0 ? CORE : positionals;

/** @typedef {import('./mutation/mutants.mjs').Mutant & { id: number, file: string, folder: string }} Fault */

/** @param {string} path @returns {string[]} the sources at or below it, in the repository */
function sourcesAt(path) {
  const full = join(root, path);
  const all = statSync(full).isDirectory() ? filesBelow(full) : [full];
  return all
    .map((file) => relative(root, file))
    .filter((file) => /\.ts$/.test(file) && !/\.test\.ts$|\/client\//.test(file));
}

/** @type {Fault[]} */
const faults = [];
/** @type {Record<string, number>} */
const targets = {};
for (const folder of folders)
  for (const file of sourcesAt(folder)) {
    targets[file] = faults.length;
    for (const mutant of findMutants(readFileSync(join(root, file), 'utf8')))
      faults.push({ ...mutant, id: faults.length, file, folder });
  }

const scratch = mkdtempSync(join(tmpdir(), 'xinghe-mutation-'));
/** Each ends tests that run. @type {Set<() => void>} */
const running = new Set();
process.on('exit', () => {
  for (const end of running) end();
  rmSync(scratch, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
const targetsFile = join(scratch, 'targets.json');
writeFileSync(targetsFile, JSON.stringify(targets));

/**
 * Runs test files over the instrumented sources.
 * @param {string[]} tests @param {Record<string, string>} env @param {number} limit seconds @param {string[]} [options]
 * @returns {Promise<'passed' | 'failed' | 'endless'>}
 */
function runTests(tests, env, limit, options = []) {
  return new Promise((resolve) => {
    const args = ['run', '--config', 'tools/mutation/vitest.config.mjs', '--silent', ...options, ...tests];
    const child = spawn(join(root, 'node_modules', '.bin', 'vitest'), args, {
      cwd: root,
      env: { ...process.env, XINGHE_MUTATION_TARGETS: targetsFile, ...env },
      stdio: 'ignore',
      detached: true,
    });
    let isLate = false;
    const end = () => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    };
    running.add(end);
    const timer = setTimeout(() => {
      isLate = true;
      end();
    }, limit * 1000);
    child.on('close', (code) => {
      running.delete(end);
      clearTimeout(timer);
      resolve(isLate ? 'endless' : code === 0 ? 'passed' : 'failed');
    });
  });
}

/** The test files of the folders, and those under tests/ that go through whole commands in this process. */
const testFiles = ['src', 'tests']
  .flatMap((folder) => filesBelow(join(root, folder)))
  .map((file) => relative(root, file))
  .filter((file) => /\.test\.ts$/.test(file) && !/\.long\.test\.ts$/.test(file))
  .filter((file) => values.tests.split(',').some((part) => file.includes(part)))
  .filter((file) => !/chat-page|watch-page|serving-load|serve-process|demo\.test|fuzz/.test(file))
  .filter((file) =>
    /^src\/(?:training|generation|checkpoint|nn|lora|models|data|evaluation)\/|^tests\//.test(file),
  );

process.stderr.write(
  `mutation: ${faults.length} faults in ${Object.keys(targets).length} files; which tests reach them\n`,
);
const reachedFile = join(scratch, 'reached.jsonl');
const report = join(scratch, 'report.json');
const reportOptions = ['--reporter=json', `--outputFile=${report}`];
await runTests(
  testFiles,
  { XINGHE_REACHED: reachedFile, XINGHE_MUTATION_WORKERS: String(workers) },
  3600,
  reportOptions,
);
if (!existsSync(reachedFile)) throw new Error('the tests did not run; is the set-up done (npm run setup)?');
/** @type {Map<string, number>} seconds of each test file that passes without a fault */
const duration = new Map(
  JSON.parse(readFileSync(report, 'utf8'))
    .testResults.filter(({ status }) => status === 'passed')
    .map(({ name, startTime, endTime }) => [relative(root, name), (endTime - startTime) / 1000]),
);
/** @type {Map<number, string[]>} */
const testsOf = new Map();
for (const line of readFileSync(reachedFile, 'utf8').trim().split('\n')) {
  const { test, reached } = JSON.parse(line);
  const file = relative(root, test);
  if (!duration.has(file)) continue;
  for (const id of reached) testsOf.set(id, [...(testsOf.get(id) ?? []), file]);
}

/** Numbers in [0, 1) by mulberry32. @param {number} state */
function random(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** @param {Fault[]} all @returns {Fault[]} */
function drawn(all) {
  if (values.only !== undefined) return all.filter(({ id }) => id === Number(values.only));
  if (sample === 0) return all;
  const draw = random(seed);
  return all
    .map((fault) => ({ fault, key: draw() }))
    .sort((a, b) => a.key - b.key)
    .slice(0, sample)
    .map(({ fault }) => fault);
}

/** @param {Fault} fault @returns {Promise<boolean>} does a test notice it? */
async function isNoticed({ id }) {
  const seconds_ = (/** @type {string} */ file) => duration.get(file) ?? 0;
  const tests = (testsOf.get(id) ?? []).sort((a, b) => seconds_(a) - seconds_(b));
  let spent = 0;
  while (tests.length > 0 && spent < seconds) {
    // A start costs some two seconds: several quick files share it.
    const batch = tests.splice(
      0,
      Math.max(
        1,
        tests.findIndex(
          (_, index) => tests.slice(0, index + 1).reduce((sum, file) => sum + seconds_(file), 0) > 6,
        ),
      ),
    );
    const cost = batch.reduce((sum, file) => sum + seconds_(file) + 2, 0);
    if ((await runTests(batch, { XINGHE_FAULT: String(id) }, 30 + 6 * cost, ['--bail=1'])) !== 'passed')
      return true;
    spent += cost;
  }
  return false;
}

let [noticedInAll, triedInAll] = [0, 0];
for (const folder of folders) {
  const tried = drawn(faults.filter((fault) => fault.folder === folder));
  let [noticed, done] = [0, 0];
  const waiting = [...tried];
  const tryOne = async (/** @type {Fault} */ fault) => {
    if (await isNoticed(fault)) noticed++;
    else {
      const reach = testsOf.has(fault.id) ? '' : ' (no test reaches it)';
      const place = `${fault.file}:${fault.line}`;
      process.stdout.write(
        `not noticed${reach}: ${place} #${fault.id}\n    ${oneLine(fault.original)}\n  → ${oneLine(fault.replacement) || '(removed)'}\n`,
      );
    }
    done++;
    process.stderr.write(`mutation: ${folder} ${done} of ${tried.length}, ${noticed} noticed\n`);
  };
  await Promise.all(
    Array.from({ length: workers }, async () => {
      for (let fault = waiting.shift(); fault !== undefined; fault = waiting.shift()) await tryOne(fault);
    }),
  );
  noticedInAll += noticed;
  triedInAll += tried.length;
  process.stdout.write(
    `${folder}: ${noticed} of ${tried.length} noticed (${percent(noticed, tried.length)})\n`,
  );
}
process.stdout.write(
  `in all: ${noticedInAll} of ${triedInAll} noticed (${percent(noticedInAll, triedInAll)})\n`,
);
process.exitCode = noticedInAll >= GOAL * triedInAll ? 0 : 1;

/** @param {string} text */
function oneLine(text) {
  const joined = text.replace(/\s+/g, ' ');
  return joined.length > 140 ? `${joined.slice(0, 140)}…` : joined;
}

/** @param {number} part @param {number} whole */
function percent(part, whole) {
  return whole === 0 ? 'none' : `${((100 * part) / whole).toFixed(0)} %`;
}
