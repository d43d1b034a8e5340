/**
 * A model of which each rank of a tensor-parallel group has a part: large matrices are cut as the family's table says, in the same
 * tensors, and what is exchanged stands around attention, MLP, embedding and head. The modules of the family know nothing of it.
 */
import {
  type AdapterParts,
  type AdapterTensor,
  type ElementRange,
  product,
  type ShardingTable,
  type TensorCut,
} from '../../checkpoint/index.js';
import {
  headsOfRank,
  isHiddenModule,
  SelectedOutputs,
  SplitRegion,
  type TensorGroup,
  VocabularyEmbedding,
  vocabularyCrossEntropySum,
} from '../../distributed/index.js';
import { loraLayers, MultiEmbedding } from '../../lora/index.js';
import {
  DenseLinear,
  Embedding,
  isLinear,
  type Module,
  namedLinears,
  weightedCrossEntropySum,
} from '../../nn/index.js';
import { IntegerLinear } from '../../quantization/index.js';
import { cat, isFloatDType, noGrad, operator, scope, type Tensor, zeros } from '../../tensor/index.js';
import type { CausalLm } from '../causal-lm.js';
import { SCORE } from '../reward-model.js';
import { hasAllKeyValues, modelCuts } from './model-cuts.js';

const setTensor = operator('aten::set_.source_Tensor');

/** A module that stands in the place of another while the model is split. */
interface Replacement {
  readonly path: string;
  readonly module: Module;
  readonly original: Module;
}

export class SplitModel implements AdapterParts {
  readonly group: TensorGroup;
  readonly #model: CausalLm;
  readonly #table: ShardingTable;
  /** Of parameters that are cut. */
  readonly #cuts: ReadonlyMap<string, TensorCut>;
  /** The same, and of weights that are kept in integers. */
  readonly #allCuts: ReadonlyMap<string, TensorCut>;
  readonly #parameters: ReadonlyMap<string, Tensor>;
  /** Attention and MLP of each block. */
  readonly #regions = new Set<string>();
  readonly #isHere: (path: string) => boolean;
  readonly #givesScore: boolean;
  /** Layers of whose inputs this rank has some. */
  readonly #inputShared = new Set<string>();
  readonly #replacements: Replacement[] = [];
  #ownKvHeads: number;

  /**
   * Cuts the parameters, each in its tensor.
   * @param loaded of weights of which only this rank's part was read
   * @param isHere false: another stage of a pipeline has this parameter, and here is its shape alone. Default: all are here
   */
  constructor(
    model: CausalLm,
    table: ShardingTable,
    group: TensorGroup,
    loaded: ReadonlyMap<string, TensorCut> = new Map(),
    isHere: (path: string) => boolean = () => true,
  ) {
    this.#isHere = isHere;
    this.#model = model;
    this.#table = table;
    this.group = group;
    this.#ownKvHeads = model.shape.numKvHeads / group.size;
    this.#parameters = new Map(model.namedParameters());
    this.#givesScore = [...this.#parameters.keys()].some((path) => path.startsWith(`${SCORE}.`));
    this.#allCuts = modelCuts(model, table, group, loaded);
    this.#cuts = new Map([...this.#allCuts].filter(([path]) => this.#parameters.has(path)));
    for (const path of this.#allCuts.keys()) {
      const region = regionOf(path);
      if (region !== undefined) this.#regions.add(region);
    }
    noGrad(() => {
      for (const [path, cut] of this.#cutsHere())
        if (!loaded.has(path))
          scope(() => {
            const parameter = this.#parameterOf(path);
            setTensor(parameter, cut.of(parameter.detach()).clone().contiguous());
          });
    });
    for (const [path] of this.#inputLinears()) this.#inputShared.add(path);
    for (const [path, module] of model.namedModules())
      if (module instanceof IntegerLinear && module.hasSomeInputs) this.#inputShared.add(path);
    this.#planReplacements();
    this.#split();
  }

  isCut(path: string): boolean {
    return this.#cuts.has(path);
  }

  /** Is a rank's gradient of a parameter that all of them have whole a part of a sum? */
  isSummed(path: string): boolean {
    if (this.isCut(path)) return false;
    const region = regionOf(path);
    if (region !== undefined) return this.#regions.has(region) || this.group.isSequence;
    return !this.#givesScore;
  }

  /** Shape of the whole of a parameter. */
  wholeShape(path: string): readonly number[] {
    return this.#cuts.get(path)?.shape ?? this.#parameterOf(path).shape;
  }

  wholeShapeOf(path: string): readonly number[] | undefined {
    return this.#allCuts.get(path)?.shape;
  }

  adapterPart(layer: string, part: AdapterTensor, whole: Tensor): Tensor {
    const weight = this.#allCuts.get(`${layer}.weight`);
    if (weight === undefined) return whole;
    if (part === 'weight') return weight.of(whole);
    const hasOutputs = !this.#inputShared.has(layer);
    if (part === 'loraA') return hasOutputs ? whole : weight.like(whole.shape, 1).of(whole);
    return hasOutputs ? weight.like(whole.shape, 0).of(whole) : whole;
  }

  sumInputs(layer: string): ((values: Tensor) => Tensor) | undefined {
    return this.#inputShared.has(layer) ? (values) => this.group.sum(values) : undefined;
  }

  placeWithin(path: string, module: Module): boolean {
    const outer = this.#replacements.find((one) => one.path === path)?.module;
    if (outer instanceof SelectedOutputs && isLinear(module)) outer.base = module;
    else if (outer instanceof VocabularyEmbedding && isEmbedding(module)) outer.base = module;
    else return false;
    return true;
  }

  /** Where in the whole parameter the elements of this rank's are. */
  rangesOf(path: string, start: number, length: number): readonly ElementRange[] {
    return this.#cuts.get(path)?.rangesOf(start, length) ?? [{ start, length }];
  }

  /**
   * What of new values for a parameter is this rank's.
   * @param values of the whole, or of one index of its first dimension @param start the first of them
   * @returns start: the first in this rank's part
   */
  partOf(path: string, values: Tensor, start: number): { readonly values: Tensor; readonly start: number } {
    const cut = this.#cuts.get(path);
    if (cut === undefined) return { values, start };
    const { shape, partShape } = cut;
    const isWhole = values.numElements === product(shape);
    const part = cut.of(values.reshape(isWhole ? shape : shape.slice(1)));
    return {
      values: part,
      start: isWhole ? 0 : (start / product(shape.slice(1))) * product(partShape.slice(1)),
    };
  }

  /** Runs something with the whole model in place of the part. */
  withWhole<Result>(body: () => Result): Result {
    const splitAgain = this.#makeWhole();
    try {
      return body();
    } finally {
      splitAgain();
    }
  }

  /** The same of something that takes turns with others. */
  async whileWhole<Result>(body: () => Promise<Result>): Promise<Result> {
    const splitAgain = this.#makeWhole();
    try {
      return await body();
    } finally {
      splitAgain();
    }
  }

  /** @returns what puts the part back in its place */
  #makeWhole(): () => void {
    const parts = new Map(this.#cutsHere().map(([path]) => [path, this.#parameterOf(path).detach().keep()]));
    this.join();
    return () => {
      noGrad(() => {
        for (const [path, part] of parts) {
          setTensor(this.#parameterOf(path), part);
          part.dispose();
        }
      });
      this.#split();
    };
  }

  /**
   * Puts the whole model together again; all ranks at once, tensor by tensor.
   * @param isKept false: what this rank is left with has the shapes of the whole, and no memory of its own. Default true
   */
  join(isKept = true): void {
    for (const [path, cut] of this.#cutsHere())
      noGrad(() => scope(() => this.#joinOne(this.#parameterOf(path), cut, isKept)));
    for (const { path, original } of [...this.#replacements].reverse())
      this.#model.replaceModule(path, original);
    this.#model.edges = undefined;
    this.#model.ownKvHeads = this.#model.shape.numKvHeads;
    this.#model.crossEntropySum = weightedCrossEntropySum;
    for (const [, module] of this.#inputLinears()) module.addsBias = true;
    for (const layer of loraLayers(this.#model).values()) layer.inputPart = undefined;
  }

  #joinOne(parameter: Tensor, cut: TensorCut, isKept: boolean): void {
    const { dtype, device } = parameter;
    if (!isFloatDType(dtype)) throw new TypeError(`a parameter of ${dtype} in a split model`);
    const length = cut.greatestPart;
    const part = zeros([length], { dtype, device });
    part.narrow(0, 0, parameter.numElements).copy_(parameter.detach().reshape([parameter.numElements]));
    const all = zeros([length * this.group.size], { dtype, device });
    this.group.group.allGather(part, all).wait();
    setTensor(
      parameter,
      isKept ? cut.join(all, length, dtype) : zeros([1], { dtype, device }).expand([...cut.shape]),
    );
  }

  #cutsHere(): [path: string, cut: TensorCut][] {
    return [...this.#cuts].filter(([path]) => this.#isHere(path));
  }

  get #hasAllKeyValues(): boolean {
    return hasAllKeyValues(this.#model.shape, this.group.size);
  }

  #planReplacements(): void {
    const { numHeads, numKvHeads } = this.#model.shape;
    const { rank, size } = this.group;
    const modules = new Map(this.#model.namedModules());
    const replace = (path: string, module: Module): void => {
      const original = modules.get(path);
      if (original !== undefined) this.#replacements.push({ path, original, module });
    };
    // Inner ones first: the path of an outer one leads to them.
    if (this.#hasAllKeyValues) {
      const heads = headsOfRank(numHeads, numKvHeads, rank, size);
      this.#ownKvHeads = heads.length;
      for (const [path, layer] of namedLinears(this.#model)) {
        if (this.#table.trainedSplitOf(`${path}.weight`)?.isKeyValue !== true) continue;
        this.#replacements.push({
          path,
          original: layer,
          module: new SelectedOutputs(layer, heads, numKvHeads),
        });
        const region = regionOf(path);
        if (region !== undefined) this.#regions.add(region);
      }
    }
    for (const region of this.#regions) {
      const module = modules.get(region);
      if (module === undefined || !isHiddenModule(module))
        throw new TypeError(`${region} reads no hidden states`);
      replace(region, new SplitRegion(module, this.group));
    }
    for (const [path, module] of modules) {
      const cut = this.#allCuts.get(`${path}.weight`);
      if (module instanceof Embedding && cut !== undefined)
        replace(path, new VocabularyEmbedding(module, cut.start));
    }
  }

  #split(): void {
    const { group } = this;
    for (const { path, module } of this.#replacements) this.#model.replaceModule(path, module);
    this.#model.edges = {
      begin: (tokens) => group.begin(tokens),
      afterEmbedding: (hidden) => group.leave(hidden),
      beforeHead: (hidden) => (this.#givesScore ? group.enterWhole(hidden) : group.enter(hidden)),
      ownPart: (whole) => group.ownPart(whole),
      tokensBetween: (tokens) => group.tokensBetween(tokens),
      afterHead: (output) => (this.#givesScore ? output : this.#gatherLogits(output)),
    };
    this.#model.ownKvHeads = this.#ownKvHeads;
    if (!this.#givesScore) {
      const { vocabSize } = this.#model.shape;
      const start = Math.floor((vocabSize * group.rank) / group.size);
      this.#model.crossEntropySum = (logits, targets, weights) =>
        vocabularyCrossEntropySum(logits, targets, weights, { group, start, vocabSize });
    }
    // Of the parts of a sum one has the bias.
    for (const [, module] of this.#inputLinears()) module.addsBias = group.rank === 0;
    for (const [path, layer] of loraLayers(this.#model)) {
      const cut = this.#cuts.get(`${path}.loraA`);
      if (cut === undefined) continue;
      layer.inputPart = {
        start: cut.start,
        inFeatures: cut.shape[1] ?? 0,
        sum: (values) => group.sum(values),
      };
    }
  }

  /** @param logits [..., v] of this rank @returns [..., V] on the first rank, what was given on the others */
  #gatherLogits(logits: Tensor): Tensor {
    const { rank, size, group } = this.group;
    const { vocabSize } = this.#model.shape;
    const starts = Array.from({ length: size + 1 }, (_, index) => Math.floor((vocabSize * index) / size));
    const widths = starts.slice(0, -1).map((start, index) => (starts[index + 1] ?? 0) - start);
    const leading = logits.shape.slice(0, -1);
    const rows = product(leading);
    const own = logits.reshape([rows * (widths[rank] ?? 0)]);
    const all = group.gather(
      own,
      widths.map((width) => rows * width),
    );
    if (rank !== 0) return logits;
    const parts = widths.map((width, index) =>
      all.narrow(0, rows * (starts[index] ?? 0), rows * width).view([rows, width]),
    );
    return cat(parts, 1).view([...leading, vocabSize]);
  }

  /** Layers whose inputs are cut. */
  *#inputLinears(): Generator<[path: string, layer: DenseLinear]> {
    for (const [path, module] of this.#model.namedModules()) {
      if (!(module instanceof DenseLinear)) continue;
      const inputDim = module.layout === 'out-in' ? 1 : 0;
      if (this.#cuts.get(`${path}.weight`)?.dim === inputDim) yield [path, module];
    }
  }

  #parameterOf(path: string): Tensor {
    const parameter = this.#parameters.get(path);
    if (parameter === undefined) throw new TypeError(`the model has no ${path}`);
    return parameter;
  }
}

/** layers.{i}.attention of a parameter within it; undefined outside of blocks. */
function regionOf(path: string): string | undefined {
  const [layers, index, part] = path.split('.');
  return layers === 'layers' ? `layers.${index}.${part}` : undefined;
}

function isEmbedding(module: Module): module is Embedding & Module {
  return module instanceof Embedding || module instanceof MultiEmbedding;
}
