/** The golden logits cases (origin and tolerances: tests/golden/README.md) and our difference from them. */
import { type LoadModelOptions, loadModel } from '../../src/models/index.js';
import { type FloatDType, noGrad, scope, type Tensor } from '../../src/tensor/index.js';
import {
  goldenDevice,
  goldenFolder,
  goldenJson,
  goldenModels,
  goldenTensors,
  maxAbsDifference,
} from './golden.js';

interface PublishedCase {
  readonly name: string;
  /** "all", or "last 4": the positions whose logits are stored. */
  readonly positions: string;
  /** The config of this case. Default: the folder's. */
  readonly config?: string;
  readonly fp32_max_abs_err: number;
  readonly bf16_max_abs_err?: number;
}

export interface LogitsTest {
  readonly folder: string;
  readonly name: string;
  readonly config: string | undefined;
  readonly dtype: FloatDType;
  /** Largest difference allowed from the float64 logits. */
  readonly bound: number;
  readonly positions: string;
}

/** Cases with a config of their own that do not say so. */
const CASE_CONFIGS: Record<string, string> = { 'telechat-12b/mscale_trainlen16': 'config_trainlen16.json' };

/** Every case of every model in every dtype that it has a bound for. @param folders of golden models */
export function logitsTests(folders: readonly string[] = goldenModels): LogitsTest[] {
  return folders.flatMap((folder) =>
    goldenJson<{ cases: PublishedCase[] }>(`${folder}/expected.json`).cases.flatMap(
      ({ name, positions, config = CASE_CONFIGS[`${folder}/${name}`], ...errors }): LogitsTest[] => {
        const { fp32_max_abs_err, bf16_max_abs_err } = errors;
        const common = { folder, name, config, positions };
        return [
          // Sums in another order only; logits are about 10, the longest case adds 16400 terms.
          { ...common, dtype: 'float64', bound: 1e-9 },
          { ...common, dtype: 'float32', bound: 8 * fp32_max_abs_err },
          ...(bf16_max_abs_err === undefined
            ? []
            : [{ ...common, dtype: 'bfloat16', bound: 3 * bf16_max_abs_err } as const]),
        ];
      },
    ),
  );
}

/** Long rows: seconds of one core each. The default run has 8200 tokens in float32 of both. */
const SLOW = /^telechat-(?:12b\/long_(?:8192|16400)|52b\/long_8200|12b\/long_8200)$/;

export function isSlow({ folder, name, dtype }: LogitsTest): boolean {
  return SLOW.test(`${folder}/${name}`) && !(dtype === 'float32' && name === 'long_8200');
}

/** max |ours - float64| over the stored positions that are not padding. Throws when the shapes differ. */
export function logitsDifference(
  { folder, name, config, dtype, positions }: LogitsTest,
  device = goldenDevice,
): number {
  const stored = goldenTensors(`${folder}/expected.safetensors`);
  return scope(() => {
    const options: LoadModelOptions = {
      dtype,
      device,
      configPath: config === undefined ? undefined : `${goldenFolder}${folder}/${config}`,
    };
    const { model } = loadModel(`${goldenFolder}${folder}`, options);
    const attentionMask = name.endsWith('left_padded')
      ? stored(`${name}.attention_mask`).toDevice(device)
      : undefined;
    const last = /^last (\d+)$/.exec(positions)?.[1];
    const lastPositions = last === undefined ? undefined : Number(last);
    const inputIds = stored(`${name}.input_ids`).to('int64').toDevice(device);
    const computed = noGrad(() => model.forward(inputIds, { attentionMask, lastPositions }));
    const ours = computed.toDevice('cpu');
    model.dispose();
    const expected = stored(`${name}.logits64`);
    if (ours.shape.join() !== expected.shape.join())
      throw new Error(
        `${folder} ${name}: shape [${ours.shape.join()}] instead of [${expected.shape.join()}]`,
      );
    if (attentionMask === undefined) return maxAbsDifference(ours, expected);
    const real: Tensor = attentionMask.toDevice('cpu').to('float64').unsqueeze(-1);
    return maxAbsDifference(ours.to('float64').mul(real), expected.mul(real));
  });
}
