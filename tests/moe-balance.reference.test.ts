/**
 * The load-balancing loss against transformers' load_balancing_loss_func and its place in the loss of training: values and
 * gradients of the golden mixture of experts, with rows of different lengths, whose padding counts for nothing.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { publishedName } from '../src/checkpoint/index.js';
import type { Row } from '../src/data/index.js';
import { type LoadedModel, loadModel } from '../src/models/index.js';
import { scope, type Tensor } from '../src/tensor/index.js';
import { GradientStore } from '../src/training/index.js';
import { crossEntropy } from '../src/training/objective/cross-entropy.js';
import { stepLoss } from '../src/training/objective/objective.js';
import { accumulateLossGradients, type GradientOptions } from '../src/training/step/segments.js';
import { Trainer } from '../src/training/step/trainer.js';
import { trainingSettings } from '../src/training/step/training-settings.js';
import { goldenFolder, maxAbsDifference, safetensorsOf } from './support/golden.js';
import { referencePython, runReference } from './support/reference.js';
import { requiresPython } from './support/requires.js';

const golden = `${goldenFolder}qwen3moe`;
const FACTOR = 0.7; // Large, so that its part of the gradients is not hidden.

const folder = mkdtempSync(join(tmpdir(), 'xinghe-moe-balance-'));
afterAll(() => rmSync(folder, { recursive: true }));

const configPath = join(folder, 'config.json');
writeFileSync(
  configPath,
  JSON.stringify({
    ...(JSON.parse(readFileSync(join(golden, 'config.json'), 'utf8')) as object),
    output_router_logits: true,
    router_aux_loss_coef: FACTOR,
  }),
);

const rows: readonly Row[] = [13, 6, 9].map((length, row) => ({
  ids: Array.from({ length }, (_, index) => 6 + ((row * 41 + index * index * 13) % 300)),
  lossMask: Array.from({ length }, (_, index) => (index % (row + 2) === 0 ? 0 : 1)),
}));

const PROGRAM = `
import json, sys
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[4])
from importlib import import_module
goldens = import_module('make-llama-goldens')
rows = json.loads(sys.argv[2])
config = AutoConfig.from_pretrained(sys.argv[1])
config._attn_implementation = 'eager'
model = AutoModelForCausalLM.from_config(config).float().eval()
model.load_state_dict(goldens.in_memory(load_file(sys.argv[3] + '/model.safetensors')), strict=True)
length = max(len(row['ids']) for row in rows)
pad = lambda values: list(values) + [0] * (length - len(values))
ids = torch.tensor([pad(row['ids']) for row in rows])
seen = torch.tensor([pad([1] * len(row['ids'])) for row in rows])
learned = torch.tensor([pad(row['lossMask']) for row in rows])
labels = torch.where(learned == 1, ids, -100)
found = model(input_ids=ids, attention_mask=seen, labels=labels)
found.loss.backward()
grads = goldens.whole(goldens.published({n: p.grad for n, p in model.named_parameters()}))
save_file({n: g.contiguous() for n, g in grads.items()}, sys.argv[5])
print(json.dumps({'loss': found.loss.item(), 'aux_loss': found.aux_loss.item()}))
`;

interface Found {
  readonly loss: number;
  readonly aux_loss: number;
}

/** Loss and gradients of all rows as one micro-batch, as the trainer takes them. */
function ours({ model }: LoadedModel, gradients: GradientStore, options: GradientOptions): number {
  const batch = crossEntropy({ padTokenId: 0, lossAlignment: 'target' }).arrange(rows);
  return scope(() => {
    const prepared = batch.prepare(model);
    return accumulateLossGradients(
      model,
      prepared,
      (output) => stepLoss(prepared.sums(output), batch.divisors, 1),
      gradients,
      options,
    );
  });
}

describe('against transformers', requiresPython(referencePython()), () => {
  let theirs: Found;
  let gradientOf: (name: string) => Tensor;

  beforeAll(() => {
    const python = referencePython();
    if (python === undefined) throw new Error('no reference Python');
    const tools = new URL('../tools', import.meta.url).pathname;
    const file = join(folder, 'grads.safetensors');
    theirs = runReference<Found>(python, PROGRAM, [configPath, JSON.stringify(rows), golden, tools, file]);
    gradientOf = safetensorsOf(file);
  }, 120_000);

  test.each(['none', 'full'] as const)('loss, balance and every gradient, recompute %s', (recompute) => {
    scope(() => {
      const loaded = loadModel(golden, { dtype: 'float32', configPath });
      const parameters = new Map(loaded.model.namedParameters());
      const gradients = new GradientStore(parameters);
      let balance = Number.NaN;
      const loss = ours(loaded, gradients, {
        recompute,
        reportRouting: ({ balanceLoss }) => {
          balance = balanceLoss;
        },
      });
      expect(Math.abs(balance - theirs.aux_loss)).toBeLessThan(1e-5);
      expect(Math.abs(loss - theirs.loss)).toBeLessThan(2e-5);
      for (const path of parameters.keys()) {
        const gradient = gradients.get(path);
        if (gradient === undefined) throw new Error(`no gradient of ${path}`);
        const wanted = gradientOf(publishedName(loaded.architecture.names, path));
        const size = wanted.abs().max().item();
        expect(maxAbsDifference(gradient, wanted), path).toBeLessThanOrEqual(1e-4 * size + 1e-6);
      }
      gradients.clear();
      loaded.model.dispose();
    });
  });

  test('the trainer adds it, whole or over micro-batches by their tokens, and shows it', () => {
    scope(() => {
      const step = (micro: readonly (readonly Row[])[]) => {
        const { model } = loadModel(golden, { dtype: 'float64', configPath });
        const settings = trainingSettings({ steps: 1, schedule: 'constant' });
        const trainer = new Trainer(model, new Map(model.namedParameters()), settings, {
          totalSteps: 1,
          padTokenId: 0,
        });
        const result = trainer.step(micro);
        trainer.dispose();
        model.dispose();
        return result;
      };
      const whole = step([rows]);
      expect(Math.abs(whole.loss - theirs.loss)).toBeLessThan(2e-5);
      const { 'router/aux_loss': aux = Number.NaN } = whole.metrics ?? {};
      expect(Math.abs(aux - theirs.aux_loss)).toBeLessThan(1e-5);
      expect(whole.metrics).toMatchObject({
        'router/unused_experts': expect.any(Number),
        'router/busiest_expert': expect.any(Number),
      });
      // Two micro-batches have a balance of their own each; the cross-entropy is that of the whole.
      const parts = step([rows.slice(0, 1), rows.slice(1)]);
      const { 'router/aux_loss': partAux = Number.NaN } = parts.metrics ?? {};
      expect(Math.abs(parts.loss - FACTOR * partAux - (whole.loss - FACTOR * aux))).toBeLessThan(1e-12);
    });
  });
});
