/** What we convert, read by MindSpore, torch, safetensors and transformers; and what torch saves with strides, read by us. */
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEFAULT_SHARD_THRESHOLD, openModelCheckpoint } from '../src/checkpoint/index.js';
import { readView, type TensorView } from '../src/formats/index.js';
import { convertModel, loadModel } from '../src/models/index.js';
import { intTensor, noGrad, scope } from '../src/tensor/index.js';
import { goldenFolder } from './support/golden.js';
import { referencePython, runReference } from './support/reference.js';

const python = referencePython();
const xverse = `${goldenFolder}xverse`;
const spark = `${goldenFolder}spark/model.safetensors`;
const folder = mkdtempSync(join(tmpdir(), 'xinghe-convert-reference-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

/** Shape and SHA-256 of the bytes, by name. */
type Digests = Record<string, string>;

function digests(path: string, rank = 0): Digests {
  const tensors = openModelCheckpoint(path).ranks[rank] ?? new Map<string, TensorView>();
  return Object.fromEntries(
    [...tensors].map(([name, view]) => {
      const hash = createHash('sha256');
      for (const piece of readView(view)) hash.update(piece);
      return [name, `[${view.shape.join(', ')}] ${hash.digest('hex')}`];
    }),
  );
}

/** Tensors as torch saves them: the views share storages, nothing lies row by row. */
const SAVE_STRIDED = `
import os, sys, torch
from safetensors.torch import save_file
folder = sys.argv[1]
g = torch.Generator().manual_seed(1)
big = torch.randn(6, 40, 50, generator=g)
tensors = {}
for name, t in {'f32': big, 'bf16': big.bfloat16(), 'f64': big.double(), 'i64': (big * 100).long(), 'u8': (big * 50).byte(),
                'f16': big.half(), 'nan': torch.full_like(big, float('nan')).double()}.items():
    tensors |= {
        name + '.transposed': t.transpose(0, 2), name + '.inner': t.transpose(1, 2), name + '.sliced': t[:, 3:30, 5:45:4],
        name + '.stepped': t[::2], name + '.expanded': t[:1].expand(4, 40, 50), name + '.column': t[:, :, 7],
        name + '.whole': t, name + '.one': t[3, 4, 5], name + '.empty': t[:0].transpose(0, 2), name + '.diagonal': t[0].diagonal(),
        name + '.permuted': t.permute(2, 0, 1)[1:],
    }
torch.save(tensors, folder + '/strided.bin')
torch.save(tensors, folder + '/strided-legacy.bin', _use_new_zipfile_serialization=False)
save_file({name: t.contiguous().clone() for name, t in tensors.items()}, folder + '/contiguous.safetensors')
# Two ranks whose tensors have the same names.
whole = torch.load(folder + '/whole.bin')
for rank in (0, 1):
    part = {}
    for name, t in whole.items():
        axis = {'q_proj': 0, 'k_proj': 0, 'v_proj': 0, 'gate_proj': 0, 'up_proj': 0, 'o_proj': 1, 'down_proj': 1,
                'embed_tokens': 0, 'lm_head': 0}.get(name.split('.')[-2])
        piece = t if axis is None else t.chunk(2, axis)[rank]
        part[name] = piece.t().contiguous().t() if piece.dim() == 2 else piece
    os.makedirs(f'{folder}/strided-ranks/rank_{rank}')
    torch.save(part, f'{folder}/strided-ranks/rank_{rank}/checkpoint.bin')
print('{}')
`;

/** What the programs make of our files. */
const READ_OURS = `
import glob, hashlib, json, sys, warnings
warnings.filterwarnings('ignore')
import numpy as np, torch
from safetensors.torch import load_file
from transformers import LlamaForCausalLM
import mindspore
folder, ids = sys.argv[1], torch.tensor(json.loads(sys.argv[2])).reshape(2, 7)
torch.set_num_threads(1)
def digest(a):
    return f'[{", ".join(map(str, a.shape))}] ' + hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest()
def of_torch(tensors):
    return {k: digest(t.numpy()) for k, t in tensors.items()}
result = {'safetensors': of_torch(load_file(folder + '/plain/model.safetensors')), 'ranks': {}, 'bins': {}}
for path in sorted(glob.glob(folder + '/bins/*.bin')):
    result['bins'] |= of_torch(torch.load(path, weights_only=True))
for kind in ('bins', 'plain'):
    model = LlamaForCausalLM.from_pretrained(folder + '/' + kind, attn_implementation='eager').eval()
    with torch.no_grad():
        result[kind + '-logits'] = model(ids).logits.float().flatten().tolist()
parts = []
for path in sorted(glob.glob(folder + '/ranks/rank_*/*.ckpt')):
    tensors = {k: v.asnumpy() for k, v in mindspore.load_checkpoint(path).items()}
    parts.append(tensors)
    result['ranks'][path] = {k: digest(v) for k, v in tensors.items()}
whole = {k: v.asnumpy() for k, v in mindspore.load_checkpoint(folder + '/whole.ckpt').items()}
merged = {}
for name, full in whole.items():
    pieces = [part[name] for part in parts]
    axes = [axis for axis in range(full.ndim) if pieces[0].shape[axis] != full.shape[axis]]
    merged[name] = np.concatenate(pieces, axes[0]) if axes else pieces[0]
result['merged'] = {k: digest(v) for k, v in merged.items()}
print(json.dumps(result))
`;

import { requiresPython } from './support/requires.js';

interface Answers {
  readonly safetensors: Digests;
  readonly bins: Digests;
  readonly 'bins-logits': number[];
  readonly 'plain-logits': number[];
  readonly ranks: Record<string, Digests>;
  readonly merged: Digests;
}

const ids = Array.from({ length: 14 }, (_, index) => (index * 37) % 320);

function ourLogits(path: string): number[] {
  const { model } = loadModel(path);
  const logits = scope(() => noGrad(() => model.forward(intTensor(ids, [2, 7])).contiguous()));
  const bytes = logits.toBytes();
  logits.dispose();
  return [...new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)];
}

describe('other programs', requiresPython(python), () => {
  let answers: Answers;

  beforeAll(async () => {
    const layout = {
      dataParallel: 1,
      modelParallel: 2,
      pipelineStages: 1,
      optimizerShard: false,
      shardThreshold: DEFAULT_SHARD_THRESHOLD,
    };
    await convertModel({ from: xverse, to: at('bins'), format: 'bin', shards: 3 });
    await convertModel({ from: xverse, to: at('plain') });
    for (const name of ['bins', 'plain']) {
      const path = join(at(name), 'config.json');
      const { auto_map: _, ...config } = JSON.parse(readFileSync(path, 'utf8'));
      const llama = { ...config, model_type: 'llama', architectures: ['LlamaForCausalLM'] };
      writeFileSync(path, JSON.stringify(llama));
    }
    await convertModel({ from: spark, to: at('ranks'), layout });
    await convertModel({ from: at('ranks'), to: at('whole.ckpt') });
    await convertModel({ from: `${xverse}/model.safetensors`, to: at('whole.bin') });
    if (python === undefined) return;
    runReference(python, SAVE_STRIDED, [folder]);
    answers = runReference<Answers>(python, READ_OURS, [folder, JSON.stringify(ids)]);
  });

  test('safetensors and torch read every tensor of our files', () => {
    const expected = digests(`${xverse}/model.safetensors`);
    expect(answers.safetensors).toEqual(expected);
    expect(answers.bins).toEqual(expected);
  });

  test('transformers loads the folders and answers as we do', () => {
    const expected = ourLogits(xverse);
    for (const name of ['bins-logits', 'plain-logits'] as const)
      for (const [index, value] of answers[name].entries())
        expect(Math.abs(value - (expected[index] ?? Number.NaN)), `${name} ${index}`).toBeLessThan(4e-5);
  });

  test('MindSpore reads the ranks, and what it joins is what we join', () => {
    const ranks = Object.values(answers.ranks);
    expect(ranks.length).toBe(2);
    for (const [rank, found] of ranks.entries()) expect(found).toEqual(digests(at('ranks'), rank));
    expect(ranks[0]?.['transformer.embedding.word_embeddings.embedding_table']).toMatch(/^\[160, 64\] /);
    expect(answers.merged).toEqual(digests(at('whole.ckpt')));
    expect(answers.merged).toEqual(digests(spark));
  });

  test.each(['strided.bin', 'strided-legacy.bin'])('%s: views saved by torch become rows', async (name) => {
    const to = at(`${name}.safetensors`);
    await convertModel({ from: at(name), to });
    expect(digests(to)).toEqual(digests(at('contiguous.safetensors')));
  });

  test('ranks with views of the same names are joined', async () => {
    const to = at('joined');
    mkdirSync(at('from'));
    cpSync(at('strided-ranks'), at('from'), { recursive: true });
    cpSync(`${xverse}/config.json`, join(at('from'), 'config.json'));
    await convertModel({ from: at('from'), to });
    expect(digests(to)).toEqual(digests(`${xverse}/model.safetensors`));
  });
});
