/** How a family's model lies in a GGUF that llama.cpp runs: its architecture there, sizes, and names and rows of tensors. */
import { layerPattern, type NameScheme, type NameTable, withLayer } from '../../../checkpoint/index.js';
import type { TensorView } from '../../../formats/index.js';
import type { ExpertsShape } from '../../model-shape.js';
import { pairRows, unpairRows } from './gguf-rows.js';

export interface GgufLayout {
  /** llama.cpp's name of the architecture. */
  readonly architecture: 'llama' | 'qwen2' | 'qwen3' | 'qwen3moe' | 'xverse';
  /** Tokens up to which rotary angles are those of the published model. */
  readonly contextLength: number;
  readonly normEpsilon: number;
  readonly ropeBase: number;
  /** How positions are stretched. Default: they are not. */
  readonly ropeScaling?: GgufRopeScaling | undefined;
  /** Factor on cos and sin, beside that of YaRN. Default 1. */
  readonly attentionFactor?: number | undefined;
  /** Each rotary frequency is divided by its own. Default: none is. */
  readonly frequencyDivisors?: readonly number[] | undefined; // [E/2]
  /** Default: there are none. */
  readonly experts?: ExpertsShape | undefined;
  readonly scheme: NameScheme;
}

export interface GgufRopeScaling {
  readonly type: 'linear' | 'yarn';
  readonly factor: number;
  /** Length of training before the stretch; of yarn. */
  readonly original?: number | undefined;
}

/** Why llama.cpp cannot run models of a family. */
export interface GgufRefusal {
  readonly unsupported: string;
}

/** One of our parameters and the tensors that hold it in a GGUF. */
export interface GgufRow {
  /** Our path, `{i}` for the layer. */
  readonly path: string;
  readonly names: readonly string[];
  /** Ours to theirs, in the order of `names`. */
  readonly split: (view: TensorView) => readonly TensorView[];
  readonly join: (views: readonly TensorView[]) => TensorView;
}

/** The same tensor under another name. */
export function sameRow(name: string, path: string): GgufRow {
  return { path, names: [name], split: (view) => [view], join: only };
}

/** A query or key projection [H * E, D]. */
export function rotaryRow(name: string, path: string, heads: number): GgufRow {
  return {
    path,
    names: [name],
    split: (view) => [pairRows(view, heads)],
    join: (views) => unpairRows(only(views), heads),
  };
}

function only([view]: readonly TensorView[]): TensorView {
  if (view === undefined) throw new TypeError('a parameter of one tensor');
  return view;
}

/** The tensor of `frequencyDivisors`: the config beside it says the same. */
export const FREQUENCY_DIVISORS = 'rope_freqs.weight';

const SKIPPED = new Set([FREQUENCY_DIVISORS]);

interface GgufSchemeOptions {
  readonly factors?: ReadonlyMap<string, number>;
  /** The architecture needs `output.weight`: a tied model has its embedding twice. Default false. */
  readonly needsOutput?: boolean;
  /** Our paths, `{i}` for the layer, of matrices that are float32 in it as vectors are. Default: none. */
  readonly float32?: readonly string[];
}

export function ggufScheme(
  rows: readonly GgufRow[],
  { factors, needsOutput = false, float32 = [] }: GgufSchemeOptions = {},
): NameScheme {
  const byPath = new Map(rows.map((row) => [row.path, row]));
  const byName = new Map(rows.flatMap((row) => row.names.map((name) => [name, row] as const)));
  return {
    float32Vectors: true,
    keepsFloat32: (path) => float32.includes(layerPattern(path).pattern),
    ...(factors !== undefined && { factors }),
    knows: (name) => SKIPPED.has(name) || byName.has(layerPattern(name).pattern),
    pathsOf(name) {
      const { pattern, layer } = layerPattern(name);
      const row = byName.get(pattern);
      // A part of a parameter is none.
      return row === undefined || row.names.length > 1 ? [] : [withLayer(row.path, layer)];
    },
    fromPublished(tensors) {
      const found = new Map<string, TensorView>();
      const names = new Map<string, string>();
      const skipped: string[] = [];
      const unknown: string[] = [];
      for (const name of tensors.keys()) {
        const { pattern, layer } = layerPattern(name);
        const row = byName.get(pattern);
        const parts = row?.names.flatMap((part) => tensors.get(withLayer(part, layer)) ?? []) ?? [];
        if (SKIPPED.has(name)) skipped.push(name);
        else if (row === undefined || parts.length < row.names.length) unknown.push(name);
        else {
          const path = withLayer(row.path, layer);
          if (!found.has(path)) found.set(path, row.join(parts));
          if (row.names.length === 1) names.set(path, name);
        }
      }
      return { tensors: found, names, skipped, unknown };
    },
    toPublished(tensors) {
      const named = new Map<string, TensorView>();
      for (const [path, view] of tensors) {
        const { pattern, layer } = layerPattern(path);
        const row = byPath.get(pattern);
        if (row === undefined) throw new TypeError(`no GGUF name for ${path}`);
        for (const [index, part] of row.split(view).entries())
          named.set(withLayer(row.names[index] ?? '', layer), part);
      }
      const embedding = named.get('token_embd.weight');
      if (needsOutput && embedding !== undefined && !named.has('output.weight'))
        named.set('output.weight', embedding);
      return named;
    },
  };
}

/** The rows that all families share. */
export function commonRows({ ends }: NameTable): readonly GgufRow[] {
  if (ends === undefined) throw new TypeError('a model without ends has no rows in a GGUF');
  return [
    sameRow('token_embd.weight', `${ends.embedding}.weight`),
    sameRow('output_norm.weight', `${ends.finalNorm}.weight`),
    ...(ends.head === undefined ? [] : [sameRow('output.weight', `${ends.head}.weight`)]),
    sameRow('blk.{i}.attn_norm.weight', 'layers.{i}.inputNorm.weight'),
    sameRow('blk.{i}.ffn_norm.weight', 'layers.{i}.postAttentionNorm.weight'),
  ];
}
