/** Both sides of a conversion on the same ids: what they answer must not have changed. */
import {
  type AdapterChanges,
  type AdapterUpdates,
  loadAdapter,
  loadWeights,
  openPeftAdapter,
  ownPathsOf,
  type ParallelLayout,
} from '../../checkpoint/index.js';
import { InputError } from '../../errors/index.js';
import { readView, type TensorView } from '../../formats/index.js';
import { applyLora, type LoraLinear } from '../../lora/index.js';
import {
  intTensor,
  isFloatDType,
  noGrad,
  prepareRuntime,
  scope,
  type Tensor,
  tensorFromBytes,
} from '../../tensor/index.js';
import type { CausalLm } from '../causal-lm.js';
import type { Architecture } from '../family.js';

export interface LogitsComparison {
  /** Largest |a - b| over all logits, both computed in float32. */
  readonly largestDifference: number;
  /** Standard deviation of the source's logits. */
  readonly deviation: number;
}

interface Compared {
  readonly from: string;
  readonly sourceLayout?: ParallelLayout | undefined;
  readonly merge?: 'merge' | 'unmerge' | undefined;
  /** undefined: the matrices are in the source. */
  readonly adapter?: string | undefined;
  readonly loraAlpha?: number | undefined;
  readonly vocabulary?: object | undefined;
}

const IDS = 16;

/**
 * Computes the source's logits at once, before anything is written, and gives what compares a target with them. The side
 * whose weights do not contain an adapter that is merged or taken out is computed with it beside its layers.
 * What it gives takes the architecture of the target, where that is another.
 * @param changes what the conversion makes of the weights
 * @throws InputError if there is no config to compute by, the source lacks weights or a vocabulary is to be extended
 */
export function logitsComparison(
  { from, sourceLayout, merge, adapter, loraAlpha, vocabulary }: Compared,
  architecture: Architecture | undefined,
  changes: AdapterChanges | undefined,
): (target: string, targetArchitecture?: Architecture) => LogitsComparison {
  if (architecture === undefined)
    throw new InputError(`${from}: comparing logits needs the model's config; give it with --config.`);
  if (vocabulary !== undefined)
    throw new InputError(
      '--check-logits compares models of one vocabulary; leave it away where one is extended.',
    );
  const updates = changes?.updates;
  const peftPath =
    adapter === undefined || loraAlpha !== undefined ? undefined : peftAdapter(adapter, architecture);
  if (peftPath === undefined && changes !== undefined && !isPlain(changes))
    throw new InputError(
      '--check-logits with --lora-alpha compares low-rank updates of linear layers only, and this adapter has more.',
    );
  prepareRuntime();
  const compute = (path: string, isAdapted: boolean, layout?: ParallelLayout, by = architecture): Tensor =>
    logitsOf(by, path, layout, {
      updates: updates ?? new Map(),
      // Matrices inside that must not count still have to be loaded.
      isInside: updates !== undefined && adapter === undefined && (path === from || merge === 'unmerge'),
      isAdapted,
      peftPath,
    });
  const source = compute(from, merge === 'merge', sourceLayout).keep();
  return (target, targetArchitecture) =>
    scope(() => {
      const converted = compute(target, merge === 'unmerge', undefined, targetArchitecture);
      const comparison = {
        largestDifference: source.sub(converted).abs().max().item(),
        deviation: source.sub(source.mean()).pow(2).mean().sqrt().item(),
      };
      source.dispose();
      return comparison;
    });
}

interface AdapterBeside {
  readonly updates: AdapterUpdates;
  /** The matrices lie among the weights at the path. */
  readonly isInside: boolean;
  /** They count: y = x W^T + scale * (x A^T) B^T. */
  readonly isAdapted: boolean;
  /** The adapter as a folder or file of PEFT, with a config that tells all of it. */
  readonly peftPath: string | undefined;
}

function peftAdapter(adapter: string, { tables }: Architecture): string | undefined {
  return openPeftAdapter(adapter, ownPathsOf(tables)) === undefined ? undefined : adapter;
}

/** Low-rank updates of linear layers, and nothing more? */
function isPlain({ updates, whole, rows }: AdapterChanges): boolean {
  const isMore = [...updates.values()].some(
    ({ magnitude, bias, isEmbedding }) =>
      magnitude !== undefined || bias !== undefined || isEmbedding === true,
  );
  return !isMore && whole.size === 0 && rows.size === 0;
}

/** [1, 16, V] of ids spread over the whole vocabulary, in float32. */
function logitsOf(
  { createModel, tables, names, shape: { vocabSize } }: Architecture,
  path: string,
  layout: ParallelLayout | undefined,
  { updates, isInside, isAdapted, peftPath }: AdapterBeside,
): Tensor {
  const ids = Array.from({ length: IDS }, (_, index) => Math.floor(((index + 0.5) * vocabSize) / IDS));
  const model = createModel();
  try {
    return scope(() => {
      if (isInside) addAdapters(model, updates, isAdapted);
      loadWeights(model, tables, path, { dtype: 'float32', layout });
      if (!isInside && isAdapted && peftPath !== undefined) loadAdapter(model, names, peftPath);
      else if (!isInside && isAdapted)
        for (const [layer, { a, b }] of addAdapters(model, updates, true)) {
          layer.assign('loraA', readMatrix(a));
          layer.assign('loraB', readMatrix(b));
        }
      return noGrad(() => model.forward(intTensor(ids, [1, IDS])));
    });
  } finally {
    model.dispose();
  }
}

/** Adapters without values, layer by layer: their ranks may differ. */
function addAdapters(
  model: CausalLm,
  updates: AdapterUpdates,
  isAdapted: boolean,
): [layer: LoraLinear, matrices: { a: TensorView; b: TensorView }][] {
  return [...updates].flatMap(([path, { a, b, scale }]) => {
    const rank = a.shape[0] ?? 1;
    const alpha = isAdapted ? Math.abs(scale) * rank : 0;
    const layers = applyLora(model, (candidate) => candidate === path, { rank, alpha });
    return [...layers.values()].map((layer): [LoraLinear, { a: TensorView; b: TensorView }] => [
      layer,
      { a, b },
    ]);
  });
}

function readMatrix(view: TensorView): Tensor {
  const { dtype, shape } = view;
  if (!isFloatDType(dtype)) throw new InputError(`${view.source} has dtype ${dtype}, not a float one.`);
  return tensorFromBytes(Buffer.concat([...readView(view)]), shape, dtype).to('float32');
}
