/** What peers are started with: whole paths (they run in a folder of their own), and words that their programs know. */
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { isAbsolute, join, relative } from 'node:path';
import { expect, test } from 'vitest';
import type { BenchSession } from '../bench-session.js';
import type { Benchmark } from '../benchmark.js';
import { planConvert, planData } from './plan-files.js';
import { planDecode } from './plan-generation.js';
import { planEncode, planVocabulary } from './plan-tokenizer.js';
import { planTrain } from './plan-train.js';

const folder = mkdtempSync(join(tmpdir(), 'bench-plans-'));
const elsewhere = join(folder, 'elsewhere');
mkdirSync(elsewhere);
/** A file, as a user here would name it. */
const here = (name: string): string => {
  const path = join(folder, name);
  writeFileSync(path, '#!/bin/sh\n');
  chmodSync(path, 0o755);
  return relative(process.cwd(), path);
};
const session: BenchSession = {
  folder,
  signal: new AbortController().signal,
  make: async () => ({ bytes: 1e6, ownBytes: 5e5, records: 10 }),
};
const choice = { against: here('peer.sh'), python: 'python3', from: relative(process.cwd(), elsewhere) };

const peerArguments = ({ peer }: Benchmark): readonly string[] => {
  expect(peer?.cwd).toBe(choice.from);
  expect(isAbsolute(peer?.command ?? '')).toBe(true);
  return peer?.args ?? [];
};

const generation = { size: '33m', sequences: 4, prompt: 8, new: 3, repetitions: 2, threads: 2 };

test('a GGUF is named by its whole path', async () => {
  const gguf = here('model.gguf');
  const plan = await planDecode({ ...choice, ...generation, model: here('model'), gguf }, session);
  expect(peerArguments(plan)).toEqual([
    join(folder, 'model.gguf'),
    ...['--prompt', '8', '--new', '3', '--threads', '2', '--parallel', '4', '--reps', '2'],
  ]);
  expect(plan.notes.join(' ')).not.toContain('random');
});

test('a GGUF that is not there, or that nobody reads, is refused', async () => {
  const gguf = join(folder, 'none.gguf');
  await expect(planDecode({ ...choice, ...generation, gguf }, session)).rejects.toThrow(
    /there is no such file/,
  );
  await expect(
    planDecode({ ...choice, ...generation, against: undefined, gguf: here('model.gguf') }, session),
  ).rejects.toThrow(/give --against/);
});

test('tokenizers, texts and checkpoints are named by their whole paths', async () => {
  const texts = { input: [here('a.txt')], megabytes: 1 };
  const encode = await planEncode(
    { ...choice, ...texts, tokenizer: here('t.model'), repetitions: 2 },
    session,
  );
  const train = await planVocabulary(
    { ...choice, ...texts, type: 'byte-level-bpe', vocabSize: 300, threads: 1 },
    session,
  );
  const convert = await planConvert(
    { ...choice, model: here('m.safetensors'), size: '33m', dtype: 'float32', conversion: 'ranks' },
    session,
  );
  const data = await planData(
    { ...choice, input: here('r.jsonl'), tokenizer: here('t.json'), megabytes: 1, seqLength: 15, workers: 1 },
    session,
  );
  for (const plan of [encode, train, convert, data]) {
    const words = peerArguments(plan);
    for (const [place, word] of words.entries())
      if (['--tokenizer', '--input', '--output', '--from', '--to'].includes(word))
        expect(isAbsolute(words[place + 1] ?? ''), word).toBe(true);
  }
  expect(peerArguments(train)).toContain('--pattern');
  expect(peerArguments(train)[peerArguments(train).indexOf('--pattern') + 1]).toMatch(/\\p\{L\}/);
});

test('training is described by its sizes; shared heads and flags only where there are some', async () => {
  const options = { batch: 8, length: 256, steps: 5, threads: 2, lora: 0, recompute: false } as const;
  const plain = await planTrain({ ...choice, ...options, size: '33m', precision: 'float32' });
  expect(peerArguments(plain).join(' ')).toBe(
    '--layers 8 --hidden 512 --ffn 1376 --heads 8 --vocab 8000 --batch 8 --length 256 --steps 5 --threads 2 --lora 0 --dtype float32',
  );
  const grouped = await planTrain({
    ...{ ...choice, ...options },
    size: 'heads=8,kv-heads=2',
    precision: 'bfloat16-mixed',
    recompute: true,
  });
  expect(peerArguments(grouped).join(' ')).toMatch(/--heads 8 --kv-heads 2 .*--recompute --dtype autocast$/);
});
