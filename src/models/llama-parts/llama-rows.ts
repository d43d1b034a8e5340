/** Llama's published names as rows of a scheme that may take tensors apart. */
import type { NameTable } from '../../checkpoint/index.js';
import { type GgufRow, sameRow } from '../convert/gguf/gguf-layout.js';

/** What a family has under paths of its own for the parts of a Llama block. */
type LlamaPart = 'self_attn.q_proj' | 'self_attn.o_proj' | 'mlp.gate_proj' | 'mlp.up_proj' | 'mlp.down_proj';

/** Embedding, norms and output projection, which all families have alike. */
export function llamaEndRows({ ends }: NameTable): readonly GgufRow[] {
  if (ends === undefined) throw new TypeError('a model without ends has no rows');
  return [
    sameRow('model.embed_tokens.weight', `${ends.embedding}.weight`),
    sameRow('model.norm.weight', `${ends.finalNorm}.weight`),
    ...(ends.head === undefined ? [] : [sameRow('lm_head.weight', `${ends.head}.weight`)]),
    sameRow('model.layers.{i}.input_layernorm.weight', 'layers.{i}.inputNorm.weight'),
    sameRow('model.layers.{i}.post_attention_layernorm.weight', 'layers.{i}.postAttentionNorm.weight'),
  ];
}

/** @param parts path within a block by Llama's name @param kind weight or bias */
export function llamaLinearRows(
  parts: Readonly<Partial<Record<LlamaPart, string>>>,
  kind: 'weight' | 'bias' = 'weight',
): readonly GgufRow[] {
  return Object.entries(parts).map(([name, path]) =>
    sameRow(`model.layers.{i}.${name}.${kind}`, `layers.{i}.${path}.${kind}`),
  );
}

/** All tensors of the Llama layout under the names that it publishes. */
export function llamaLayoutFormRows(names: NameTable): readonly GgufRow[] {
  const kinds = ['weight', 'bias'] as const;
  const linears = [
    ['self_attn.q_proj', 'attention.qProj'],
    ['self_attn.k_proj', 'attention.kProj'],
    ['self_attn.v_proj', 'attention.vProj'],
    ['self_attn.o_proj', 'attention.oProj'],
    ['mlp.gate_proj', 'mlp.gateProj'],
    ['mlp.up_proj', 'mlp.upProj'],
    ['mlp.down_proj', 'mlp.downProj'],
  ] as const;
  return [
    ...llamaEndRows(names),
    ...kinds.flatMap((kind) =>
      linears.map(([name, path]) =>
        sameRow(`model.layers.{i}.${name}.${kind}`, `layers.{i}.${path}.${kind}`),
      ),
    ),
  ];
}
