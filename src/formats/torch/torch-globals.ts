/** What torch.save writes into its pickles: storages, dtypes, devices, and the functions that rebuild tensors. */
import { dtypeBytes, elementCount, type FileDtype } from '../tensors/file-dtype.js';
import { pythonGlobal } from './pickle-globals.js';
import type { GlobalRole, PickleContext, PickleDialect } from './pickle-machine.js';
import {
  isDict,
  isKind,
  isTensor,
  type PickleValue,
  pickleTypeName,
  sequenceItems,
  type TorchStorage,
} from './pickle-value.js';

/** Storage classes by their name in torch, torch.cuda and torch.storage. */
const STORAGES: ReadonlyMap<string, FileDtype> = new Map<string, FileDtype>([
  ['DoubleStorage', 'float64'],
  ['FloatStorage', 'float32'],
  ['HalfStorage', 'float16'],
  ['BFloat16Storage', 'bfloat16'],
  ['LongStorage', 'int64'],
  ['IntStorage', 'int32'],
  ['ShortStorage', 'int16'],
  ['CharStorage', 'int8'],
  ['ByteStorage', 'uint8'],
  ['BoolStorage', 'bool'],
  ['UntypedStorage', 'uint8'],
]);

/** Dtypes that have no storage class of their own; their tensors are views of untyped storages. */
const DTYPES: ReadonlyMap<string, FileDtype> = new Map(
  (
    [...STORAGES.values(), 'uint16', 'uint32', 'uint64', 'float8_e4m3fn', 'float8_e5m2'] satisfies FileDtype[]
  ).map((dtype) => [`torch.${dtype}`, dtype]),
);

/** The storage class of a dtype when a file is written; those without one are written untyped. */
export function storageClassOf(dtype: FileDtype): string {
  return [...STORAGES].find(([, stored]) => stored === dtype)?.[0] ?? 'UntypedStorage';
}

/** torch refuses more; a view may repeat elements up to this size (an expanded mask, say). */
const MAX_DIMENSIONS = 64;
const MAX_EXPANDED_BYTES = 2 ** 28;
const REBUILT_TYPES = new Set(['torch.Tensor', 'torch.nn.parameter.Parameter', 'torch.nn.parameter.Buffer']);

const inert: GlobalRole = { role: 'inert' };
const TORCH_GLOBALS: ReadonlyMap<string, GlobalRole> = new Map<string, GlobalRole>([
  ...[...REBUILT_TYPES].map((name): [string, GlobalRole] => [name, inert]),
  ['torch._utils._rebuild_tensor', { role: 'call', call: rebuildTensor }],
  ['torch._utils._rebuild_tensor_v2', { role: 'call', call: rebuildTensor }],
  ['torch._utils._rebuild_tensor_v3', { role: 'call', call: rebuildTensorOfDtype }],
  ['torch._utils._rebuild_parameter', { role: 'call', call: rebuildParameter }],
  ['torch._utils._rebuild_parameter_with_state', { role: 'call', call: rebuildParameter }],
  ['torch._tensor._rebuild_from_type_v2', { role: 'call', call: rebuildFromType }],
  ['torch.Size', { role: 'call', call: makeSize }],
  ['torch.device', { role: 'call', call: makeDevice }],
  ['torch.torch_version.TorchVersion', { role: 'call', call: ([version]) => version ?? null }],
]);

/** Reasons for what exists in torch and has no place here. */
const REFUSED: readonly (readonly [RegExp, string])[] = [
  [
    /^torch\._utils\._rebuild_sparse/,
    'a sparse tensor, which is not read here; save it dense (tensor.to_dense())',
  ],
  [
    /^torch\._utils\._rebuild_qtensor|^torch\.(quantized\.)?Q\w+Storage$/,
    'a quantised tensor, which is not read here; save it dequantised (tensor.dequantize())',
  ],
  [
    /^torch\._utils\._rebuild_meta_tensor/,
    'a tensor on the meta device, which has no values; save it after its weights were loaded',
  ],
  [
    /^torch\._utils\._rebuild_(nested|wrapper|device_tensor)|^torch\.distributed\.tensor\.|^torchao\./,
    'a tensor of another class (nested, distributed, of another device, a wrapper), which is not read here; ' +
      'save it plain (tensor.full_tensor(), .to("cpu"), .dequantize())',
  ],
  [
    /^torch\.(cuda\.)?Complex\w+Storage$/,
    'a complex tensor, which is not read here; save torch.view_as_real of it',
  ],
];

function torchGlobal(name: string): GlobalRole | undefined {
  const role = TORCH_GLOBALS.get(name) ?? pythonGlobal(name);
  if (role !== undefined) return role;
  if (storageDtype(name) !== undefined || isDtypeName(name)) return inert;
  const reason = REFUSED.find(([pattern]) => pattern.test(name))?.[1];
  return reason === undefined ? undefined : { role: 'refused', reason };
}

/** torch.bfloat16 and so on; those that we cannot read as tensors are harmless as values. */
function isDtypeName(name: string): boolean {
  return (
    /^torch\.(b?float|complex|q?u?int|bits|bool)\w*$/.test(name) || /^torch\.(strided|sparse_\w+)$/.test(name)
  );
}

function storageDtype(name: string): FileDtype | undefined {
  const match = /^torch\.(?:cuda\.|storage\.)?(\w+Storage)$/.exec(name);
  return match?.[1] === undefined ? undefined : STORAGES.get(match[1]);
}

/** The dialect of torch files; `onStorage` hears of every storage that the pickle names. */
export function torchDialect(
  onStorage: (storage: TorchStorage, context: PickleContext) => void,
): PickleDialect {
  return {
    global: torchGlobal,
    persistent(id, context) {
      const storage = readStorage(id, context);
      onStorage(storage, context);
      return storage;
    },
  };
}

/** ("storage", class, key, device, elements) and, in legacy files, a view (key, first element, elements) or None. */
function readStorage(id: PickleValue, context: PickleContext): TorchStorage {
  const [kind, type, key, , count, view] = sequenceItems(id) ?? [];
  if (kind !== 'storage') context.fail(`a persistent id of kind ${pickleTypeName(kind)}, not a storage`);
  const dtype = isKind(type) && type.kind === 'global' ? storageDtype(type.name) : undefined;
  if (dtype === undefined) context.fail(`a storage of type ${pickleTypeName(type)}`);
  if (typeof key !== 'string' || !isSize(count))
    context.fail(`a storage with key ${pickleTypeName(key)} and ${pickleTypeName(count)} elements`);
  if (view === undefined || view === null)
    return { kind: 'storage', key, dtype, fileCount: count, viewStart: 0, count };
  const [, viewStart, viewCount] = sequenceItems(view) ?? [];
  if (!isSize(viewStart) || !isSize(viewCount) || viewStart + viewCount > count)
    context.fail(`a view of storage ${key} that lies outside its ${count} elements`);
  return { kind: 'storage', key, dtype, fileCount: count, viewStart, count: viewCount };
}

/** (storage, offset, shape, strides, requires_grad, hooks, metadata); offset and strides in elements. */
function rebuildTensor(args: readonly PickleValue[], context: PickleContext): PickleValue {
  const [storage, , , , requiresGrad, hooks, metadata, ...more] = args;
  if (!isKind(storage) || storage.kind !== 'storage')
    return context.fail(`a tensor is made of ${pickleTypeName(storage)}`);
  checkTraining('a tensor', requiresGrad, hooks, more, context);
  return viewOf(storage, storage.dtype, args, readTensorMetadata(metadata, storage.dtype, context), context);
}

/** As rebuildTensor, on an untyped storage, with the dtype before the metadata. */
function rebuildTensorOfDtype(args: readonly PickleValue[], context: PickleContext): PickleValue {
  const [storage, , , , requiresGrad, hooks, type, metadata, ...more] = args;
  if (!isKind(storage) || storage.kind !== 'storage')
    return context.fail(`a tensor is made of ${pickleTypeName(storage)}`);
  const dtype = isKind(type) && type.kind === 'global' ? DTYPES.get(type.name) : undefined;
  if (dtype === undefined)
    return context.fail(
      `a tensor of dtype ${pickleTypeName(type)}; readable are ${[...DTYPES.keys()].join(', ')}`,
    );
  checkTraining('a tensor', requiresGrad, hooks, more, context);
  return viewOf(storage, dtype, args, readTensorMetadata(metadata, dtype, context), context);
}

/** requires_grad changes no value. Hooks are programs: a tensor that has some is not what its bytes say. */
function checkTraining(
  what: string,
  requiresGrad: PickleValue | undefined,
  hooks: PickleValue | undefined,
  more: readonly PickleValue[],
  context: PickleContext,
): void {
  if (requiresGrad !== undefined && typeof requiresGrad !== 'boolean')
    context.fail(`${what} has the requires_grad ${pickleTypeName(requiresGrad)}`);
  const count = isDict(hooks) ? hooks.entries.size : sequenceItems(hooks)?.length;
  const hasNoHooks = hooks === undefined || hooks === null || count === 0;
  if (!hasNoHooks)
    context.fail(`${what} has backward hooks (${pickleTypeName(hooks)}), which are not run; save it without`);
  if (more.length > 0)
    context.fail(
      `${what} is made with ${more.length} arguments that are not known: ${more.map(pickleTypeName)}`,
    );
}

/** Negative numbers are those with this bit; torch sets the negation bit on no others. */
const NEGATABLE: ReadonlySet<FileDtype> = new Set(['float64', 'float32', 'float16', 'bfloat16']);

/** {"neg": bool, "conj": bool}: bits that say how the stored bytes are to be read. @returns the negation bit */
function readTensorMetadata(
  metadata: PickleValue | undefined,
  dtype: FileDtype,
  context: PickleContext,
): boolean {
  if (metadata === undefined || metadata === null) return false;
  if (!isDict(metadata)) return context.fail(`a tensor has the metadata ${pickleTypeName(metadata)}`);
  for (const [key, value] of metadata.entries) {
    const isBit = key === 'neg' || key === 'conj';
    if (!isBit || typeof value !== 'boolean')
      context.fail(
        `a tensor has the metadata ${pickleTypeName(key)}: ${pickleTypeName(value)}, not known here`,
      );
    if (key === 'conj' && value)
      context.fail('a tensor has the conjugate bit, which is not read here; save tensor.resolve_conj()');
  }
  const isNegated = metadata.entries.get('neg') === true;
  if (isNegated && !NEGATABLE.has(dtype))
    context.fail(`a tensor of ${dtype} has the negation bit; save tensor.resolve_neg()`);
  return isNegated;
}

function viewOf(
  storage: TorchStorage,
  dtype: FileDtype,
  [, offset, size, stride]: readonly PickleValue[],
  isNegated: boolean,
  context: PickleContext,
): PickleValue {
  const shape = readSizes(size);
  const strides = readSizes(stride);
  if (!isSize(offset) || shape === undefined || strides === undefined || shape.length !== strides.length)
    return context.fail('a tensor has an offset, shape or strides that are no integers from 0');
  const width = dtypeBytes(dtype);
  const bytes = elementCount([...shape, width]);
  const extent = extentOf(shape, strides);
  const available = Math.floor((storage.count * dtypeBytes(storage.dtype)) / width);
  if (bytes === undefined || shape.length > MAX_DIMENSIONS || (bytes > 0 && offset + extent > available))
    return context.fail(
      `a tensor of shape [${shape.slice(0, 8)}], strides [${strides.slice(0, 8)}] and offset ${offset} ` +
        `leaves its storage of ${available} elements`,
    );
  if (bytes > extent * width && bytes > MAX_EXPANDED_BYTES)
    return context.fail(`a tensor repeats ${extent} elements to ${bytes} bytes; save it contiguous`);
  context.charge(shape.length + strides.length);
  return { kind: 'tensor', storage, dtype, offset: bytes === 0 ? 0 : offset, shape, strides, isNegated };
}

/** Elements from the first to the last of a view, both counted; Infinity where it cannot be told exactly. */
function extentOf(shape: readonly number[], strides: readonly number[]): number {
  const last = shape.reduce((sum, size, dim) => sum + (size - 1) * (strides[dim] ?? 0), 0);
  return Number.isSafeInteger(last) ? last + 1 : Infinity;
}

/** (data, requires_grad, hooks); with the state of Python attributes as fourth. */
function rebuildParameter(args: readonly PickleValue[], context: PickleContext): PickleValue {
  const [data, requiresGrad, hooks, state, ...more] = args;
  checkTraining('a parameter', requiresGrad, hooks, more, context);
  checkAttributes(state, context);
  return isTensor(data) ? data : context.fail(`a parameter is made of ${pickleTypeName(data)}`);
}

/** (function, type, its arguments, attributes). */
function rebuildFromType(args: readonly PickleValue[], context: PickleContext): PickleValue {
  const [rebuild, type, inner, attributes, ...more] = args;
  const plain = isKind(type) && type.kind === 'global' && REBUILT_TYPES.has(type.name);
  const role = isKind(rebuild) && rebuild.kind === 'global' ? TORCH_GLOBALS.get(rebuild.name) : undefined;
  const isRebuild = role?.role === 'call' && role.call !== rebuildFromType;
  if (!plain || !isRebuild || more.length > 0)
    return context.fail(`a tensor of type ${pickleTypeName(type)} is made by ${pickleTypeName(rebuild)}`);
  checkAttributes(attributes, context);
  return role.call(sequenceItems(inner) ?? [], context);
}

/** Python attributes (a dict, or a dict and one of slots) say nothing of the values; but one that is a tensor may be a scale. */
function checkAttributes(state: PickleValue | undefined, context: PickleContext): void {
  for (const part of sequenceItems(state) ?? [state]) {
    if (!isDict(part)) continue;
    for (const [name, value] of part.entries)
      if (isTensor(value))
        context.fail(
          `a tensor has the attribute ${pickleTypeName(name)} that is a tensor itself, which would be lost; ` +
            'save it under a name of its own',
        );
  }
}

function makeSize([sizes]: readonly PickleValue[], context: PickleContext): PickleValue {
  const items = readSizes(sizes ?? { kind: 'tuple', items: [] });
  if (items === undefined) return context.fail(`a torch.Size of ${pickleTypeName(sizes)}`);
  context.charge(items.length);
  return { kind: 'tuple', items };
}

function makeDevice([type, index]: readonly PickleValue[], context: PickleContext): PickleValue {
  if (typeof type !== 'string') return context.fail(`a device ${pickleTypeName(type)}`);
  return { kind: 'device', name: typeof index === 'number' ? `${type}:${index}` : type };
}

/** The integers of a tuple or list, as a copy; undefined if it holds anything else. */
export function readSizes(value: PickleValue | undefined): number[] | undefined {
  const items = sequenceItems(value);
  return items?.every(isSize) ? [...items] : undefined;
}

function isSize(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
