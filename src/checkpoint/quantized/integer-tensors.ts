/** The tensors of quantised layers put together: for each layer one weight, its integers unpacked when it is read. */
import { InputError } from '../../errors/index.js';
import {
  type AwqTensors,
  awqRows,
  type GptqTensors,
  gptqRows,
  groupsInOrder,
  type IntegerMatrix,
  type IntegerRows,
  integerView,
  packedZeros,
  placeOfView,
  readBytes,
  readFloats,
  readInt32,
  rowLayout,
  type TensorView,
  unpackAwq,
  unpackGptq,
  unpackInt8,
  unpackPackedRows,
  unsigned,
} from '../../formats/index.js';
import { type FoundQuantization, findQuantization, type IntegerForm } from './quantization-config.js';

type Views = ReadonlyMap<string, TensorView>;

/** Of a layer's own tensors. */
interface LayerTensors {
  readonly layer: string;
  readonly found: FoundQuantization;
  part(name: string): TensorView | undefined;
}

interface ReadLayer {
  readonly shape: readonly [outFeatures: number, inFeatures: number];
  readonly bits: IntegerMatrix['bits'];
  readonly groupCount: number;
  read(): IntegerMatrix;
  readRows(): IntegerRows | undefined;
}

/** Endings of the tensors that carry a layer's integers, and of those that go with them. */
const GPTQ_PARTS = ['qzeros', 'scales', 'g_idx'] as const;
const COMPRESSED_PARTS = ['weight_scale', 'weight_shape', 'weight_zero_point', 'weight_g_idx'] as const;

/**
 * Quantised layers as `LAYER.weight`, [O, I] in float32; all else as it was. Of tensors in floats nothing is changed.
 * @param path of the model, whose folder says how they are kept
 * @throws InputError for a layer whose tensors are incomplete or disagree, and for a form that is not read here
 */
export function joinIntegerTensors(path: string, tensors: Views): Views {
  const found = findQuantization(path);
  const carriers = [...tensors].flatMap(([name, view]) => layerOf(name, view, tensors) ?? []);
  if (carriers.length === 0) return tensors;
  if (found === undefined)
    throw new InputError(
      `${path}: "${carriers[0]?.carrier}" is a quantised weight, and neither config.json (quantization_config) nor ` +
        'quantize_config.json beside it says of what kind; take the whole folder.',
    );
  const joined = new Map(tensors);
  for (const { layer, carrier, kind } of carriers) {
    const weight = `${layer}.weight`;
    if (carrier !== weight && tensors.has(weight))
      throw new InputError(`${path}: both "${weight}" and "${carrier}" are there; a layer has one weight.`);
    const own: LayerTensors = { layer, found, part: (name) => tensors.get(`${layer}.${name}`) };
    const { shape, ...integers } = kind === 'qweight' ? readQweight(own) : readCompressed(own, kind);
    const view = tensors.get(carrier);
    joined.delete(carrier);
    for (const part of kind === 'qweight' ? GPTQ_PARTS : COMPRESSED_PARTS) joined.delete(`${layer}.${part}`);
    joined.set(weight, integerView(weight, view === undefined ? path : placeOfView(view), shape, integers));
  }
  return joined;
}

type CarrierKind = 'qweight' | 'weight_packed' | 'weight';

function layerOf(
  name: string,
  view: TensorView,
  tensors: Views,
): { layer: string; carrier: string; kind: CarrierKind } | undefined {
  const { layer, kind } = /^(?<layer>.+)\.(?<kind>qweight|weight_packed|weight)$/.exec(name)?.groups ?? {};
  if (layer === undefined) return undefined;
  switch (kind) {
    case 'qweight':
    case 'weight_packed':
      return { layer, carrier: name, kind };
    case 'weight':
      return view.dtype === 'int8' && tensors.has(`${layer}.weight_scale`)
        ? { layer, carrier: name, kind }
        : undefined;
    default:
      return undefined;
  }
}

function readQweight(layer: LayerTensors): ReadLayer {
  const { config } = layer.found;
  switch (config.method) {
    case 'gptq':
      return readGptq(layer, config.version, config.forms);
    case 'awq':
      return readAwq(layer, config.forms);
    case 'compressed-tensors':
      return refuse(layer, 'qweight', 'is of GPTQ or AWQ, and the config says compressed-tensors');
  }
}

function readGptq(layer: LayerTensors, version: 1 | 2, forms: readonly IntegerForm[]): ReadLayer {
  const qweight = matrixPart(layer, 'qweight', ['int32']);
  const qzeros = matrixPart(layer, 'qzeros', ['int32']);
  const scales = matrixPart(layer, 'scales', FLOATS);
  const index = layer.part('g_idx');
  const [wordRows, outFeatures] = qweight.shape;
  const [groupCount] = scales.shape;
  const known = index?.shape[0];
  const form = forms.find(({ bits, groupSize }) => {
    const inFeatures = (wordRows * 32) / bits;
    if (known !== undefined) return known === inFeatures;
    return Math.ceil(inFeatures / (groupSize ?? inFeatures)) === groupCount;
  });
  if (form === undefined)
    return refuse(
      layer,
      'qweight',
      `is [${qweight.shape.join(', ')}] with ${groupCount} groups` +
        `${known === undefined ? '' : ` and ${known} inputs`}, which fits no bits and group size of the config`,
    );
  const { bits } = form;
  const inFeatures = (wordRows * 32) / bits;
  if (!Number.isInteger(inFeatures))
    refuse(layer, 'qweight', `has ${wordRows} rows, no whole number of inputs`);
  wantShape(layer, 'scales', [groupCount, outFeatures]);
  wantShape(layer, 'qzeros', [groupCount, Math.ceil((outFeatures * bits) / 32)]);
  const tensors = (): GptqTensors => ({
    ...{ bits, version },
    qweight: readInt32(qweight.view),
    qzeros: readInt32(qzeros.view),
    scales: readFloats(scales.view),
    groups: groupsOf(layer, index, 'g_idx', { inFeatures, groupCount, groupSize: form.groupSize }),
  });
  return {
    ...{ shape: [outFeatures, inFeatures], bits, groupCount },
    read: () => unpackGptq(tensors()),
    readRows: () => gptqRows(tensors()),
  };
}

function readAwq(layer: LayerTensors, forms: readonly IntegerForm[]): ReadLayer {
  const qweight = matrixPart(layer, 'qweight', ['int32']);
  const qzeros = matrixPart(layer, 'qzeros', ['int32']);
  const scales = matrixPart(layer, 'scales', FLOATS);
  const [inFeatures, words] = qweight.shape;
  const outFeatures = words * 8;
  const groupSize = forms[0]?.groupSize ?? inFeatures;
  const groupCount = Math.ceil(inFeatures / groupSize);
  wantShape(layer, 'scales', [groupCount, outFeatures]);
  wantShape(layer, 'qzeros', [groupCount, words]);
  const tensors = (): AwqTensors => ({
    qweight: readInt32(qweight.view),
    qzeros: readInt32(qzeros.view),
    scales: readFloats(scales.view),
  });
  return {
    ...{ shape: [outFeatures, inFeatures], bits: 4, groupCount },
    read: () => unpackAwq(tensors(), groupsInOrder(inFeatures, groupSize)),
    readRows: () => awqRows(tensors(), groupsInOrder(inFeatures, groupSize)),
  };
}

function readCompressed(layer: LayerTensors, kind: 'weight_packed' | 'weight'): ReadLayer {
  const { config } = layer.found;
  if (config.method !== 'compressed-tensors')
    return refuse(layer, kind, `is of compressed-tensors, and the config says ${config.method}`);
  const carrier = matrixPart(layer, kind, [kind === 'weight' ? 'int8' : 'int32']);
  const scales = matrixPart(layer, 'weight_scale', FLOATS);
  const [outFeatures, inFeatures] = kind === 'weight' ? carrier.shape : shapePart(layer);
  const [scaleRows, groupCount] = scales.shape;
  const form = config.forms.find(({ bits, groupSize }) => {
    const words = kind === 'weight' ? inFeatures : Math.ceil((inFeatures * bits) / 32);
    const groups = groupSize === undefined ? 1 : Math.ceil(inFeatures / groupSize);
    return words === carrier.shape[1] && groups === groupCount && (kind === 'weight_packed' || bits === 8);
  });
  if (form === undefined || carrier.shape[0] !== outFeatures)
    return refuse(
      layer,
      kind,
      `is [${carrier.shape.join(', ')}] of a weight [${outFeatures}, ${inFeatures}] with ${groupCount} groups, which fits no bits ` +
        'and group size of the config',
    );
  if (scaleRows !== outFeatures && (scaleRows !== 1 || groupCount !== 1))
    refuse(layer, 'weight_scale', `has ${scaleRows} rows for ${outFeatures} outputs`);
  const { bits, groupSize } = form;
  const zeroPoints = layer.part('weight_zero_point');
  if (zeroPoints !== undefined && scaleRows === outFeatures)
    wantShape(layer, 'weight_zero_point', [
      kind === 'weight' ? outFeatures : Math.ceil((outFeatures * bits) / 32),
      groupCount,
    ]);
  else if (zeroPoints !== undefined)
    refuse(layer, 'weight_zero_point', 'with one scale for a whole matrix is not read here');
  const index = layer.part('weight_g_idx');
  const groupsHere = (): Int32Array =>
    groupsOf(layer, index, 'weight_g_idx', { inFeatures, groupCount, groupSize });
  // One scale for the whole matrix is one for each row.
  const isOneScale = scaleRows !== outFeatures;
  const oneForAll = (): Float32Array => new Float32Array(outFeatures).fill(readFloats(scales.view)[0] ?? 0);
  return {
    ...{ shape: [outFeatures, inFeatures], bits, groupCount },
    readRows() {
      const layout = rowLayout(groupsHere(), groupCount);
      if ((bits !== 4 && bits !== 8) || layout === undefined || layout.order !== undefined) return undefined;
      const isSigned = kind === 'weight';
      const shape = [outFeatures, (inFeatures * bits) / 8];
      return {
        ...layout,
        ...{ bits, isSigned, values: { ...carrier.view, dtype: 'uint8', shape } },
        scales: isOneScale ? oneForAll() : scales.view,
        zeros: isSigned
          ? zeroPoints && unsigned(signedBytes(zeroPoints))
          : packedZeros({ bits, zeroPoints: zeroPoints && readInt32(zeroPoints) }, outFeatures, groupCount),
      };
    },
    read() {
      const groups = groupsHere();
      const all = isOneScale ? oneForAll() : readFloats(scales.view);
      if (kind === 'weight')
        return unpackInt8(
          signedBytes(carrier.view),
          all,
          zeroPoints && signedBytes(zeroPoints),
          outFeatures,
          groups,
        );
      const packed = readInt32(carrier.view);
      return unpackPackedRows(
        { bits, packed, scales: all, zeroPoints: zeroPoints && readInt32(zeroPoints) },
        outFeatures,
        groups,
      );
    },
  };
}

const FLOATS = ['float16', 'bfloat16', 'float32'] as const;

interface MatrixPart {
  readonly view: TensorView;
  readonly shape: readonly [rows: number, columns: number];
}

function matrixPart(layer: LayerTensors, name: string, dtypes: readonly string[]): MatrixPart {
  const view = layer.part(name);
  if (view === undefined) return refuse(layer, name, 'is missing');
  // One scale for a whole matrix may be a list of one.
  const [rows, columns, more] = view.shape.join() === '1' ? [1, 1] : view.shape;
  if (rows === undefined || columns === undefined || more !== undefined || rows * columns === 0)
    return refuse(layer, name, `has shape [${view.shape.join(', ')}], and must be a matrix`);
  if (!dtypes.includes(view.dtype))
    return refuse(layer, name, `is ${view.dtype}, and must be ${dtypes.join(' or ')}`);
  return { view, shape: [rows, columns] };
}

/** [O, I] of a packed weight. */
function shapePart(layer: LayerTensors): readonly [number, number] {
  const view = layer.part('weight_shape');
  if (view === undefined) return refuse(layer, 'weight_shape', 'is missing');
  const isPair = view.shape.length === 1 && view.shape[0] === 2;
  if (!isPair || (view.dtype !== 'int64' && view.dtype !== 'int32'))
    return refuse(layer, 'weight_shape', 'must hold two integers');
  const bytes = readBytes(view);
  const [rows, columns] =
    view.dtype === 'int64'
      ? Array.from(new BigInt64Array(bytes.buffer), Number)
      : new Int32Array(bytes.buffer);
  const isSize = (size: number | undefined): size is number =>
    size !== undefined && Number.isSafeInteger(size) && size > 0;
  if (!isSize(rows) || !isSize(columns)) return refuse(layer, 'weight_shape', `holds ${rows} and ${columns}`);
  return [rows, columns];
}

/** Of each input: as the file says it, else in order. */
function groupsOf(
  layer: LayerTensors,
  index: TensorView | undefined,
  name: string,
  {
    inFeatures,
    groupCount,
    groupSize,
  }: { inFeatures: number; groupCount: number; groupSize: number | undefined },
): Int32Array {
  if (index === undefined) return groupsInOrder(inFeatures, groupSize ?? inFeatures);
  wantShape(layer, name, [inFeatures]);
  if (index.dtype !== 'int32') return refuse(layer, name, `is ${index.dtype}, and must be int32`);
  const groups = readInt32(index);
  const outside = groups.findIndex((group: number) => group < 0 || group >= groupCount);
  if (outside >= 0)
    return refuse(
      layer,
      name,
      `puts input ${outside} into group ${groups[outside]}, and there are ${groupCount}`,
    );
  return groups;
}

function wantShape(layer: LayerTensors, name: string, shape: readonly number[]): void {
  const found = layer.part(name);
  if (found === undefined) refuse(layer, name, 'is missing');
  else if (found.shape.join() !== shape.join())
    refuse(layer, name, `is [${found.shape.join(', ')}], and must be [${shape.join(', ')}]`);
}

function signedBytes(view: TensorView): Int8Array {
  return new Int8Array(readBytes(view).buffer);
}

function refuse({ layer, part, found }: LayerTensors, name: string, problem: string): never {
  const view = part(name) ?? part('qweight') ?? part('weight_packed');
  throw new InputError(
    `${view === undefined ? found.source : placeOfView(view)}: quantised layer ${layer}: "${layer}.${name}" ${problem}. ` +
      `Check that weights and config (${found.source}) belong together.`,
  );
}
