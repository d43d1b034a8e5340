/** The containers that a model's tensors may lie in: how they are recognised, opened and written. */
import { dirname, join } from 'node:path';
import { InputError } from '../errors/index.js';
import {
  dequantized,
  type FileTensor,
  fileStatus,
  type GgufTensor,
  isDict,
  listFolder,
  openGgufModel,
  openSafetensorsModel,
  openTorchModel,
  readCkptFile,
  readFileStart,
  readGgufFile,
  readSafetensorsHeader,
  readTorchFile,
  sequenceItems,
  showValue,
  type TensorInput,
  writeCkptFile,
  writeGgufFile,
  writeSafetensors,
  writeTorchFile,
} from '../formats/index.js';

export const CONTAINER_FORMATS = ['safetensors', 'bin', 'ckpt', 'gguf'] as const;

export type ContainerFormat = (typeof CONTAINER_FORMATS)[number];

/** The tensors of one file or of all shards of a model. */
export interface OpenedModel {
  readonly format: ContainerFormat;
  readonly files: readonly string[];
  readonly tensors: ReadonlyMap<string, FileTensor>;
}

interface Container {
  /** File endings by which it goes, the first for new files. */
  readonly endings: readonly string[];
  readonly recognises: (start: Buffer) => boolean;
  /** A file, an index of shards, or a folder with either. */
  readonly open: (path: string) => Pick<OpenedModel, 'files' | 'tensors'>;
  readonly readFile: (path: string) => ReadonlyMap<string, FileTensor>;
  readonly writeFile: (path: string, tensors: readonly TensorInput[]) => void;
  /** Name of a new file of a model folder. */
  readonly fileName: (index: number, count: number) => string;
  /** Name of the index beside several files; undefined where one file holds everything. */
  readonly indexName?: string;
}

const numbered = (stem: string, ending: string) => (index: number, count: number) =>
  count === 1
    ? `${stem}${ending}`
    : `${stem}-${String(index + 1).padStart(5, '0')}-of-${String(count).padStart(5, '0')}${ending}`;

const CONTAINERS: Readonly<Record<ContainerFormat, Container>> = {
  safetensors: {
    endings: ['.safetensors'],
    recognises: (start) => start.length > 8 && start[8] === '{'.charCodeAt(0),
    open(path) {
      const { files, tensors } = openSafetensorsModel(path);
      return {
        files: files.map((file) => file.path),
        tensors: new Map(
          [...tensors].map(([name, { dtype, shape, file, byteStart, byteEnd }]) => [
            name,
            { name, dtype, shape, ranges: [{ path: file, start: byteStart, end: byteEnd }] },
          ]),
        ),
      };
    },
    readFile: (path) =>
      new Map(
        [...readSafetensorsHeader(path).tensors].map(([name, { dtype, shape, byteStart, byteEnd }]) => [
          name,
          { name, dtype, shape, ranges: [{ path, start: byteStart, end: byteEnd }] },
        ]),
      ),
    // Without this metadata transformers refuses the file.
    writeFile: (path, tensors) => writeSafetensors(path, tensors, { format: 'pt' }),
    fileName: numbered('model', '.safetensors'),
    indexName: 'model.safetensors.index.json',
  },
  bin: {
    endings: ['.bin', '.pt', '.pth'],
    recognises: (start) => start.subarray(0, 4).toString('latin1') === 'PK\u0003\u0004' || start[0] === 0x80,
    open(path) {
      const opened = openTorchModel(path);
      const isEmpty = [...opened.tensors.values()].some(({ shape }) => shape.includes(0));
      for (const file of opened.files) if (isEmpty || RANK_FILE.test(file)) refuseShareOfRank(file);
      return opened;
    },
    readFile: (path) => readTorchFile(path).tensors,
    writeFile: writeTorchFile,
    fileName: numbered('pytorch_model', '.bin'),
    indexName: 'pytorch_model.bin.index.json',
  },
  gguf: {
    endings: ['.gguf'],
    recognises: (start) => start.subarray(0, 4).toString('latin1') === 'GGUF',
    open(path) {
      const { files, tensors } = openGgufModel(path);
      return { files, tensors: new Map([...tensors].map(([name, tensor]) => [name, plainTensor(tensor)])) };
    },
    readFile(path) {
      const { tensors, quantized } = readGgufFile(path);
      return new Map([
        ...tensors,
        ...[...quantized].map(([name, tensor]) => [name, plainTensor(tensor)] as const),
      ]);
    },
    writeFile: (path, tensors) => writeGgufFile(path, new Map(), tensors),
    fileName: numbered('model', '.gguf'),
  },
  // Last: protobuf has no mark of its own.
  ckpt: {
    endings: ['.ckpt'],
    recognises: (start) => start[0] === 0x0a,
    open: (path) => openOnly(path, 'ckpt'),
    readFile: (path) => readCkptFile(path).tensors,
    writeFile: writeCkptFile,
    fileName: numbered('model', '.ckpt'),
  },
};

/** A file, an index of shards, or a folder. @throws InputError if nothing readable lies there */
export function openModelFiles(path: string): OpenedModel {
  const status = fileStatus(path);
  if (status === undefined) throw new InputError(`${path} does not exist; check the path.`);
  const format = status.isDirectory() ? formatOfFolder(path) : formatOfFile(path);
  return { format, ...CONTAINERS[format].open(path) };
}

export function container(format: ContainerFormat): Container {
  return CONTAINERS[format];
}

/** By the ending of a name: of a file to be written. */
export function formatByEnding(path: string): ContainerFormat | undefined {
  return CONTAINER_FORMATS.find((format) =>
    CONTAINERS[format].endings.some((ending) => path.toLowerCase().endsWith(ending)),
  );
}

/** By content: endings are often wrong, but for an index of shards. */
function formatOfFile(path: string): ContainerFormat {
  if (path.endsWith('.safetensors.index.json')) return 'safetensors';
  if (path.endsWith('.bin.index.json')) return 'bin';
  const start = readFileStart(path, 16);
  const found = (Object.keys(CONTAINERS) as ContainerFormat[]).find((format) =>
    CONTAINERS[format].recognises(start),
  );
  // An empty or strange file: its reader tells what is wrong with it.
  const format = found ?? formatByEnding(path);
  if (format !== undefined) return format;
  throw new InputError(
    `${path} is no file of tensors that is known here (it begins with 0x${start.toString('hex', 0, 8)}); readable are ` +
      'safetensors, torch (.bin, .pt), MindSpore (.ckpt) and GGUF.',
  );
}

/** What programs call the weights of a model: other files of tensors beside them hold something else. */
const USUAL_NAME = /^(model|pytorch_model|adapter_model|gptq_model)\b|\.index\.json$/;

function formatOfFolder(folder: string): ContainerFormat {
  const names = listFolder(folder);
  const holding = (files: readonly string[]): ContainerFormat | undefined =>
    CONTAINER_FORMATS.find((format) =>
      CONTAINERS[format].endings.some((ending) =>
        files.some((name) => name.endsWith(ending) || name.endsWith(`${ending}.index.json`)),
      ),
    );
  const found = holding(names.filter((name) => USUAL_NAME.test(name))) ?? holding(names);
  if (found !== undefined) return found;
  throw new InputError(
    `${folder} holds no weights: no ${CONTAINER_FORMATS.flatMap((format) => CONTAINERS[format].endings).join(', ')} file.`,
  );
}

/** As DeepSpeed names the files of its checkpoints. */
const RANK_FILE = /_(model|optim)_states\.pt$/;

/** A file of a ZeRO checkpoint that has no whole weights, named alone. @throws InputError that names the folder */
function refuseShareOfRank(path: string): void {
  const { root, tensors } = readTorchFile(path);
  if (!isDict(root)) return;
  const isOptimizer = isDict(root.entries.get('optimizer_state_dict')) && !root.entries.has('module');
  const shapes = sequenceItems(root.entries.get('param_shapes')) ?? [];
  const empty = shapes
    .flatMap((group) => (isDict(group) ? [...group.entries] : []))
    .find(([name, shape]) => {
      const held = typeof name === 'string' ? tensors.get(name) : undefined;
      return held?.shape.includes(0) === true && sequenceItems(shape)?.includes(0) !== true;
    });
  if (!isOptimizer && empty === undefined) return;
  const holds = isOptimizer
    ? "holds one rank's share of the optimizer"
    : `leaves ${showValue(empty?.[0])} empty: ZeRO stage 3 keeps the weights in shares of all ranks`;
  throw new InputError(
    `${path} ${holds}; name the folder of the step, ${dirname(path)}, to have them put together.`,
  );
}

/** Packed blocks as the float32 that they stand for. */
function plainTensor(tensor: GgufTensor): FileTensor {
  return 'quantization' in tensor ? dequantized(tensor) : tensor;
}

/** The one file of its kind in a folder, or the file itself. */
function openOnly(path: string, format: 'ckpt'): Pick<OpenedModel, 'files' | 'tensors'> {
  const { endings, readFile } = CONTAINERS[format];
  let file = path;
  if (fileStatus(path)?.isDirectory() === true) {
    const names = listFolder(path).filter((name) => endings.some((ending) => name.endsWith(ending)));
    const [name] = names;
    if (name === undefined || names.length > 1)
      throw new InputError(`${path} holds ${names.slice(0, 5).join(', ')}; name the file that is meant.`);
    file = join(path, name);
  }
  return { files: [file], tensors: readFile(file) };
}
