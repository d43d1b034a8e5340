/** `xinghe bench`: what is refused before anything is measured. What is measured: tests/bench.long.test.ts. */
import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { main } from '../main.js';

let stderr = '';
const temporary = mkdtempSync(join(tmpdir(), 'bench-cli-'));
beforeEach(() => {
  stderr = '';
  vi.stubEnv('TMPDIR', temporary);
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += String(text);
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

test.each([
  [
    'bench fly',
    /"fly" is no subcommand; there are train, decode, prompt, serve, tokenizer, convert, data, op, cost/,
  ],
  ['bench decode --against nobody', /--against nobody: neither a peer of this verb nor a program/],
  [
    'bench train --against pytorch --python /nowhere',
    /\/nowhere cannot be run; name an interpreter by --python/,
  ],
  ['bench decode --against llama.cpp --from /', /node-llama-cpp is not installed in \/ /],
  ['bench train --steps 2', /--steps/],
  ['bench train --dtype int8', /--dtype is "int8"; give one of float32, bfloat16, bfloat16-mixed/],
  ['bench train --size 7b', /--size is "7b"/],
  ['bench train --model /nowhere', /\/nowhere/],
  ['bench serve --streams 1001', /--streams is 1001; give 1000 at most/],
  ['bench prompt --from-start --cached', /do not go together/],
  ['bench decode --gguf x.gguf --model x', /--gguf is the model of a peer; give --against/],
  ['bench tokenizer --threads 2', /go with --train/],
  ['bench tokenizer --train byte-level-bpe --tokenizer x', /--train takes no --tokenizer/],
  ['bench tokenizer --input /nowhere.txt', /\/nowhere\.txt/],
  [
    'bench tokenizer --train byte-level-bpe --against sentencepiece',
    /trains no byte-level-bpe; give --against tokenizers/,
  ],
  ['bench op --linear --against pytorch', /leave --against/],
  ['bench cost', /say of what Give one of context, batch, queue, rows, model-size/],
  ['bench cost contxt', /"contxt" is nothing whose cost is measured\. Did you mean/],
  ['bench data --input /nowhere.jsonl', /\/nowhere\.jsonl/],
  ['bench op --rounds 0', /--rounds/],
])('%s', async (command, message) => {
  expect(await main(command.split(' '))).toBe(2);
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/\n\s+at /);
  expect(readdirSync(temporary)).toEqual([]);
});
