/** Models of every family for the tests of `plan`, and runs of them in a process of its own. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { PlanOptions } from '../../src/training/plan/plan-run.js';

export interface Sizes {
  readonly layers: number;
  readonly hidden: number;
  readonly intermediate: number;
  readonly heads: number;
  readonly vocab: number;
}

export function xverseConfig({ layers, hidden, intermediate, heads, vocab }: Sizes): Record<string, unknown> {
  return {
    model_type: 'xverse',
    vocab_size: vocab,
    hidden_size: hidden,
    intermediate_size: intermediate,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    rope_theta: 500_000,
  };
}

export function telechatConfig({
  layers,
  hidden,
  intermediate,
  heads,
  vocab,
}: Sizes): Record<string, unknown> {
  return {
    model_type: 'telechat',
    vocab_size: vocab,
    hidden_size: hidden,
    ffn_hidden_size: intermediate,
    n_layer: layers,
    n_head: heads,
  };
}

export function telechat52bConfig({
  layers,
  hidden,
  intermediate,
  heads,
  vocab,
}: Sizes): Record<string, unknown> {
  return {
    model_type: 'telechat',
    vocab_size: vocab,
    n_embd: hidden,
    n_inner: intermediate,
    n_layer: layers,
    n_head: heads,
    activation_function: 'silu',
    add_bias_linear: false,
    relative_encoding: 'rotary',
    rotary_use_xpos: false,
    use_RMSNorm: true,
  };
}

export function sparkConfig({ layers, hidden, intermediate, heads, vocab }: Sizes): Record<string, unknown> {
  return {
    type: 'IFlytekSparkConfig',
    vocab_size: vocab,
    hidden_size: hidden,
    ffn_hidden_size: 2 * intermediate,
    num_layers: layers,
    num_heads: heads,
  };
}

/** Queries of `heads / kvHeads` heads share keys and values; the output projection is the embedding's table. */
export function llamaConfig({
  layers,
  hidden,
  intermediate,
  heads,
  kvHeads,
  vocab,
}: Sizes & { readonly kvHeads: number }): Record<string, unknown> {
  return {
    model_type: 'llama',
    vocab_size: vocab,
    hidden_size: hidden,
    intermediate_size: intermediate,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    max_position_embeddings: 2048,
    tie_word_embeddings: true,
  };
}

/** Of the published sizes. */
export const publishedConfigs = {
  spark13b: sparkConfig({ layers: 40, hidden: 5120, intermediate: 14_336, heads: 40, vocab: 60_000 }),
  xverse13b: xverseConfig({ layers: 40, hidden: 5120, intermediate: 13_824, heads: 40, vocab: 100_534 }),
  telechat12b: telechatConfig({ layers: 38, hidden: 5120, intermediate: 12_288, heads: 32, vocab: 120_000 }),
  telechat52b: telechat52bConfig({
    layers: 64,
    hidden: 8192,
    intermediate: 21_824,
    heads: 64,
    vocab: 80_000,
  }),
};

export interface MeasuredRun {
  readonly planned: number;
  readonly measured: number;
  readonly tensors: number;
  readonly startBytes: number;
  readonly phase: string;
}

export interface MeasureOptions extends Omit<PlanOptions, 'startBytes'> {
  /** Default 2. */
  readonly steps?: number;
  /** Rows have lengths of their own, from an eighth of `length` on. Default false. */
  readonly varying?: boolean;
}

/** Bytes, of the compiled program in dist/. @param environment variables of the process beside our own */
export function measureTraining(
  config: Record<string, unknown>,
  run: MeasureOptions,
  environment: Readonly<Record<string, string>> = {},
): MeasuredRun {
  const script = fileURLToPath(new URL('measure-training.mjs', import.meta.url));
  const text = execFileSync(process.execPath, [script, JSON.stringify({ config, ...run })], {
    encoding: 'utf8',
    env: { ...process.env, OMP_NUM_THREADS: '2', ...environment },
  });
  return JSON.parse(text) as MeasuredRun;
}
