/** The matrices of a block, those of each expert on their own: read and replaced in whatever way the block stores them. */
import { DenseLinear, GroupedLinear, isLinear, MixtureOfExperts, type Module } from '../../nn/index.js';
import { noGrad, type Tensor } from '../../tensor/index.js';
import type { Block } from '../causal-lm.js';

export interface BlockWeight {
  /** Own path of its layer within the block. */
  readonly path: string;
  /** The number of the expert; undefined: of no expert. */
  readonly expert: number | undefined;
  /** [O, I] */
  read(): Tensor;
  /** @param weight [O, I] */
  write(weight: Tensor): void;
  /** undefined: it has none. [O] */
  readonly bias: Tensor | undefined;
}

/** Matrices that read the same input, in the order in which a block computes them. */
export interface WeightStage {
  /** Own path of a module that is given this input. */
  readonly watched: string;
  readonly weights: readonly BlockWeight[];
}

/** @throws TypeError for a block without the modules that it names */
export function stagesOf(block: Block): WeightStage[] {
  const { attentionIn, attentionOut, mlpIn, mlpOut } = block.linears;
  const dense = (paths: readonly string[]): WeightStage[] => {
    const [watched] = paths;
    return watched === undefined ? [] : [{ watched, weights: paths.map((path) => denseWeight(block, path)) }];
  };
  const experts = block.mlp instanceof MixtureOfExperts ? block.mlp.experts : undefined;
  const grouped = (names: readonly ('gateProj' | 'upProj' | 'downProj')[]): WeightStage => {
    const paths = names.map((name) => `mlp.experts.${name}`);
    return { watched: paths[0] ?? '', weights: paths.flatMap((path) => expertWeights(block, path)) };
  };
  return [
    ...dense(attentionIn),
    ...dense([attentionOut]),
    ...dense(mlpIn),
    ...dense(mlpOut === undefined ? [] : [mlpOut]),
    ...(experts === undefined ? [] : [grouped(['gateProj', 'upProj']), grouped(['downProj'])]),
  ];
}

export function moduleAt(block: Module, path: string): Module {
  for (const [found, module] of block.namedModules()) if (found === path) return module;
  throw new TypeError(`the block has no ${path}`);
}

function denseWeight(block: Module, path: string): BlockWeight {
  const layer = moduleAt(block, path);
  if (!isLinear(layer) || !(layer instanceof DenseLinear)) throw new TypeError(`${path} is no dense layer`);
  return {
    ...{ path, expert: undefined, bias: layer.bias },
    read: () => layer.dequantizedWeight(),
    write: (weight) =>
      noGrad(() =>
        layer.assign(
          'weight',
          (layer.layout === 'out-in' ? weight : weight.transpose(0, 1)).contiguous().clone(),
        ),
      ),
  };
}

function expertWeights(block: Module, path: string): BlockWeight[] {
  const layer = moduleAt(block, path);
  if (!(layer instanceof GroupedLinear)) throw new TypeError(`${path} holds no experts`);
  return Array.from({ length: layer.weight.size(0) }, (_, expert) => ({
    ...{ path, expert, bias: undefined },
    read: () => layer.weight.select(0, expert),
    write: (weight: Tensor) =>
      noGrad(() => {
        layer.weight.select(0, expert).copy_(weight);
      }),
  }));
}

/** A float32 copy of all that the block holds, which may be written to. */
export function ownFloats(block: Module): void {
  noGrad(() => {
    for (const [path, parameter] of block.namedParameters())
      block.assign(
        path,
        parameter.dtype === 'float32' ? parameter.detach().clone() : parameter.to('float32'),
      );
  });
}
