/** Every argument of the functions that rebuild tensors: honoured, without effect on values, or refused by name. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { referencePython, runReference } from '../../../tests/support/reference.js';
import { requires, requiresPython } from '../../../tests/support/requires.js';
import { sharedCases } from '../../../tests/support/shared-cases.js';
import { readTensorBytes } from '../tensors/file-tensor.js';
import { readTorchFile } from './torch-reader.js';

const python = referencePython();
const negationBit = sharedCases('checkpoints/negation_bit.pt');

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torch-rebuild-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('a tensor with the negation bit', requires(negationBit !== undefined, '../shared/cases is absent'), () => {
  const tensor = readTorchFile(negationBit ?? '').tensors.get('w');
  if (tensor === undefined) throw new Error('no tensor w');
  expect([...new Float32Array(new Uint8Array(readTensorBytes(tensor)).buffer)]).toEqual([-1, -1]);
});

/** Writes files as torch does, and some by hand through __reduce__; prints the right bytes of the negated ones. */
const WRITE = `
import torch, json, sys, os
from collections import OrderedDict
from torch._utils import _rebuild_tensor_v2, _rebuild_parameter, _rebuild_parameter_with_state
os.chdir(sys.argv[1])
torch.manual_seed(0)
c = torch.complex(torch.randn(5, 7), torch.randn(5, 7))
d = c.to(torch.complex128)
state = OrderedDict(neg=c.conj().imag, rows=c.conj().imag[1:4], column=c.conj().imag[:, 3], turned=c.conj().imag.t(),
  double=d.conj().imag, half=c.to(torch.complex32).conj().imag, plain=c.imag, scalar=c.conj().imag[2, 2], none=c.conj().imag[:0],
  dense=torch._neg_view(torch.randn(4)), bfloat16=torch._neg_view(torch.randn(3).bfloat16()), parameter=torch.nn.Parameter(c.conj().imag))
assert all(state[name].is_neg() for name in ('neg', 'rows', 'turned', 'double', 'half', 'dense', 'bfloat16'))
torch.save(state, 'neg.pt')
torch.save(state, 'neg-legacy.pt', _use_new_zipfile_serialization=False)
frozen = torch.nn.Parameter(torch.ones(2), requires_grad=False); frozen.note = 'attribute'
torch.save({'frozen': frozen, 'trained': torch.ones(2, requires_grad=True)}, 'attributes.pt')
scaled = torch.nn.Parameter(torch.ones(2)); scaled.weight_scale = torch.tensor(3.)
torch.save({'scaled': scaled}, 'scaled.pt')
class Made:
    def __init__(self, function, *args): self.made = (function, args)
    def __reduce__(self): return self.made
storage = torch.ones(2).storage()
def made(name, *rest): torch.save({'w': Made(_rebuild_tensor_v2, storage, 0, (2,), (1,), *rest)}, name)
made('hooks.pt', True, OrderedDict(a=1))
made('conj.pt', False, OrderedDict(), {'conj': True})
made('metadata.pt', False, OrderedDict(), {'scale': 2})
made('more.pt', False, OrderedDict(), None, 5)
made('noneffect.pt', True, OrderedDict(), {'neg': False, 'conj': False})
torch.save({'w': Made(_rebuild_parameter, torch.ones(2), True, OrderedDict(a=1))}, 'parameter-hooks.pt')
torch.save(torch.empty(2, device='meta'), 'meta.pt')
torch.save(torch.nested.nested_tensor([torch.ones(2)]), 'nested.pt')
torch.save(torch._neg_view(torch.ones(2, dtype=torch.int32)), 'integers.pt')
print(json.dumps({k: dict(shape=list(v.shape), hex=bytes(v.detach().resolve_neg().contiguous().reshape(-1).view(torch.uint8).numpy()).hex()) for k, v in state.items()}))
`;

describe('arguments of rebuild functions', requiresPython(python), () => {
  let expected: Record<string, unknown> = {};
  beforeAll(() => {
    expected = runReference(python ?? '', WRITE, [folder]);
  }, 60_000);

  it.each(['neg.pt', 'neg-legacy.pt'])('%s: the negation bit, on views of all kinds and dtypes', (name) => {
    const { tensors } = readTorchFile(join(folder, name));
    const found = [...tensors].map(([key, tensor]) => [
      key,
      { shape: tensor.shape, hex: Buffer.from(readTensorBytes(tensor)).toString('hex') },
    ]);
    expect(Object.fromEntries(found)).toEqual(expected);
  });

  it.each(['attributes.pt', 'noneffect.pt'])('%s: what says nothing of the values is read over', (name) => {
    for (const tensor of readTorchFile(join(folder, name)).tensors.values())
      expect(Buffer.from(readTensorBytes(tensor)).toString('hex')).toBe('0000803f0000803f');
  });

  it.each([
    ['scaled.pt', /attribute the text "weight_scale" that is a tensor itself/],
    ['hooks.pt', /backward hooks \(a dict\)/],
    ['parameter-hooks.pt', /a parameter has backward hooks/],
    ['conj.pt', /conjugate bit/],
    ['metadata.pt', /metadata the text "scale"/],
    ['more.pt', /1 arguments that are not known: the value 5/],
    ['meta.pt', /meta device/],
    ['nested.pt', /tensor of another class/],
    ['integers.pt', /a tensor of int32 has the negation bit/],
  ])('refuses %s by name', (name, message) => {
    expect(() => readTorchFile(join(folder, name))).toThrow(message);
  });
});
