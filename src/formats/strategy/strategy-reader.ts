/** Reads strategy files of MindSpore: protobuf, or JSON where the name ends in .json. */
import { InputError } from '../../errors/index.js';
import { type InputFile, withInputFile } from '../files/input-file.js';
import { showValue } from '../files/show-value.js';
import { decodeUtf8 } from '../files/utf8.js';
import { type ProtobufField, readProtobuf } from '../protobuf/protobuf.js';
import { parseJson } from '../records/read-json.js';
import {
  type ParallelStrategy,
  type ParameterLayout,
  STRATEGY_FIELDS,
  stageDevices,
} from './parallel-strategy.js';

/** The strategy of a model with 100 000 parameters in 100 stages has less. */
const MAX_BYTES = 2 ** 30;
const MAX_DEVICES = 2 ** 20;
const MAX_STAGES = 2 ** 16;
const DAMAGED = 'The file is damaged or no strategy file of MindSpore.';

/**
 * @throws InputError naming file and parameter for damage, for a file without layouts, and for layouts that nobody can follow: hashed
 *   embeddings, axes that are not there or used twice, stages on different numbers of devices
 */
export function readStrategyFile(path: string): ParallelStrategy {
  return withInputFile(path, parseStrategy);
}

/** readStrategyFile for a file that is open already. */
export function parseStrategy(file: InputFile): ParallelStrategy {
  const { path, size } = file;
  if (size === 0) throw new InputError(`${path} is empty. ${DAMAGED}`);
  if (size > MAX_BYTES) throw new InputError(`${path} has ${size} bytes. ${DAMAGED}`);
  const bytes = file.read(0, size);
  const { ownStage, items } = path.endsWith('.json') ? jsonItems(path, bytes) : protobufItems(path, bytes);
  const stages = new Map<number, Map<string, ParameterLayout>>();
  let devices: { readonly count: number; readonly name: string } | undefined;
  for (const { name: given, fields } of items) {
    const [, prefix, rest] = /^(\d+)-(.+)$/s.exec(given) ?? [];
    const [stage, name] =
      prefix === undefined || rest === undefined ? [ownStage, given] : [Number(prefix), rest];
    if (stage > MAX_STAGES)
      throw new InputError(`${path}: ${showValue(given)} is of stage ${stage}. ${DAMAGED}`);
    const layout = checkLayout(path, given, fields);
    const count = stageDevices(layout);
    devices ??= { count, name: given };
    if (devices.count !== count)
      throw new InputError(
        `${path}: ${showValue(devices.name)} lies over ${devices.count} devices, ${showValue(given)} over ${count}: stages on ` +
          `different numbers of devices cannot be read. ${DAMAGED}`,
      );
    const layouts = stages.get(stage) ?? new Map<string, ParameterLayout>();
    if (layouts.has(name))
      throw new InputError(`${path}: ${showValue(given)} stands there twice. ${DAMAGED}`);
    stages.set(stage, layouts.set(name, layout));
  }
  if (stages.size === 0)
    throw new InputError(
      `${path} tells of no parameter's layout; give the file that the training saved, or that merge_pipeline_strategys made.`,
    );
  return { path, stages };
}

/** A layout as it lies in the file. */
interface LayoutFields {
  readonly deviceMatrix: readonly number[];
  /** A list for each message: one for all dimensions, or one for each of them. */
  readonly tensorMaps: readonly (readonly number[])[];
  readonly splitShape: readonly number[];
  readonly fieldSize: number;
  readonly optimizerStep: number;
  readonly optimizerShards: number;
}

interface LayoutItems {
  /** Of names without a number of their own. */
  readonly ownStage: number;
  readonly items: readonly { readonly name: string; readonly fields: LayoutFields }[];
}

function checkLayout(path: string, name: string, fields: LayoutFields): ParameterLayout {
  const { deviceMatrix, tensorMaps, splitShape, fieldSize, optimizerStep, optimizerShards } = fields;
  const fail = (problem: string): never => {
    throw new InputError(`${path}: the layout of ${showValue(name)} ${problem}. ${DAMAGED}`);
  };
  if (fieldSize !== 0)
    fail(`has a field size of ${fieldSize} (a hashed embedding), which cannot be put together`);
  let devices = 1;
  for (const size of deviceMatrix) {
    devices *= size;
    if (size < 1 || devices > MAX_DEVICES)
      fail(`has the device matrix ${showValue(deviceMatrix)}, which is none`);
  }
  // Several messages: one for each dimension; empty ones do not count, in MindSpore either.
  const nested = tensorMaps.length > 1 ? tensorMaps.filter((axes) => axes.length > 0) : undefined;
  const tensorMap = (nested ?? (tensorMaps[0] ?? []).map((axis) => [axis])).map((axes) =>
    axes.filter((axis) => axis !== -1),
  );
  const used = tensorMap.flat();
  if (used.some((axis) => axis < -1 || axis >= deviceMatrix.length) || new Set(used).size < used.length)
    fail(
      `cuts by the axes ${showValue(used)}, and the device matrix ${showValue(deviceMatrix)} has each of ${deviceMatrix.length} once`,
    );
  if (splitShape.some((rows) => rows < 1)) fail(`has slices of ${showValue(splitShape)} rows`);
  if (optimizerShards < -1 || optimizerShards > devices)
    fail(`is shared by ${optimizerShards} of ${devices} devices`);
  if (optimizerStep < -1 || optimizerStep > devices)
    fail(`is shared by every ${optimizerStep}th of ${devices} devices`);
  return { deviceMatrix, tensorMap, sliceRows: splitShape, optimizerShards, optimizerStep };
}

function protobufItems(path: string, bytes: Buffer): LayoutItems {
  const { map } = STRATEGY_FIELDS;
  let ownStage: number | undefined;
  const items: LayoutItems['items'][number][] = [];
  for (const field of readProtobuf(bytes, path)) {
    if (field.number === map.currentStage && field.wireType === 0) continue;
    if (field.number === map.strategyItem && field.wireType === 2) ownStage ??= stageOf(path, field);
    else if (field.number === map.layoutItem && field.wireType === 2) items.push(itemOf(path, field));
    // A later version may have more of what we do not need; a ckpt has none of it.
    else if (field.number <= map.layoutItem) throw unexpected(path, field);
  }
  return { ownStage: ownStage ?? 0, items };
}

/** Of an operator, which each of them knows. */
function stageOf(path: string, item: ProtobufField): number {
  const { strategyItem, strategies } = STRATEGY_FIELDS;
  for (const field of inside(path, item)) {
    if (field.number !== strategyItem.strategies) continue;
    for (const part of inside(path, field))
      if (part.number === strategies.stage && part.wireType === 0) return part.varint;
  }
  throw new InputError(`${path}: the operator at byte ${item.offset} tells of no stage. ${DAMAGED}`);
}

function itemOf(path: string, item: ProtobufField): LayoutItems['items'][number] {
  const { layoutItem } = STRATEGY_FIELDS;
  let name: string | undefined;
  let fields: LayoutFields | undefined;
  for (const field of inside(path, item)) {
    if (field.number === layoutItem.name && field.wireType === 2)
      name = decodeUtf8(Buffer.from(field.bytes), `${path} (a name at byte ${field.offset})`);
    else if (field.number === layoutItem.layouts) fields = fieldsOf(path, field);
  }
  if (name !== undefined && name !== '' && fields !== undefined) return { name, fields };
  throw new InputError(
    `${path}: the parameter at byte ${item.offset} has no ${fields === undefined ? 'layout' : 'name'}. ${DAMAGED}`,
  );
}

function fieldsOf(path: string, message: ProtobufField): LayoutFields {
  const { layouts } = STRATEGY_FIELDS;
  const lists: Record<'deviceMatrix' | 'tensorMap' | 'splitShape', number[][]> = {
    deviceMatrix: [],
    tensorMap: [],
    splitShape: [],
  };
  const numbers: Partial<Record<'fieldSize' | 'optimizerStep' | 'optimizerShards', number>> = {};
  for (const field of inside(path, message)) {
    if (field.number === layouts.deviceMatrix) lists.deviceMatrix.push(dimsOf(path, field));
    else if (field.number === layouts.tensorMap) lists.tensorMap.push(dimsOf(path, field));
    else if (field.number === layouts.splitShape) lists.splitShape.push(dimsOf(path, field));
    else if (field.number === layouts.fieldSize) numbers.fieldSize = varintOf(path, field);
    else if (field.number === layouts.optimizerStep) numbers.optimizerStep = varintOf(path, field);
    else if (field.number === layouts.optimizerShards) numbers.optimizerShards = varintOf(path, field);
  }
  const [deviceMatrix] = lists.deviceMatrix;
  if (deviceMatrix === undefined)
    throw new InputError(`${path}: the layout at byte ${message.offset} has no device matrix. ${DAMAGED}`);
  return {
    deviceMatrix,
    tensorMaps: lists.tensorMap,
    splitShape: lists.splitShape[0] ?? [],
    fieldSize: numbers.fieldSize ?? 0,
    optimizerStep: numbers.optimizerStep ?? 0,
    optimizerShards: numbers.optimizerShards ?? 0,
  };
}

function dimsOf(path: string, message: ProtobufField): number[] {
  return [...inside(path, message)].map((field) => {
    if (field.number === STRATEGY_FIELDS.dim) return varintOf(path, field);
    throw unexpected(path, field);
  });
}

function inside(path: string, field: ProtobufField): Iterable<ProtobufField> {
  if (field.wireType !== 2) throw unexpected(path, field);
  return readProtobuf(field.bytes, path, field.offset);
}

function varintOf(path: string, field: ProtobufField): number {
  if (field.wireType === 0 && Number.isSafeInteger(field.varint)) return field.varint;
  throw unexpected(path, field);
}

function unexpected(path: string, { number, wireType, offset }: ProtobufField): InputError {
  return new InputError(`${path}: field ${number} of wire type ${wireType} near byte ${offset}. ${DAMAGED}`);
}

function jsonItems(path: string, bytes: Buffer): LayoutItems {
  const document = recordOf(
    path,
    'the document',
    parseJson(decodeUtf8(bytes, path), path, { uniqueKeys: true }),
  );
  const [operator] = recordOf(
    path,
    'parallel_strategy_item',
    document.get('parallel_strategy_item') ?? {},
  ).values();
  const stage = operator === undefined ? 0 : recordOf(path, 'an operator', operator).get('stage');
  const layouts = recordOf(path, 'parallel_layout_item', document.get('parallel_layout_item') ?? {});
  return {
    ownStage: integerOf(path, 'stage', stage ?? 0),
    items: [...layouts].map(([name, value]) => {
      const fields = recordOf(path, name, value);
      const list = (key: string): number[] => integersOf(path, `${name}.${key}`, fields.get(key) ?? []);
      const number = (key: string): number => integerOf(path, `${name}.${key}`, fields.get(key) ?? 0);
      const map = fields.get('tensor_map') ?? [];
      const isNested = Array.isArray(map) && map.some((axes) => Array.isArray(axes));
      if (fields.get('dev_matrix') === undefined)
        throw new InputError(`${path}: the layout of ${showValue(name)} has no dev_matrix. ${DAMAGED}`);
      return {
        name,
        fields: {
          deviceMatrix: list('dev_matrix'),
          tensorMaps: isNested
            ? map.map((axes) => integersOf(path, `${name}.tensor_map`, Array.isArray(axes) ? axes : [axes]))
            : [list('tensor_map')],
          splitShape: list('param_split_shape'),
          fieldSize: number('field'),
          optimizerStep: number('opt_weight_shard_step'),
          optimizerShards: number('opt_weight_shard_size'),
        },
      };
    }),
  };
}

function recordOf(path: string, what: string, value: unknown): ReadonlyMap<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return new Map(Object.entries(value));
  throw new InputError(`${path}: ${showValue(what)} is ${showValue(value)}, not an object. ${DAMAGED}`);
}

function integersOf(path: string, what: string, value: unknown): number[] {
  if (Array.isArray(value)) return value.map((item: unknown) => integerOf(path, what, item));
  throw new InputError(`${path}: ${showValue(what)} is ${showValue(value)}, not a list. ${DAMAGED}`);
}

function integerOf(path: string, what: string, value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  throw new InputError(`${path}: ${showValue(what)} is ${showValue(value)}, not an integer. ${DAMAGED}`);
}
