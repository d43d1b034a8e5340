/**
 * Writes ONNX models (onnx.proto of ONNX 1.12 and later). A protobuf message tells its length first, so all that stands around
 * the content of the constants is made before; their bytes then pass through one by one.
 */
import { writeFileAtomic } from '../files/atomic-write.js';
import {
  bytesField,
  encodeVarint,
  floatField,
  lengthPrefix,
  varintField,
} from '../protobuf/protobuf-writer.js';
import {
  ONNX_TYPES,
  type OnnxAttribute,
  type OnnxInitializer,
  type OnnxModel,
  type OnnxNode,
  type OnnxPort,
  onnxTypeBytes,
} from './onnx-model.js';

/** A message of protobuf ends here, and with it a model that holds its constants. */
export const ONNX_MESSAGE_LIMIT = 2 ** 31 - 1;

/** That of ONNX 1.12: understood by whatever understands opset 17. */
const IR_VERSION = 8;

/** Constants below this stay in the model: a runtime needs their values before it reads the other file. */
const INLINE_BYTES = 1024;

/** Where a constant begins in the file beside the model, so that it can be mapped. */
const ALIGNMENT = 4096;

export interface WriteOnnxOptions {
  /** Name of the file beside the model for the constants; undefined: they lie in the model. */
  readonly externalData?: string | undefined;
  /** Told of the bytes of constants as they are written. */
  readonly onBytes?: ((count: number) => void) | undefined;
}

/** Bytes of the constants together. */
export function onnxConstantBytes({ initializers }: OnnxModel): number {
  return initializers.reduce((sum, initializer) => sum + contentBytes(initializer), 0);
}

/**
 * Writes the model, and where asked its constants as a second file in the same folder.
 * @param folderFile joins the folder of the model with the name of the second file
 * @throws RangeError if a constant has another size than its shape says, or a model with its constants is too big for one file
 */
export function writeOnnxModel(
  path: string,
  model: OnnxModel,
  folderFile: (name: string) => string,
  { externalData, onBytes }: WriteOnnxOptions = {},
): void {
  const isOutside = (initializer: OnnxInitializer): boolean =>
    externalData !== undefined && contentBytes(initializer) >= INLINE_BYTES;
  const offsets = new Map<OnnxInitializer, number>();
  let end = 0;
  for (const initializer of model.initializers.filter(isOutside)) {
    const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    offsets.set(initializer, offset);
    end = offset + contentBytes(initializer);
  }
  if (externalData !== undefined)
    writeFileAtomic(folderFile(externalData), (write) => {
      let written = 0;
      for (const [initializer, offset] of offsets) {
        if (offset > written) write(Buffer.alloc(offset - written));
        writeContent(initializer, write, onBytes);
        written = offset + contentBytes(initializer);
      }
    });
  const constants = model.initializers.map((initializer) => {
    const offset = offsets.get(initializer);
    return offset === undefined || externalData === undefined
      ? insideTensor(initializer)
      : { head: outsideTensor(initializer, externalData, offset), initializer: undefined };
  });
  const graphHead = Buffer.concat([...model.nodes.map(nodeField), bytesField(2, model.graphName)]);
  const graphTail = Buffer.concat([
    ...model.inputs.map((port) => bytesField(11, portMessage(port))),
    ...model.outputs.map((port) => bytesField(12, portMessage(port))),
  ]);
  const constantBytes = constants.reduce(
    (sum, { head, initializer }) =>
      sum + head.length + (initializer === undefined ? 0 : contentBytes(initializer)),
    0,
  );
  const graphBytes = graphHead.length + constantBytes + graphTail.length;
  if (graphBytes > ONNX_MESSAGE_LIMIT)
    throw new RangeError(`${path}: a model of ${graphBytes} bytes needs a file beside it`);
  writeFileAtomic(path, (write) => {
    write(modelHead(model));
    write(lengthPrefix(7, graphBytes));
    write(graphHead);
    for (const { head, initializer } of constants) {
      write(head);
      if (initializer !== undefined) writeContent(initializer, write, onBytes);
    }
    write(graphTail);
  });
}

function contentBytes({ type, shape }: OnnxInitializer): number {
  return shape.reduce((product, size) => product * size, onnxTypeBytes(type));
}

function writeContent(
  initializer: OnnxInitializer,
  write: (chunk: Uint8Array) => void,
  onBytes: WriteOnnxOptions['onBytes'],
): void {
  let written = 0;
  for (const piece of initializer.content()) {
    write(piece);
    written += piece.byteLength;
    onBytes?.(piece.byteLength);
  }
  if (written !== contentBytes(initializer))
    throw new RangeError(`${initializer.name}: ${written} bytes instead of ${contentBytes(initializer)}`);
}

function modelHead({ producer, opsets, metadata }: OnnxModel): Buffer {
  return Buffer.concat([
    varintField(1, IR_VERSION),
    bytesField(2, producer.name),
    bytesField(3, producer.version),
    ...Object.entries(opsets).map(([domain, version]) =>
      bytesField(8, Buffer.concat([bytesField(1, domain), varintField(2, version)])),
    ),
    ...Object.entries(metadata).map(([key, value]) => bytesField(14, entryMessage(key, value))),
  ]);
}

function entryMessage(key: string, value: string): Buffer {
  return Buffer.concat([bytesField(1, key), bytesField(2, value)]);
}

function nodeField({ operator, domain, name, inputs, outputs, attributes }: OnnxNode): Buffer {
  return bytesField(
    1,
    Buffer.concat([
      ...inputs.map((input) => bytesField(1, input)),
      ...outputs.map((output) => bytesField(2, output)),
      bytesField(3, name),
      bytesField(4, operator),
      ...Object.entries(attributes).map(([key, attribute]) =>
        bytesField(5, attributeMessage(key, attribute)),
      ),
      ...(domain === undefined ? [] : [bytesField(7, domain)]),
    ]),
  );
}

/** With the number of its kind in AttributeProto.AttributeType. */
function attributeMessage(name: string, attribute: OnnxAttribute): Buffer {
  const content = (): readonly [Buffer, number] => {
    switch (attribute.kind) {
      case 'float':
        return [floatField(2, attribute.value), 1];
      case 'int':
        return [signedField(3, attribute.value), 2];
      case 'string':
        return [bytesField(4, attribute.value), 3];
      case 'ints':
        return [Buffer.concat(attribute.value.map((value) => signedField(8, value))), 7];
      default:
        return attribute satisfies never;
    }
  };
  const [value, kind] = content();
  return Buffer.concat([bytesField(1, name), value, varintField(20, kind)]);
}

/** A negative integer is written as its complement of 64 bits. */
function signedField(number: number, value: number): Buffer {
  if (value >= 0) return varintField(number, value);
  const bytes: number[] = [];
  for (let rest = BigInt.asUintN(64, BigInt(value)); rest > 0n; rest >>= 7n)
    bytes.push(Number(rest & 127n) | (rest > 127n ? 128 : 0));
  return Buffer.concat([encodeVarint(number * 8), Buffer.from(bytes)]);
}

function tensorMessage({ name, type, shape }: OnnxInitializer): Buffer {
  return Buffer.concat([
    ...shape.map((size) => varintField(1, size)),
    varintField(2, ONNX_TYPES[type]),
    bytesField(8, name),
  ]);
}

/** All of a constant that stands before its bytes. */
function insideTensor(initializer: OnnxInitializer): { head: Buffer; initializer: OnnxInitializer } {
  const bytes = contentBytes(initializer);
  const message = Buffer.concat([tensorMessage(initializer), lengthPrefix(9, bytes)]);
  return { head: Buffer.concat([lengthPrefix(5, message.length + bytes), message]), initializer };
}

function outsideTensor(initializer: OnnxInitializer, file: string, offset: number): Buffer {
  const place = { location: file, offset: `${offset}`, length: `${contentBytes(initializer)}` };
  return bytesField(
    5,
    Buffer.concat([
      tensorMessage(initializer),
      ...Object.entries(place).map(([key, value]) => bytesField(13, entryMessage(key, value))),
      varintField(14, 1), // EXTERNAL
    ]),
  );
}

function portMessage({ name, type, shape }: OnnxPort): Buffer {
  const dims = shape.map((size) =>
    bytesField(1, typeof size === 'number' ? varintField(1, size) : bytesField(2, size)),
  );
  const tensor = Buffer.concat([varintField(1, ONNX_TYPES[type]), bytesField(2, Buffer.concat(dims))]);
  return Buffer.concat([bytesField(1, name), bytesField(2, bytesField(1, tensor))]);
}
