/** Opens a model in torch files: one file, or shards with an index. */

import type { FileTensor } from '../tensors/file-tensor.js';
import { type ContainerNames, modelFile, openShards } from '../tensors/sharded-model.js';
import { readTorchFile } from './torch-reader.js';

/** All tensors of a model in torch files, from one file or from shards. */
export interface TorchModel {
  /** Their paths, in the order of the index. */
  readonly files: readonly string[];
  readonly tensors: ReadonlyMap<string, FileTensor>;
  /** Tensors in the shards that the index does not name; empty without an index. */
  readonly surplus: readonly FileTensor[];
}

export const TORCH_NAMES: ContainerNames = {
  container: 'torch',
  single: 'pytorch_model.bin',
  suffixes: ['.bin', '.pt', '.pth'],
  indexSuffix: '.bin.index.json',
  // What transformers and accelerate leave beside the weights.
  notWeights: [
    'training_args.bin',
    'optimizer.bin',
    'optimizer.pt',
    'scheduler.bin',
    'scheduler.pt',
    'scaler.pt',
    'rng_state.pth',
  ],
};

/**
 * Opens a file that torch.save wrote, an index of such (`pytorch_model.bin.index.json`), or a folder: its
 * pytorch_model.bin, else its only index, else its only *.bin, *.pt or *.pth file. The tensors stay on disk.
 * @throws InputError if nothing or too much is found, for a faulty index, and as readTorchFile does
 */
export function openTorchModel(path: string): TorchModel {
  const source = modelFile(path, TORCH_NAMES);
  if (source.endsWith('.json')) {
    const { files, tensors, surplus } = openShards(
      source,
      TORCH_NAMES,
      readTorchFile,
      (file) => file.tensors,
    );
    return { files: files.map((file) => file.path), tensors, surplus };
  }
  return { files: [source], tensors: readTorchFile(source).tensors, surplus: [] };
}
