export * from './autograd.js';
export * from './create.js';
export { byteWidth, type DType, dtypes, type FloatDType, isDType, isFloatDType } from './dtype.js';
export type { Operators, Scalar } from './generated/operators.js';
export { Generator } from './generator.js';
export { MappedFile } from './mapped-file.js';
export { liveTensorCount, scope } from './scope.js';
export { operator, Tensor } from './tensor.js';
