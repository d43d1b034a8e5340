// What the serving benchmarks share: a model folder of chosen size with random weights, and a server on it.
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArchitecture, saveModel } from '../dist/models/index.js';
import { initializeModule } from '../dist/nn/index.js';
import { RandomGenerator, scope } from '../dist/tensor/index.js';

const golden = fileURLToPath(new URL('../tests/golden/', import.meta.url));

/**
 * XVERSE's layout with the vocabulary of the golden gpt2 tokenizer. Weights are random: speed does not depend on them.
 * @param {{ layers: number, hidden: number, ffn: number, heads: number, dtype?: string }} shape
 * @returns {Promise<string>} the folder
 */
export async function writeModel({ layers, hidden, ffn, heads, dtype = 'float32' }) {
  const config = {
    ...JSON.parse(readFileSync(`${golden}xverse/config.json`, 'utf8')),
    vocab_size: 1000,
    num_hidden_layers: layers,
    hidden_size: hidden,
    intermediate_size: ffn,
    num_attention_heads: heads,
  };
  const folder = join(mkdtempSync(join(tmpdir(), 'xinghe-bench-')), 'model');
  mkdirSync(folder);
  const architecture = parseArchitecture(config, 'benchmark');
  const model = architecture.createModel();
  scope(() =>
    initializeModule(model, { rule: { kind: 'normal', std: 0.1 }, generator: new RandomGenerator(1), dtype }),
  );
  await saveModel(folder, { model, architecture });
  copyFileSync(`${golden}tokenizers/bbpe_gpt2/tokenizer.json`, join(folder, 'tokenizer.json'));
  return folder;
}

/** The command, which on SIGUSR2 tells what its heap holds when it has been swept. */
const program = `
process.on('SIGUSR2', () => {
  gc();
  process.stderr.write('heap ' + process.memoryUsage().heapUsed + '\\n');
});
import { main } from ${JSON.stringify(new URL('../dist/cli/main.js', import.meta.url).href)};
process.exitCode = await main(process.argv.slice(1));
`;

/**
 * `xinghe serve` on a free port of 127.0.0.1, ready.
 * @param {string[]} args
 */
export async function startServer(args) {
  const child = spawn(
    process.execPath,
    ['--expose-gc', '--input-type=module', '-e', program, '--', 'serve', '--port', '0', '--quiet', ...args],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let stderr = '';
  const exit = new Promise((resolve) =>
    child.on('close', (code, signal) => resolve({ code, signal, stderr })),
  );
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  while (!/ready after/.test(stderr)) {
    if (child.exitCode !== null) throw new Error(`the server ended: ${stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const url = /at (http:\/\/\S+)\/v1 /.exec(stderr)?.[1] ?? '';
  const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim();
  return {
    url,
    pid: Number(child.pid),
    enginePid: Number(children.split(' ')[0]),
    exit,
    /** @returns {Promise<number>} bytes of the server's heap without garbage */
    heap: async () => {
      const seen = stderr.length;
      child.kill('SIGUSR2');
      for (;;) {
        const bytes = /heap (\d+)\n/.exec(stderr.slice(seen))?.[1];
        if (bytes !== undefined) return Number(bytes);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    stop: async () => {
      child.kill('SIGTERM');
      return await exit;
    },
  };
}

/** @param {number[]} values @param {number} share 0 to 1 @returns {number} NaN of none */
export function quantile(values, share) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
