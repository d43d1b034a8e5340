/** What DeepSpeed itself saves after two steps on two ranks: the weights that its own programs and PEFT read from it. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openModelCheckpoint } from '../src/checkpoint/index.js';
import { readView } from '../src/formats/index.js';
import { convertModel } from '../src/models/index.js';
import { referencePython, runReference } from './support/reference.js';
import { requiresPython } from './support/requires.js';

/**
 * Rank 0 starts rank 1. A job is KIND-STAGE-DTYPE[-OPTION …]: a model with the layers of Llama, whole or with an adapter of PEFT.
 * Prints for each job what zero_to_fp32 makes of the folder (stage 0: the model's own weights), and what PEFT would save of it.
 */
const PROGRAM = `
import json, os, subprocess, sys
answer = os.fdopen(os.dup(1), 'w'); os.dup2(2, 1)
folder, source, *jobs = sys.argv[1:]
rank = int(os.environ.get('RANK', '0'))
os.environ.update(DS_ACCELERATOR='cpu', RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE='2', LOCAL_WORLD_SIZE='2', MASTER_ADDR='127.0.0.1', MASTER_PORT='1')
other = None if rank else subprocess.Popen([sys.executable, '-c', source, *sys.argv[1:]], env={**os.environ, 'RANK': '1'}, stdout=subprocess.DEVNULL)
import torch, deepspeed
from torch import nn
from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint
from deepspeed.checkpoint.ds_to_universal import main as to_universal
torch.set_num_threads(1)
deepspeed.init_distributed('gloo', init_method=f'file://{folder}/rendezvous', rank=rank, world_size=2, verbose=False)
D, F, V = 8, 12, 21
def linears(**sizes): return nn.ModuleDict({name: nn.Linear(*size, bias=False) for name, size in sizes.items()})
class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.self_attn = linears(q_proj=(D, D), k_proj=(D, D), v_proj=(D, D), o_proj=(D, D))
        self.mlp = linears(gate_proj=(D, F), up_proj=(D, F), down_proj=(F, D))
        self.input_layernorm, self.post_attention_layernorm = nn.LayerNorm(D, bias=False), nn.LayerNorm(D, bias=False)
    def forward(self, x):
        h, a, m = self.input_layernorm(x), self.self_attn, self.mlp
        x = x + a['o_proj'](a['q_proj'](h) * a['k_proj'](h) + a['v_proj'](h))
        h = self.post_attention_layernorm(x)
        return x + m['down_proj'](m['gate_proj'](h).sigmoid() * m['up_proj'](h))
class Body(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed_tokens, self.layers, self.norm = nn.Embedding(V, D), nn.ModuleList([Layer(), Layer()]), nn.LayerNorm(D, bias=False)
    def forward(self, ids):
        x = self.embed_tokens(ids)
        for layer in self.layers: x = layer(x)
        return self.norm(x)
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.model, self.lm_head = Body(), nn.Linear(D, V, bias=False)
    def forward(self, ids):
        return nn.functional.cross_entropy(self.lm_head(self.model(ids))[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
def adapted(model, kind):
    from peft import LoraConfig, get_peft_model
    own = dict(lora={}, dora=dict(use_dora=True), saved=dict(modules_to_save=['lm_head']), embedding=dict(target_modules=['embed_tokens', 'q_proj']),
      tokens=dict(trainable_token_indices=[3, 5]))[kind]
    return get_peft_model(model, LoraConfig(**dict(dict(r=2, lora_alpha=6, target_modules=['q_proj', 'v_proj'], init_lora_weights=False), **own)))
def hexed(tensors): return {k: bytes(v.detach().contiguous().view(torch.uint8).numpy().reshape(-1)).hex() for k, v in tensors.items()}
def run(job):
    kind, stage, dtype, *options = job.split('-')
    torch.manual_seed(0)
    model = Model() if kind == 'full' else adapted(Model(), kind)
    parameters = [p for p in model.parameters() if p.requires_grad]
    if 'groups' in options: parameters = [dict(params=[p for p in parameters if p.dim() > 1]), dict(params=[p for p in parameters if p.dim() == 1], weight_decay=0.)]
    config = dict(train_micro_batch_size_per_gpu=1, zero_allow_untested_optimizer=True, zero_force_ds_cpu_optimizer=False, steps_per_print=10**9,
      zero_optimization=dict(stage=int(stage), stage3_param_persistence_threshold=0), bf16=dict(enabled=dtype == 'bf16'))
    engine, *_ = deepspeed.initialize(model=model, optimizer=torch.optim.AdamW(parameters, lr=1e-2), config=config)
    for step in range(2):
        loss = engine(torch.tensor([[(7 * step + 3 * rank + 5 * i) % V for i in range(9)]]))
        engine.backward(loss); engine.step()
    path = f'{folder}/{job}'
    engine.save_checkpoint(path, tag='global_step2', client_state={'universal_checkpoint_info': {'universal_checkpoint_version': 0.2}}, exclude_frozen_parameters='exclude' in options)
    if rank == 1: return
    held = {k: v for k, v in model.state_dict().items()}
    whole = held if stage == '0' else dict(get_fp32_state_dict_from_zero_checkpoint(path))
    found = dict(whole=hexed(whole), held=hexed(held) if stage in '12' else None)
    if kind != 'full':
        from peft import get_peft_model_state_dict
        model.peft_config['default'].save_pretrained(path)
        found['adapter'] = hexed(get_peft_model_state_dict(model, state_dict=whole, save_embedding_layers=False))
    if 'universal' in options:
        import argparse
        to_universal(argparse.Namespace(input_folder=f'{path}/global_step2', output_folder=f'{path}-made/global_step2', num_extract_workers=1, num_merge_workers=1,
          keep_temp_folder=False, strict=True, inject_missing_state=False, merge_experts=False))
    return found
found = {job: run(job) for job in jobs}
torch.distributed.barrier()
torch.distributed.destroy_process_group()
if other is not None and other.wait() != 0: sys.exit('rank 1 failed')
answer.write(json.dumps(found)); answer.close()
`;

interface Found {
  /** Bytes of each tensor, in hexadecimal. */
  readonly whole: Record<string, string>;
  /** The 16-bit weights, or those of float32 training. */
  readonly held: Record<string, string> | null;
  readonly adapter?: Record<string, string>;
}

const MODELS = [
  'full-0-fp32',
  'full-1-bf16',
  'full-2-bf16-groups',
  'full-2-fp32-universal',
  'full-3-bf16',
  'full-3-fp32-universal',
  'lora-3-fp32',
];
const ADAPTERS = [
  'lora-0-fp32-exclude',
  'lora-1-bf16-exclude',
  'lora-2-fp32-exclude',
  'lora-3-bf16-exclude',
  'dora-2-fp32-exclude',
  'saved-3-fp32-exclude',
  'embedding-1-fp32-exclude',
  'tokens-2-fp32-exclude',
];
const MILLISECONDS = 400_000;

const python = referencePython('deepspeed');
let folder = '';
let found: Record<string, Found> = {};

function bytesOf(path: string, zeroWeights?: 'model'): Record<string, string> {
  const [tensors] = openModelCheckpoint(path, { zeroWeights }).ranks;
  return Object.fromEntries(
    [...(tensors ?? [])].map(([name, view]) => [name, Buffer.concat([...readView(view)]).toString('hex')]),
  );
}

describe('DeepSpeed', requiresPython(python, 'deepspeed'), () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'deepspeed-reference-'));
    const jobs = [...MODELS, ...ADAPTERS];
    found = runReference(python ?? '', PROGRAM, [folder, PROGRAM, ...jobs], { timeout: MILLISECONDS });
  }, MILLISECONDS);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each(MODELS)('%s is read as zero_to_fp32 reads it', (job) => {
    const wanted = found[job];
    expect(Object.keys(wanted?.whole ?? {}).length).toBeGreaterThanOrEqual(21);
    expect(bytesOf(join(folder, job))).toEqual(wanted?.whole);
    expect(bytesOf(join(folder, job, 'global_step2'))).toEqual(wanted?.whole);
    if (wanted?.held !== null) expect(bytesOf(join(folder, job), 'model')).toEqual(wanted?.held);
  });

  test.each(MODELS.filter((job) => job.includes('universal')))('%s, made a universal checkpoint', (job) => {
    expect(bytesOf(join(folder, `${job}-made`, 'global_step2'))).toEqual(found[job]?.whole);
  });

  test.each(ADAPTERS)('%s becomes the adapter that PEFT would save', async (job) => {
    for (const from of [join(folder, job), join(folder, job, 'global_step2')]) {
      const to = mkdtempSync(join(folder, 'adapter-'));
      await convertModel({ from, to: join(to, 'adapter') });
      const weights = join(to, 'adapter', 'adapter_model.safetensors');
      expect(bytesOf(weights)).toEqual(found[job]?.adapter);
      const config: unknown = JSON.parse(readFileSync(join(to, 'adapter', 'adapter_config.json'), 'utf8'));
      expect(config).toMatchObject({ r: 2, lora_alpha: 6, use_dora: job.startsWith('dora') });
      expect(existsSync(join(to, 'adapter', 'config.json'))).toBe(false);
    }
  });
});
