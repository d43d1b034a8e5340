/** Exported graphs run by onnxruntime, and the same texts by our own forward pass. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CausalLm } from '../../src/models/index.js';
import { intTensor, noGrad, scope } from '../../src/tensor/index.js';
import { runReference } from './reference.js';

/** Rows of one length; a row begins with as many padded tokens as `padding` says. */
export interface OnnxText {
  readonly ids: readonly (readonly number[])[]; // [B, T]
  readonly padding: readonly number[]; // [B]
  /** Greedy tokens to be added to each row. */
  readonly newTokens: number;
}

export interface OnnxJob extends OnnxText {
  readonly graph: string;
  /** Leave away what onnxruntime does to products with integers: it rounds what they are multiplied with, too. */
  readonly asWritten?: boolean;
  /** Give no logits, and no ids without the cache: of a big vocabulary. */
  readonly leavesLogits?: boolean;
}

export interface OnnxOutcome {
  /** Of the prompt, then of each new token: [B, T or 1, V], after one another. */
  readonly logits: readonly (readonly number[])[];
  /** Greedy ids of each row, a token at a time with the cache. */
  readonly ids: readonly (readonly number[])[];
  /** The same with the whole text anew for each token. */
  readonly idsWithoutPast: readonly (readonly number[])[];
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly sizes: Readonly<Record<string, readonly (number | string)[]>>;
}

/** Checks each graph with onnx, runs its text with onnxruntime. */
const PROGRAM = `
import json, sys
import numpy as np, onnx, onnxruntime as ort
ort.set_default_logger_severity(3)
results = []
for job in json.load(open(sys.argv[1])):
    onnx.checker.check_model(job['graph'], full_check=True)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    if job.get('asWritten'):
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = ort.InferenceSession(job['graph'], options, providers=['CPUExecutionProvider'])
    names = [item.name for item in session.get_outputs()]
    inputs = session.get_inputs()
    past_inputs = [item for item in inputs if item.name.startswith('past_key_values')]
    types = {'tensor(float)': np.float32, 'tensor(float16)': np.float16}
    ids = np.array(job['ids'], dtype=np.int64)
    batch, length = ids.shape
    mask = np.array([[0] * pad + [1] * (length - pad) for pad in job['padding']], dtype=np.int64)
    def empty():
        return {item.name: np.zeros((batch, item.shape[1], 0, item.shape[3]), types[item.type]) for item in past_inputs}
    def run(new_ids, mask, past):
        positions = np.maximum(np.cumsum(mask, 1) - 1, 0)[:, -new_ids.shape[1]:]
        outputs = session.run(None, {'input_ids': new_ids, 'attention_mask': mask, 'position_ids': positions, **past})
        named = dict(zip(names, outputs))
        present = {name.replace('present', 'past_key_values'): value for name, value in named.items() if name != 'logits'}
        return named['logits'], present
    def grow(mask):
        return np.concatenate([mask, np.ones((batch, 1), np.int64)], 1)
    logits, past = run(ids, mask, empty())
    all_logits, cached_ids, rest = [logits], [], mask
    for _ in range(job['newTokens']):
        chosen = logits[:, -1].argmax(-1)[:, None].astype(np.int64)
        cached_ids.append(chosen)
        rest = grow(rest)
        logits, past = run(chosen, rest, past)
        all_logits.append(logits)
    whole, rest, plain_ids = ids, mask, []
    for _ in range(0 if job.get('leavesLogits') else job['newTokens']):
        logits, _ = run(whole, rest, empty())
        chosen = logits[:, -1].argmax(-1)[:, None].astype(np.int64)
        plain_ids.append(chosen)
        whole, rest = np.concatenate([whole, chosen], 1), grow(rest)
    join = lambda parts: np.concatenate(parts, 1).tolist() if parts else [[] for _ in range(batch)]
    results.append({
        'logits': [part.astype(np.float64).reshape(-1).tolist() for part in ([] if job.get('leavesLogits') else all_logits)],
        'ids': join(cached_ids), 'idsWithoutPast': join(plain_ids),
        'inputs': [item.name for item in inputs], 'outputs': names,
        'sizes': {item.name: list(item.shape) for item in [*inputs, *session.get_outputs()]},
    })
print(json.dumps(results))
`;

/** One process for all of them. @param folder for the file of jobs */
export function runOnnx(python: string, folder: string, jobs: readonly OnnxJob[]): OnnxOutcome[] {
  const file = join(folder, 'jobs.json');
  writeFileSync(file, JSON.stringify(jobs));
  return runReference<OnnxOutcome[]>(python, PROGRAM, [file], { timeout: 280_000 });
}

/** What our own forward pass says of the same text, the whole of it anew for each token. */
export function runOurs(
  model: CausalLm,
  { ids, padding, newTokens }: OnnxText,
): Pick<OnnxOutcome, 'logits' | 'ids'> {
  const rows = ids.map((row) => [...row]);
  const logits: number[][] = [];
  const { vocabSize } = model.shape;
  const chosen = rows.map((): number[] => []);
  for (let step = 0; step <= newTokens; step++) {
    const length = rows[0]?.length ?? 0;
    const values = noGrad(() =>
      scope(() => {
        const real = rows.flatMap((row, index) =>
          row.map((_, place) => (place < (padding[index] ?? 0) ? 0 : 1)),
        );
        const output = model.forward(intTensor(rows.flat(), [rows.length, length]), {
          attentionMask: padding.some((pad) => pad > 0) ? intTensor(real, [rows.length, length]) : undefined,
          lastPositions: step === 0 ? undefined : 1,
        });
        return output.toArray();
      }),
    );
    logits.push(values);
    const perRow = values.length / rows.length;
    for (const [index, row] of rows.entries()) {
      const last = values.slice((index + 1) * perRow - vocabSize, (index + 1) * perRow);
      const best = last.indexOf(Math.max(...last));
      row.push(best);
      if (step < newTokens) chosen[index]?.push(best);
    }
  }
  return { logits, ids: chosen };
}

/** The largest difference over the logits of real tokens. */
export function logitsDifferenceOf(
  ours: Pick<OnnxOutcome, 'logits'>,
  theirs: Pick<OnnxOutcome, 'logits'>,
  { ids, padding }: OnnxText,
): number {
  let largest = 0;
  for (const [step, values] of ours.logits.entries()) {
    const other = theirs.logits[step] ?? [];
    if (other.length !== values.length) return Number.POSITIVE_INFINITY;
    const length = step === 0 ? (ids[0]?.length ?? 0) : 1;
    const vocabSize = values.length / (ids.length * length);
    for (const [index, value] of values.entries()) {
      const token = Math.floor(index / vocabSize);
      const isPadding = step === 0 && token % length < (padding[Math.floor(token / length)] ?? 0);
      const difference = Math.abs(value - (other[index] ?? Number.NaN));
      if (!isPadding && !(difference <= largest)) largest = difference;
    }
  }
  return largest;
}
