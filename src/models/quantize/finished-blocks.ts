/**
 * Blocks that are quantised already, beside the folder that is to come: a run that was ended goes on behind them. They lie in a hidden
 * folder, which is gone once the model is whole.
 */
import { copyFileSync, linkSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { InputError, isSystemError, systemErrorText } from '../../errors/index.js';
import {
  copyOf,
  type FileTensor,
  fileStatus,
  type ModelTensorEntry,
  openSafetensorsModel,
  readJsonFile,
  readTensorBytes,
  type TensorInput,
  UnwritableError,
  writeFileAtomic,
  writeSafetensors,
} from '../../formats/index.js';
import { noGrad, scope, type Tensor, tensorFromBytes } from '../../tensor/index.js';
import type { CalibrationState } from './block-calibration.js';
import type { LayerReport } from './quantization-report.js';

/** Without it transformers refuses a file. */
export const FILE_METADATA = { format: 'pt' } as const;

/** A place that could not be written to: the blocks that are done stay, which another end by a fault of the input throws away. */
export class QuantizationStopped extends InputError {}

/** `undefined` of a plan: what stands around the blocks. */
type BlockIndex = number | undefined;

export class FinishedBlocks {
  readonly #to: string;
  readonly #folder: string;

  /** For what need not outlive the run. */
  get scratch(): string {
    return this.#folder;
  }

  /**
   * What an earlier run with the same request has left; another's is thrown away.
   * @param to the folder that is to come
   * @param request all that decides about the bytes
   */
  constructor(to: string, request: unknown) {
    this.#to = to;
    const target = resolve(to);
    this.#folder = join(dirname(target), `.${basename(target).slice(0, 200)}.quantizing`);
    const text = `${JSON.stringify(request)}\n`;
    const file = join(this.#folder, 'request.json');
    if (fileStatus(file)?.isFile() === true && sameJson(file, text)) return;
    rmSync(this.#folder, { recursive: true, force: true });
    mkdirSync(this.#folder, { recursive: true });
    writeFileAtomic(file, text);
  }

  /** @throws QuantizationStopped where `write` meets a full disk or another place that cannot be written to */
  keeping<Result>(write: () => Result): Result {
    try {
      return write();
    } catch (error) {
      const isWrite = isSystemError(error) && error.syscall === 'write';
      const problem =
        error instanceof UnwritableError ? error.problem : isWrite ? systemErrorText(error) : undefined;
      if (problem === undefined) throw error;
      throw new QuantizationStopped(
        `${this.#to} could not be written: ${problem}. The blocks that are done are kept beside it, and the same command goes on ` +
          'behind them.',
      );
    }
  }

  /** undefined for a block that is not done. */
  reportOf(block: BlockIndex): readonly LayerReport[] | undefined {
    const file = this.#path(block, 'json');
    return fileStatus(file)?.isFile() === true ? (readJsonFile(file) as readonly LayerReport[]) : undefined;
  }

  /** What was found out once and takes long. */
  remember<Value>(name: string, find: () => Value): Value {
    const file = join(this.#folder, `${name}.json`);
    if (fileStatus(file)?.isFile() === true) return readJsonFile(file) as Value;
    const found = find();
    writeFileAtomic(file, `${JSON.stringify(found)}\n`);
    return found;
  }

  /** The tensors come first: a block with a report is whole. */
  write(block: BlockIndex, tensors: readonly TensorInput[], layers: readonly LayerReport[]): void {
    writeSafetensors(this.#path(block, 'safetensors'), tensors, FILE_METADATA);
    writeFileAtomic(this.#path(block, 'json'), `${JSON.stringify(layers)}\n`);
  }

  /** Of a block that is done, at `path` under another name: no byte is copied where the file system has links. */
  link(block: BlockIndex, path: string): void {
    const file = this.#path(block, 'safetensors');
    try {
      linkSync(file, path);
    } catch {
      copyFileSync(file, path);
    }
  }

  /** Of a block that is done, in the order in which they were written. */
  tensors(block: BlockIndex): TensorInput[] {
    return [...openSafetensorsModel(this.#path(block, 'safetensors')).tensors.values()].map((tensor) =>
      copyOf(inFile(tensor)),
    );
  }

  /** Hidden states behind the blocks that are done. The last two are kept: a block may be written and its state not yet. */
  writeState({ nextBlock, full, quantized }: CalibrationState): void {
    const inputs = (name: string, tensors: readonly Tensor[]): TensorInput[] =>
      tensors.map((tensor, window) => ({
        ...{ name: `${name}.${window}`, dtype: 'float32' as const, shape: tensor.shape },
        bytes: () => scope(() => tensor.contiguous().toBytes()),
      }));
    writeSafetensors(this.#state(nextBlock), [...inputs('full', full), ...inputs('quantized', quantized)]);
    rmSync(this.#state(nextBlock - 2), { force: true });
  }

  /** Before block `nextBlock`; undefined where none was written. */
  state(nextBlock: number): CalibrationState | undefined {
    const file = this.#state(nextBlock);
    if (fileStatus(file)?.isFile() !== true) return undefined;
    const { tensors } = openSafetensorsModel(file);
    const read = (name: string): Tensor[] => {
      const found: Tensor[] = [];
      for (let window = 0; ; window++) {
        const tensor = tensors.get(`${name}.${window}`);
        if (tensor === undefined) return found;
        found.push(floats(inFile(tensor)));
      }
    };
    return { nextBlock, full: read('full'), quantized: read('quantized') };
  }

  remove(): void {
    // First out of the way: one that is removed in part is no beginning of another run.
    const gone = `${this.#folder}-done`;
    rmSync(gone, { recursive: true, force: true });
    renameSync(this.#folder, gone);
    rmSync(gone, { recursive: true, force: true });
  }

  #path(block: BlockIndex, ending: string): string {
    return join(this.#folder, `${block === undefined ? 'around' : `block-${block}`}.${ending}`);
  }

  #state(nextBlock: number): string {
    return join(this.#folder, `state-${nextBlock}.safetensors`);
  }
}

function floats(tensor: FileTensor): Tensor {
  return noGrad(() =>
    tensorFromBytes(new Uint8Array(readTensorBytes(tensor)), tensor.shape, 'float32'),
  ).keep();
}

function inFile({ name, dtype, shape, file, byteStart, byteEnd }: ModelTensorEntry): FileTensor {
  return { name, dtype, shape, ranges: [{ path: file, start: byteStart, end: byteEnd }] };
}

function sameJson(file: string, text: string): boolean {
  try {
    return `${JSON.stringify(readJsonFile(file))}\n` === text;
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}
