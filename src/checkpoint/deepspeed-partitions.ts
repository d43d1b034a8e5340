/** One rank's partition of the float32 weights in a ZeRO checkpoint. */
import { InputError } from '../errors/index.js';
import type { PickleValue } from '../formats/index.js';
import type { FlatVector } from './flat-vector.js';
import { TrainingStateDict } from './training-state-dict.js';

/** What one rank's optimizer file holds of the weights. */
export interface ZeroPartition {
  readonly path: string;
  readonly stage: 1 | 2 | 3;
  readonly worldSize: number;
  /** One vector for each group of parameters (stages 1 and 2) or of sub-groups (stage 3). */
  readonly groups: readonly FlatVector[];
  /** Elements left free behind each parameter, for each group; written by DeepSpeed from 0.19. */
  readonly paddings: readonly PickleValue[] | undefined;
}

/** Reads one rank's optimizer file; its weights stay there. */
export function readPartition(path: string): ZeroPartition {
  const state = TrainingStateDict.open(path).required('optimizer_state_dict');
  // The bfloat16 optimizer, which shards as stage 1 does, writes no stage.
  const stage = state.integer('zero_stage') ?? 1;
  if (stage !== 1 && stage !== 2 && stage !== 3)
    throw new InputError(`${path}: zero_stage is ${stage}; stages 1, 2 and 3 are known.`);
  return {
    path,
    stage,
    worldSize: partitionCount(path, state),
    groups: state.vectors(stage === 3 ? 'fp32_flat_groups' : 'single_partition_of_fp32_groups'),
    paddings:
      state.get('param_alignment_paddings') === undefined
        ? undefined
        : state.list('param_alignment_paddings'),
  };
}

/** A number, or one for each group of parameters: groups of experts have fewer ranks. */
function partitionCount(path: string, state: TrainingStateDict): number {
  const value = state.get('partition_count');
  const counts = typeof value === 'number' ? [value] : state.list('partition_count');
  const largest = Math.max(...counts.map((count) => (typeof count === 'number' ? count : Number.NaN)));
  if (Number.isSafeInteger(largest) && largest > 0) return largest;
  throw new InputError(`${path}: partition_count should be a number of ranks, or a list of such.`);
}

/** The first share, once all ranks are there and agree. */
export function checkPartitions(folder: string, partitions: readonly ZeroPartition[]): ZeroPartition {
  const [first] = partitions;
  if (first?.groups[0] === undefined)
    throw new InputError(`${folder} holds no *_optim_states.pt with master weights.`);
  for (const { path, stage, worldSize, groups } of partitions) {
    if (worldSize !== partitions.length)
      throw new InputError(
        `${path} was written by one of ${worldSize} ranks, but ${folder} holds ${partitions.length} *_optim_states.pt; ` +
          'ranks are missing, or an older checkpoint lies beneath.',
      );
    if (stage !== first.stage || groups.length !== first.groups.length)
      throw new InputError(
        `${path} (stage ${stage}, ${groups.length} groups) and ${first.path} (stage ${first.stage}, ` +
          `${first.groups.length} groups) do not belong together.`,
      );
    const strange = groups.find(({ dtype }) => dtype !== first.groups[0]?.dtype);
    if (strange !== undefined)
      throw new InputError(
        `${path}: master weights of dtype ${strange.dtype} beside ${first.groups[0]?.dtype}.`,
      );
  }
  return first;
}

/** Elements left free behind each parameter of a group; undefined where none are. */
export function groupPaddings(
  { path, paddings }: ZeroPartition,
  group: number,
  parameters: number,
): number[] | undefined {
  if (paddings === undefined) return undefined;
  const values = paddings[group];
  const valid =
    Array.isArray(values) &&
    values.length === parameters &&
    values.every((value) => typeof value === 'number');
  if (valid) return values;
  throw new InputError(`${path}: param_alignment_paddings[${group}] should have ${parameters} numbers.`);
}
