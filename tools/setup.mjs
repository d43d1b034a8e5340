// Makes a fresh clone ready to run: npm packages, libtorch, the native addon, the program. Every step is skipped
// when its result is there and current. Asks nothing; says on stderr what it does. In an installed package only libtorch
// and the native addon are left to do.
//
//   node tools/setup.mjs [--only npm|libtorch|native|build] [--quiet]
//
// Exit code 0 done, 2 something is missing or broken that the user can put right, 1 a fault of ours, 130 interrupted.
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildKernels } from './setup/kernels.mjs';
import { findLibtorch, hasCuda } from './setup/libtorch.mjs';
import { withLock } from './setup/lock.mjs';
import { buildNative } from './setup/native.mjs';
import { checkNode, installPackages } from './setup/node-packages.mjs';
import { buildPage } from './setup/page.mjs';
import { buildFolder, isPackage } from './setup/paths.mjs';
import { buildProgram } from './setup/program.mjs';
import { Interrupted, SetupError, setQuiet } from './setup/report.mjs';
import { interruption } from './setup/run-program.mjs';
import { writeStamp } from './setup/stamp.mjs';

/** @typedef {'npm' | 'libtorch' | 'native' | 'build'} Step */
/** @type {Step[]} */
const allSteps = isPackage ? ['libtorch', 'native'] : ['npm', 'libtorch', 'native', 'build'];

/**
 * @param {Step[]} [steps] default: all
 * @returns {Promise<void>}
 * @throws SetupError, Interrupted
 */
export async function setup(steps = allSteps) {
  checkNode();
  const interrupt = () => interruption.abort();
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  try {
    await withLock(join(buildFolder, 'setup.lock'), async () => {
      if (steps.includes('npm')) await installPackages();
      // Asked for by name, the search starts anew.
      if (steps.length === 1 && steps[0] === 'libtorch') await findLibtorch({ again: true });
      if (steps.includes('native')) {
        const libtorch = await findLibtorch();
        await buildNative(libtorch);
        if (hasCuda(libtorch)) await buildKernels();
      }
      if (steps.includes('build')) {
        await buildProgram();
        await buildPage();
      }
      if (steps.length === allSteps.length) writeStamp();
    });
  } catch (error) {
    throw interruption.signal.aborted ? new Interrupted() : error;
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

/**
 * @param {unknown} error
 * @returns {number} the exit code, after saying on stderr what happened
 */
export function reportFailure(error) {
  if (error instanceof Interrupted) {
    process.stderr.write('setup: interrupted; the next run goes on from here\n');
    return 130;
  }
  if (error instanceof SetupError) {
    process.stderr.write(`setup: ${error.message}\n`);
    return 2;
  }
  // What the system refused (a full disk, a folder that may not be written) names its path in the message.
  if (error instanceof Error && 'syscall' in error) {
    process.stderr.write(`setup: ${error.message}\n`);
    return 2;
  }
  process.stderr.write(`setup: ${error instanceof Error ? error.stack : error}\n`);
  return 1;
}

/** @param {string[]} argv @returns {Step[]} */
function parseArguments(argv) {
  /** @type {Step[]} */
  let steps = allSteps;
  for (let i = 0; i < argv.length; i++) {
    if (argv[i] === '--quiet') setQuiet(true);
    else if (argv[i] === '--only') {
      steps = allSteps.filter((step) => step === argv[i + 1]);
      if (steps.length === 0)
        throw new SetupError(`--only takes one of ${allSteps.join(', ')}; found "${argv[i + 1] ?? ''}"`);
      i++;
    } else
      throw new SetupError(`unknown option "${argv[i]}"; known are --only ${allSteps.join('|')} and --quiet`);
  }
  return steps;
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    await setup(parseArguments(process.argv.slice(2)));
  } catch (error) {
    process.exitCode = reportFailure(error);
  }
}
