/** What DeepSpeed writes beside plain ZeRO folders: universal checkpoints, stage 0, single files, the state of a program. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { referencePython, runReference } from '../../tests/support/reference.js';
import { requiresPython } from '../../tests/support/requires.js';
import { readView } from '../formats/index.js';
import { openModelCheckpoint } from './open-model-checkpoint.js';

/** Files with the names and keys of DeepSpeed 0.19 (engine.py, checkpoint/ds_to_universal.py); prints the masters. */
const WRITE = `
import sys, os, json, datetime, decimal, uuid, enum, collections, fractions, torch
os.chdir(sys.argv[1])
torch.manual_seed(0)
whole = {'embed.weight': torch.randn(7, 5), 'head.weight': torch.randn(5)}
buffers = {'inv_freq': torch.arange(4.)}
class Phase(enum.Enum): WARM = 'warm'; COLD = 2
class Level(enum.IntEnum): HIGH = 3
class Counter2:
    def __init__(self): self.count = 3
client = dict(time=datetime.datetime(2024, 5, 1, 3, tzinfo=datetime.timezone.utc), day=datetime.date(2024, 1, 2), took=datetime.timedelta(3),
  money=decimal.Decimal('1.5'), half=fractions.Fraction(1, 2), run=uuid.uuid4(), phase=Phase.WARM, level=Level.HIGH, counter=Counter2(),
  queue=collections.deque([1, 2]), complex=1 + 2j, range=range(3))
def model_state(module):
    return dict(module=module, buffer_names=list(buffers), param_shapes=[{k: v.shape for k, v in whole.items()}], shared_params={'tied.weight': 'embed.weight'},
        frozen_param_shapes=None, frozen_param_fragments=None, global_steps=5, dp_world_size=2, mp_world_size=1, ds_version='0.19.8', **client)
half = {k: v.bfloat16() for k, v in whole.items()} | buffers
empty = {k: torch.empty(0).bfloat16() for k in whole} | buffers
def step(root, latest='latest'):
    folder = f'{root}/global_step5'; os.makedirs(folder)
    open(f'{root}/{latest}', 'w').write('global_step5')
    return folder
def zero(root, module):
    folder = step(root, 'latest_universal')
    torch.save(model_state(module), f'{folder}/mp_rank_00_model_states.pt')
    return folder
folder = zero('universal', half)
for name, value in whole.items():
    os.makedirs(f'{folder}/zero/{name}')
    for state in ('fp32', 'exp_avg', 'exp_avg_sq'): torch.save({'param': value if state == 'fp32' else value * 0, 'cat_dim': 0}, f'{folder}/zero/{name}/{state}.pt')
folder = zero('universal3', empty)
for name, value in whole.items():
    os.makedirs(f'{folder}/zero/{name}')
    torch.save(torch.cat([value.reshape(-1), torch.zeros(1)]), f'{folder}/zero/{name}/fp32.pt')
folder = zero('universal-torn', half)
os.makedirs(f'{folder}/zero/embed.weight'); torch.save({'param': whole['embed.weight']}, f'{folder}/zero/embed.weight/fp32.pt')
torch.save(model_state(whole | buffers), step('stage0') + '/mp_rank_00_model_states.pt')
def ranks(root, module, optimizer):
    folder = step(root)
    for rank in (0, 1):
        name = f'zero_pp_rank_{rank}_mp_rank_00'
        torch.save(model_state(module), f'{folder}/{name}_model_states.pt' if module is empty else f'{folder}/mp_rank_00_model_states.pt')
        torch.save(dict(optimizer_state_dict=optimizer(rank), ds_config={}), f'{folder}/{name}_optim_states.pt')
flat = torch.cat([v.reshape(-1) for v in whole.values()])
ranks('stage2', half, lambda rank: dict(zero_stage=2, partition_count=2, single_partition_of_fp32_groups=[flat[rank * 20:(rank + 1) * 20].clone()]))
def share(rank):
    parts = []
    for v in whole.values():
        size = -(-v.numel() // 2); padded = torch.cat([v.reshape(-1), torch.zeros(size * 2 - v.numel())])
        parts.append(padded[rank * size:(rank + 1) * size])
    return dict(zero_stage=3, partition_count=2, fp32_flat_groups=[torch.cat(parts)])
ranks('stage3', empty, share)
class Module: pass
hidden = Counter2(); hidden.weight = torch.ones(2)
torch.save({'w': torch.ones(2), 'ema': hidden}, 'hidden.pt')
print(json.dumps({k: bytes(v.contiguous().view(torch.uint8).numpy().reshape(-1)).hex() for k, v in {**whole, 'tied.weight': whole['embed.weight'], **buffers}.items()}))
`;

const python = referencePython();
let folder = '';
let expected: Record<string, string> = {};

function bytesOf(path: string): Record<string, string> {
  const [tensors] = openModelCheckpoint(join(folder, path)).ranks;
  return Object.fromEntries(
    [...(tensors ?? [])].map(([name, view]) => [name, Buffer.concat([...readView(view)]).toString('hex')]),
  );
}

describe('what DeepSpeed writes', requiresPython(python), () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'deepspeed-kinds-'));
    expected = runReference(python ?? '', WRITE, [folder]);
  }, 60_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(['universal', 'universal/global_step5', 'universal3', 'stage2', 'stage3'])(
    '%s: float32 masters, beside a state with dates, decimals, UUIDs and enums',
    (path) => {
      expect(bytesOf(path)).toEqual(expected);
    },
  );

  it('stage 0 behind latest: the weights of the model file', () => {
    const { 'tied.weight': _, ...untied } = expected;
    expect(bytesOf('stage0')).toEqual(untied);
    expect(bytesOf('stage0/global_step5/mp_rank_00_model_states.pt')).toEqual(untied);
  });

  it('a file of stages 1 and 2 named alone holds the weights as the model had them', () => {
    const { 'embed.weight': embed } = bytesOf('stage2/global_step5/mp_rank_00_model_states.pt');
    expect(embed?.length).toBe(2 * 2 * 35);
  });

  it.each([
    [
      'stage3/global_step5/zero_pp_rank_0_mp_rank_00_model_states.pt',
      /leaves "embed\.weight" empty: ZeRO stage 3 .*name the folder/,
    ],
    [
      'stage2/global_step5/zero_pp_rank_0_mp_rank_00_optim_states.pt',
      /holds one rank's share of the optimizer/,
    ],
    ['universal-torn', /holds no head\.weight\/fp32\.pt; the checkpoint is not complete/],
    ['hidden.pt', /"ema" is a __main__\.Counter2, an object of a program that holds tensors/],
  ])('refuses %s', (path, message) => {
    expect(() => openModelCheckpoint(join(folder, path))).toThrow(message);
  });
});
