/**
 * LoRA adapters on disk: a PEFT folder (adapter_config.json beside adapter_model.safetensors or .bin), or a file in any of the
 * published spellings (adapter-names.ts). Reading recognises the spelling.
 */
import { dirname, join } from 'node:path';
import { InputError } from '../../errors/index.js';
import { fileStatus, readView, type TensorView, transpose } from '../../formats/index.js';
import type { LoraOptions } from '../../lora/index.js';
import { isFloatDType, noGrad, type Tensor, tensorFromBytes } from '../../tensor/index.js';
import type { NameTable } from '../name-table.js';
import { openModelCheckpoint } from '../open-model-checkpoint.js';
import { ADAPTER_CONFIG_FILE, readPeftConfig } from './adapter-config.js';
import { parseAdapterName, parseMagnitudeName } from './adapter-names.js';

/** As PEFT names them; without safetensors it writes the second. */
export const WEIGHT_FILES = ['adapter_model.safetensors', 'adapter_model.bin'] as const;

const PART_TITLES = { loraA: 'A matrix', loraB: 'B matrix', loraMagnitude: 'magnitude' } as const;

type AdapterParts = { readonly [Part in keyof typeof PART_TITLES]?: string };

export type AdapterPart = keyof typeof PART_TITLES;

/** An adapter whose tensors are known by name and not read yet. */
export interface AdapterFile {
  /** Of the weights. */
  readonly path: string;
  readonly options: LoraOptions;
  /** By our path of the layer. */
  readonly layers: ReadonlyMap<string, AdapterParts>;
  readonly tensors: ReadonlyMap<string, TensorView>;
}

/**
 * @param path a PEFT folder, or a file in any container and naming
 * @param options rank and alpha; default: those of adapter_config.json beside the weights
 * @throws InputError for files that are no adapter, and tensors that belong to no layer of the model
 */
export function openAdapter(path: string, names: NameTable, options?: LoraOptions): AdapterFile {
  const status = fileStatus(path);
  if (status === undefined) throw new InputError(`${path}: no such adapter folder or file.`);
  const weightPath = status.isDirectory() ? adapterFile(path) : path;
  const folder = status.isDirectory() ? path : dirname(path);
  const lora = options ?? readPeftConfig(join(folder, ADAPTER_CONFIG_FILE));
  const tensors = openModelCheckpoint(weightPath).ranks[0] ?? new Map<string, TensorView>();
  return {
    path: weightPath,
    options: lora,
    layers: partsByLayer(weightPath, tensors.keys(), names),
    tensors,
  };
}

/**
 * The tensors of one layer, in the dtype of the file.
 * @throws InputError for halves without their twin and wrong shapes
 */
export function readAdapterLayer(
  { path, options, layers, tensors }: AdapterFile,
  own: string,
  { inFeatures, outFeatures }: { readonly inFeatures: number; readonly outFeatures: number },
): [part: AdapterPart, tensor: Tensor][] {
  const parts = layers.get(own) ?? {};
  const { rank, dora = false } = options;
  if (!dora && parts.loraMagnitude !== undefined)
    throw new InputError(
      `${path}: tensor "${parts.loraMagnitude}" is DoRA's, but the adapter's config does not say use_dora.`,
    );
  const shapes: [AdapterPart, number[]][] = [
    ['loraA', [rank, inFeatures]],
    ['loraB', [outFeatures, rank]],
  ];
  if (dora) shapes.push(['loraMagnitude', [outFeatures]]);
  return shapes.map(([part, shape]) => {
    const name = parts[part];
    const view = name === undefined ? undefined : tensors.get(name);
    if (name === undefined || view === undefined)
      throw new InputError(`${path}: layer ${own} has no ${PART_TITLES[part]}.`);
    const tensor = readPart(path, name, view);
    if (tensor.shape.join() !== shape.join())
      throw new InputError(
        `${path}: tensor "${name}" has shape [${view.shape.join(', ')}]; rank ${rank} on this layer ` +
          `needs [${shape.join(', ')}] (transposed in TeleChat's spelling).`,
      );
    return [part, tensor];
  });
}

/** Names of the tensors, by our path of the layer and what they are to it. */
function partsByLayer(path: string, tensors: Iterable<string>, names: NameTable): Map<string, AdapterParts> {
  const layers = new Map<string, AdapterParts>();
  for (const name of tensors) {
    const matrix = parseAdapterName(name);
    const module = matrix?.module ?? parseMagnitudeName(name);
    const own = module === undefined ? undefined : names.fromPublished(`${module}.weight`);
    if (own === undefined || own === 'skip')
      throw new InputError(`${path}: tensor "${name}" belongs to no layer of this model.`);
    const layer = own.replace(/\.weight$/, '');
    layers.set(layer, { ...layers.get(layer), [matrix?.part ?? 'loraMagnitude']: name });
  }
  return layers;
}

function readPart(path: string, name: string, view: TensorView): Tensor {
  const { dtype } = view;
  if (!isFloatDType(dtype))
    throw new InputError(`${path}: tensor "${name}" has dtype ${dtype}, not a float one.`);
  const matrix = parseAdapterName(name);
  if (matrix !== undefined && view.shape.length !== 2)
    throw new InputError(
      `${path}: tensor "${name}" has shape [${view.shape.join(', ')}]; half an adapter is a matrix.`,
    );
  const placed = matrix?.transposed === true ? transpose(view) : view;
  return noGrad(() => tensorFromBytes(Buffer.concat([...readView(placed)]), placed.shape, dtype));
}

/** The weights of a PEFT folder. @throws InputError if it holds none */
export function adapterFile(folder: string): string {
  const found = WEIGHT_FILES.find((name) => fileStatus(join(folder, name)) !== undefined);
  if (found !== undefined) return join(folder, found);
  throw new InputError(`${join(folder, WEIGHT_FILES[0])} does not exist, nor does ${WEIGHT_FILES[1]}.`);
}
