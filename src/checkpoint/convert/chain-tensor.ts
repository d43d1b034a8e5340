/**
 * What the links of a conversion hand on: views by name, each with the dtype it gets and what is added to it as it is
 * written. Up to spelling the names are our own paths, from there on those of the output. Nothing is read before writing.
 */
import {
  dtypeBytes,
  elementCount,
  type FileDtype,
  ggufQuantizationLayout,
  type TensorView,
  type WrittenQuantization,
} from '../../formats/index.js';
import type { LowRankUpdate } from './tensor-content.js';

export interface ChainTensor {
  /** The source's bytes; its shape is the output's. */
  readonly view: TensorView;
  /** Of the output. */
  readonly dtype: FileDtype;
  /** Our paths of what it holds: several where the spelling fuses them; none of what is no parameter. */
  readonly paths: readonly string[];
  /** Added while it is written. */
  readonly update?: LowRankUpdate;
  /** A vector of the same shape, added while it is written. */
  readonly addend?: { readonly view: TensorView; readonly scale: number };
  /** Rows that take the place of its own while it is written, by their number; none twice. */
  readonly rows?: { readonly view: TensorView; readonly numbers: readonly number[] };
  /** Multiplied with while it is written. */
  readonly factor?: number;
  /** Packed into such blocks as it is written, from float32; into a GGUF only. */
  readonly quantization?: WrittenQuantization;
}

export type NamedViews = ReadonlyMap<string, ChainTensor>;

/** Tensors as they lie in the source. @param isParameter names are own paths, else nobody's */
export function namedViews(tensors: ReadonlyMap<string, TensorView>, isParameter = true): NamedViews {
  return new Map(
    [...tensors].map(([name, view]) => [name, { view, dtype: view.dtype, paths: isParameter ? [name] : [] }]),
  );
}

export interface PlannedTensor extends ChainTensor {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface PlannedFile {
  /** Inside the output folder. */
  readonly path: string;
  readonly tensors: readonly PlannedTensor[];
}

/** The end of the chain: what a file is written of. */
export function plannedTensors(tensors: NamedViews): PlannedTensor[] {
  return [...tensors].map(([name, tensor]) => ({ ...tensor, name, shape: tensor.view.shape }));
}

export function plannedBytes({ name, dtype, shape, quantization }: PlannedTensor): number {
  const bytes =
    quantization === undefined
      ? elementCount([...shape, dtypeBytes(dtype)])
      : packedBytes(shape, quantization);
  if (bytes === undefined) throw new RangeError(`${name} is too large`);
  return bytes;
}

function packedBytes(shape: readonly number[], quantization: WrittenQuantization): number | undefined {
  const { blockSize, blockBytes } = ggufQuantizationLayout(quantization);
  const weights = elementCount(shape);
  return weights === undefined ? undefined : (weights / blockSize) * blockBytes;
}

/**
 * Matrices whose rows are whole blocks are packed, those of several experts too; those whose rows are blocks of 32, but not of 256, as
 * Q8_0. All else stays as it is.
 * @param tensors of the output's spelling @param keepsFloat32 what that spelling keeps wide, by own path
 */
export function quantizeTensors(
  tensors: readonly PlannedTensor[],
  quantization: WrittenQuantization,
  keepsFloat32: (path: string) => boolean = () => false,
): PlannedTensor[] {
  return tensors.map((tensor) => {
    const columns =
      tensor.shape.length >= 2 && !tensor.paths.some(keepsFloat32) ? (tensor.shape.at(-1) ?? 0) : 0;
    const kind = [quantization, 'Q8_0' as const].find(
      (each) => columns > 0 && columns % ggufQuantizationLayout(each).blockSize === 0,
    );
    return kind === undefined ? tensor : { ...tensor, dtype: 'float32', quantization: kind };
  });
}

export function totalBytes(files: readonly PlannedFile[]): number {
  return files.flatMap(({ tensors }) => tensors).reduce((sum, tensor) => sum + plannedBytes(tensor), 0);
}
