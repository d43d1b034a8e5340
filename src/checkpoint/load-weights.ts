/** Published weight files into a module, without a copy where dtype and device allow it. */
import { InputError } from '../errors/index.js';
import { type ModelTensorEntry, openSafetensorsModel } from '../formats/index.js';
import type { Module } from '../nn/index.js';
import { type FloatDType, isFloatDType, MappedFile, noGrad, type Tensor } from '../tensor/index.js';
import type { NameTable } from './name-table.js';

export interface LoadWeightsOptions {
  /** Cast every parameter; default: as it lies in the file. */
  readonly dtype?: FloatDType | undefined;
  /** Default cpu. */
  readonly device?: string | undefined;
}

/** Few names suffice to see what is wrong; a 13B model has hundreds. */
const NAMES_IN_MESSAGE = 5;

/**
 * Fills `module` from a safetensors file, an index or a folder. On the CPU and in the file's dtype the parameters
 * lie in the mapped file: nothing is read before it is used.
 * @throws InputError for a missing, surplus or unknown tensor, a wrong shape, a dtype that is not floating point.
 */
export function loadWeights(
  module: Module,
  names: NameTable,
  path: string,
  options: LoadWeightsOptions = {},
): void {
  const source = openSafetensorsModel(path);
  const entries = matchNames(module, names, source.tensors, path);
  const files = new Map(source.files.map((file) => [file.path, new MappedFile(file.path)]));
  try {
    noGrad(() => {
      for (const [own, entry] of entries) module.assign(own, readTensor(entry, files, options));
    });
  } finally {
    for (const file of files.values()) file.dispose();
  }
}

function readTensor(
  { file, name, byteStart, shape, dtype }: ModelTensorEntry,
  files: ReadonlyMap<string, MappedFile>,
  options: LoadWeightsOptions,
): Tensor {
  const mapped = files.get(file);
  if (mapped === undefined) throw new TypeError(`${file} is not mapped`);
  if (!isFloatDType(dtype))
    throw new InputError(
      `${file}: tensor "${name}" has dtype ${dtype}; weights must be float32, float64, bfloat16 or float16. ` +
        'Convert the model again.',
    );
  const tensor = mapped.tensor(byteStart, shape, dtype);
  const cast = tensor.to(options.dtype ?? dtype);
  if (cast !== tensor) tensor.dispose();
  const placed = cast.toDevice(options.device ?? 'cpu');
  if (placed !== cast) cast.dispose();
  return placed;
}

/** Own path -> file entry for every parameter, or one message with all that does not fit. */
function matchNames(
  module: Module,
  names: NameTable,
  tensors: ReadonlyMap<string, ModelTensorEntry>,
  path: string,
): Map<string, ModelTensorEntry> {
  const parameters = new Map(module.namedParameters());
  const matched = new Map<string, ModelTensorEntry>();
  const surplus: string[] = [];
  for (const [published, entry] of tensors) {
    const own = names.toOwn(published);
    if (own === 'skip') continue;
    const parameter = own === undefined ? undefined : parameters.get(own);
    if (own === undefined || parameter === undefined) {
      surplus.push(published);
      continue;
    }
    const twin = matched.get(own);
    if (twin !== undefined)
      throw new InputError(
        `${path}: tensors "${twin.name}" and "${published}" are the same parameter; remove one.`,
      );
    if (parameter.shape.join() !== entry.shape.join())
      throw new InputError(
        `${entry.file}: tensor "${published}" has shape [${entry.shape.join(', ')}], the config asks for ` +
          `[${parameter.shape.join(', ')}]; config and weights do not belong together.`,
      );
    matched.set(own, entry);
  }
  const missing = [...parameters.keys()]
    .filter((own) => !matched.has(own))
    .map((own) => names.toPublished(own));
  if (missing.length + surplus.length > 0)
    throw new InputError(mismatch(path, missing, surplus, parameters.size));
  return matched;
}

function mismatch(path: string, missing: string[], surplus: string[], expected: number): string {
  const list = (names: string[]): string =>
    names.slice(0, NAMES_IN_MESSAGE).join(', ') +
    (names.length > NAMES_IN_MESSAGE ? ` and ${names.length - NAMES_IN_MESSAGE} more` : '');
  const parts = [`${path}: the tensors do not fit the config, which asks for ${expected}`];
  if (missing.length > 0) parts.push(`missing: ${list(missing)}`);
  if (surplus.length > 0) parts.push(`not part of this model: ${list(surplus)}`);
  return `${parts.join('; ')}. Check that config and weights belong together.`;
}
