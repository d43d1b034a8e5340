/** The parts of an ONNX model as plain values, by the names of onnx.proto. */

/** With its number in TensorProto.DataType. */
export const ONNX_TYPES = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
} as const;

export type OnnxType = keyof typeof ONNX_TYPES;

export function onnxTypeBytes(type: OnnxType): number {
  switch (type) {
    case 'float64':
    case 'int64':
      return 8;
    case 'float32':
    case 'int32':
      return 4;
    case 'float16':
      return 2;
    case 'int8':
    case 'uint8':
    case 'bool':
      return 1;
    default:
      return type satisfies never;
  }
}

export type OnnxAttribute =
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'string'; readonly value: string };

export interface OnnxNode {
  readonly operator: string;
  /** Default: the operators of ONNX itself. */
  readonly domain?: string;
  readonly name: string;
  /** An empty name: an input that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

/** A constant; its bytes are asked for when they are written. */
export interface OnnxInitializer {
  readonly name: string;
  readonly type: OnnxType;
  readonly shape: readonly number[];
  /** Little-endian elements row by row, in pieces. */
  readonly content: () => Iterable<Uint8Array>;
}

/** An input or output of the graph; a text in the shape is the name of a size that is known when the graph runs. */
export interface OnnxPort {
  readonly name: string;
  readonly type: OnnxType;
  readonly shape: readonly (number | string)[];
}

export interface OnnxModel {
  readonly producer: { readonly name: string; readonly version: string };
  readonly graphName: string;
  /** Of each set of operators that the nodes use; '' is ONNX's own. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly inputs: readonly OnnxPort[];
  readonly outputs: readonly OnnxPort[];
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxInitializer[];
  /** What people and programs may want to know of its making. */
  readonly metadata: Readonly<Record<string, string>>;
}
