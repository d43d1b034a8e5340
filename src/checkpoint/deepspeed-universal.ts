/**
 * Universal checkpoints of DeepSpeed (ds_to_universal): `mp_rank_00_model_states.pt` as before, and for each parameter a folder
 * `zero/NAME` with its float32 master in fp32.pt beside the moments. DeepSpeed's checkpoint/ds_to_universal.py writes them.
 */
import { join } from 'node:path';
import { InputError } from '../errors/index.js';
import {
  elementCount,
  type FileTensor,
  fileStatus,
  isDict,
  isTensor,
  listFolder,
  readTorchFile,
  showValue,
} from '../formats/index.js';
import { paramShapes } from './deepspeed.js';
import { modelStateFiles, UNIVERSAL_FOLDER } from './deepspeed-files.js';
import { TrainingStateDict } from './training-state-dict.js';

/** @returns the masters, and what has none (buffers, frozen parameters) as the model held it */
export function openUniversalCheckpoint(folder: string): Map<string, FileTensor> {
  const [first] = modelStateFiles(folder);
  if (first === undefined) throw new InputError(`${folder} holds no *_model_states.pt.`);
  const model = TrainingStateDict.open(first);
  const shapes = new Map(
    model.get('param_shapes') === undefined ? [] : paramShapes(model).flatMap((group) => [...group]),
  );
  // Stage 3 leaves nothing in the place of a parameter.
  const inModule = model.inner('module')?.tensors() ?? new Map<string, FileTensor>();
  const tensors = new Map([...inModule].filter(([, { shape }]) => !shape.includes(0)));
  const parameters = join(folder, UNIVERSAL_FOLDER);
  const masters = listFolder(parameters).filter(
    (name) => fileStatus(join(parameters, name, 'fp32.pt')) !== undefined,
  );
  for (const name of masters)
    tensors.set(name, readMaster(join(parameters, name, 'fp32.pt'), name, shapes.get(name)));
  const missing = [...shapes.keys()].find((name) => !masters.includes(name));
  if (missing !== undefined)
    throw new InputError(`${parameters} holds no ${missing}/fp32.pt; the checkpoint is not complete.`);
  for (const [name, original] of model.inner('shared_params')?.texts() ?? []) {
    const tensor = tensors.get(original);
    if (tensor !== undefined) tensors.set(name, { ...tensor, name });
  }
  return tensors;
}

/** {"param": tensor, …}, or of stage 3 the flat tensor alone, its end padded. */
function readMaster(path: string, name: string, shape: readonly number[] | undefined): FileTensor {
  const file = readTorchFile(path);
  const value = isDict(file.root) ? file.root.entries.get('param') : file.root;
  if (!isTensor(value))
    throw new InputError(`${path} holds no tensor "param"; it is no part of a universal checkpoint.`);
  const tensor = file.fileTensor(value, name);
  if (shape === undefined || tensor.shape.join() === shape.join()) return tensor;
  const [needed, held] = [elementCount(shape) ?? Infinity, elementCount(tensor.shape) ?? 0];
  const [range] = tensor.ranges;
  if (tensor.strides !== undefined || range === undefined || held < needed)
    throw new InputError(
      `${path}: ${showValue(name)} has shape [${tensor.shape.join(', ')}], but the model's is [${shape.join(', ')}].`,
    );
  const end = range.start + ((range.end - range.start) / held) * needed;
  return { ...tensor, shape, ranges: [{ ...range, end }] };
}
