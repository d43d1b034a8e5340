// Makes a Python environment with the programs whose files we must read and that must read ours: MindSpore, torch,
// safetensors, sentencepiece, tokenizers, peft, gguf, tensorboard. Only tests use it (tests/reference.ts); about 4 GB under the cache
// folder. Prints its interpreter.
//
//   node tools/reference-python.mjs
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheFolder, fingerprint } from './setup/paths.mjs';

const PACKAGES = [
  'torch==2.13.0',
  'mindspore==2.10.0',
  'safetensors==0.8.0',
  'sentencepiece==0.2.3',
  'tokenizers==0.23.3',
  'peft==0.21.2',
  'gguf==0.19.0',
  'tensorboard==2.21.0',
];
// A slow network must not hold the tests up for ever.
const INSTALL_MILLISECONDS = 300_000;
const folder = join(cacheFolder(), `reference-python-${fingerprint(PACKAGES)}`);
const python = join(folder, 'bin', 'python');
// Written last: an environment without it was interrupted.
const complete = join(folder, 'complete');

if (!existsSync(complete)) {
  const started = Date.now();
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  try {
    execFileSync('python3', ['-m', 'venv', folder], { stdio: ['ignore', 'inherit', 'inherit'] });
    execFileSync(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...PACKAGES], {
      stdio: ['ignore', 'ignore', 'inherit'],
      timeout: INSTALL_MILLISECONDS,
    });
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    process.stderr.write(
      `reference-python: the environment could not be made: ${error instanceof Error ? error.message : error}\n`,
    );
    process.exit(1);
  }
  writeFileSync(`${complete}.tmp`, `${PACKAGES.join('\n')}\n`);
  renameSync(`${complete}.tmp`, complete);
  process.stderr.write(`reference-python: made in ${((Date.now() - started) / 1000).toFixed(0)} s\n`);
}
process.stdout.write(`${python}\n`);
