import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { referencePython, runReference } from '../../../tests/support/reference.js';
import { dtypeBytes, type FileDtype } from '../tensors/file-dtype.js';
import { type FileTensor, readTensorBytes, type TensorInput } from '../tensors/file-tensor.js';
import { writeShards } from '../tensors/sharded-writer.js';
import { isDict, isTensor, type PickleValue } from './pickle-value.js';
import { openTorchModel } from './torch-model.js';
import { readTorchFile, type TorchFile } from './torch-reader.js';
import { type TensorLeaf, type TorchInput, writeTorchFile, writeTorchValue } from './torch-writer.js';

const python = referencePython();
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torch-reference-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A tensor as the reference program tells it: its contiguous bytes in hex. */
interface Told {
  dtype: FileDtype;
  shape: number[];
  hex: string;
}

const tell = `
import torch, json, sys, os
def told(t):
    t = t.detach().contiguous()
    return dict(dtype=str(t.dtype)[6:], shape=list(t.shape), hex=bytes(t.reshape(-1).view(torch.uint8).numpy()).hex())
`;

function toldBy(tensor: FileTensor | undefined): Told {
  if (tensor === undefined) throw new Error('no such tensor');
  const { dtype, shape } = tensor;
  return { dtype, shape: [...shape], hex: Buffer.from(readTensorBytes(tensor)).toString('hex') };
}

const dtypes: readonly FileDtype[] = [
  ...(['float64', 'float32', 'float16', 'bfloat16', 'float8_e4m3fn', 'float8_e5m2'] as const),
  ...(['int64', 'int32', 'int16', 'int8', 'uint64', 'uint32', 'uint16', 'uint8', 'bool'] as const),
];

const saved = `
from collections import OrderedDict, defaultdict
import numpy as np, argparse
torch.manual_seed(0)
w = torch.arange(24.).reshape(4, 6)
state = OrderedDict()
for name in ${JSON.stringify(dtypes)}:
    dtype = getattr(torch, name)
    state['dtype.' + name] = torch.randint(0, 2, (3, 5)).to(torch.float32).to(dtype)
state['whole'] = w
state['tied'] = w
state['transposed'] = w.t()
state['view'] = w[1:3, ::2]
state['column'] = w[:, 2]
state['permuted'] = torch.arange(24).reshape(2, 3, 4).permute(2, 0, 1)
state['expanded'] = torch.tensor([1., 2.]).reshape(2, 1).expand(2, 3)
state['scalar'] = torch.tensor(7, dtype=torch.int64)
state['empty'] = torch.empty(0, 3)
state['one'] = torch.ones(1, 1, 4)
state['parameter'] = torch.nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
state['中文 name'] = torch.ones(2)
state._metadata = {'': {'version': 1}}
marked = torch.ones(2); marked.extra = 'attribute'
nested = {'epoch': 3, 'lr': 0.125, 'big': 2**70, 'minus': -2**40, 'none': None, 'yes': True, 'text': 'häß 中',
  'bytes': b'\\x00\\xff', 'tuple': (1, (2, 3), 4, 5), 'list': [1, [2.5]], 'set': {1, 2}, 'size': torch.Size([2, 3]),
  'dtype': torch.bfloat16, 'device': torch.device('cuda', 1), 'default': defaultdict(list, {'a': [1]}),
  'numpy': np.float64(0.5), 'array': np.arange(3), 'args': argparse.Namespace(x=1), 'many': list(range(5000)),
  'optimizer': {'state': {0: {'exp_avg': torch.ones(2, 2)}}}, 'marked': marked}
legacy_state = OrderedDict((k, v) for k, v in state.items())
`;

const writeByTorch = `${tell}${saved}
os.chdir(sys.argv[1])
torch.save(state, 'state.bin')
torch.save(legacy_state, 'legacy.bin', _use_new_zipfile_serialization=False)
for protocol in (3, 4, 5): torch.save(state, f'protocol{protocol}.bin', pickle_protocol=protocol)
torch.save(nested, 'nested.pt')
torch.save({'state_dict': {'module': state}, 'epoch': 1, 'cuda_rng_state': torch.ones(2)}, 'wrapped.pt')
torch.save([torch.ones(1), (torch.zeros(2),)], 'list.pt')
torch.save(torch.ones(2), 'bare.pt')
torch.save(torch.sparse_coo_tensor([[0]], [1.], (3,)), 'sparse.pt')
torch.save(torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8), 'quantised.pt')
torch.save(torch.ones(2, dtype=torch.complex64), 'complex.pt')
torch.save(torch.nn.Linear(2, 2), 'module.pt')
torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), 'script.pt')
print(json.dumps({name: told(tensor) for name, tensor in state.items()}))
`;

describe('files that torch writes', requiresPython(python), () => {
  let expected: Record<string, Told> = {};
  beforeAll(() => {
    expected = runReference(python ?? '', writeByTorch, [folder]);
  }, 60_000);

  it.each(['state.bin', 'legacy.bin', 'protocol3.bin', 'protocol4.bin', 'protocol5.bin'])(
    '%s: every dtype, views, transposes, tied, scalar, empty',
    (name) => {
      const { tensors } = readTorchFile(join(folder, name));
      expect(Object.fromEntries([...tensors].map(([key, tensor]) => [key, toldBy(tensor)]))).toEqual(
        expected,
      );
      expect(tensors.get('tied')?.ranges).toEqual(tensors.get('whole')?.ranges);
      expect(tensors.get('transposed')?.strides).toEqual([1, 6]);
    },
  );

  it('unwraps the state dict of a training checkpoint and keeps the rest', () => {
    const { tensors, root } = readTorchFile(join(folder, 'wrapped.pt'));
    expect([...tensors.keys()]).toEqual(Object.keys(expected));
    expect(isDict(root) && root.entries.get('epoch')).toBe(1);
  });

  it('gives plain values of every kind', () => {
    const file = readTorchFile(join(folder, 'nested.pt'));
    const plain = toPlain(file.root);
    expect(plain).toMatchObject({
      epoch: 3,
      lr: 0.125,
      big: 2n ** 70n,
      minus: -(2 ** 40),
      none: null,
      yes: true,
      text: 'häß 中',
      bytes: new Uint8Array([0, 255]),
      tuple: [1, [2, 3], 4, 5],
      list: [1, [2.5]],
      set: new Set([1, 2]),
      size: [2, 3],
      dtype: 'torch.bfloat16',
      device: 'cuda:1',
      default: { a: [1] },
      numpy: 0.5,
      args: { className: 'argparse.Namespace', state: { x: 1 } },
    });
    expect([...file.tensors.keys()]).toEqual(['optimizer.state.0.exp_avg', 'marked']);
  });

  it('names tensors of lists by their place', () => {
    expect([...readTorchFile(join(folder, 'list.pt')).tensors.keys()]).toEqual(['0', '1.0']);
    expect([...readTorchFile(join(folder, 'bare.pt')).tensors.keys()]).toEqual(['']);
  });

  it.each([
    ['sparse.pt', /_rebuild_sparse_tensor at byte \d+, a sparse tensor/],
    ['quantised.pt', /a quantised tensor/],
    ['complex.pt', /ComplexFloatStorage at byte \d+, a complex tensor/],
    ['module.pt', /asks for torch\.nn\.modules\.linear\.Linear at byte/],
    ['script.pt', /TorchScript program/],
  ])('refuses %s by name', (name, message) => {
    expect(() => readTorchFile(join(folder, name))).toThrow(message);
  });
});

function input(name: string, dtype: FileDtype, shape: readonly number[]): TensorInput {
  const length = shape.reduce((product, size) => product * size, dtypeBytes(dtype));
  const bytes = Uint8Array.from({ length }, (_, index) => (dtype === 'bool' ? index % 2 : (index * 7) % 60));
  return { name, dtype, shape, bytes: () => [bytes.subarray(0, 5), bytes.subarray(5)] };
}

const readByTorch = `${tell}
import zipfile, glob
from torch.utils.serialization import config
os.chdir(sys.argv[1])
result = {}
for path in sorted(glob.glob('ours*.bin')) + sorted(glob.glob('sharded/*.bin')):
    assert zipfile.ZipFile(path).testzip() is None
    first = {name: told(tensor) for name, tensor in torch.load(path, weights_only=True).items()}
    os.environ['TORCH_SERIALIZATION_DEBUG'] = '1'
    config.load.calculate_storage_offsets = True
    mapped = {name: told(tensor) for name, tensor in torch.load(path, weights_only=True, mmap=True).items()}
    assert first == mapped
    result[path] = first
value = torch.load('value.pt', weights_only=True)
state = value.pop('state')
assert state['a'].data_ptr() == state['b'].data_ptr()
assert isinstance(value['rate'], float)
result['value'] = repr(value)
result['nan'] = value['nan'] != value['nan']
print(json.dumps(result))
`;

import { requiresPython } from '../../../tests/support/requires.js';

describe('files that we write', requiresPython(python), () => {
  const tensors = [
    ...dtypes.map((dtype) => input(`dtype.${dtype}`, dtype, [3, 5])),
    input('scalar', 'float32', []),
    input('empty', 'float16', [0, 3]),
    input('中文', 'float32', [70]),
  ];

  it('torch loads them, with weights_only and mapped at reckoned offsets', () => {
    writeTorchFile(join(folder, 'ours.bin'), tensors);
    const many = Array.from({ length: 3000 }, (_, index) => input(`layer.${index}`, 'float32', [1]));
    writeTorchFile(join(folder, 'ours-many.bin'), many);
    const limit = { maxShardBytes: 200 };
    const shards = writeShards(join(folder, 'sharded'), tensors, 'pytorch_model.bin', writeTorchFile, limit);
    const tied: TensorLeaf = { kind: 'tensor', dtype: 'float32', shape: [2], bytes: () => new Uint8Array(8) };
    const value: TorchInput = new Map<TorchInput, TorchInput>([
      ['step', 3],
      ['rate', { kind: 'float', value: 1 }],
      ['list', [1, -1, 255, 256, 65536, -70000, 2 ** 40, -(2 ** 40), 2n ** 70n, -(2n ** 71n), 0.1, -0.0]],
      ['tuple', { kind: 'tuple', items: [1, { kind: 'tuple', items: [] }, 'ä', null, true] }],
      ['bytes', new Uint8Array([0, 10, 255])],
      [7, new Map([['a', false]])],
      ['nan', Number.NaN],
      ['long', Array.from({ length: 2500 }, (_, index) => index)],
      [
        'state',
        new Map<TorchInput, TorchInput>([
          ['a', tied],
          ['b', tied],
        ]),
      ],
    ]);
    writeTorchValue(join(folder, 'value.pt'), value);
    const result = runReference<Record<string, Record<string, Told>> & { value: string; nan: boolean }>(
      python ?? '',
      readByTorch,
      [folder],
    );
    const expected = Object.fromEntries(tensors.map((tensor) => [tensor.name, toldInput(tensor)]));
    expect(result['ours.bin']).toEqual(expected);
    expect(result['ours-many.bin']).toEqual(
      Object.fromEntries(many.map((tensor) => [tensor.name, toldInput(tensor)])),
    );
    const inShards = shards.filter((name) => name.endsWith('.bin')).map((name) => result[`sharded/${name}`]);
    expect(inShards.length).toBeGreaterThan(2);
    expect(Object.assign({}, ...inShards)).toEqual(expected);
    expect(result.value).toContain(
      "{'step': 3, 'rate': 1.0, 'list': [1, -1, 255, 256, 65536, -70000, 1099511627776, -1099511627776, " +
        "1180591620717411303424, -2361183241434822606848, 0.1, -0.0], 'tuple': (1, (), 'ä', None, True), " +
        "'bytes': b'\\x00\\n\\xff', 7: {'a': False}, 'nan': nan, 'long': [0, 1, 2,",
    );
    expect(result.nan).toBe(true);
  }, 60_000);

  it('we read them back, whole and sharded', () => {
    const expected = Object.fromEntries(tensors.map((tensor) => [tensor.name, toldInput(tensor)]));
    for (const path of ['ours.bin', 'sharded', 'sharded/pytorch_model.bin.index.json']) {
      const model = openTorchModel(join(folder, path));
      expect(Object.fromEntries([...model.tensors].map(([name, tensor]) => [name, toldBy(tensor)]))).toEqual(
        expected,
      );
    }
    const value: TorchFile = readTorchFile(join(folder, 'value.pt'));
    expect([...value.tensors.keys()]).toEqual(['state.a', 'state.b']);
  });
});

function toldInput({ dtype, shape, bytes }: TensorInput): Told {
  const content = bytes();
  const whole = content instanceof Uint8Array ? content : Buffer.concat([...content]);
  return { dtype, shape: [...shape], hex: Buffer.from(whole).toString('hex') };
}

/** Dicts as objects, tuples as lists; for comparing. */
function toPlain(value: PickleValue): unknown {
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(toPlain);
  if (isTensor(value)) return `tensor of shape ${value.shape}`;
  switch (value.kind) {
    case 'tuple':
      return value.items.map(toPlain);
    case 'dict':
      return Object.fromEntries([...value.entries].map(([key, item]) => [String(key), toPlain(item)]));
    case 'set':
      return value.items;
    case 'global':
    case 'device':
      return value.name;
    case 'object':
      return { className: value.className, state: toPlain(value.state ?? null) };
    case 'storage':
      return `storage ${value.key}`;
  }
}
