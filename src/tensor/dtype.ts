/** Element types, by PyTorch's names. */

export const dtypes = [
  'float32',
  'float64',
  'float16',
  'bfloat16',
  'int64',
  'int32',
  'int16',
  'int8',
  'uint8',
  'bool',
] as const;

export type DType = (typeof dtypes)[number];

/** The dtypes that a model can compute in. */
export type FloatDType = 'float32' | 'float64' | 'float16' | 'bfloat16';

export function isDType(name: string): name is DType {
  return (dtypes as readonly string[]).includes(name);
}

export function isFloatDType(dtype: string): dtype is FloatDType {
  return dtype === 'float32' || dtype === 'float64' || dtype === 'float16' || dtype === 'bfloat16';
}

/** Bytes of one element. */
export function byteWidth(dtype: DType): number {
  switch (dtype) {
    case 'float64':
    case 'int64':
      return 8;
    case 'float32':
    case 'int32':
      return 4;
    case 'float16':
    case 'bfloat16':
    case 'int16':
      return 2;
    case 'int8':
    case 'uint8':
    case 'bool':
      return 1;
    default:
      return dtype satisfies never;
  }
}
