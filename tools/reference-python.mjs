// Makes a Python environment with programs of others, for tests alone (tests/support/reference.ts), under the cache folder, and
// prints its interpreter. `python` (default, 4 GB): those whose files we must read and that must read ours: MindSpore, torch,
// safetensors, sentencepiece, tokenizers, peft, gguf, tensorboard. `clients` (0.7 GB, no torch): those that talk with our
// server: the openai client and lm-evaluation-harness. `deepspeed` (1.3 GB): DeepSpeed on CPU torch, whose checkpoints we read.
// `trl`: the preference losses of TRL.
//
//   node tools/reference-python.mjs [python|trl|clients|deepspeed]
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheFolder, fingerprint } from './setup/paths.mjs';

const SETS = {
  python: [
    'torch==2.13.0',
    'mindspore==2.10.0',
    'safetensors==0.8.0',
    'sentencepiece==0.2.3',
    'tokenizers==0.23.3',
    'peft==0.21.2',
    'gguf==0.19.0',
    'tensorboard==2.21.0',
  ],
  trl: ['torch==2.13.0', 'trl==1.9.0'],
  clients: ['lm-eval[api]==0.4.13', 'openai==3.54.0'],
  deepspeed: ['torch==2.13.0', 'deepspeed==0.19.8', 'peft==0.21.2', 'setuptools==80.9.0'],
};
// A slow network must not hold the tests up for ever.
const INSTALL_MILLISECONDS = 300_000;
const set = process.argv[2] ?? 'python';
const packages = SETS[set];
if (packages === undefined) {
  process.stderr.write(`reference-python: no set ${set}; known: ${Object.keys(SETS).join(', ')}\n`);
  process.exit(2);
}
const folder = join(cacheFolder(), `reference-${set}-${fingerprint(packages)}`);
const python = join(folder, 'bin', 'python');
// Written last: an environment without it was interrupted.
const complete = join(folder, 'complete');

if (!existsSync(complete)) {
  const started = Date.now();
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  try {
    execFileSync('python3', ['-m', 'venv', folder], { stdio: ['ignore', 'inherit', 'inherit'] });
    execFileSync(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages], {
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
  writeFileSync(`${complete}.tmp`, `${packages.join('\n')}\n`);
  renameSync(`${complete}.tmp`, complete);
  process.stderr.write(`reference-python: made in ${((Date.now() - started) / 1000).toFixed(0)} s\n`);
}
process.stdout.write(`${python}\n`);
