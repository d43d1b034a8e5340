/** What a quantisation is asked for. */
import type { Bits } from '../../formats/index.js';

export const QUANTIZATION_SCHEMES = ['published', 'rtn', 'gptq', 'awq', 'auto'] as const;
export const QUANTIZATION_FORMS = ['compressed-tensors', 'gptq', 'awq'] as const;

export type QuantizationScheme = (typeof QUANTIZATION_SCHEMES)[number];
export type QuantizationForm = (typeof QUANTIZATION_FORMS)[number];

export interface QuantizeOptions {
  /** A model folder or weight file, in any container and spelling. */
  readonly from: string;
  /** A new folder. */
  readonly to: string;
  readonly bits: Extract<Bits, 4 | 8>;
  /**
   * published: XVERSE's quantize(bits), a scale for each row; rtn: to the nearest integers of groups; gptq: so that the outputs
   * of a calibration text change least; awq: to the nearest of weights that are scaled by what they are multiplied with, as AutoAWQ
   * does; auto: as gptq, each layer with as many bits as `targetBytes` has for it. Default gptq with a calibration, else rtn.
   */
  readonly scheme?: QuantizationScheme | undefined;
  /** auto: of all weights of the folder, at most. */
  readonly targetBytes?: number | undefined;
  /** Embedding and output projection as integers, too, of so many bits. Default: they stay as they are; auto decides by itself. */
  readonly ends?: 4 | 8 | undefined;
  /** Inputs that share a scale, or row: all of them. Default row for published, else the largest of 128, 64 and 32 that divides all. */
  readonly groupSize?: number | 'row' | undefined;
  /** One zero point for all, the middle. Default false; published is symmetric by itself. */
  readonly isSymmetric?: boolean | undefined;
  /** Ranges are narrowed where that makes the squared error less. Default false. */
  readonly searchRange?: boolean | undefined;
  /** For gptq and awq: windows of token ids, all of one length. */
  readonly calibration?: readonly (readonly number[])[] | undefined;
  /**
   * gptq: best: weights scaled by what they are multiplied with, and moved against what the blocks before have lost; published: the
   * integers alone, as AutoGPTQ chooses them. Default best.
   */
  readonly recipe?: 'best' | 'published' | undefined;
  /** gptq: the inputs that weigh most are rounded first. Default true. */
  readonly actOrder?: boolean | undefined;
  /** A text to measure on: windows of token ids. Default: the report tells of weights alone. */
  readonly measured?: readonly (readonly number[])[] | undefined;
  /** How the files keep the integers. Default compressed-tensors. */
  readonly form?: QuantizationForm | undefined;
  /** Layers that stay floats: those whose published name contains one of these. */
  readonly keep?: readonly string[] | undefined;
  readonly configPath?: string | undefined;
  /** Exchange what stands at `to`. Default false. */
  readonly replace?: boolean | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}
