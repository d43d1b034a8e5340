/** Which weights become integers, under which names, and in which file each is written. */
import { publishedName } from '../../checkpoint/index.js';
import { InputError } from '../../errors/index.js';
import { selectRow, type TensorView, viewBytes } from '../../formats/index.js';
import { namedLinears } from '../../nn/index.js';
import type { ConversionSource } from '../convert/open-source.js';
import type { Architecture } from '../family.js';
import type { QuantizeOptions } from './quantize-options.js';

/** A weight that becomes integers. */
export interface QuantizedWeight {
  /** Published name of the layer, without `.weight`. */
  readonly layer: string;
  /** Own path of the layer. */
  readonly path: string;
  /** Its number, of an expert. */
  readonly expert: number | undefined;
  readonly view: TensorView;
  /** [O, I], however it is stored. */
  readonly shape: readonly [outFeatures: number, inFeatures: number];
  /** Stored as [I, O], as GPT-2's Conv1D does. */
  readonly isTransposed: boolean;
  /** The embedding, or the output projection. */
  readonly isEnd: boolean;
}

/** A block, or what stands around them. */
export interface BlockPlan {
  /** undefined: around the blocks. */
  readonly index: number | undefined;
  readonly quantized: readonly QuantizedWeight[];
  readonly plain: readonly PlainWeight[];
}

export interface PlainWeight {
  readonly name: string;
  /** Own path. */
  readonly path: string;
  readonly view: TensorView;
}

export interface QuantizationPlan {
  /** In the order in which they are quantised. */
  readonly blocks: readonly BlockPlan[];
  /** The blocks of each file. */
  readonly files: readonly (readonly BlockPlan[])[];
  /** Published names, without `.weight`, of all matrices but the embedding that stay floats: programs elsewhere have to be told. */
  readonly kept: readonly string[];
}

/** About what a file holds. */
const FILE_BYTES = 2 ** 28;

/** @throws InputError for a model that is quantised already, that lacks weights, or of which nothing would be quantised */
export function planFiles(
  { from, keep = [], bits, ends, scheme }: QuantizeOptions,
  { model: { weights } }: ConversionSource,
  architecture: Architecture,
): QuantizationPlan {
  const already = [...weights.values()].find(({ integers }) => integers !== undefined);
  if (already !== undefined)
    throw new InputError(
      `${from}: "${already.source}" is quantised already, and each time more is lost; take the model that it was made from.`,
    );
  const { names } = architecture;
  const model = architecture.createModel();
  const missing = model.namedParameters().find(([path]) => !weights.has(path))?.[0];
  if (missing !== undefined)
    throw new InputError(`${from}: the weight "${publishedName(names, missing)}" is missing.`);
  const layouts = new Map([...namedLinears(model)].map(([path, { layout }]) => [`${path}.weight`, layout]));
  const { headWeight, embeddingWeight } = names;
  const takesEnds = ends !== undefined || scheme === 'auto';
  // Elsewhere a tied projection is a layer, too.
  const kept = headWeight === undefined ? [] : [withoutWeight(publishedName(names, headWeight))];
  const blocks = new Map<string, { quantized: QuantizedWeight[]; plain: PlainWeight[]; bytes: number }>();
  for (const [path, whole] of weights) {
    const block = /^layers\.\d+(?=\.)/.exec(path)?.[0];
    const plan = blocks.get(block ?? '') ?? { quantized: [], plain: [], bytes: 0 };
    blocks.set(block ?? '', plan);
    for (const { name, view, expert } of published(path, whole, architecture)) {
      const layout = names.piecesOf(path) === undefined ? layouts.get(path) : 'out-in';
      const [rows, columns, more] = view.shape;
      const isLinear =
        layout !== undefined && rows !== undefined && columns !== undefined && more === undefined;
      const layer = withoutWeight(name);
      const isKept = keep.some((part) => layer.includes(part));
      const isEnd = path === headWeight || path === embeddingWeight;
      if (isEnd && takesEnds && !isKept && rows !== undefined && columns !== undefined && name !== layer) {
        plan.quantized.push({
          ...{ layer, path: withoutWeight(path), expert, view, isTransposed: false, isEnd: true },
          shape: [rows, columns],
        });
        if (path === headWeight) kept.splice(kept.indexOf(layer), 1);
        plan.bytes += (rows * columns * (ends ?? bits)) / 8;
        continue;
      }
      if (block === undefined || !isLinear || isKept) {
        plan.plain.push({ name, path, view });
        if (view.shape.length === 2 && !isEnd) kept.push(layer);
        plan.bytes += viewBytes(view);
        continue;
      }
      const isTransposed = layout === 'in-out';
      plan.quantized.push({
        layer,
        path: withoutWeight(path),
        expert,
        view,
        isTransposed,
        isEnd: false,
        shape: isTransposed ? [columns, rows] : [rows, columns],
      });
      plan.bytes += (rows * columns * bits) / 8;
    }
  }
  const named = [...kept, ...(embeddingWeight === undefined ? [] : [publishedName(names, embeddingWeight)])];
  const unused = keep.find((part) => !named.some((layer) => layer.includes(part)));
  if (unused !== undefined)
    throw new InputError(
      `--keep ${unused}: no linear layer of the model's blocks has this in its published name.`,
    );
  if ([...blocks.values()].every(({ quantized }) => quantized.every(({ isEnd }) => isEnd)))
    throw new InputError(`${from}: no linear layer is left to be quantised; --keep names all of them.`);
  const inOrder = [...blocks]
    .map(([block, plan]) => ({ index: blockNumber(block), ...plan }))
    .sort((a, b) => a.index - b.index);
  const planned = inOrder.map(({ index, quantized, plain, bytes }) => ({
    plan: { index: index < 0 ? undefined : index, quantized, plain },
    bytes,
  }));
  return { blocks: planned.map(({ plan }) => plan), files: inFiles(planned), kept };
}

function withoutWeight(name: string): string {
  return name.replace(/\.weight$/, '');
}

/** What stands around the blocks comes first. */
function blockNumber(block: string): number {
  return block === '' ? -1 : Number(block.slice('layers.'.length));
}

interface PublishedWeight {
  readonly name: string;
  readonly view: TensorView;
  readonly expert: number | undefined;
}

/** Experts lie piece by piece in published files. */
function published(path: string, view: TensorView, { names }: Architecture): PublishedWeight[] {
  const nameOf = names.piecesOf(path);
  if (nameOf === undefined) return [{ name: publishedName(names, path), view, expert: undefined }];
  return Array.from({ length: view.shape[0] ?? 0 }, (_, index) => ({
    name: nameOf(index),
    view: selectRow(view, index),
    expert: index,
  }));
}

function inFiles(blocks: readonly { readonly plan: BlockPlan; readonly bytes: number }[]): BlockPlan[][] {
  const files: { blocks: BlockPlan[]; bytes: number }[] = [];
  for (const { plan, bytes } of blocks) {
    const last = files.at(-1);
    if (last === undefined || last.bytes + bytes > FILE_BYTES) files.push({ blocks: [plan], bytes });
    else {
      last.blocks.push(plan);
      last.bytes += bytes;
    }
  }
  return files.map((file) => file.blocks);
}
