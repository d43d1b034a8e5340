/**
 * How LoRA's two matrices are called, in the three published spellings; M is the published name of the adapted layer:
 *
 * - peft: `base_model.model.M.lora_A.weight` [R, I] and `lora_B.weight` [O, R]; with DoRA `M.lora_magnitude_vector` [O]
 * - mindpet (Spark): `M.mindpet_delta_lora_A` [R, I], `M.mindpet_delta_lora_B` [O, R]
 * - telechat: `M.lora_right_weight` [I, R], `M.lora_left_weight` [R, O], transposed
 */

/** PEFT's names behind the layer's name. */
export const LORA_NAMES = {
  loraA: 'lora_A.weight',
  loraB: 'lora_B.weight',
  loraMagnitude: 'lora_magnitude_vector',
} as const;

export const PEFT_PREFIX = 'base_model.model.';

/** The matrices; a magnitude is spelled by PEFT alone. */
export const ADAPTER_NAMINGS = [
  { suffix: `.${LORA_NAMES.loraA}`, prefix: PEFT_PREFIX, part: 'loraA', transposed: false },
  { suffix: `.${LORA_NAMES.loraB}`, prefix: PEFT_PREFIX, part: 'loraB', transposed: false },
  { suffix: '.mindpet_delta_lora_A', prefix: '', part: 'loraA', transposed: false },
  { suffix: '.mindpet_delta_lora_B', prefix: '', part: 'loraB', transposed: false },
  { suffix: '.lora_right_weight', prefix: '', part: 'loraA', transposed: true },
  { suffix: '.lora_left_weight', prefix: '', part: 'loraB', transposed: true },
] as const;

export interface AdapterTensor {
  /** Published name of the adapted layer. */
  readonly module: string;
  readonly part: 'loraA' | 'loraB';
  readonly transposed: boolean;
}

/** One of the two matrices. */
export function parseAdapterName(name: string): AdapterTensor | undefined {
  for (const { suffix, prefix, part, transposed } of ADAPTER_NAMINGS)
    if (name.endsWith(suffix) && name.startsWith(prefix))
      return { module: name.slice(prefix.length, name.length - suffix.length), part, transposed };
  return undefined;
}

/** The layer whose magnitude (DoRA) has this name. */
export function parseMagnitudeName(name: string): string | undefined {
  const suffix = `.${LORA_NAMES.loraMagnitude}`;
  if (!name.startsWith(PEFT_PREFIX) || !name.endsWith(suffix)) return undefined;
  return name.slice(PEFT_PREFIX.length, -suffix.length);
}
