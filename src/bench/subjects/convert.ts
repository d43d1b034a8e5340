/** A conversion as a whole process: written, read back, compared. */
import {
  type ContainerFormat,
  DEFAULT_SHARD_THRESHOLD,
  type ParallelLayout,
} from '../../checkpoint/index.js';
import { convertModel } from '../../models/index.js';
import type { FloatDType } from '../../tensor/index.js';
import type { Conversion } from './conversions.js';

export interface ConvertSettings {
  readonly from: string;
  readonly to: string;
  readonly conversion: Conversion;
}

export interface ConvertValues {
  readonly bytesWritten: number;
  readonly tensors: number;
}

const FOUR_RANKS: ParallelLayout = {
  dataParallel: 1,
  modelParallel: 4,
  pipelineStages: 1,
  optimizerShard: false,
  shardThreshold: DEFAULT_SHARD_THRESHOLD,
};

/** `safetensors`: copied as it is; `ranks`: cut for four model-parallel ranks. */
export async function measureConvert({ from, to, conversion }: ConvertSettings): Promise<ConvertValues> {
  const dtype: FloatDType | undefined =
    conversion === 'bfloat16' || conversion === 'float32' ? conversion : undefined;
  const format: ContainerFormat =
    conversion === 'bin' ? 'bin' : conversion === 'ranks' ? 'ckpt' : 'safetensors';
  const { bytes, tensors } = await convertModel({
    from,
    to,
    ...(dtype !== undefined && { dtype }),
    format,
    ...(conversion === 'ranks' && { layout: FOUR_RANKS }),
  });
  return { bytesWritten: bytes, tensors };
}
