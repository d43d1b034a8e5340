import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ggufModels as models, withTokenizer } from '../../../../tests/support/gguf-models.js';
import { requires } from '../../../../tests/support/requires.js';
import { intTensor, noGrad } from '../../../tensor/index.js';
import { loadModel } from '../../load-model.js';
import { convertModel } from '../convert-model.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-llama-cpp-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A folder where `npm i node-llama-cpp --ignore-scripts` was run: its package brings a built llama.cpp. */
const llamaCpp = process.env.XINGHE_LLAMA_CPP;

describe(
  'llama.cpp itself',
  requires(llamaCpp !== undefined, 'XINGHE_LLAMA_CPP names no folder with node-llama-cpp'),
  () => {
    const program = `
import { createRequire } from 'node:module';
const here = createRequire(process.cwd() + '/');
const { getLlama, LlamaLogLevel } = await import(here.resolve('node-llama-cpp'));
const [file, prompts, longest] = process.argv.slice(2);
const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath: file });
const context = await model.createContext({ contextSize: 256, threads: 2 });
const sequence = context.getSequence();
const made = [];
for (const prompt of JSON.parse(prompts)) {
  await sequence.clearHistory();
  const ids = [];
  for await (const id of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) if (ids.push(id) >= Math.min(24, longest - prompt.length)) break;
  made.push(ids);
}
console.log('made ' + JSON.stringify(made));
await llama.dispose();
`;

    test.each(models)('%s: the same greedy ids', { timeout: 300_000 }, async (name) => {
      const from = withTokenizer(name, join(folder, name));
      const gguf = join(folder, `${name}.gguf`);
      await convertModel({ from, to: gguf });
      const { model, architecture } = loadModel(from);
      // llama.cpp has no windows for these: it is right up to the end of the first.
      const longest = 'scheme' in architecture.gguf ? architecture.gguf.contextLength : 0;
      const prompts = [
        [5, 9, 300, 17, 42, 8],
        [7, 7, 7],
        [100],
        [200, 11, 250, 99, 31, 64, 128, 255, 3, 301],
      ].filter(({ length }) => length < longest);
      const expected = prompts.map((prompt) => {
        const row = [...prompt];
        while (row.length < Math.min(prompt.length + 24, longest))
          row.push(
            noGrad(() =>
              model
                .forward(intTensor(row, [1, row.length]))
                .select(1, row.length - 1)
                .argmax()
                .item(),
            ),
          );
        return row.slice(prompt.length);
      });
      const script = join(folder, 'greedy.mjs');
      writeFileSync(script, program);
      const { stdout, stderr } = spawnSync(
        process.execPath,
        [script, gguf, JSON.stringify(prompts), String(longest)],
        {
          cwd: llamaCpp,
          encoding: 'utf8',
        },
      );
      const made = /^made (.*)$/m.exec(stdout)?.[1];
      expect(made, `${stdout}${stderr}`).toBeDefined();
      expect(JSON.parse(made ?? '')).toEqual(expected);
    });
  },
);
