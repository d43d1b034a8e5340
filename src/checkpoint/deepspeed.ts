/**
 * Training checkpoints of DeepSpeed's ZeRO, read in place. A folder holds `latest` and for each step
 * `mp_rank_00_model_states.pt` (stages 1 and 2) or `zero_pp_rank_R_mp_rank_00_model_states.pt` (stage 3), and
 * `[bf16_]zero_pp_rank_R_mp_rank_00_optim_states.pt` with rank R's share of the float32 weights. How partitions and weights
 * belong together is told by DeepSpeed's utils/zero_to_fp32.py, with whose results this was compared.
 */
import { InputError } from '../errors/index.js';
import { elementCount, type FileTensor, isDict, showValue } from '../formats/index.js';
import { findZeroFiles } from './deepspeed-files.js';
import { checkPartitions, groupPaddings, readPartition, type ZeroPartition } from './deepspeed-partitions.js';
import { type FlatVector, joinVectors, sliceVector } from './flat-vector.js';
import { TrainingStateDict } from './training-state-dict.js';

export interface ZeroCheckpoint {
  /** The folder of the step. */
  readonly folder: string;
  readonly stage: 1 | 2 | 3;
  /** Data-parallel ranks. */
  readonly worldSize: number;
  /**
   * The weights and buffers as the model held them, in 16 bit as a rule. Stage 3 keeps no whole weights there: then
   * only buffers.
   */
  readonly tensors: ReadonlyMap<string, FileTensor>;
  /**
   * The float32 master weights, whole, as byte ranges of the ranks' files. Buffers and frozen parameters have no master
   * copy and come in the dtype that they were saved in; tied parameters share their ranges.
   */
  readonly fp32: ReadonlyMap<string, FileTensor>;
}

type Shapes = ReadonlyMap<string, readonly number[]>;

/**
 * Opens a checkpoint folder (its `latest` step) or the folder of one step. Reads no weights.
 * @throws InputError for missing ranks, model-parallel or expert-parallel folders (let DeepSpeed convert them), files
 *   that contradict each other, and as readTorchFile does
 */
export function openZeroCheckpoint(path: string): ZeroCheckpoint {
  const { folder, modelStates, optimizerStates } = findZeroFiles(path);
  const partitions = optimizerStates.map(readPartition);
  const worldSize = partitions.length;
  const { stage } = checkPartitions(folder, partitions);
  const models = (stage === 3 ? modelStates : modelStates.slice(0, 1)).map(TrainingStateDict.open);
  const [model] = models;
  if (model === undefined || (stage === 3 && models.length !== worldSize))
    throw new InputError(
      `${folder} holds ${models.length} *_model_states.pt and ${worldSize} *_optim_states.pt; stage 3 has one of each for a rank.`,
    );
  refuseExperts(model);

  const trained = paramShapes(model);
  const frozen: Shapes = model.inner('frozen_param_shapes')?.shapes() ?? new Map();
  const inModule = model.inner('module')?.tensors() ?? new Map<string, FileTensor>();
  const buffers = new Set(model.list('buffer_names'));
  const fp32 = new Map<string, FileTensor>([...inModule].filter(([name]) => buffers.has(name)));
  for (const tensor of frozenTensors(frozen, models)) fp32.set(tensor.name, tensor);
  const merge = stage === 3 ? mergeStage3 : mergeStage2;
  for (const tensor of merge(folder, trained, partitions)) fp32.set(tensor.name, tensor);
  for (const [name, original] of model.inner('shared_params')?.texts() ?? []) {
    const tensor = fp32.get(original);
    if (tensor !== undefined) fp32.set(name, { ...tensor, name });
  }
  return { folder, stage, worldSize, tensors: wholeTensors(inModule, fp32), fp32 };
}

function refuseExperts(model: TrainingStateDict): void {
  const key = ['ds_autoep_layers', 'autoep_layers'].find((name) => model.get(name) !== undefined);
  if (key === undefined) return;
  throw new InputError(
    `${model.file.path} holds experts that were split between ranks (${key}); convert it with DeepSpeed.`,
  );
}

/** The shapes of the trained parameters, for each group in the order in which they were flattened. */
export function paramShapes(model: TrainingStateDict): Shapes[] {
  return model.list('param_shapes').map((shapes, index) => {
    if (isDict(shapes)) return new TrainingStateDict(model.file, shapes, `param_shapes[${index}]`).shapes();
    throw new InputError(`${model.file.path}: param_shapes[${index}] should be a dict of shapes.`);
  });
}

/** Frozen parameters lie whole in the first rank's file (stages 1 and 2) or in partitions, as flat vectors (stage 3). */
function* frozenTensors(shapes: Shapes, models: readonly TrainingStateDict[]): Generator<FileTensor, void> {
  if (shapes.size === 0) return;
  const fragments = models.map((model) => model.required('frozen_param_fragments'));
  for (const [name, shape] of shapes) {
    const vectors = fragments.map((fragment) => fragment.vector(name));
    const dtypes = new Set(vectors.map(({ dtype }) => dtype));
    if (dtypes.size > 1)
      throw new InputError(
        `${fragments[0]?.file.path}: frozen parameter ${showValue(name)} has the dtypes ${[...dtypes].join(', ')}.`,
      );
    yield shapedTensor(fragments[0]?.file.path ?? '', name, shape, joinVectors(vectors), 0);
  }
}

/**
 * Stages 1 and 2: each group is one vector of all its parameters, cut between the ranks. Its end is padded to a
 * multiple of twice the number of ranks, in some versions only on paper.
 */
function* mergeStage2(
  folder: string,
  trained: readonly Shapes[],
  partitions: readonly ZeroPartition[],
): Generator<FileTensor, void> {
  const [first] = partitions;
  if (first === undefined || first.groups.length !== trained.length)
    throw new InputError(
      `${folder}: the optimizer states have ${first?.groups.length ?? 0} groups of parameters, param_shapes ${trained.length}.`,
    );
  for (const [group, shapes] of trained.entries()) {
    const vector = joinVectors(partitions.flatMap(({ groups }) => groups[group] ?? []));
    const paddings = groupPaddings(first, group, shapes.size);
    let offset = 0;
    for (const [index, [name, shape]] of [...shapes].entries()) {
      yield shapedTensor(folder, name, shape, vector, offset);
      offset += (elementCount(shape) ?? 0) + (paddings?.[index] ?? 0);
    }
    const alignment = 2 * partitions.length;
    if (Math.ceil(offset / alignment) !== Math.ceil(vector.count / alignment))
      throw leftOver(folder, offset, vector.count);
  }
}

/**
 * Stage 3: each parameter is cut between the ranks by itself, its end padded to equal partitions; a rank's partitions of all
 * parameters lie one after the other, across its groups.
 */
function* mergeStage3(
  folder: string,
  trained: readonly Shapes[],
  partitions: readonly ZeroPartition[],
): Generator<FileTensor, void> {
  const ranks = partitions.map(({ groups }) => joinVectors(groups));
  let offset = 0;
  for (const [name, shape] of trained.flatMap((shapes) => [...shapes])) {
    const count = Math.ceil((elementCount(shape) ?? 0) / partitions.length);
    const parts = ranks.map(
      (rank) => sliceVector(rank, offset, count) ?? tooShort(folder, name, offset + count, rank),
    );
    yield shapedTensor(folder, name, shape, joinVectors(parts), 0);
    offset += count;
  }
  for (const rank of ranks) if (rank.count !== offset) throw leftOver(folder, offset, rank.count);
}

function shapedTensor(
  location: string,
  name: string,
  shape: readonly number[],
  vector: FlatVector,
  offset: number,
): FileTensor {
  const count = elementCount(shape) ?? Infinity;
  const slice = sliceVector(vector, offset, count) ?? tooShort(location, name, offset + count, vector);
  return { name, dtype: vector.dtype, shape, ranges: slice.ranges };
}

function tooShort(location: string, name: string, needed: number, { count }: FlatVector): never {
  throw new InputError(
    `${location}: parameter ${showValue(name)} needs its vector of weights to have ${needed} elements, it has ${count}; ` +
      'the files of the ranks do not belong together.',
  );
}

function leftOver(folder: string, used: number, available: number): InputError {
  return new InputError(
    `${folder}: the parameters need ${used} elements of a vector of ${available}; the files of the ranks do not belong together.`,
  );
}

/** What the module holds whole: stage 3 leaves empty tensors in the place of parameters. */
function wholeTensors(
  inModule: ReadonlyMap<string, FileTensor>,
  fp32: ReadonlyMap<string, FileTensor>,
): Map<string, FileTensor> {
  return new Map(
    [...inModule].filter(([name, { shape }]) => (fp32.get(name)?.shape ?? shape).join() === shape.join()),
  );
}
