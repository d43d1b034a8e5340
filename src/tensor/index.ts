export * from './autograd.js';
export * from './create.js';
export {
  type CpuFeatures,
  cpuFeatures,
  type Device,
  deviceList,
  getThreads,
  keepFreedMemory,
  returnFreedMemory,
  selectDevice,
  setThreads,
} from './devices.js';
export { byteWidth, type DType, dtypes, type FloatDType, isDType, isFloatDType } from './dtype.js';
export { type EngineBuild, type EngineOptions, engineBuild, prepareEngine, torchVersion } from './engine.js';
export type { Operators, Scalar } from './generated/operators.js';
export { Generator } from './generator.js';
export { isInvariantLinear, setInvariantLinear } from './invariant-linear.js';
export { chooseLinearRoute, type LinearRoute, linearRoute, setLinearRoute } from './linear-route.js';
export { MappedFile } from './mapped-file.js';
export { measureGemm, measureReadBandwidth } from './measure.js';
export { liveTensorCount, scope } from './scope.js';
export { operator, Tensor } from './tensor.js';
