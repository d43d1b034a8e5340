/** Byte formats: files to plain values and back. No tensors, no names of model families. */
export {
  type WriteChunk,
  type WriteFolderOptions,
  writeFileAtomic,
  writeFolderAtomic,
} from './atomic-write.js';
export { type CkptFile, type ReadCkptOptions, readCkptFile } from './ckpt-reader.js';
export { type WriteCkptOptions, writeCkptFile } from './ckpt-writer.js';
export { dtypeBytes, elementCount, type FileDtype } from './file-dtype.js';
export type { GgufArray, GgufScalar, GgufScalarType, GgufValue } from './gguf-metadata.js';
export { type GgufFile, type GgufQuantizedTensor, readGgufFile } from './gguf-reader.js';
export type { GgufQuantization } from './gguf-types.js';
export { type GgufQuantizedInput, type GgufTensorInput, writeGgufFile } from './gguf-writer.js';
export { fileStatus, listFolder, readFileStart } from './input-file.js';
export { type ProtobufField, protobufFloat, readProtobuf } from './protobuf.js';
export {
  type JsonLine,
  type ParseJsonOptions,
  parseJson,
  type ReadJsonLinesOptions,
  readJsonFile,
  readJsonLines,
} from './read-json.js';
export type { ByteRange } from './read-ranges.js';
export {
  detectRecordFormat,
  type ReadRecordsOptions,
  type RecordFormat,
  readRecords,
} from './record-file.js';
export {
  type FileRecord,
  MAX_RECORD_BYTES,
  RecordFault,
  type RecordFaultReason,
} from './record-file-fault.js';
export {
  type ModelTensorEntry,
  openSafetensorsModel,
  readSafetensorsIndex,
  type SafetensorsModel,
} from './safetensors-index.js';
export { readSafetensorsHeader, type SafetensorsEntry, type SafetensorsFile } from './safetensors-reader.js';
export {
  type WriteModelOptions,
  writeSafetensors,
  writeSafetensorsModel,
} from './safetensors-writer.js';
export { showValue } from './show-value.js';
export {
  copyOf,
  readTensorBytes,
  readTensorPieces,
  type StoredTensor,
  type TensorInput,
  tensorBytes,
} from './stored-tensor.js';
export {
  everyRow,
  interleaveRows,
  readView,
  sliceColumns,
  sliceRows,
  stackColumns,
  stackRows,
  type TensorView,
  viewBytes,
  viewOf,
} from './tensor-view.js';
