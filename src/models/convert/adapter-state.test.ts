/** What a run of PEFT trained, as programs leave it: DeepSpeed's folders and states of the trained parameters alone. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import { openModelCheckpoint } from '../../checkpoint/index.js';
import {
  readView,
  type TensorLeaf,
  type TensorView,
  type TorchInput,
  writeTorchFile,
  writeTorchValue,
} from '../../formats/index.js';
import { convertModel } from './convert-model.js';
import type { ConvertOptions } from './convert-options.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-adapter-state-'));
afterAll(() => rmSync(folder, { recursive: true }));
vi.spyOn(process.stderr, 'write').mockReturnValue(true);

const adapter = `${goldenFolder}xverse/peft_adapter`;
const saved =
  openModelCheckpoint(`${adapter}/adapter_model.safetensors`).ranks[0] ?? new Map<string, TensorView>();

type Named = readonly (readonly [name: string, view: TensorView])[];

/** With the adapter's name in the names, as they stand in a model. */
function inState(key = 'default'): Named {
  return [...saved].map(([name, view]) => [name.replace(/\.(lora_[AB])\./, `.$1.${key}.`), view]);
}

const leaf = ({ dtype, shape, ...view }: TensorView): TensorLeaf => ({
  kind: 'tensor',
  dtype,
  shape,
  bytes: () => readView({ dtype, shape, ...view }),
});
const bytesOf = (view: TensorView): string => Buffer.concat([...readView(view)]).toString('hex');

function contentOf(path: string): Record<string, string> {
  const [tensors] = openModelCheckpoint(path).ranks;
  return Object.fromEntries([...(tensors ?? [])].map(([name, view]) => [name, bytesOf(view)]));
}

let runs = 0;

/** Stage 0: the trained parameters in one file. @returns the folder of the run; its step is in global_step2 */
function stage0(named: Named, hasConfig = true): string {
  runs += 1;
  const place = join(folder, `run-${runs}`);
  mkdirSync(join(place, 'global_step2'), { recursive: true });
  writeTorchFile(
    join(place, 'global_step2', 'mp_rank_00_model_states.pt'),
    named.map(([name, view]) => ({ ...leaf(view), name })),
  );
  writeFileSync(join(place, 'latest'), 'global_step2');
  if (hasConfig) copyFileSync(`${adapter}/adapter_config.json`, join(place, 'adapter_config.json'));
  return place;
}

/** Stage 2 on one rank: float32 masters in one vector. */
function stage2(named: Named): string {
  const place = stage0(named);
  const step = join(place, 'global_step2');
  const count = named.reduce(
    (sum, [, { shape }]) => sum + shape.reduce((product, size) => product * size, 1),
    0,
  );
  const vector: TensorLeaf = {
    kind: 'tensor',
    dtype: 'float32',
    shape: [count],
    bytes: function* () {
      for (const [, view] of named) yield* readView(view);
    },
  };
  writeTorchValue(
    join(step, 'mp_rank_00_model_states.pt'),
    new Map<string, TorchInput>([
      ['module', new Map(named.map(([name, view]) => [name, leaf(view)]))],
      ['buffer_names', []],
      ['param_shapes', [new Map(named.map(([name, { shape }]) => [name, shape]))]],
    ]),
  );
  const optimizer = new Map<string, TorchInput>([
    ['zero_stage', 2],
    ['partition_count', 1],
    ['single_partition_of_fp32_groups', [vector]],
  ]);
  writeTorchValue(
    join(step, 'zero_pp_rank_0_mp_rank_00_optim_states.pt'),
    new Map([['optimizer_state_dict', optimizer]]),
  );
  return place;
}

async function convert(from: string, options: Partial<ConvertOptions> = {}): Promise<string> {
  runs += 1;
  const to = join(folder, `adapter-${runs}`);
  await convertModel({ from, to, ...options });
  return to;
}

const expected = contentOf(`${adapter}/adapter_model.safetensors`);

test.each([
  ['stage 0', stage0(inState())],
  ['stage 2', stage2(inState())],
  ['an adapter of another name', stage2(inState('mine'))],
])('%s becomes the adapter, by the folder of the run and by that of the step', async (_, place) => {
  for (const from of [place, join(place, 'global_step2')]) {
    const to = await convert(from);
    expect(contentOf(join(to, 'adapter_model.safetensors'))).toEqual(expected);
    expect(JSON.parse(readFileSync(join(to, 'adapter_config.json'), 'utf8'))).toMatchObject({ r: 4 });
  }
});

test('without adapter_config.json alpha has to be given', async () => {
  const place = stage0(inState(), false);
  await expect(convert(place)).rejects.toThrow(/no config beside it tells lora_alpha.*--lora-alpha/);
  const to = await convert(place, { loraAlpha: 8 });
  expect(JSON.parse(readFileSync(join(to, 'adapter_config.json'), 'utf8'))).toMatchObject({
    r: 4,
    lora_alpha: 8,
  });
});

test('what is more than low-rank matrices stays, with the config of the run', async () => {
  const [vector] = saved.values();
  if (vector === undefined) throw new TypeError('the golden adapter has tensors');
  const layer = 'base_model.model.model.layers.0.self_attn.q_proj';
  const more: Named = [
    [`${layer}.lora_magnitude_vector.default.weight`, vector],
    ['base_model.model.model.embed_tokens.lora_embedding_A.default', vector],
    ['base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta.default', vector],
    ['base_model.model.lm_head.modules_to_save.default.weight', vector],
  ];
  const to = await convert(join(stage2([...inState(), ...more]), 'global_step2'));
  expect(contentOf(join(to, 'adapter_model.safetensors'))).toEqual({
    ...expected,
    [`${layer}.lora_magnitude_vector`]: bytesOf(vector),
    'base_model.model.model.embed_tokens.lora_embedding_A': bytesOf(vector),
    'base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta': bytesOf(vector),
    'base_model.model.lm_head.weight': bytesOf(vector),
  });
  expect(readFileSync(join(to, 'adapter_config.json'))).toEqual(
    readFileSync(`${adapter}/adapter_config.json`),
  );
  await expect(convert(stage0([...inState(), ...more], false))).rejects.toThrow(
    /more than low-rank matrices, and no adapter_config\.json beside it/,
  );
});

test('several adapters in one state are refused by their names', async () => {
  await expect(convert(stage0([...inState(), ...inState('other')]))).rejects.toThrow(
    /holds the adapters default, other; save default alone/,
  );
  // Beside the model too.
  await expect(convert(stage0([...wholeModel(), ...inState(), ...inState('other')]))).rejects.toThrow(
    /lora_A\.default\.weight" and ".*lora_A\.other\.weight" adapt the same layer/,
  );
});

/** The model as PEFT names it: the adapted layers have their own weights within. */
function wholeModel(): Named {
  const [tensors] = openModelCheckpoint(`${goldenFolder}xverse/model.safetensors`).ranks;
  const adapted = new Set([...saved.keys()].map((name) => name.replace(/\.lora_[AB]\.weight$/, '.weight')));
  return [...(tensors ?? [])].map(([name, view]) => {
    const full = `base_model.model.${name}`;
    return [adapted.has(full) ? full.replace(/weight$/, 'base_layer.weight') : full, view];
  });
}

test('a model with its adapter is merged as it was, and no config of an adapter is left beside it', async () => {
  const place = stage0([...wholeModel(), ...inState()]);
  const merged = await convert(join(place, 'global_step2'), { merge: 'merge' });
  expect(existsSync(join(merged, 'adapter_config.json'))).toBe(false);
  const wanted = await convert(`${goldenFolder}xverse`, { merge: 'merge', adapter });
  expect(contentOf(join(merged, 'model.safetensors'))).toEqual(contentOf(join(wanted, 'model.safetensors')));
});

test('a folder of DeepSpeed is no adapter yet, and one without its optimizer states is not complete', async () => {
  const place = stage2(inState());
  await expect(convert(`${goldenFolder}xverse`, { merge: 'merge', adapter: place })).rejects.toThrow(
    /is a checkpoint of DeepSpeed's.*xinghe convert --from .* --to ADAPTER/,
  );
  const torn = join(dirname(place), 'torn');
  mkdirSync(torn);
  for (const rank of [0, 1])
    copyFileSync(
      join(place, 'global_step2', 'mp_rank_00_model_states.pt'),
      join(torn, `zero_pp_rank_${rank}_mp_rank_00_model_states.pt`),
    );
  await expect(convert(torn)).rejects.toThrow(/no \*_optim_states\.pt, where ZeRO stage 3 keeps the weights/);
});
