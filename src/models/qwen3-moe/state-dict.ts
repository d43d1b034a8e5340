/** Published tensor names: those of a Qwen3, and of the experts, each of which published files hold on its own. */
import type { NameRow } from '../../checkpoint/index.js';
import {
  ATTENTION_INPUT_BIASES,
  ATTENTION_OUTPUT_BIAS,
  HEAD_NORMS,
  llamaLayoutNames,
} from '../llama-parts/tensor-names.js';

const PROJECTIONS = [
  ['gate_proj', 'gateProj'],
  ['up_proj', 'upProj'],
  ['down_proj', 'downProj'],
] as const;

const ROUTER_AND_EXPERTS: readonly NameRow[] = [
  ['model.layers.{i}.mlp.gate.weight', 'layers.{i}.mlp.router.weight'],
  ...PROJECTIONS.map(
    ([published, own]): NameRow => [
      `model.layers.{i}.mlp.experts.${published}.weight`,
      `layers.{i}.mlp.experts.${own}.weight`,
    ],
  ),
];

const PIECES: readonly NameRow[] = PROJECTIONS.map(([published, own]) => [
  `model.layers.{i}.mlp.experts.{e}.${published}.weight`,
  `layers.{i}.mlp.experts.${own}.weight`,
]);

export const qwen3MoeNames = llamaLayoutNames(
  ATTENTION_INPUT_BIASES,
  ATTENTION_OUTPUT_BIAS,
  HEAD_NORMS,
  ROUTER_AND_EXPERTS,
).withPieces(PIECES);
