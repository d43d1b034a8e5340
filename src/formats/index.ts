/** Byte formats: files to plain values and back. No tensors, no names of model families. */

export { type CkptFile, type ReadCkptOptions, readCkptFile } from './ckpt/ckpt-reader.js';
export { type WriteCkptOptions, writeCkptFile } from './ckpt/ckpt-writer.js';
export {
  checkWritable,
  UnwritableError,
  type WriteChunk,
  type WriteFolderOptions,
  writeError,
  writeFileAtomic,
  writeFileStaged,
  writeFolderAtomic,
} from './files/atomic-write.js';
export { sha256OfFile } from './files/file-hash.js';
export {
  fileStatus,
  listFolder,
  openInputFile,
  readFileStart,
  readFully,
  realPathOf,
} from './files/input-file.js';
export { isLocked, takeLock } from './files/lock-file.js';
export { lockOutput, withLockedOutput } from './files/output-lock.js';
export { type ByteRange, readRanges } from './files/read-ranges.js';
export { showValue } from './files/show-value.js';
export { decodeUtf8 } from './files/utf8.js';
export { dequantized } from './gguf/dequantize.js';
export type { GgufArray, GgufScalar, GgufScalarType, GgufValue } from './gguf/gguf-metadata.js';
export { findGgufIn, type GgufModel, type GgufTensor, isGgufFile, openGgufModel } from './gguf/gguf-model.js';
export { type GgufFile, type GgufQuantizedTensor, readGgufFile } from './gguf/gguf-reader.js';
export { type GgufQuantization, ggufQuantizationLayout } from './gguf/gguf-types.js';
export { type GgufQuantizedInput, type GgufTensorInput, writeGgufFile } from './gguf/gguf-writer.js';
export { packBlocks, type WrittenQuantization } from './gguf/pack-blocks.js';
export { type MindRecordFile, openMindRecord } from './mindrecord/mindrecord-reader.js';
export type { MindRecordInput, MindRecordInputRow } from './mindrecord/mindrecord-row.js';
export type {
  MindRecordColumn,
  MindRecordRow,
  MindRecordType,
  MindRecordValue,
} from './mindrecord/mindrecord-schema.js';
export { type MindRecordOptions, MindRecordWriter, writeMindRecord } from './mindrecord/mindrecord-writer.js';
export {
  ONNX_TYPES,
  type OnnxAttribute,
  type OnnxInitializer,
  type OnnxModel,
  type OnnxNode,
  type OnnxPort,
  type OnnxType,
  onnxTypeBytes,
} from './onnx/onnx-model.js';
export { ONNX_MESSAGE_LIMIT, onnxConstantBytes, writeOnnxModel } from './onnx/onnx-writer.js';
export { type ProtobufField, protobufFloat, readProtobuf } from './protobuf/protobuf.js';
export { bytesField, doubleField, floatField, varintField } from './protobuf/protobuf-writer.js';
export { type AwqTensors, awqRows, packAwq, unpackAwq } from './quantized/awq.js';
export { type GptqTensors, gptqRows, packGptq, unpackGptq } from './quantized/gptq.js';
export {
  type Bits,
  dequantizeRows,
  groupsInOrder,
  type IntegerMatrix,
  isBits,
} from './quantized/integer-matrix.js';
export { groupLayout, type IntegerRows, rowLayout } from './quantized/integer-rows.js';
export { type IntegerWeight, integerView } from './quantized/integer-view.js';
export {
  type PackedRows,
  packedZeros,
  packPackedRows,
  unpackInt8,
  unpackPackedRows,
  unsigned,
} from './quantized/packed-rows.js';
export {
  type JsonLine,
  type ParseJsonOptions,
  parseJson,
  type ReadJsonLinesOptions,
  readJsonFile,
  readJsonLines,
} from './records/read-json.js';
export {
  detectRecordFormat,
  type ReadRecordsOptions,
  type RecordFormat,
  readRecords,
} from './records/record-file.js';
export {
  type FileRecord,
  MAX_RECORD_BYTES,
  RecordFault,
  type RecordFaultReason,
} from './records/record-file-fault.js';
export {
  type ModelTensorEntry,
  openSafetensorsModel,
  readSafetensorsIndex,
  type SafetensorsModel,
} from './safetensors/safetensors-index.js';
export {
  readSafetensorsHeader,
  type SafetensorsEntry,
  type SafetensorsFile,
} from './safetensors/safetensors-reader.js';
export {
  type SafetensorsLayout,
  safetensorsLayout,
  type WriteModelOptions,
  writeSafetensors,
  writeSafetensorsModel,
} from './safetensors/safetensors-writer.js';
export { type ParallelStrategy, type ParameterLayout, stageDevices } from './strategy/parallel-strategy.js';
export { readStrategyFile } from './strategy/strategy-reader.js';
export { writeStrategyFile } from './strategy/strategy-writer.js';
export { dtypeBytes, elementCount, type FileDtype } from './tensors/file-dtype.js';
export {
  copyOf,
  type FileTensor,
  readTensorBytes,
  readTensorChunks,
  type TensorDescription,
  type TensorInput,
  tensorBytes,
} from './tensors/file-tensor.js';
export { readBytes, readFloats, readInt32 } from './tensors/read-numbers.js';
export {
  everyRow,
  interleaveRows,
  isStored,
  memoryView,
  placeOfView,
  readView,
  sameBytes,
  selectRow,
  sliceColumns,
  sliceDimension,
  sliceRows,
  stackColumns,
  stackDimension,
  stackRows,
  stackTensors,
  streamView,
  type TensorView,
  viewBytes,
  viewOf,
} from './tensors/tensor-view.js';
export { transpose } from './tensors/transpose-view.js';
export {
  isDict,
  isKind,
  isTensor,
  type PickleDict,
  type PickleValue,
  pickleTypeName,
  sequenceItems,
  type TorchTensor,
} from './torch/pickle-value.js';
export type { FloatInput, PickleInput, TupleInput } from './torch/pickle-writer.js';
export { openTorchModel, type TorchModel } from './torch/torch-model.js';
export { readTorchFile, type TorchFile } from './torch/torch-reader.js';
export {
  type TensorLeaf,
  type TorchInput,
  writeTorchFile,
  writeTorchValue,
} from './torch/torch-writer.js';
