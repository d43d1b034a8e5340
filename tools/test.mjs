// All checks in one command: set-up, types, lint, layers, documents, tests. A failed step counts as one failure and the
// next ones still run; only a machine that cannot be set up ends the run. The last line is alone
// `N passed, N failed, N skipped`.
//
//   node tools/test.mjs [--long] [vitest filters and options]
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readJson, root } from './setup/paths.mjs';
import { reportFailure, setup } from './setup.mjs';

const isLong = process.argv.includes('--long');
const filters = process.argv.slice(2).filter((argument) => argument !== '--long');
const program = (/** @type {string} */ name) => join(root, 'node_modules', '.bin', name);

/** @param {string} text */
function heading(text) {
  process.stdout.write(`\n== ${text}\n`);
}

/**
 * @param {string} command @param {string[]} args @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<boolean>} did it succeed?
 */
function runStep(command, args, env = process.env) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, env, stdio: 'inherit' });
    child.on('error', (error) => {
      process.stdout.write(`${command}: ${error.message}\n`);
      resolve(false);
    });
    child.on('close', (code) => resolve(code === 0));
  });
}

/**
 * Runs a script of ours beside other steps. @param {string[]} args
 * @returns {Promise<string>} what it wrote, on stdout and stderr
 */
function outputOf(args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const gather = (/** @type {Buffer} */ piece) => {
      output += piece.toString();
    };
    child.stdout.on('data', gather);
    child.stderr.on('data', gather);
    child.on('error', (error) => resolve(`${args[0]}: ${error.message}\n`));
    child.on('close', () => resolve(output));
  });
}

/** @returns {Promise<import('./test-report.mjs').TestReport>} */
async function runTests() {
  const folder = mkdtempSync(join(tmpdir(), 'xinghe-test-'));
  try {
    const file = join(folder, 'report.json');
    const env = { ...process.env, XINGHE_TEST_REPORT: file, ...(isLong && { XINGHE_TEST_LONG: '1' }) };
    const reporters = ['--reporter=default', '--reporter=./tools/test-report.mjs'];
    const succeeded = await runStep(program('vitest'), ['run', ...reporters, ...filters], env);
    const report = readJson(file) ?? { passed: 0, failed: 0, skipped: [] };
    return succeeded ? report : { ...report, failed: Math.max(1, report.failed) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

let failedSteps = 0;
heading('set-up');
try {
  await setup(['npm', 'libtorch', 'native']);
} catch (error) {
  // Without packages or the addon everything else would fail for this one reason.
  const code = reportFailure(error);
  process.stdout.write('0 passed, 1 failed, 0 skipped\n');
  process.exit(code);
}
try {
  await setup();
} catch (error) {
  failedSteps++;
  reportFailure(error);
}
// Where they cannot be had, the tests that need them are skipped with a reason. Fetching goes on beside the checks.
const references =
  process.env.XINGHE_REFERENCE === 'install'
    ? Promise.all([
        ...['python', 'clients', 'smollm2'].map((set) => outputOf(['tools/reference-python.mjs', set])),
        outputOf(['tools/debian-packages.mjs']),
      ])
    : undefined;
for (const [name, command, args] of /** @type {[string, string, string[]][]} */ ([
  ['types', program('tsc'), ['--noEmit']],
  ['types of the watch page', program('tsc'), ['--noEmit', '-p', 'src/training/watch/page/client']],
  ['types of the report', program('tsc'), ['--noEmit', '-p', 'src/evaluation/report/page/client']],
  ['types of the chat page', program('tsc'), ['--noEmit', '-p', 'web']],
  ['lint', program('biome'), ['check', '--error-on-warnings', '.']],
  ['layers', process.execPath, ['tools/check-layers.mjs']],
  ['documents', process.execPath, ['tools/check-readme.mjs']],
])) {
  heading(name);
  if (!(await runStep(command, args))) failedSteps++;
}
if (references !== undefined) {
  heading('reference programs');
  for (const output of await references) process.stdout.write(output);
}
heading(isLong ? 'tests, the long ones too' : 'tests');
const { passed, failed, skipped } = await runTests();
if (skipped.length > 0) process.stdout.write(`skipped:\n${skipped.map((line) => `  ${line}\n`).join('')}`);
process.stdout.write(`${passed} passed, ${failed + failedSteps} failed, ${skipped.length} skipped\n`);
process.exitCode = failed + failedSteps === 0 ? 0 : 1;
