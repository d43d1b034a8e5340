/** adapter_config.json beside an adapter that is written in PEFT's form: without it PEFT does not load the folder. */
import { readConfigFile } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
import type { LoraOptions } from '../../lora/index.js';
import type { ContainerFormat } from '../containers.js';
import type { PlannedFile } from '../convert/chain-tensor.js';
import {
  ADAPTER_CONFIG_FILE,
  findAdapterConfig,
  type PeftLayer,
  peftConfig,
  readAdapterRules,
} from './adapter-config.js';
import { PEFT_PREFIX, parseAdapterName } from './adapter-names.js';

export interface PeftConfigOptions {
  readonly from: string;
  /** The model's config, if there is one. */
  readonly configPath: string | undefined;
  readonly loraAlpha?: number | undefined;
  /** Was PEFT's form asked for, or is the source a run of PEFT? Then alpha must be known. */
  readonly isAskedFor: boolean;
}

/**
 * undefined where the files are no adapter in PEFT's form, or where nobody tells alpha and nobody asked for that form.
 * @throws InputError if alpha is not known
 */
export function planPeftConfig(
  files: readonly PlannedFile[],
  format: ContainerFormat,
  linearLayout: 'out-in' | 'in-out',
  options: PeftConfigOptions,
): ReturnType<typeof peftConfig> | undefined {
  const tensors = files.flatMap((file) => file.tensors);
  const halves = tensors.map(({ name }) => parseAdapterName(name));
  const isPeft = tensors.every(
    ({ name }, index) => halves[index] !== undefined && name.startsWith(PEFT_PREFIX),
  );
  if (!isPeft || (format !== 'safetensors' && format !== 'bin')) return undefined;
  const rules = rulesOf(options);
  if (rules === undefined) {
    if (!options.isAskedFor) return undefined;
    throw new InputError(
      `${options.from}: no config beside it tells lora_alpha, which ${ADAPTER_CONFIG_FILE} needs; put that file of the run there, or give --lora-alpha.`,
    );
  }
  const layers = new Map<string, PeftLayer>();
  for (const [index, { shape }] of tensors.entries()) {
    const half = halves[index];
    if (half === undefined) continue;
    const rank = shape[half.part === 'loraA' ? 0 : 1] ?? 1;
    layers.set(half.module, { module: half.module, options: { ...rules(half.module), rank } });
  }
  return peftConfig({ layers: [...layers.values()], layout: linearLayout });
}

/** Of the command line, of PEFT's config beside the source, or of the model's config (Spark's has a section for it). */
function rulesOf({
  from,
  configPath,
  loraAlpha,
}: PeftConfigOptions): ((module: string) => Omit<LoraOptions, 'rank'>) | undefined {
  if (loraAlpha !== undefined) return () => ({ alpha: loraAlpha });
  const peft = findAdapterConfig(from);
  if (peft !== undefined) return readAdapterRules(peft).optionsOf;
  const alpha = configPath === undefined ? undefined : findNumber(readConfigFile(configPath), 'lora_alpha');
  return alpha === undefined ? undefined : () => ({ alpha });
}

/** The first number of that name, in any section. */
function findNumber(value: unknown, key: string): number | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [name, inner] of Object.entries(value)) {
    const found = name === key && typeof inner === 'number' ? inner : findNumber(inner, key);
    if (found !== undefined) return found;
  }
  return undefined;
}
