export * from './autograd.js';
export * from './create.js';
export {
  type CpuFeatures,
  cpuCapability,
  cpuFeatures,
  type Device,
  deviceList,
  emulatesBfloat16,
  getThreads,
  keepFreedMemory,
  returnFreedMemory,
  selectDevice,
  setThreads,
} from './devices.js';
export { byteWidth, type DType, dtypes, type FloatDType, isDType, isFloatDType } from './dtype.js';
export type { Operators, Scalar } from './generated/operators.js';
export { isInvariantLinear, setInvariantLinear } from './invariant-linear.js';
export { chooseLinearRoute, type LinearRoute, linearRoute, setLinearRoute } from './linear-route.js';
export { MappedFile } from './mapped-file.js';
export { measureCopyBandwidth, measureGemm, measureReadBandwidth, measureRegisterPeak } from './measure.js';
export { type CallInterceptor, interceptCalls, operator } from './operator.js';
export { type RegisteredGroup, Store, Transfer } from './process-groups.js';
export { RandomGenerator } from './random-generator.js';
export {
  type NativeBuild,
  nativeBuild,
  prepareRuntime,
  type RuntimeOptions,
  torchVersion,
} from './runtime.js';
export { LastingScope, liveTensorCount, scope } from './scope.js';
export { Tensor } from './tensor.js';
