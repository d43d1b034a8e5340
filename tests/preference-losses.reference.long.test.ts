/**
 * The preference losses against TRL's own trainers: loss, metrics and the gradient of every weight of a small model, in
 * float64. TRL's DPO has no label smoothing any more: that one is compared with the formula of cDPO (as TRL had it
 * before) in plain PyTorch, and through SimPO, where TRL has it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Row } from '../src/data/index.js';
import { type LoadedModel, loadModel, withScoreHead } from '../src/models/index.js';
import { floatTensor, RandomGenerator, scope, type Tensor } from '../src/tensor/index.js';
import { GradientStore } from '../src/training/index.js';
import { createObjective } from '../src/training/objective/create-objective.js';
import { MetricMeans, stepLoss } from '../src/training/objective/objective.js';
import { type ObjectiveConfig, objectiveSchema } from '../src/training/objective/objective-config.js';
import { accumulateLossGradients } from '../src/training/step/segments.js';
import { goldenFolder } from './support/golden.js';
import { GOLDEN_LLAMA } from './support/golden-llama.js';
import { referencePython, runReference } from './support/reference.js';
import { expectReferenceGradients } from './support/reference-gradients.js';
import { requiresPython } from './support/requires.js';

const PAD = 1;
const HIDDEN = 64;

/** Ids that are neither special nor the padding. */
const idsOf = (seed: number, length: number): number[] =>
  Array.from({ length }, (_, index) => 3 + ((seed * 37 + index * index * 11 + index * 7) % 317));

/** Prompt, chosen and rejected of different lengths. */
const records = [
  {
    prompt: idsOf(1, 5),
    answers: [idsOf(2, 4), idsOf(3, 7)],
    reference: [-23.25, -40.5],
    margin: 0.25,
    label: true,
  },
  {
    prompt: idsOf(4, 3),
    answers: [idsOf(5, 6), idsOf(6, 2)],
    reference: [-35.125, -11.75],
    margin: 1,
    label: false,
  },
  {
    prompt: idsOf(7, 8),
    answers: [idsOf(8, 3), idsOf(9, 5)],
    reference: [-17.5, -29.0],
    margin: 0,
    label: true,
  },
] as const;

const cases: readonly {
  readonly name: string;
  readonly config: Parameters<typeof objectiveSchema.parse>[0];
}[] = [
  { name: 'dpo', config: { loss: 'dpo', beta: 0.3 } },
  { name: 'dpo-smooth', config: { loss: 'dpo', beta: 0.3, label_smoothing: 0.1 } },
  { name: 'ipo', config: { loss: 'ipo', beta: 0.2 } },
  { name: 'simpo', config: { loss: 'simpo', beta: 2, simpo_gamma: 0.6 } },
  { name: 'simpo-smooth', config: { loss: 'simpo', beta: 2, simpo_gamma: 0.6, label_smoothing: 0.15 } },
  { name: 'orpo', config: { loss: 'orpo', beta: 0.4 } },
  { name: 'kto', config: { loss: 'kto', beta: 0.2, desirable_weight: 1.5, undesirable_weight: 0.7 } },
  { name: 'reward', config: { loss: 'reward' } },
  { name: 'reward-centred', config: { loss: 'reward', center_rewards_coefficient: 0.05 } },
];

const program = `
import sys, json, torch
from collections import defaultdict
from types import SimpleNamespace
import torch.nn.functional as F
from transformers import LlamaForCausalLM, LlamaForSequenceClassification
from safetensors.torch import save_file
from trl import DPOTrainer, KTOTrainer, RewardTrainer
from trl.experimental.cpo import CPOTrainer
from trl.experimental.orpo import ORPOTrainer
work, golden, given = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
records, cases, pad = given['records'], given['cases'], given['pad']
torch.set_default_dtype(torch.float64)

${GOLDEN_LLAMA}
def base(kind, **more):
    def weights(read):
        if kind is LlamaForSequenceClassification:
            del read['lm_head.weight']
            read['score.weight'] = torch.tensor([given['score']])
        return read
    return golden_llama(kind, golden, weights, pad_token_id=pad, **more).double()

same = lambda x: x
accelerator = SimpleNamespace(device=torch.device('cpu'), gather=same, gather_for_metrics=same, unwrap_model=same)
def bare(kind, model, **fields):
    trainer = kind.__new__(kind)
    common = dict(model=model, accelerator=accelerator, aux_loss_enabled=False, _total_train_tokens=0,
                  _metrics={'train': defaultdict(list), 'eval': defaultdict(list)})
    for name, value in {**common, **fields}.items(): setattr(trainer, name, value)
    return trainer

def padded(lists, fill):
    longest = max(map(len, lists))
    return torch.tensor([l + [fill] * (longest - len(l)) for l in lists])
def batch_of(pairs):
    return dict(input_ids=padded([p + a for p, a in pairs], pad), attention_mask=padded([[1] * len(p + a) for p, a in pairs], 0),
                completion_mask=padded([[0] * len(p) + [1] * len(a) for p, a in pairs], 0))
sides = [[(r['prompt'], r['answers'][side]) for r in records] for side in (0, 1)]
reference = torch.tensor([r['reference'] for r in records])
means = lambda trainer: {name: values[-1] for name, values in trainer._metrics['train'].items()}

def run(name, c):
    loss = c['loss']
    if loss == 'reward':
        model = base(LlamaForSequenceClassification, num_labels=1)
        inputs = batch_of(sides[0] + sides[1])
        del inputs['completion_mask']
        inputs['margin'] = torch.tensor([r['margin'] for r in records])
        args = SimpleNamespace(center_rewards_coefficient=c.get('center_rewards_coefficient'))
        trainer = bare(RewardTrainer, model, args=args)
        return model, trainer.compute_loss(model, inputs), means(trainer)
    model = base(LlamaForCausalLM).train()
    smoothing = c.get('label_smoothing', 0)
    if loss in ('dpo', 'ipo'):
        inputs = batch_of(sides[0] + sides[1])
        inputs.update(ref_chosen_logps=reference[:, 0], ref_rejected_logps=reference[:, 1])
        trainer = bare(DPOTrainer, model, ld_alpha=None, precompute_ref_logps=True, f_divergence_type='reverse_kl',
                       loss_types=['sigmoid' if loss == 'dpo' else 'ipo'], loss_weights=[1.0], beta=c['beta'],
                       label_smoothing=0, use_weighting=False)
        value = trainer._compute_loss(model, inputs, False)
        found = means(trainer)
        if smoothing:
            logits = model(input_ids=inputs['input_ids'], attention_mask=inputs['attention_mask']).logits[:, :-1]
            tokens = inputs['input_ids'][:, 1:]
            logps = (F.log_softmax(logits, -1).gather(-1, tokens[..., None])[..., 0] * inputs['completion_mask'][:, 1:]).sum(1)
            chosen, rejected = logps.chunk(2)
            d = c['beta'] * ((chosen - reference[:, 0]) - (rejected - reference[:, 1]))
            value = (-F.logsigmoid(d) * (1 - smoothing) - F.logsigmoid(-d) * smoothing).mean()
        return model, value, found
    if loss == 'kto':
        pairs = [(r['prompt'], r['answers'][0]) for r in records]
        turned = [(r['prompt'], records[i - 1]['answers'][0]) for i, r in enumerate(records)]
        inputs = batch_of(pairs)
        inputs.update({'KL_' + key: value for key, value in batch_of(turned).items()})
        inputs.update(label=torch.tensor([r['label'] for r in records]), ref_logps=reference[:, 0], ref_KL_logps=reference[:, 1] - 30)
        trainer = bare(KTOTrainer, model, calculate_KL=True, use_liger_kernel=False, precompute_ref_logps=True, loss_type='kto',
                       beta=c['beta'], desirable_weight=c['desirable_weight'], undesirable_weight=c['undesirable_weight'])
        return model, trainer._compute_loss(model, inputs, False), means(trainer)
    batch = {}
    for side, key in enumerate(('chosen', 'rejected')):
        own = batch_of(sides[side])
        labels = torch.where(own['completion_mask'] == 1, own['input_ids'], -100)
        batch.update({key + '_input_ids': own['input_ids'], key + '_attention_mask': own['attention_mask'], key + '_labels': labels})
    fields = dict(is_encoder_decoder=False, beta=c['beta'])
    if loss == 'orpo':
        trainer = bare(ORPOTrainer, model, padding_value=pad, **fields)
    else:
        trainer = bare(CPOTrainer, model, pad_token_id=pad, loss_type='simpo', cpo_alpha=0, alpha=0.0,
                       simpo_gamma=c['simpo_gamma'], label_smoothing=smoothing, **fields)
    value, found = trainer.get_batch_loss_metrics(model, batch)
    return model, value, found

answer = {}
for case in cases:
    model, loss, metrics = run(case['name'], case['config'])
    loss.backward()
    save_file({n: p.grad.contiguous() for n, p in model.named_parameters() if p.grad is not None}, f"{work}/{case['name']}.safetensors")
    answer[case['name']] = {'loss': loss.item(), 'metrics': {n: float(v) for n, v in metrics.items()}}
print(json.dumps(answer))
`;

interface Told {
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/** Ours by TRL's name, where that is another one. */
const REWARD_NAMES: Readonly<Record<string, string>> = {
  'rewards/margins': 'margin',
  'rewards/accuracies': 'accuracy',
};

const score = Array.from({ length: HIDDEN }, (_, index) => Math.sin(index + 1) / 4);
const python = referencePython('trl');

function rowOf(
  sequences: readonly (readonly [readonly number[], readonly number[]])[],
  comparison: Row['comparison'],
): Row {
  return {
    ids: sequences.flatMap(([prompt, answer]) => [...prompt, ...answer]),
    lossMask: sequences.flatMap(([prompt, answer]) => [...prompt.map(() => 0), ...answer.map(() => 1)]),
    documents: sequences.map(([prompt, answer]) => prompt.length + answer.length),
    comparison,
  };
}

function rowsFor({ loss }: ObjectiveConfig): Row[] {
  return records.map(({ prompt, answers, reference, margin, label }, index) => {
    if (loss !== 'kto')
      return rowOf(
        [
          [prompt, answers[0]],
          [prompt, answers[1]],
        ],
        { referenceLogProbs: reference, margin },
      );
    const before = records.at(index - 1)?.answers[0] ?? [];
    const referenceLogProbs = [reference[0], reference[1] - 30];
    return rowOf(
      [
        [prompt, answers[0]],
        [prompt, before],
      ],
      { isDesirable: label, referenceLogProbs },
    );
  });
}

describe('TRL', requiresPython(python, 'trl'), () => {
  const work = mkdtempSync(join(tmpdir(), 'xinghe-trl-'));
  let told: Readonly<Record<string, Told>>;
  beforeAll(() => {
    const given = JSON.stringify({ records, cases, pad: PAD, score });
    told = runReference(python ?? '', program, [work, goldenFolder, given]);
  }, 300_000);
  afterAll(() => rmSync(work, { recursive: true, force: true }));

  function loadFor({ loss }: ObjectiveConfig): LoadedModel {
    const loaded = loadModel(`${goldenFolder}xverse`, { dtype: 'float64' });
    if (loss !== 'reward') return loaded;
    const generator = new RandomGenerator(1);
    const scoring = withScoreHead(loaded, generator);
    generator.dispose();
    scoring.model.assign('score.weight', floatTensor(score, [1, HIDDEN], { dtype: 'float64' }));
    return scoring;
  }

  test.each(cases)('$name: loss, metrics, gradients', ({ name, config: given }) => {
    const config = objectiveSchema.parse(given);
    const { model, architecture } = loadFor(config);
    const theirs = told[name];
    if (theirs === undefined) throw new Error(`no ${name}`);
    // TRL's ORPO takes the log-probabilities to float32.
    const bound = config.loss === 'orpo' ? 1e-6 : 1e-9;
    const gradients = new GradientStore(new Map(model.namedParameters()));
    const metrics = new MetricMeans();
    const loss = scope(() => {
      const batch = createObjective(config, { padTokenId: PAD }).arrange(rowsFor(config));
      const prepared = batch.prepare(model);
      const lossOf = (output: Tensor): Tensor => {
        const sums = prepared.sums(output);
        metrics.add(sums.metrics);
        return stepLoss(sums, batch.divisors, 1);
      };
      return accumulateLossGradients(model, prepared, lossOf, gradients);
    });
    expect(Math.abs(loss - theirs.loss), 'loss').toBeLessThan(bound);
    const measured = metrics.means() ?? {};
    let compared = 0;
    for (const [own, value] of Object.entries(measured)) {
      const expected = theirs.metrics[config.loss === 'reward' ? (REWARD_NAMES[own] ?? own) : own];
      if (expected === undefined) continue;
      compared += 1;
      // Metrics are kept in double precision; TRL makes them in the dtype of the loss.
      expect(Math.abs(value - expected), own).toBeLessThan(Math.max(bound, 1e-7 * Math.abs(expected)));
    }
    expect(compared).toBeGreaterThanOrEqual(config.loss === 'reward' ? 2 : 5);
    expectReferenceGradients({ model, architecture }, gradients, join(work, `${name}.safetensors`), bound);
    gradients.clear();
    model.dispose();
  });
});
