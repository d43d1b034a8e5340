/** The classes and functions of Python's own library (and of training frameworks' settings) that weights may name. */
import type { GlobalRole, PickleContext } from './pickle-machine.js';
import { isDict, isKind, type PickleValue, pickleTypeName, sequenceItems } from './pickle-value.js';

const inert: GlobalRole = { role: 'inert' };
const kept: GlobalRole = { role: 'object' };

const PYTHON_GLOBALS: ReadonlyMap<string, GlobalRole> = new Map<string, GlobalRole>([
  ['builtins.dict', { role: 'call', call: makeDict }],
  ['collections.OrderedDict', { role: 'call', call: makeDict }],
  ['collections.Counter', { role: 'call', call: makeDict }],
  // The first argument makes missing values: a class, which is never called here.
  ['collections.defaultdict', { role: 'call', call: (args, context) => makeDict(args.slice(1), context) }],
  ['builtins.set', { role: 'call', call: makeSet }],
  ['builtins.frozenset', { role: 'call', call: makeSet }],
  ['builtins.list', { role: 'call', call: (args, context) => [...copiedItems(args[0], context)] }],
  ['builtins.tuple', { role: 'call', call: makeTuple }],
  ['builtins.bytes', { role: 'call', call: makeBytes }],
  ['builtins.bytearray', { role: 'call', call: makeBytes }],
  ['_codecs.encode', { role: 'call', call: makeBytes }],
  ['builtins.int', inert],
  ['builtins.float', inert],
  ['builtins.str', inert],
  ['builtins.bool', inert],
  ['builtins.object', inert],
  ['copyreg._reconstructor', { role: 'call', call: reconstruct }],
  ['collections.deque', { role: 'call', call: (args, context) => [...copiedItems(args[0], context)] }],
  ['builtins.complex', kept],
  ['builtins.range', kept],
  // Its name in Python 2, which protocol 2 writes.
  ['builtins.xrange', kept],
  ['builtins.slice', kept],
  ...['datetime', 'date', 'time', 'timedelta', 'timezone'].map((name): [string, GlobalRole] => [
    `datetime.${name}`,
    kept,
  ]),
  ['argparse.Namespace', kept],
  ['types.SimpleNamespace', kept],
  ['pathlib.PosixPath', kept],
  ['pathlib.PurePosixPath', kept],
  ['_io.BytesIO', kept],
  ['numpy.ndarray', kept],
  ['numpy.dtype', kept],
  ...['numpy.core.multiarray', 'numpy._core.multiarray'].flatMap((module): [string, GlobalRole][] => [
    [`${module}._reconstruct`, { role: 'call', call: emptyArray }],
    [`${module}.scalar`, { role: 'call', call: numpyScalar }],
  ]),
]);

/**
 * Modules that act: their names are refused, as are functions of any module. Classes of others, which a training program puts into
 * its state (a decimal number, an enum of its own), are kept closed: no class is looked up, no function is called.
 */
const ACTING_MODULES =
  /^(__builtin__|builtins|_?(io|thread|posixsubprocess|ctypes|socket|sqlite3|winapi|imp|frozen_importlib\w*)|os|posix\w*|nt\w*|sys|subprocess|shutil|pty|socket\w*|importlib|imp|runpy|code|codeop|ctypes|marshal|c?[Pp]ickle|_pickle|pickletools|shelve|dill|cloudpickle|joblib|operator|_operator|functools|_functools|itertools|types|inspect|ast|dis|gc|atexit|signal|threading|multiprocessing|concurrent|asyncio|pdb|bdb|cProfile|profile|timeit|trace|doctest|unittest|webbrowser|tempfile|pathlib|glob|fileinput|linecache|zipimport|pkgutil|pydoc|platform|commands|popen2|urllib|http|requests|ftplib|smtplib|ssl|distutils|setuptools|pip|venv|ensurepip|site|test|idlelib|lib2to3|antigravity|copyreg|_codecs|codecs|logging|torch|torchvision|numpy|transformers|accelerate|peft|torchao|bitsandbytes)(\.|$)/;

/** Classes are written in capitals, functions are not. */
const CLASS_NAME = /\.[A-Z]\w*$/;

/** Frameworks whose settings lie beside weights in training checkpoints: loss scalers, enums, arguments. */
const KEPT_PACKAGES = /^(deepspeed|megatron)\.[\w.]+$/;

export function pythonGlobal(name: string): GlobalRole | undefined {
  const known = PYTHON_GLOBALS.get(name);
  if (known !== undefined) return known;
  return KEPT_PACKAGES.test(name) || (CLASS_NAME.test(name) && !ACTING_MODULES.test(name)) ? kept : undefined;
}

/** From nothing, a dict, or a list of pairs. */
function makeDict(args: readonly PickleValue[], context: PickleContext): PickleValue {
  const [source] = args;
  if (source === undefined) return { kind: 'dict', entries: new Map() };
  if (isDict(source)) {
    context.charge(source.entries.size);
    return { kind: 'dict', entries: new Map(source.entries) };
  }
  const pairs = copiedItems(source, context).map((pair): [PickleValue, PickleValue] => {
    const [key, value, ...rest] = sequenceItems(pair) ?? [];
    if (key === undefined || value === undefined || rest.length > 0)
      context.fail(`a dict is made of ${pickleTypeName(pair)}, not of pairs`);
    return [key, value];
  });
  return { kind: 'dict', entries: new Map(pairs) };
}

function makeSet([source]: readonly PickleValue[], context: PickleContext): PickleValue {
  return { kind: 'set', items: new Set(source === undefined ? [] : copiedItems(source, context)) };
}

function makeTuple([source]: readonly PickleValue[], context: PickleContext): PickleValue {
  return { kind: 'tuple', items: source === undefined ? [] : [...copiedItems(source, context)] };
}

function copiedItems(source: PickleValue | undefined, context: PickleContext): readonly PickleValue[] {
  if (source === undefined) return [];
  const items = sequenceItems(source);
  if (items === undefined) context.fail(`a list of values is due, found ${pickleTypeName(source)}`);
  context.charge(items.length);
  return items;
}

/** Protocols below 3 write bytes as the text of Latin-1 that has them: encode(text, 'latin1'). */
function makeBytes([source, encoding]: readonly PickleValue[], context: PickleContext): PickleValue {
  if (source === undefined) return new Uint8Array(0);
  if (source instanceof Uint8Array) {
    context.charge(Math.ceil(source.length / 8));
    return new Uint8Array(source);
  }
  const isLatin1 = encoding === 'latin1' || encoding === 'latin-1';
  if (typeof source !== 'string' || !isLatin1)
    context.fail(`bytes are made of ${pickleTypeName(source)} in encoding ${pickleTypeName(encoding)}`);
  context.charge(Math.ceil(source.length / 8));
  return new Uint8Array(Buffer.from(source, 'latin1'));
}

/** How protocols 0 and 1 make an object: class, base class, state of the base class. */
function reconstruct([target]: readonly PickleValue[], context: PickleContext): PickleValue {
  const isGlobal = isKind(target) && target.kind === 'global';
  if (!isGlobal || context.global(target.name)?.role !== 'object')
    context.fail(`an object of ${pickleTypeName(target)} is made`);
  return { kind: 'object', className: target.name, args: [] };
}

/** BUILD sets shape, dtype and bytes of the array as its state. */
function emptyArray(args: readonly PickleValue[]): PickleValue {
  return { kind: 'object', className: 'numpy.ndarray', args };
}

/** A number of numpy: its dtype, an object with the argument "f8", "i8", …, and its bytes. */
function numpyScalar([dtype, bytes]: readonly PickleValue[], context: PickleContext): PickleValue {
  const isDtype = isKind(dtype) && dtype.kind === 'object' && dtype.className === 'numpy.dtype';
  const code = isDtype ? dtype.args[0] : undefined;
  const read = typeof code === 'string' ? SCALARS.get(code) : undefined;
  if (read === undefined)
    return { kind: 'object', className: 'numpy.generic', args: [dtype ?? null, bytes ?? null] };
  if (!(bytes instanceof Uint8Array) || bytes.length !== Number(code?.toString().slice(1)))
    context.fail(`a numpy number of dtype ${pickleTypeName(code)} has ${pickleTypeName(bytes)}`);
  return read(Buffer.from(bytes));
}

const SCALARS: ReadonlyMap<string, (bytes: Buffer) => PickleValue> = new Map<
  string,
  (bytes: Buffer) => PickleValue
>([
  ['f8', (bytes) => bytes.readDoubleLE()],
  ['f4', (bytes) => bytes.readFloatLE()],
  ['i8', (bytes) => exactInteger(bytes.readBigInt64LE())],
  ['u8', (bytes) => exactInteger(bytes.readBigUInt64LE())],
  ['i4', (bytes) => bytes.readInt32LE()],
  ['u4', (bytes) => bytes.readUInt32LE()],
  ['i2', (bytes) => bytes.readInt16LE()],
  ['i1', (bytes) => bytes.readInt8()],
  ['u1', (bytes) => bytes.readUInt8()],
  ['b1', (bytes) => bytes[0] !== 0],
]);

function exactInteger(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}
