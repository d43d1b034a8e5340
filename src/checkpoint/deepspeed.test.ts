import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { referencePython, runReference } from '../../tests/support/reference.js';
import { type FileTensor, readTensorBytes } from '../formats/index.js';
import { openZeroCheckpoint } from './deepspeed.js';
import { isZeroCheckpoint } from './deepspeed-files.js';

/**
 * Writes checkpoints of each stage with the keys, classes and paddings of DeepSpeed 0.19 (engine.py, stage_1_and_2.py,
 * stage3.py), and prints the whole weights. DeepSpeed's own zero_to_fp32 gives the same weights for these folders but the
 * one of the bfloat16 optimizer, which it refuses: that optimizer writes no stage.
 */
const WRITE_CHECKPOINTS = `
import sys, os, json, math, types, enum, torch
from collections import OrderedDict
def module(name, **members):
    made = types.ModuleType(name)
    for key, value in members.items():
        if isinstance(value, type): value.__module__ = name
        setattr(made, key, value)
    sys.modules[name] = made
class ZeroStageEnum(int, enum.Enum):
    disabled = 0; optimizer_states = 1; gradients = 2; weights = 3
class LossScaler:
    def __init__(self): self.cur_scale = 1; self.dynamic = False; self.dtype = torch.bfloat16
class fragment_address:
    def __init__(self, numel, start): self.numel = numel; self.start = start
for name in ('deepspeed', 'deepspeed.runtime', 'deepspeed.runtime.fp16', 'deepspeed.runtime.zero', 'deepspeed.utils'): module(name)
module('deepspeed.runtime.zero.config', ZeroStageEnum=ZeroStageEnum)
module('deepspeed.runtime.fp16.loss_scaler', LossScaler=LossScaler)
module('deepspeed.utils.tensor_fragment', fragment_address=fragment_address)

world = 3
torch.manual_seed(1)
groups = [OrderedDict([('embed.weight', torch.randn(7, 5)), ('layer.weight', torch.randn(4, 9)), ('head.weight', torch.randn(2, 3, 5))]),
          OrderedDict([('layer.bias', torch.randn(4)), ('norm.weight', torch.randn(1)), ('scale', torch.randn(()))])]
frozen = OrderedDict([('frozen.weight', torch.randn(5, 3).bfloat16()), ('frozen.bias', torch.randn(3).bfloat16())])
buffers = OrderedDict([('rotary.inv_freq', torch.randn(4).bfloat16()), ('steps', torch.tensor(3))])
shared = {'lm_head.weight': 'embed.weight'}
shapes = [OrderedDict((k, v.shape) for k, v in group.items()) for group in groups]
whole = OrderedDict(**buffers, **frozen)
for group in groups: whole.update(group)
whole['lm_head.weight'] = groups[0]['embed.weight']

def model_state(module, fragments):
    return dict(module=module, buffer_names=list(buffers), optimizer=None, param_shapes=shapes,
        frozen_param_shapes=OrderedDict((k, v.shape) for k, v in frozen.items()), shared_params=shared,
        frozen_param_fragments=fragments, lr_scheduler={'last_batch_iteration': 4}, data_sampler=None, random_ltd=None,
        sparse_tensor_module_names=set(), skipped_steps=0, global_steps=5, global_samples=60, dp_world_size=world,
        mp_world_size=1, ds_config={'train_batch_size': 12, 'bf16': {'enabled': True}}, ds_version='0.19.8')

def pad(flat, multiple):
    rest = -flat.numel() % multiple
    return torch.cat([flat, torch.full((rest,), float('nan'))]), rest

def adam(shares):
    return dict(state={i: dict(step=torch.tensor(5.), exp_avg=torch.zeros_like(s), exp_avg_sq=torch.ones_like(s)) for i, s in enumerate(shares)},
                param_groups=[dict(lr=1e-4, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1, params=[i]) for i in range(len(shares))])

def full_module():
    state = OrderedDict((k, v.clone() if k in buffers else v.bfloat16()) for k, v in whole.items() if k not in shared)
    state['lm_head.weight'] = state['embed.weight']
    return state

def write_stage12(root, stage, prefix, alignment=1, slices=False):
    folder = os.path.join(root, 'global_step5'); os.makedirs(folder)
    open(os.path.join(root, 'latest'), 'w').write('global_step5')
    torch.save(model_state(full_module(), OrderedDict(frozen)), f'{folder}/mp_rank_00_model_states.pt')
    paddings = []; flats = []
    for group in groups:
        parts, gaps = [], []
        for value in group.values():
            gap = -value.numel() % alignment
            parts += [value.reshape(-1), torch.full((gap,), float('nan'))]; gaps.append(gap)
        paddings.append(gaps); flats.append(pad(torch.cat(parts), 2 * world))
    for rank in range(world):
        shares, group_paddings = [], []
        for flat, rest in flats:
            size = flat.numel() // world
            lean = rest if rank == world - 1 else 0
            share = flat[rank * size:(rank + 1) * size]
            shares.append((share if slices else share.clone())[:size - lean]); group_paddings.append(lean)
        optimizer = dict(loss_scaler=LossScaler(), dynamic_loss_scale=False, overflow=False, clip_grad=1.0,
            base_optimizer_state=adam(shares), single_partition_of_fp32_groups=shares, group_paddings=group_paddings,
            partition_count=[world] * len(groups), ds_version='0.19.8',
            param_slice_mappings=[OrderedDict((k, fragment_address(v.numel(), 0)) for k, v in g.items()) for g in groups])
        if stage is not None: optimizer['zero_stage'] = ZeroStageEnum(stage)
        if alignment > 1: optimizer['param_alignment_paddings'] = paddings
        torch.save(dict(optimizer_state_dict=optimizer, ds_config={}, ds_version='0.19.8'), f'{folder}/{prefix}zero_pp_rank_{rank}_mp_rank_00_optim_states.pt')

def share3(value, rank):
    size = math.ceil(value.numel() / world)
    flat, _ = pad(value.reshape(-1).float(), size * world) if value.numel() % world else (value.reshape(-1), 0)
    return flat[rank * size:(rank + 1) * size].to(value.dtype)

def write_stage3(root, sub_groups):
    folder = os.path.join(root, 'global_step5'); os.makedirs(folder)
    open(os.path.join(root, 'latest'), 'w').write('global_step5')
    for rank in range(world):
        module = OrderedDict((k, v if k in buffers else torch.empty(0, dtype=torch.bfloat16)) for k, v in whole.items())
        torch.save(model_state(module, OrderedDict((k, share3(v, rank)) for k, v in frozen.items())), f'{folder}/zero_pp_rank_{rank}_mp_rank_00_model_states.pt')
        parts = [share3(v, rank) for group in groups for v in group.values()]
        size = math.ceil(len(parts) / sub_groups)
        shares = [torch.cat(parts[i:i + size]) for i in range(0, len(parts), size)]
        optimizer = dict(zero_stage=ZeroStageEnum.weights, loss_scaler=LossScaler(), dynamic_loss_scale=False, overflow=False,
            partition_count=world, optimizer_state_dict=adam(shares), fp32_flat_groups=shares)
        torch.save(dict(optimizer_state_dict=optimizer, ds_config={}, ds_version='0.19.8'), f'{folder}/zero_pp_rank_{rank}_mp_rank_00_optim_states.pt')

os.chdir(sys.argv[1])
write_stage12('stage1', 1, '')
write_stage12('stage2', 2, 'bf16_')
write_stage12('stage2-slices', 2, 'bf16_', slices=True)
write_stage12('stage2-aligned', 2, 'bf16_', alignment=16)
write_stage12('bf16-optimizer', None, 'bf16_')
write_stage3('stage3', 1)
write_stage3('stage3-sub-groups', 3)
def told(t): return [str(t.dtype)[6:], list(t.shape), bytes(t.contiguous().reshape(-1).view(torch.uint8).numpy()).hex()]
print(json.dumps(dict(fp32={k: told(v) for k, v in whole.items()}, module={k: told(v) for k, v in full_module().items()})))
`;

import { requiresPython } from '../../tests/support/requires.js';

type Told = Record<string, [dtype: string, shape: number[], hex: string]>;

const python = referencePython();
let folder = '';
let expected: { fp32: Told; module: Told } = { fp32: {}, module: {} };

function told(tensors: ReadonlyMap<string, FileTensor>): Told {
  return Object.fromEntries(
    [...tensors].map(([name, tensor]) => [
      name,
      [tensor.dtype, [...tensor.shape], Buffer.from(readTensorBytes(tensor)).toString('hex')],
    ]),
  );
}

describe('openZeroCheckpoint', requiresPython(python), () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'deepspeed-'));
    expected = runReference(python ?? '', WRITE_CHECKPOINTS, [folder]);
  }, 60_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each([
    ['stage1', 1],
    ['stage2', 2],
    ['stage2-slices', 2],
    ['stage2-aligned', 2],
    ['bf16-optimizer', 1],
  ])('%s: whole float32 weights, buffers, frozen and tied parameters from three ranks', (name, stage) => {
    const checkpoint = openZeroCheckpoint(join(folder, name));
    expect(checkpoint).toMatchObject({ stage, worldSize: 3, folder: join(folder, name, 'global_step5') });
    expect(told(checkpoint.fp32)).toEqual(expected.fp32);
    expect(told(checkpoint.tensors)).toEqual(expected.module);
  });

  it.each(['stage3', 'stage3-sub-groups'])('%s: every parameter put together from its shares', (name) => {
    const checkpoint = openZeroCheckpoint(join(folder, name, 'global_step5'));
    expect(checkpoint).toMatchObject({ stage: 3, worldSize: 3 });
    expect(told(checkpoint.fp32)).toEqual(expected.fp32);
    expect([...checkpoint.tensors.keys()]).toEqual(['rotary.inv_freq', 'steps']);
  });

  it('refuses a folder with a rank missing, and tells which', () => {
    const step = join(folder, 'stage2', 'global_step5');
    const away = join(folder, 'away.pt');
    const last = join(step, 'bf16_zero_pp_rank_2_mp_rank_00_optim_states.pt');
    renameSync(last, away);
    expect(() => openZeroCheckpoint(join(folder, 'stage2'))).toThrow(
      /rank_0_mp_rank_00_optim_states.pt was written by one of 3 ranks, but .* holds 2/,
    );
    renameSync(away, last);
    const first = join(step, 'bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt');
    renameSync(first, away);
    expect(() => openZeroCheckpoint(step)).toThrow(/of rank 0, but of higher ones/);
    renameSync(away, first);
  });
});

describe('findZeroFiles', () => {
  let empty = '';
  beforeAll(() => {
    empty = mkdtempSync(join(tmpdir(), 'deepspeed-none-'));
  });
  afterAll(() => rmSync(empty, { recursive: true, force: true }));

  it('refuses folders that are none, a latest that leads away, and split models', () => {
    expect(isZeroCheckpoint(empty)).toBe(false);
    expect(() => openZeroCheckpoint(empty)).toThrow(/is no DeepSpeed checkpoint/);
    writeFileSync(join(empty, 'latest'), '../elsewhere');
    expect(() => openZeroCheckpoint(empty)).toThrow(/names "\.\.\/elsewhere", which is no folder/);
    writeFileSync(join(empty, 'latest'), 'global_step1\n');
    mkdirSync(join(empty, 'global_step1'));
    expect(() => openZeroCheckpoint(empty)).toThrow(/no folder with \*_optim_states\.pt/);
    for (const part of ['00', '01'])
      for (const kind of ['model', 'optim'])
        writeFileSync(join(empty, 'global_step1', `zero_pp_rank_0_mp_rank_${part}_${kind}_states.pt`), '');
    expect(isZeroCheckpoint(empty)).toBe(true);
    expect(() => openZeroCheckpoint(empty)).toThrow(
      /mp_rank_01_model_states\.pt is a part of a model that was split/,
    );
  });
});
