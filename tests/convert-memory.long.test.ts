/** Peak memory of `xinghe convert` on models whose biggest tensor is far bigger than what it may hold. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeSafetensors } from '../src/formats/index.js';
import { peakMemoryOf } from './support/peak-memory.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-convert-memory-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);

const MB = 2 ** 20;
/** Of the biggest tensor; XINGHE_CONVERT_MB makes it another. */
const BIGGEST = Number(process.env.XINGHE_CONVERT_MB ?? 200) * MB;
/** Measured 83 to 117 MB, whether the biggest tensor has 200 or 512 MB; 249 MB where a cast loads libtorch. */
const bound = (options: readonly string[]): number => (options.includes('--dtype') ? 350 : 200) * MB;

const peakOf = (args: readonly string[]): Promise<number> => peakMemoryOf(['convert', ...args]);

beforeAll(() => {
  const piece = Buffer.alloc(MB, 'xinghe');
  let pieces = 0;
  // No two alike: ranks that hold the same bytes are refused.
  const nextPiece = (): Buffer => {
    piece.writeUInt32LE(pieces++);
    return piece;
  };
  const row = (name: string, shape: [number, number]) => ({
    name,
    dtype: 'float32' as const,
    shape,
    *bytes() {
      for (let left = shape[0] * shape[1] * 4; left > 0; left -= MB)
        yield nextPiece().subarray(0, Math.min(MB, left));
    },
  });
  const width = 4096;
  const layer = 'transformer.transformer.layers.0';
  writeSafetensors(at('source.safetensors'), [
    row('transformer.embedding.word_embeddings.embedding_table', [BIGGEST / 4 / width, width]),
    ...['q', 'k', 'v'].map((part) => row(`${layer}.attention.${part}_proj.weight`, [width, width])),
    ...['fc0', 'fc1'].map((part) => row(`${layer}.mlp.${part}.weight`, [2048, width])),
    row(`${layer}.mlp.fc2.weight`, [width, 2048]),
  ]);
});

const source = at('source.safetensors');

test.each<[string, string, string, string[]]>([
  ['to .bin', source, 'a.bin', []],
  ['.bin to .ckpt', at('a.bin'), 'a.ckpt', []],
  ['.ckpt to safetensors', at('a.ckpt'), 'b.safetensors', []],
  ['cast to bfloat16', source, 'c.safetensors', ['--dtype', 'bfloat16', '--cast-embedding']],
  ['cut over two ranks', source, 'ranks', ['--layout', 'mp=2']],
  ['ranks joined', at('ranks'), 'd.safetensors', ['--source-layout', 'mp=2']],
  ["to Megatron's spelling", source, 'm.pt', ['--names', 'megatron']],
  ["from Megatron's spelling", at('m.pt'), 'e.ckpt', ['--names', 'mindspore']],
])('%s', async (_, from, to, options) => {
  const peak = await peakOf(['--from', from, '--to', at(to), ...options]);
  process.stdout.write(`peak ${(peak / MB).toFixed(0)} MB\n`);
  expect(peak).toBeGreaterThan(0);
  expect(peak).toBeLessThan(bound(options));
});
