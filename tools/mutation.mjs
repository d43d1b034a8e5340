// Do the tests bite? Plants small faults into the core, one after the other, and says which of them no test notices.
//
//   node tools/mutation.mjs [--sample 40] [--seed 1] [--seconds 60] [--files 30] [--only NUMBER] [--tests PART,…]
//                           [--workers 2] [FOLDER or FILE …]
//
// --sample faults are drawn from each folder (default src/training, src/generation/engine, src/checkpoint and src/nn); 0: all.
// A fault is tried on the test file beside the source, then on those of the same folder, then on others by how many
// imports lie between, until one notices it: on --files of them, for --seconds, at most (--tests: only files whose path
// holds one of these parts). A test file is run once without a fault, when it is first asked for: that tells how long
// it takes and which faults it reaches. A fault that ends in an endless loop counts as noticed. --workers faults are
// tried at once (default: one a core). Needs `npm run setup`. Ends with exit code 1 if fewer than 80 % are noticed.
// Code in worker threads and second processes runs from dist/ and is not looked at.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { findMutants } from './mutation/mutants.mjs';
import { nearestTests } from './mutation/nearest-tests.mjs';
import { TestRuns } from './mutation/test-runs.mjs';
import { filesBelow, root } from './setup/paths.mjs';

const GOAL = 0.8;
const CORE = ['src/training', 'src/generation/engine', 'src/checkpoint', 'src/nn'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sample: { type: 'string', default: '40' },
    seed: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '60' },
    files: { type: 'string', default: '30' },
    only: { type: 'string' },
    tests: { type: 'string', default: '' },
    workers: { type: 'string', default: String(availableParallelism()) },
  },
});
const [sample, seed, seconds, mostFiles] = [values.sample, values.seed, values.seconds, values.files].map(
  Number,
);
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
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
const targetsFile = join(scratch, 'targets.json');
writeFileSync(targetsFile, JSON.stringify(targets));
const runs = new TestRuns(scratch, targetsFile);
const nearest = nearestTests(values.tests.split(','));
process.stderr.write(`mutation: ${faults.length} faults in ${Object.keys(targets).length} files\n`);

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

/** Test files of one run without a fault: few at first, since the nearest notice most. */
const AT_ONCE = [2, 6];

/** @param {Fault} fault @returns {Promise<'noticed' | 'reached' | 'not reached'>} */
async function tryFault({ id, file }) {
  const tests = nearest(file).slice(0, mostFiles);
  let [spent, isReached] = [0, false];
  for (let turn = 0; tests.length > 0 && spent < seconds; turn++) {
    const reaching = await runs.reaching(tests.splice(0, AT_ONCE[Math.min(turn, 1)]), id);
    isReached ||= reaching.length > 0;
    const tried = await runs.isNoticed(reaching, id, seconds - spent);
    if (tried.isNoticed) return 'noticed';
    spent += tried.spent;
  }
  return isReached ? 'reached' : 'not reached';
}

let [noticedInAll, triedInAll] = [0, 0];
for (const folder of folders) {
  const tried = drawn(faults.filter((fault) => fault.folder === folder));
  let [noticed, done] = [0, 0];
  const waiting = [...tried];
  const tryOne = async (/** @type {Fault} */ fault) => {
    const outcome = await tryFault(fault);
    if (outcome === 'noticed') noticed++;
    else {
      const reach = outcome === 'reached' ? '' : ' (no test reaches it)';
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
