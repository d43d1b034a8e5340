/**
 * What an adapter's tensors are called, in the three published spellings; M is the published name of the adapted layer:
 *
 * - peft: `base_model.model.M.lora_A.weight` [R, I] and `lora_B.weight` [O, R]; with DoRA `M.lora_magnitude_vector` [O];
 *   with a bias `M.lora_B.bias` [O]; on embeddings `M.lora_embedding_A` [R, V] and `lora_embedding_B` [D, R]; rows of single ids
 *   `M.token_adapter.trainable_tokens_delta` [N, D]; whole tensors under the model's own names, also as `M.base_layer.weight`
 * - mindpet (Spark): `M.mindpet_delta_lora_A` [R, I], `M.mindpet_delta_lora_B` [O, R]
 * - telechat: `M.lora_right_weight` [I, R], `M.lora_left_weight` [R, O], transposed
 */

/** PEFT's names behind the layer's name. */
export const LORA_NAMES = {
  loraA: 'lora_A.weight',
  loraB: 'lora_B.weight',
  loraMagnitude: 'lora_magnitude_vector',
  loraBias: 'lora_B.bias',
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

/** The name of the adapter in a tensor's name: in a model's state PEFT puts it behind each part; that of the first one is "default". */
const KEYED: readonly RegExp[] = [
  /\.lora_[AB]\.(?<key>[^.]+)(?=\.(?:weight|bias)$)/,
  /\.lora_embedding_[AB]\.(?<key>[^.]+)$/,
  /\.lora_magnitude_vector\.(?<key>[^.]+)\.weight$/,
  /\.lora_magnitude_vector\.(?<key>(?!weight$)[^.]+)$/,
  /\.token_adapter\.trainable_tokens_delta\.(?<key>[^.]+)$/,
  /\.modules_to_save\.(?<key>[^.]+)(?=\.)/,
];

/** The adapter that a tensor of a model's state belongs to; undefined for the names in an adapter's own file. */
export function adapterKey(name: string): string | undefined {
  return KEYED.map((pattern) => pattern.exec(name)?.groups?.key).find((key) => key !== undefined);
}

/** As it stands in an adapter's own file; whole modules (`modules_to_save`) keep their place in the state. */
export function withoutAdapterKey(name: string): string {
  return name
    .replace(/\.(lora_[AB])\.[^.]+(?=\.(?:weight|bias)$)/, '.$1')
    .replace(/\.(lora_embedding_[AB]|token_adapter\.trainable_tokens_delta)\.[^.]+$/, '.$1')
    .replace(/\.lora_magnitude_vector\..+$/, '.lora_magnitude_vector');
}

/** As PEFT saves a tensor of a model's state in an adapter's own file. */
export function savedName(name: string): string {
  return withoutAdapterKey(name).replace(/\.modules_to_save\.[^.]+(?=\.)/, '');
}

/** One of the two matrices of a linear layer. */
export function parseAdapterName(full: string): AdapterTensor | undefined {
  const name = withoutAdapterKey(full);
  for (const { suffix, prefix, part, transposed } of ADAPTER_NAMINGS)
    if (name.endsWith(suffix) && name.startsWith(prefix))
      return { module: name.slice(prefix.length, name.length - suffix.length), part, transposed };
  return undefined;
}

/** The layer whose magnitude (DoRA) has this name. */
export function parseMagnitudeName(full: string): string | undefined {
  const name = withoutAdapterKey(full);
  const suffix = `.${LORA_NAMES.loraMagnitude}`;
  if (!name.startsWith(PEFT_PREFIX) || !name.endsWith(suffix)) return undefined;
  return name.slice(PEFT_PREFIX.length, -suffix.length);
}

const PEFT_PARTS = [
  { suffix: `.${LORA_NAMES.loraBias}`, part: 'loraBias' },
  { suffix: '.lora_embedding_A', part: 'embeddingA' },
  { suffix: '.lora_embedding_B', part: 'embeddingB' },
  { suffix: '.token_adapter.trainable_tokens_delta', part: 'tokens' },
] as const;

export type AdapterPart = 'loraA' | 'loraB' | 'loraMagnitude' | (typeof PEFT_PARTS)[number]['part'];

/** A part of an adapted layer, or (`whole`) a parameter that takes the place of the model's. */
export type AdapterName =
  | { readonly kind: 'part'; readonly module: string; readonly part: AdapterPart }
  | { readonly kind: 'whole'; readonly parameter: string };

/** undefined for a name that no adapter has. */
export function parseAdapterPart(full: string): AdapterName | undefined {
  const matrix = parseAdapterName(full);
  if (matrix !== undefined) return { kind: 'part', module: matrix.module, part: matrix.part };
  const magnitude = parseMagnitudeName(full);
  if (magnitude !== undefined) return { kind: 'part', module: magnitude, part: 'loraMagnitude' };
  const name = withoutAdapterKey(full);
  if (!name.startsWith(PEFT_PREFIX)) return undefined;
  const rest = name.slice(PEFT_PREFIX.length);
  for (const { suffix, part } of PEFT_PARTS)
    if (rest.endsWith(suffix)) return { kind: 'part', module: rest.slice(0, -suffix.length), part };
  return { kind: 'whole', parameter: rest.replace(/\.(?:base_layer|modules_to_save\.[^.]+)(?=\.)/, '') };
}

/** Of a matrix or another part of an adapted layer, in any spelling. */
export function isAdapterName(name: string): boolean {
  return parseAdapterPart(name)?.kind === 'part';
}
