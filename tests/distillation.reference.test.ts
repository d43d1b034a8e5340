/**
 * Distillation against TRL's GKD loss and against its formulas in plain PyTorch: loss, both terms and the gradient of every
 * weight of a small model, in float64.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { publishedName } from '../src/checkpoint/index.js';
import type { Row } from '../src/data/index.js';
import { type LoadedModel, loadModel } from '../src/models/index.js';
import { noGrad, scope, type Tensor } from '../src/tensor/index.js';
import { GradientStore } from '../src/training/index.js';
import { distillation } from '../src/training/objective/distillation-objective.js';
import { MetricMeans, stepLoss } from '../src/training/objective/objective.js';
import type { DistillationConfig } from '../src/training/objective/objective-config.js';
import { accumulateLossGradients } from '../src/training/step/segments.js';
import { goldenFolder } from './support/golden.js';
import { GOLDEN_LLAMA } from './support/golden-llama.js';
import { referencePython, runReference } from './support/reference.js';
import { expectReferenceGradients } from './support/reference-gradients.js';
import { requiresPython } from './support/requires.js';

const PAD = 1;
const BOUND = 1e-9;

const cases: readonly (Omit<DistillationConfig, 'loss' | 'teacher'> & { readonly name: string })[] = [
  { name: 'forward', beta: 0, temperature: 1, alpha: 0.5 },
  { name: 'forward-warm', beta: 0, temperature: 2.5, alpha: 0.8 },
  { name: 'reverse', beta: 1, temperature: 1, alpha: 1 },
  { name: 'between', beta: 0.3, temperature: 0.9, alpha: 0.25 },
];

/** Of different lengths; prompts, and an answer in the midst of one, are not learned. */
const rows: readonly Row[] = [11, 7, 16].map((length, row) => ({
  ids: Array.from({ length }, (_, at) => 3 + ((row * 37 + at * at * 11 + at * 7) % 317)),
  lossMask: Array.from({ length }, (_, at) => (at < 3 + row || at === 8 ? 0 : 1)),
}));

/** What makes the teacher another model: factors on its weights, by published name. */
const FACTORS = { 'lm_head.weight': 1.4, 'model.layers.0.self_attn.v_proj.weight': 0.6 };

const program = `
import sys, json, torch
import torch.nn.functional as F
from transformers import LlamaForCausalLM
from safetensors.torch import save_file
from trl.experimental.gkd.gkd_trainer import GKDTrainer
work, golden, given = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
torch.set_default_dtype(torch.float64)
${GOLDEN_LLAMA}
def scaled(read): return {name: value.double() * given['factors'].get(name, 1) for name, value in read.items()}
longest = max(len(row['ids']) for row in given['rows'])
def padded(key, fill): return torch.tensor([list(row[key]) + [fill] * (longest - len(row[key])) for row in given['rows']])
ids, mask = padded('ids', given['pad']), padded('lossMask', 0)[:, 1:]
labels = torch.where(mask == 1, ids[:, 1:], -100)
teacher = golden_llama(LlamaForCausalLM, golden, scaled).double()
with torch.no_grad(): taught = teacher(input_ids=ids[:, :-1]).logits
answer = {}
for case in given['cases']:
    student = golden_llama(LlamaForCausalLM, golden).double()
    logits = student(input_ids=ids[:, :-1]).logits
    divergence = GKDTrainer.generalized_jsd_loss(logits, taught, labels, beta=case['beta'], temperature=case['temperature'])
    nll = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)
    loss = case['alpha'] * divergence + (1 - case['alpha']) * nll
    loss.backward()
    save_file({n: p.grad.contiguous() for n, p in student.named_parameters()}, f"{work}/{case['name']}.safetensors")
    s, t, b = torch.softmax(logits / case['temperature'], -1), torch.softmax(taught / case['temperature'], -1), case['beta']
    kl = lambda p, q: (p * (p / q).log()).sum(-1)
    m = b * t + (1 - b) * s
    plain = kl(t, s) if b == 0 else kl(s, t) if b == 1 else b * kl(t, m) + (1 - b) * kl(s, m)
    answer[case['name']] = {'loss': loss.item(), 'distillation_loss': divergence.item(), 'nll_loss': nll.item(),
                            'plain': ((plain * mask).sum() / mask.sum()).item()}
print(json.dumps(answer))
`;

interface Told {
  readonly loss: number;
  readonly distillation_loss: number;
  readonly nll_loss: number;
  readonly plain: number;
}

const python = referencePython('trl');

describe("TRL's GKD", requiresPython(python, 'trl'), () => {
  const work = mkdtempSync(join(tmpdir(), 'xinghe-distillation-'));
  let told: Readonly<Record<string, Told>>;
  let teacher: LoadedModel;
  beforeAll(() => {
    const given = JSON.stringify({ rows, cases, factors: FACTORS, pad: PAD });
    told = runReference(python ?? '', program, [work, goldenFolder, given], { timeout: 280_000 });
    teacher = loadModel(`${goldenFolder}xverse`, { dtype: 'float64' });
    const { model, architecture } = teacher;
    noGrad(() => {
      for (const [path, parameter] of model.namedParameters())
        for (const [name, factor] of Object.entries(FACTORS))
          if (publishedName(architecture.names, path) === name) parameter.mul_(factor);
    });
  }, 300_000);
  afterAll(() => rmSync(work, { recursive: true, force: true }));

  test.each(cases.flatMap((one) => [1, 5, 1000].map((pieceLength) => ({ ...one, pieceLength }))))(
    '$name in pieces of $pieceLength: loss, terms, gradients',
    ({ name, pieceLength, ...numbers }) => {
      const { model, architecture } = loadModel(`${goldenFolder}xverse`, { dtype: 'float64' });
      const theirs = told[name];
      if (theirs === undefined) throw new Error(`no ${name}`);
      const config: DistillationConfig = { loss: 'distillation', teacher: 'teacher', ...numbers };
      const objective = distillation(config, {
        padTokenId: PAD,
        lossAlignment: 'target',
        teacher: teacher.model,
        pieceLength,
      });
      const gradients = new GradientStore(new Map(model.namedParameters()));
      const metrics = new MetricMeans();
      const loss = scope(() => {
        const batch = objective.arrange(rows);
        const prepared = batch.prepare(model);
        const lossOf = (output: Tensor): Tensor => {
          const sums = prepared.sums(output);
          metrics.add(sums.metrics);
          return stepLoss(sums, batch.divisors, 1);
        };
        return accumulateLossGradients(model, prepared, lossOf, gradients);
      });
      const { distillation_loss: divergence = Number.NaN, nll_loss: nll = Number.NaN } =
        metrics.means() ?? {};
      expect(Math.abs(loss - theirs.loss)).toBeLessThan(BOUND);
      expect(Math.abs(divergence - theirs.distillation_loss)).toBeLessThan(BOUND);
      expect(Math.abs(divergence - theirs.plain)).toBeLessThan(BOUND);
      expect(Math.abs(nll - theirs.nll_loss)).toBeLessThan(BOUND);
      expectReferenceGradients({ model, architecture }, gradients, join(work, `${name}.safetensors`), BOUND);
      gradients.clear();
      model.dispose();
    },
  );
});
