/** Golden losses, gradients and ten optimiser steps of every family, full and LoRA, in float32 and float64. */
import { describe, expect, test } from 'vitest';
import {
  goldenFolder,
  goldenJson,
  goldenModels,
  goldenTensors,
  maxAbsDifference,
} from '../../../tests/support/golden.js';
import { loadAdapter } from '../../checkpoint/index.js';
import { loraLayers } from '../../lora/index.js';
import { type CausalLm, type LoadedModel, loadModel } from '../../models/index.js';
import { type FloatDType, noGrad, scope, type Tensor } from '../../tensor/index.js';
import { AdamW } from './adamw.js';
import { GradientStore } from './gradient-store.js';
import { type LossAlignment, lossDivisor, trainingBatch } from './loss-weights.js';
import { learningRateAt } from './schedule.js';
import { accumulateGradients, type Recompute } from './segments.js';

interface Hyper {
  beta1: number;
  beta2: number;
  eps: number;
  weight_decay: number;
  lr: number;
  lr_end: number;
  warmup_steps: number;
  total_steps: number;
  max_grad_norm: number;
  schedule: 'spark' | 'hf_cosine';
  adamw: 'spark' | 'torch';
  no_decay_if_name_contains?: string[];
}

interface Step {
  lr: number;
  loss: number;
  grad_norm: number;
}

interface GoldenRun {
  steps: Step[];
  steps_fp64: Step[];
  final_checksums: Record<string, { sum: number; abs_sum: number; sum_fp64_run: number; moved_l2: number }>;
}

interface GoldenTraining {
  hyper: Hyper;
  loss_masked: number;
  loss_masked_fp64: number;
  loss_input_aligned_mask_as_published?: number;
  grad_norms: Record<string, { fp32: number; fp64: number }>;
  full_gradients: string[];
  published_lr: GoldenRun;
  lr_x30: GoldenRun;
}

/** LoRA as the published recipes set it. */
const LORA = { spark: { rank: 3, alpha: 128 }, 'telechat-52b': { rank: 8, alpha: 1 } } as const;

/** The trained tensors by own path, and the own path of each published name; adapters in the spelling of the golden files. */
interface TrainedTensors {
  readonly trained: Map<string, Tensor>;
  readonly paths: Map<string, string>;
}

function trainedTensors(folder: string, { model, architecture }: LoadedModel, lora: boolean): TrainedTensors {
  const { names } = architecture;
  const all = new Map(model.namedParameters());
  if (!lora) {
    // The 7B files leave the prefix away.
    const prefix = folder === 'telechat-7b' ? /^transformer\./ : /^$/;
    const paths = new Map([...all.keys()].map((own) => [names.toPublished(own).replace(prefix, ''), own]));
    return { trained: all, paths };
  }
  const [nameOfA, nameOfB] =
    folder === 'spark'
      ? ['mindpet_delta_lora_A', 'mindpet_delta_lora_B']
      : ['lora_right_weight', 'lora_left_weight'];
  const paths = new Map(
    [...loraLayers(model).keys()].flatMap((own) => {
      const module = names.toPublished(`${own}.weight`).replace(/\.weight$/, '');
      return [
        [`${module}.${nameOfA}`, `${own}.loraA`],
        [`${module}.${nameOfB}`, `${own}.loraB`],
      ] as const;
    }),
  );
  const own = new Set<string>(paths.values());
  return { trained: new Map([...all].filter(([path]) => own.has(path))), paths };
}

function loadGolden(folder: string, dtype: FloatDType, lora: boolean): LoadedModel & TrainedTensors {
  const loaded = loadModel(`${goldenFolder}${folder}`, { dtype });
  if (lora && (folder === 'spark' || folder === 'telechat-52b')) {
    const path = `${goldenFolder}${folder}/lora_init.safetensors`;
    for (const layer of loadAdapter(loaded.model, loaded.architecture.names, path, LORA[folder]).values()) {
      layer.assign('loraA', layer.loraA.to(dtype));
      layer.assign('loraB', layer.loraB.to(dtype));
    }
  }
  return { ...loaded, ...trainedTensors(folder, loaded, lora) };
}

for (const folder of goldenModels) {
  const tensors = goldenTensors(`${folder}/train.safetensors`);
  const golden = goldenJson<Record<string, GoldenTraining>>(`${folder}/train.json`);
  for (const [kind, expected] of Object.entries(golden)) {
    const lora = kind === 'lora';
    const batch = (step: number, dtype: FloatDType, alignment: LossAlignment = 'target') =>
      trainingBatch(
        tensors(`${kind}.input_ids`).select(0, step).to('int64'),
        tensors(`${kind}.loss_mask`).select(0, step).to(dtype),
        alignment,
      );
    /** Loss of batch `step`, its gradients left in the store. */
    const lossAt = (
      model: CausalLm,
      gradients: GradientStore,
      step: number,
      dtype: FloatDType,
      alignment: LossAlignment = 'target',
      recompute: Recompute = 'none',
    ): number =>
      scope(() => {
        const micro = batch(step, dtype, alignment);
        const mask = Float32Array.from(tensors(`${kind}.loss_mask`).select(0, step).to('float32').toArray());
        const [rows = 0, predictions = 0] = micro.inputIds.shape;
        const divisor = lossDivisor(mask, [rows, predictions + 1], alignment);
        return accumulateGradients(model, micro, 1 / divisor, gradients, { recompute });
      });

    describe(`${folder} ${kind}`, () => {
      test.each(['float32', 'float64'] as const)('loss and gradients of batch 0, %s', (dtype) => {
        scope(() => {
          const { model, trained, paths } = loadGolden(folder, dtype, lora);
          const gradients = new GradientStore(trained);
          const loss = lossAt(model, gradients, 0, dtype);
          const [wantedLoss, bound] =
            dtype === 'float32' ? [expected.loss_masked, 2e-5] : [expected.loss_masked_fp64, 1e-11];
          expect(Math.abs(loss - wantedLoss), `loss ${loss}, golden ${wantedLoss}`).toBeLessThanOrEqual(
            bound,
          );
          for (const [name, norms] of Object.entries(expected.grad_norms)) {
            const gradient = gradients.get(paths.get(name) ?? '');
            if (gradient === undefined) throw new Error(`no gradient for ${name}`);
            // The float64 norms are the truth for both: float32's own norms differ from them by up to 3e-6.
            const relative = Math.abs(gradient.norm('float64').item() / norms.fp64 - 1);
            const allowed = dtype === 'float64' ? 1e-9 : 1e-5 * (name.endsWith('k_proj.bias') ? 10 : 1);
            expect(relative, `gradient norm of ${name}`).toBeLessThanOrEqual(allowed);
            if (!expected.full_gradients.includes(name)) continue;
            const wanted = tensors(`${kind}.grad64.${name}`);
            const oriented =
              name.includes('lora_right') || name.includes('lora_left') ? gradient.transpose(0, 1) : gradient;
            const scaleOfValues = wanted.abs().max().item();
            expect(
              maxAbsDifference(oriented, wanted) / scaleOfValues,
              `gradient of ${name}`,
            ).toBeLessThanOrEqual(dtype === 'float64' ? 1e-10 : 1e-5);
          }
          gradients.clear();
          model.dispose();
        });
      });

      test('full recompute gives the same loss and gradients, bit for bit', () => {
        scope(() => {
          const { model, trained } = loadGolden(folder, 'float32', lora);
          const plain = new GradientStore(trained);
          const recomputed = new GradientStore(trained);
          const loss = lossAt(model, plain, 0, 'float32');
          expect(lossAt(model, recomputed, 0, 'float32', 'target', 'full')).toBe(loss);
          for (const name of trained.keys()) {
            const [a, b] = [plain.get(name), recomputed.get(name)];
            if (a === undefined || b === undefined) throw new Error(`no gradient for ${name}`);
            expect(a.equals(b), name).toBe(true);
          }
          plain.clear();
          recomputed.clear();
          model.dispose();
        });
      });

      const published = expected.loss_input_aligned_mask_as_published;
      if (published !== undefined)
        test('loss with the mask of the input token, as published', () => {
          scope(() => {
            const { model, trained } = loadGolden(folder, 'float32', lora);
            const gradients = new GradientStore(trained);
            const loss = lossAt(model, gradients, 0, 'float32', 'input');
            expect(Math.abs(loss - published)).toBeLessThanOrEqual(2e-5);
            gradients.clear();
            model.dispose();
          });
        });

      for (const run of ['published_lr', 'lr_x30'] as const)
        test.each(['float32', 'float64'] as const)(`ten steps, ${run}, %s`, (dtype) => {
          scope(() => {
            const { hyper } = expected;
            const { steps, steps_fp64, final_checksums } = expected[run];
            const factor = run === 'lr_x30' ? 30 : 1;
            const { model, trained, paths } = loadGolden(folder, dtype, lora);
            const gradients = new GradientStore(trained);
            const spared = (name: string): boolean =>
              (hyper.no_decay_if_name_contains ?? []).some((part) => name.includes(part));
            const optimizer = new AdamW(
              [...paths].flatMap(([name, path]) => {
                const parameter = trained.get(path);
                if (parameter === undefined) return [];
                return { path, name, parameter, weightDecay: spared(name) ? 0 : hyper.weight_decay };
              }),
              { beta1: hyper.beta1, beta2: hyper.beta2, eps: hyper.eps, form: hyper.adamw },
            );
            const wanted = dtype === 'float64' ? steps_fp64 : steps;
            for (const [step, golden] of wanted.entries()) {
              const learningRate = learningRateAt(step, {
                kind: 'cosine',
                learningRate: hyper.lr * factor,
                minLearningRate: hyper.schedule === 'spark' ? hyper.lr_end * factor : 0,
                warmupSteps: hyper.warmup_steps,
                totalSteps: hyper.total_steps,
                form: hyper.schedule === 'spark' ? 'spark' : 'hf',
              });
              expect(
                Math.abs(learningRate - (steps[step]?.lr ?? Number.NaN)),
                `learning rate, step ${step}`,
              ).toBeLessThan(1e-15);
              const loss = lossAt(model, gradients, step, dtype);
              expect(
                Math.abs(loss - golden.loss),
                `step ${step}: loss ${loss}, golden ${golden.loss}`,
              ).toBeLessThanOrEqual(dtype === 'float64' ? 1e-9 : 2e-5);
              const norm = gradients.norm();
              expect(
                Math.abs(norm / golden.grad_norm - 1),
                `step ${step}: gradient norm ${norm}`,
              ).toBeLessThanOrEqual(dtype === 'float64' ? 1e-9 : 1e-5);
              optimizer.step(gradients, learningRate, Math.min(1, hyper.max_grad_norm / (norm + 1e-6)));
              gradients.clear();
            }
            for (const [name, checksum] of Object.entries(final_checksums)) {
              const parameter = trained.get(paths.get(name) ?? '');
              if (parameter === undefined) throw new Error(`no parameter ${name}`);
              const sum = parameter.detach().to('float64').sum().item();
              const allowed =
                checksum.abs_sum * (dtype === 'float64' ? 1e-10 : name.endsWith('k_proj.bias') ? 1e-3 : 1e-5);
              expect(
                Math.abs(sum - (dtype === 'float64' ? checksum.sum_fp64_run : checksum.sum)),
                `checksum of ${name} after ten steps: ${sum}`,
              ).toBeLessThanOrEqual(allowed);
            }
            if (run === 'lr_x30' && dtype === 'float32') {
              const logits = noGrad(() =>
                model.forward(tensors(`${kind}.input_ids`).select(0, 0).to('int64')),
              );
              // Logits of about 10; ten steps at thirty times the rate magnify float32 rounding.
              expect(maxAbsDifference(logits, tensors(`${kind}.lr_x30.final_logits`))).toBeLessThanOrEqual(
                1e-3,
              );
            }
            optimizer.dispose();
            model.dispose();
          });
        });

      if (lora)
        test('logits with the adapter on', () => {
          scope(() => {
            const { model } = loadGolden(folder, 'float32', true);
            const logits = noGrad(() => model.forward(tensors('full.input_ids').select(0, 0).to('int64')));
            expect(maxAbsDifference(logits, tensors('lora.init_logits_on_full_batch0'))).toBeLessThanOrEqual(
              1e-4,
            );
            model.dispose();
          });
        });
    });
  }
}
