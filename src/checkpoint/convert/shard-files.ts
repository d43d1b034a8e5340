/** Tensors shared out among the files of a model folder. */
import { InputError } from '../../errors/index.js';
import { type PlannedFile, type PlannedTensor, plannedBytes } from './chain-tensor.js';

export interface ShardOptions {
  /** Exactly so many files, of about one size. */
  readonly shards?: number | undefined;
  /** Or as many as keep each at or below this size; default 5e9. */
  readonly maxShardBytes?: number | undefined;
}

/** Tensors in files, in order. `fileName(index, count)` names them. */
export function shardFiles(
  tensors: readonly PlannedTensor[],
  { shards, maxShardBytes = 5e9 }: ShardOptions,
  fileName: (index: number, count: number) => string,
): PlannedFile[] {
  const total = tensors.reduce((sum, tensor) => sum + plannedBytes(tensor), 0);
  const groups: PlannedTensor[][] = [];
  if (shards !== undefined && shards > tensors.length)
    throw new InputError(
      `--shards ${shards}: the model has ${tensors.length} tensors; give at most as many.`,
    );
  let group: PlannedTensor[] = [];
  let groupBytes = 0;
  let placedBytes = 0;
  for (const [index, tensor] of tensors.entries()) {
    const bytes = plannedBytes(tensor);
    const isFull =
      shards === undefined
        ? groupBytes + bytes > maxShardBytes
        : placedBytes + bytes / 2 > (total * (groups.length + 1)) / shards ||
          tensors.length - index <= shards - groups.length - 1;
    if (group.length > 0 && isFull && (shards === undefined || groups.length < shards - 1)) {
      groups.push(group);
      group = [];
      groupBytes = 0;
    }
    group.push(tensor);
    groupBytes += bytes;
    placedBytes += bytes;
  }
  groups.push(group);
  return groups.map((members, index) => ({ path: fileName(index, groups.length), tensors: members }));
}
