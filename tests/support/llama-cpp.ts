/** llama.cpp itself, as node-llama-cpp brings it, in a process of its own. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestOptions } from 'vitest';
import { requires } from './requires.js';

/** A folder where `npm i node-llama-cpp --ignore-scripts` was run: its package brings a built llama.cpp. */
const folder = process.env.XINGHE_LLAMA_CPP;

export const requiresLlamaCpp: TestOptions = requires(
  folder !== undefined,
  'XINGHE_LLAMA_CPP names no folder with node-llama-cpp',
);

const PROGRAM = `
import { createRequire } from 'node:module';
const here = createRequire(process.cwd() + '/');
const { getLlama, LlamaLogLevel } = await import(here.resolve('node-llama-cpp'));
const [file, prompts, counts] = process.argv.slice(2);
const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath: file });
const context = await model.createContext({ contextSize: 256, threads: 2 });
const sequence = context.getSequence();
const made = [];
for (const [index, prompt] of JSON.parse(prompts).entries()) {
  await sequence.clearHistory();
  const ids = [];
  for await (const id of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) if (ids.push(id) >= JSON.parse(counts)[index]) break;
  made.push(ids);
}
console.log('made ' + JSON.stringify(made));
await llama.dispose();
`;

/** The likeliest ids after each prompt, so many of each. Throws with what it wrote when it fails. */
export function llamaCppGreedy(
  gguf: string,
  prompts: readonly (readonly number[])[],
  counts: readonly number[],
): number[][] {
  const script = join(mkdtempSync(join(tmpdir(), 'xinghe-llama-cpp-')), 'greedy.mjs');
  // A file: node-llama-cpp starts processes of its own with the options of this one.
  writeFileSync(script, PROGRAM);
  const args = [script, gguf, JSON.stringify(prompts), JSON.stringify(counts)];
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
  rmSync(dirname(script), { recursive: true });
  const made = /^made (.*)$/m.exec(stdout)?.[1];
  if (made === undefined) throw new Error(`llama.cpp failed:\n${stdout}${stderr}`);
  return JSON.parse(made) as number[][];
}
