/** Byte formats: files to plain values and back. No tensors, no names of model families. */
export {
  checkWritable,
  type WriteChunk,
  type WriteFolderOptions,
  writeFileAtomic,
  writeFileStaged,
  writeFolderAtomic,
} from './atomic-write.js';
export { type CkptFile, type ReadCkptOptions, readCkptFile } from './ckpt-reader.js';
export { type WriteCkptOptions, writeCkptFile } from './ckpt-writer.js';
export { dtypeBytes, elementCount, type FileDtype } from './file-dtype.js';
export { sha256OfFile } from './file-hash.js';
export type { GgufArray, GgufScalar, GgufScalarType, GgufValue } from './gguf-metadata.js';
export { type GgufFile, type GgufQuantizedTensor, readGgufFile } from './gguf-reader.js';
export type { GgufQuantization } from './gguf-types.js';
export { type GgufQuantizedInput, type GgufTensorInput, writeGgufFile } from './gguf-writer.js';
export { fileStatus, listFolder, openInputFile, readFileStart, readFully } from './input-file.js';
export { type MindRecordFile, openMindRecord } from './mindrecord-reader.js';
export type { MindRecordInput, MindRecordInputRow } from './mindrecord-row.js';
export type {
  MindRecordColumn,
  MindRecordRow,
  MindRecordType,
  MindRecordValue,
} from './mindrecord-schema.js';
export { type MindRecordOptions, MindRecordWriter, writeMindRecord } from './mindrecord-writer.js';
export {
  isDict,
  isKind,
  isTensor,
  type PickleDict,
  type PickleValue,
  pickleTypeName,
  sequenceItems,
  type TorchTensor,
} from './pickle-value.js';
export type { FloatInput, PickleInput, TupleInput } from './pickle-writer.js';
export { type ProtobufField, protobufFloat, readProtobuf } from './protobuf.js';
export { bytesField, doubleField, floatField, varintField } from './protobuf-writer.js';
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
  fileOfView,
  interleaveRows,
  readView,
  sameBytes,
  sliceColumns,
  sliceRows,
  stackColumns,
  stackRows,
  streamView,
  type TensorView,
  viewBytes,
  viewOf,
} from './tensor-view.js';
export { openTorchModel, type TorchModel } from './torch-model.js';
export { readTorchFile, type TorchFile } from './torch-reader.js';
export {
  type TensorLeaf,
  type TorchInput,
  writeTorchFile,
  writeTorchModel,
  writeTorchValue,
} from './torch-writer.js';
export { transpose } from './transpose-view.js';
export { decodeUtf8 } from './utf8.js';
