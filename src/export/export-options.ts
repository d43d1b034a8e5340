/** What is asked of an export, and what is said of it. */

export const EXPORT_DTYPES = ['float32', 'float16', 'int8'] as const;

export type ExportDType = (typeof EXPORT_DTYPES)[number];

/** The oldest with LayerNormalization, and the newest that the runtimes of today all know. */
export const OLDEST_OPSET = 17;
export const NEWEST_OPSET = 22;
export const DEFAULT_OPSET = 17;

export interface ExportOnnxOptions {
  /** A model folder or weight file, in any container. */
  readonly model: string;
  /** A new folder. */
  readonly output: string;
  /**
   * Of weights, products and the cache. int8: matrices as integers of 8 bit with a scale for each output, all else float32. Default
   * float32.
   */
  readonly dtype?: ExportDType | undefined;
  /** Version of ONNX's operators, from 17 to 22. Default 17. */
  readonly opset?: number | undefined;
  /** A config that does not lie beside the weights. */
  readonly config?: string | undefined;
  /** The longest text that the graph takes. Default: what the config names. */
  readonly contextLength?: number | undefined;
  /** Keep the weights in a file beside the graph. Default: where they are too big for one file, 2 GB. */
  readonly externalData?: boolean | undefined;
  /** The package onnxruntime-web, unpacked: its files for the page that chats in a browser. Default: they are put there later. */
  readonly browserRuntime?: string | undefined;
  /** Exchange a folder that already holds something. Default false. */
  readonly replace?: boolean | undefined;
}

export interface ExportReport {
  readonly output: string;
  readonly family: string;
  readonly dtype: ExportDType;
  readonly opset: number;
  /** The graph, and the weights beside it where there are such; relative to the folder. */
  readonly files: readonly string[];
  readonly nodes: number;
  readonly parameters: number;
  /** Bytes of constants in the graph. */
  readonly bytes: number;
  /** The longest text that the graph takes. */
  readonly contextLength: number;
  /** What the graph cannot do that the model can, in sentences. */
  readonly limits: readonly string[];
  readonly seconds: number;
}
