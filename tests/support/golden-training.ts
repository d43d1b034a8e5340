/** Golden losses, gradients and ten optimiser steps of a model, full and LoRA, in float32 and float64. */
import { describe, expect, test } from 'vitest';
import { loadAdapter } from '../../src/checkpoint/index.js';
import type { Row } from '../../src/data/index.js';
import { loraLayers } from '../../src/lora/index.js';
import { type CausalLm, type LoadedModel, loadModel } from '../../src/models/index.js';
import { type FloatDType, floatTensor, noGrad, scope, type Tensor } from '../../src/tensor/index.js';
import { GradientStore } from '../../src/training/step/gradient-store.js';
import {
  type LossAlignment,
  learnedWeight,
  lossDivisor,
  readsLastToken,
  trainingBatch,
} from '../../src/training/step/loss-weights.js';
import { accumulateGradients, type Recompute } from '../../src/training/step/segments.js';
import { Trainer } from '../../src/training/step/trainer.js';
import { type TrainingSettings, trainingSettings } from '../../src/training/step/training-settings.js';
import { goldenDevice, goldenFolder, goldenJson, goldenTensors, maxAbsDifference } from './golden.js';
import { isLongSuite } from './long-suite.js';

export interface Hyper {
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

export interface Step {
  lr: number;
  loss: number;
  grad_norm: number;
}

export interface GoldenRun {
  steps: Step[];
  steps_fp64: Step[];
  final_checksums: Record<string, { sum: number; abs_sum: number; sum_fp64_run: number; moved_l2: number }>;
}

export interface GoldenTraining {
  /** Default: the folder's. */
  config?: string;
  hyper: Hyper;
  loss_masked: number;
  loss_masked_fp64: number;
  loss_input_aligned_mask_as_published?: number;
  grad_norms: Record<string, { fp32: number; fp64: number }>;
  full_gradients?: string[];
  /** Absent: batch 0 alone. */
  published_lr?: GoldenRun;
  lr_x30?: GoldenRun;
}

/** LoRA as the published recipes set it. */
const LORA = { spark: { rank: 3, alpha: 128 }, 'telechat-52b': { rank: 8, alpha: 1 } } as const;

/** The trained tensors by own path, and the own path of each published name; adapters in the spelling of the golden files. */
interface TrainedTensors {
  readonly trained: Map<string, Tensor>;
  /** The same tensors by published name. */
  readonly named: Map<string, Tensor>;
  readonly paths: Map<string, string>;
  readonly publishedName: (path: string) => string;
}

function trainedTensors(folder: string, { model, architecture }: LoadedModel, lora: boolean): TrainedTensors {
  const { names } = architecture;
  const all = new Map(model.namedParameters());
  if (!lora) {
    // The 7B files leave the prefix away.
    const prefix = folder === 'telechat-7b' ? /^transformer\./ : /^$/;
    const paths = new Map([...all.keys()].map((own) => [names.toPublished(own).replace(prefix, ''), own]));
    return withNames(all, paths);
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
  return withNames(new Map([...all].filter(([path]) => own.has(path))), paths);
}

function withNames(trained: Map<string, Tensor>, paths: Map<string, string>): TrainedTensors {
  const names = new Map([...paths].map(([name, path]) => [path, name]));
  const publishedName = (path: string): string => names.get(path) ?? path;
  const named = new Map([...trained].map(([path, tensor]) => [publishedName(path), tensor]));
  return { trained, named, paths, publishedName };
}

function loadGolden(
  folder: string,
  dtype: FloatDType,
  lora: boolean,
  config: string | undefined,
  device: string,
): LoadedModel & TrainedTensors {
  const path = `${goldenFolder}${folder}`;
  const loaded = loadModel(path, {
    dtype,
    device,
    configPath: config === undefined ? undefined : `${path}/${config}`,
  });
  if (lora && (folder === 'spark' || folder === 'telechat-52b')) {
    const path = `${goldenFolder}${folder}/lora_init.safetensors`;
    for (const layer of loadAdapter(loaded.model, loaded.architecture.names, path, LORA[folder]).values()) {
      layer.assign('loraA', layer.loraA.to(dtype));
      layer.assign('loraB', layer.loraB.to(dtype));
    }
  }
  return { ...loaded, ...trainedTensors(folder, loaded, lora) };
}

function valuesOf(tensors: ReadonlyMap<string, Tensor>): Map<string, Float64Array> {
  return new Map(
    [...tensors].map(([name, tensor]) => [
      name,
      scope(() => Float64Array.from(tensor.detach().to('float64').toArray())),
    ]),
  );
}

function tensorOf(values: Float64Array | undefined, shape: readonly number[]): Tensor {
  if (values === undefined) throw new Error('no values');
  return floatTensor([...values], shape, { dtype: 'float64' });
}

const norm = (values: Float64Array): number =>
  Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

/** Clipping by the global norm, then AdamW, number by number. */
class WrittenOutRun {
  readonly values: ReadonlyMap<string, Float64Array>;
  readonly #settings: TrainingSettings;
  readonly #moments = new Map<string, { first: Float64Array; second: Float64Array }>();
  #steps = 0;

  constructor(settings: TrainingSettings, values: ReadonlyMap<string, Float64Array>) {
    this.#settings = settings;
    this.values = values;
  }

  step(gradients: ReadonlyMap<string, Float64Array>, rate: number): void {
    const { beta1, beta2, eps, adamw, max_grad_norm, weight_decay, no_weight_decay = [] } = this.#settings;
    this.#steps += 1;
    const length = Math.sqrt([...gradients.values()].reduce((sum, values) => sum + norm(values) ** 2, 0));
    // As torch.nn.utils.clip_grad_norm_ does.
    const clip = Math.min(1, max_grad_norm / (length + 1e-6));
    const [first, second] = [1 - beta1 ** this.#steps, 1 - beta2 ** this.#steps];
    for (const [name, gradient] of gradients) {
      const values = this.values.get(name) ?? new Float64Array();
      const moments = this.#moments.get(name) ?? {
        first: new Float64Array(values.length),
        second: new Float64Array(values.length),
      };
      this.#moments.set(name, moments);
      const decay = no_weight_decay.some((part) => name.includes(part)) ? 0 : weight_decay;
      for (const [index, unclipped] of gradient.entries()) {
        const g = unclipped * clip;
        const m = beta1 * (moments.first[index] ?? 0) + (1 - beta1) * g;
        const v = beta2 * (moments.second[index] ?? 0) + (1 - beta2) * g * g;
        moments.first[index] = m;
        moments.second[index] = v;
        const update =
          adamw === 'torch'
            ? m / first / (Math.sqrt(v / second) + eps)
            : ((Math.sqrt(second) / first) * m) / (Math.sqrt(v) + eps);
        values[index] = (values[index] ?? 0) * (1 - rate * decay) - rate * update;
      }
    }
  }
}

const FORMULA_FAMILIES = ['spark', 'telechat-52b', 'xverse', 'qwen3moe'];
/** @param factor of the learning rate @param precision default that of the model */
export function goldenSettings(
  hyper: Hyper,
  factor: number,
  precision?: TrainingSettings['precision'],
): TrainingSettings {
  return trainingSettings({
    ...(precision !== undefined && { precision }),
    steps: hyper.total_steps,
    schedule: 'cosine',
    learning_rate: hyper.lr * factor,
    min_learning_rate: hyper.schedule === 'spark' ? hyper.lr_end * factor : 0,
    warmup_steps: hyper.warmup_steps,
    schedule_form: hyper.schedule === 'spark' ? 'spark' : 'hf',
    adamw: hyper.adamw,
    beta1: hyper.beta1,
    beta2: hyper.beta2,
    eps: hyper.eps,
    weight_decay: hyper.weight_decay,
    no_weight_decay: hyper.no_decay_if_name_contains ?? [],
    max_grad_norm: hyper.max_grad_norm,
  });
}

/** The rows of a golden batch as the trainer takes them. */
export function goldenRows(ofBatch: (tensor: 'input_ids' | 'loss_mask') => Tensor): Row[] {
  return scope(() => {
    const ids = ofBatch('input_ids');
    const mask = ofBatch('loss_mask').to('float32');
    return Array.from({ length: ids.size(0) }, (_, row) => ({
      ids: ids.select(0, row).to('int64').toArray(),
      lossMask: mask.select(0, row).toArray(),
    }));
  });
}

/** Tests of everything that the folder's train.json holds. @param folder of a golden model */
export function describeGoldenTraining(folder: string, device = goldenDevice): void {
  const tensors = goldenTensors(`${folder}/train.safetensors`);
  const golden = goldenJson<Record<string, GoldenTraining>>(`${folder}/train.json`);
  for (const [kind, expected] of Object.entries(golden)) {
    const lora = kind === 'lora';
    // Other configs of the folder are asked about the same rows.
    const inputs = lora ? kind : 'full';
    const batch = (model: CausalLm, step: number, dtype: FloatDType, alignment: LossAlignment = 'target') =>
      trainingBatch(
        tensors(`${inputs}.input_ids`).select(0, step).to('int64').toDevice(device),
        tensors(`${inputs}.loss_mask`).select(0, step).to(dtype).toDevice(device),
        alignment,
        readsLastToken(model),
      );
    /** Batch `step` as the trainer takes it. */
    const rowsAt = (step: number): Row[] =>
      goldenRows((name) => tensors(`${inputs}.${name}`).select(0, step));
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
        const micro = batch(model, step, dtype, alignment);
        const mask = Float32Array.from(
          tensors(`${inputs}.loss_mask`).select(0, step).to('float32').toArray(),
        );
        const [rows = 0] = micro.inputIds.shape;
        const divisor = lossDivisor(learnedWeight(mask, [rows, mask.length / rows], alignment), alignment);
        return accumulateGradients(model, micro, 1 / divisor, gradients, { recompute });
      });

    describe(`${folder} ${kind}`, () => {
      test.each(['float32', 'float64'] as const)('loss and gradients of batch 0, %s', (dtype) => {
        scope(() => {
          const { model, trained, paths } = loadGolden(folder, dtype, lora, expected.config, device);
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
            if (expected.full_gradients?.includes(name) !== true) continue;
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
          const { model, trained } = loadGolden(folder, 'float32', lora, expected.config, device);
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
            const { model, trained } = loadGolden(folder, 'float32', lora, expected.config, device);
            const gradients = new GradientStore(trained);
            const loss = lossAt(model, gradients, 0, 'float32', 'input');
            expect(Math.abs(loss - published)).toBeLessThanOrEqual(2e-5);
            gradients.clear();
            model.dispose();
          });
        });

      const settingsOf = (run: 'published_lr' | 'lr_x30'): TrainingSettings =>
        goldenSettings(expected.hyper, run === 'lr_x30' ? 30 : 1);

      for (const run of ['published_lr', 'lr_x30'] as const) {
        const expectedRun = expected[run];
        if (expectedRun === undefined) continue;
        test.each(['float32', 'float64'] as const)(`ten steps, ${run}, %s`, (dtype) => {
          scope(() => {
            const { steps, steps_fp64, final_checksums } = expectedRun;
            const { model, architecture, trained, named, publishedName } = loadGolden(
              folder,
              dtype,
              lora,
              expected.config,
              device,
            );
            const settings = settingsOf(run);
            const before = valuesOf(named);
            const trainer = new Trainer(model, trained, settings, {
              totalSteps: settings.steps ?? 0,
              padTokenId: architecture.padTokenId ?? 0,
              publishedName,
            });
            const wanted = dtype === 'float64' ? steps_fp64 : steps;
            for (const [step, golden] of wanted.entries()) {
              const { loss, gradNorm, learningRate } = trainer.step([rowsAt(step)]);
              expect(
                Math.abs(learningRate - (steps[step]?.lr ?? Number.NaN)),
                `learning rate, step ${step}`,
              ).toBeLessThan(1e-15);
              expect(
                Math.abs(loss - golden.loss),
                `step ${step}: loss ${loss}, golden ${golden.loss}`,
              ).toBeLessThanOrEqual(dtype === 'float64' ? 1e-9 : 2e-5);
              expect(
                Math.abs(gradNorm / golden.grad_norm - 1),
                `step ${step}: gradient norm ${gradNorm}`,
              ).toBeLessThanOrEqual(dtype === 'float64' ? 1e-9 : 1e-5);
            }
            const after = valuesOf(named);
            for (const [name, checksum] of Object.entries(final_checksums)) {
              const values = after.get(name) ?? new Float64Array();
              const sum = values.reduce((total, value) => total + value, 0);
              const allowed =
                checksum.abs_sum * (dtype === 'float64' ? 1e-10 : name.endsWith('k_proj.bias') ? 1e-3 : 1e-5);
              expect(
                Math.abs(sum - (dtype === 'float64' ? checksum.sum_fp64_run : checksum.sum)),
                `checksum of ${name} after ten steps: ${sum}`,
              ).toBeLessThanOrEqual(allowed);
              // A sum is blind to what moves both ways; the length of the way is not.
              const start = before.get(name) ?? new Float64Array();
              const moved = norm(values.map((value, index) => value - (start[index] ?? 0)));
              expect(
                Math.abs(moved / checksum.moved_l2 - 1),
                `${name} moved by ${moved}, golden ${checksum.moved_l2}`,
                // At the published rate values of 0.1 move by 1e-5, a thousand of float32's steps; Adam magnifies the rounding
                // of a gradient that is nearly zero, as that of k_proj.bias is.
              ).toBeLessThanOrEqual(run === 'published_lr' || name.endsWith('k_proj.bias') ? 1e-2 : 1e-3);
            }
            if (run === 'lr_x30' && dtype === 'float32') {
              const logits = noGrad(() =>
                model.forward(tensors(`${inputs}.input_ids`).select(0, 0).to('int64').toDevice(device)),
              );
              // Logits of about 10; ten steps at thirty times the rate magnify float32 rounding.
              expect(maxAbsDifference(logits, tensors(`${kind}.lr_x30.final_logits`))).toBeLessThanOrEqual(
                1e-3,
              );
            }
            trainer.dispose();
            model.dispose();
          });
        });
      }

      const { lr_x30: fastRun } = expected;
      // A formula of the optimiser, which knows no family: one of each layout in the quick suite.
      if (fastRun !== undefined && (isLongSuite || FORMULA_FAMILIES.includes(folder)))
        test('ten steps, each parameter against the formula written out', () => {
          scope(() => {
            const settings = settingsOf('lr_x30');
            const { model, trained, named, publishedName } = loadGolden(
              folder,
              'float64',
              lora,
              expected.config,
              device,
            );
            const written = new WrittenOutRun(settings, valuesOf(named));
            const gradients = new GradientStore(trained);
            for (let step = 0; step < 10; step++) {
              lossAt(model, gradients, step, 'float64');
              const found = new Map(
                [...trained.keys()].flatMap((path) => {
                  const gradient = gradients.get(path);
                  return gradient === undefined
                    ? []
                    : [[publishedName(path), Float64Array.from(gradient.toArray())] as const];
                }),
              );
              written.step(found, fastRun.steps[step]?.lr ?? Number.NaN);
              gradients.clear();
              noGrad(() => {
                for (const [name, parameter] of named)
                  scope(() => parameter.copy_(tensorOf(written.values.get(name), parameter.shape)));
              });
            }
            model.dispose();

            const other = loadGolden(folder, 'float64', lora, expected.config, device);
            const trainer = new Trainer(other.model, other.trained, settings, {
              totalSteps: settings.steps ?? 0,
              padTokenId: 0,
              publishedName: other.publishedName,
            });
            for (let step = 0; step < 10; step++) trainer.step([rowsAt(step)]);
            for (const [name, values] of valuesOf(other.named)) {
              const theirs = written.values.get(name) ?? new Float64Array();
              const apart = values.reduce(
                (most, value, index) => Math.max(most, Math.abs(value - (theirs[index] ?? Number.NaN))),
                0,
              );
              // Adam divides by gradients that are nearly zero: k_proj.bias moves by rounding errors.
              expect(apart, name).toBeLessThan(name.endsWith('k_proj.bias') ? 1e-6 : 1e-10);
            }
            trainer.dispose();
            other.model.dispose();
          });
        });

      if (lora)
        test('logits with the adapter on', () => {
          scope(() => {
            const { model } = loadGolden(folder, 'float32', true, expected.config, device);
            const logits = noGrad(() =>
              model.forward(tensors('full.input_ids').select(0, 0).to('int64').toDevice(device)),
            );
            expect(maxAbsDifference(logits, tensors('lora.init_logits_on_full_batch0'))).toBeLessThanOrEqual(
              1e-4,
            );
            model.dispose();
          });
        });
    });
  }
}
