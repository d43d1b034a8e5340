/**
 * How a checkpoint spells and shapes a model's tensors: names only (NameTable), or fused ones as well. Everything is a
 * view: nothing is read.
 */
import { InputError } from '../errors/index.js';
import {
  everyRow,
  interleaveRows,
  placeOfView,
  selectRow,
  sliceRows,
  stackRows,
  stackTensors,
  type TensorView,
} from '../formats/index.js';
import { layerPattern, type NameTable, withLayer } from './name-table.js';

export interface ModuleTensors {
  /** By our own path. */
  readonly tensors: Map<string, TensorView>;
  /** Names in the checkpoint by our own path, of those that are no part of a fused tensor. */
  readonly names: Map<string, string>;
  /** Names that carry nothing and are left out on purpose. */
  readonly skipped: readonly string[];
  /** Names that the scheme does not have. */
  readonly unknown: readonly string[];
}

/** One of the namings of a family. */
export interface NameScheme {
  /** Is this a name of a parameter, or of a buffer that is left out on purpose? */
  knows(name: string): boolean;
  /** Our paths of what a tensor of this name holds, or is a piece of; none for a name that the scheme does not have. */
  pathsOf(name: string): readonly string[];
  /** @throws InputError for a piece of a parameter that is missing or unlike the others */
  fromPublished(tensors: ReadonlyMap<string, TensorView>): ModuleTensors;
  /** Throws TypeError for a path that the scheme does not have, InputError for parts of a fused tensor that do not fit. */
  toPublished(tensors: ReadonlyMap<string, TensorView>): Map<string, TensorView>;
  /** Tensors that it holds multiplied: our own path and the factor. Default: none. */
  readonly factors?: ReadonlyMap<string, number>;
  /** Norms and biases are float32 in it, whatever the matrices are. Default false. */
  readonly float32Vectors?: boolean;
  /** Is a matrix float32 in it, whatever the others are? Default: none is. @param path our own */
  readonly keepsFloat32?: (path: string) => boolean;
}

/** Every name as it is: for models that no family knows. */
export const ANY_NAMES: NameScheme = {
  knows: () => true,
  pathsOf: (name) => [name],
  fromPublished: (tensors) => ({
    tensors: new Map(tensors),
    names: sameNames(tensors.keys()),
    skipped: [],
    unknown: [],
  }),
  toPublished: (tensors) => new Map(tensors),
};

function sameNames(names: Iterable<string>): Map<string, string> {
  return new Map([...names].map((name) => [name, name]));
}

/** The paths of our own modules. */
export function ownNames(table: NameTable): NameScheme {
  return {
    knows: (name) => table.hasPath(name),
    pathsOf: (name) => (table.hasPath(name) ? [name] : []),
    fromPublished: (tensors) => ({
      tensors: new Map([...tensors].filter(([name]) => table.hasPath(name))),
      names: sameNames(tensors.keys()),
      skipped: [],
      unknown: [...tensors.keys()].filter((name) => !table.hasPath(name)),
    }),
    toPublished: (tensors) => new Map(tensors),
  };
}

/** A tensor that holds several of ours along its first dimension. */
export interface FusedRow {
  /** Its name, `{i}` for the layer. */
  readonly name: string;
  /** Our paths, in order; all of one shape. */
  readonly parts: readonly string[];
  /** stacked: one block after the other; interleaved: row 0 of each, row 1 of each, … */
  readonly order: 'stacked' | 'interleaved';
}

/** @param fused rows beside those of `table`, which must not name the same paths */
export function nameScheme(table: NameTable, fused: readonly FusedRow[] = []): NameScheme {
  const byName = new Map(fused.map((row) => [row.name, row]));
  const byPart = new Map(fused.flatMap((row) => row.parts.map((part) => [part, row] as const)));
  return {
    knows: (name) =>
      byName.has(layerPattern(name).pattern) ||
      table.fromPublished(name) !== undefined ||
      table.pieceOf(name) !== undefined,
    pathsOf(name) {
      const { pattern, layer } = layerPattern(name);
      const row = byName.get(pattern);
      if (row !== undefined) return row.parts.map((part) => withLayer(part, layer));
      const path = table.pieceOf(name)?.path ?? table.fromPublished(name);
      return path === undefined || path === 'skip' ? [] : [path];
    },
    fromPublished(tensors) {
      const found = new Map<string, TensorView>();
      const names = new Map<string, string>();
      const skipped: string[] = [];
      const unknown: string[] = [];
      const pieces = new Map<string, TensorView[]>();
      for (const [name, view] of tensors) {
        const piece = table.pieceOf(name);
        if (piece !== undefined) {
          const own = pieces.get(piece.path) ?? [];
          own[piece.index] = view;
          pieces.set(piece.path, own);
          continue;
        }
        const { pattern, layer } = layerPattern(name);
        const row = byName.get(pattern);
        if (row !== undefined) {
          for (const [index, part] of row.parts.entries())
            found.set(withLayer(part, layer), takePart(view, row, index));
          continue;
        }
        const path = table.fromPublished(name);
        if (path === undefined) unknown.push(name);
        else if (path === 'skip') skipped.push(name);
        else {
          const twin = found.get(path);
          if (twin !== undefined)
            throw new InputError(
              `${placeOfView(view)}: tensors "${twin.source}" and "${name}" are the same parameter of the model; remove one.`,
            );
          found.set(path, view);
          names.set(path, name);
        }
      }
      for (const [path, views] of pieces) {
        const twin = found.get(path);
        if (twin !== undefined)
          throw new InputError(
            `${placeOfView(twin)}: tensor "${twin.source}" and the pieces that begin with "${table.piecesOf(path)?.(0)}" are the ` +
              'same parameter of the model; remove one.',
          );
        found.set(path, joinPieces(path, views, table));
      }
      return { tensors: found, names, skipped, unknown };
    },
    toPublished(tensors) {
      const named = new Map<string, TensorView>();
      for (const [path, view] of tensors) {
        const nameOf = table.piecesOf(path);
        if (nameOf !== undefined) {
          for (let index = 0; index < (view.shape[0] ?? 0); index++)
            named.set(nameOf(index), selectRow(view, index));
          continue;
        }
        const { pattern, layer } = layerPattern(path);
        const row = byPart.get(pattern);
        if (row === undefined) named.set(table.toPublished(path), view);
        else if (row.parts[0] === pattern) named.set(withLayer(row.name, layer), fuse(row, layer, tensors));
      }
      return named;
    },
  };
}

/** @param views by number, with holes where pieces are missing */
function joinPieces(path: string, views: readonly (TensorView | undefined)[], table: NameTable): TensorView {
  const nameOf = (index: number): string => table.piecesOf(path)?.(index) ?? path;
  const whole: TensorView[] = [];
  for (const [index, view] of views.entries()) {
    const last = views.at(-1);
    if (view === undefined)
      throw new InputError(
        `${last === undefined ? 'the checkpoint' : placeOfView(last)}: tensor "${nameOf(index)}" is missing, though ` +
          `"${nameOf(views.length - 1)}" is there; download or convert the model again.`,
      );
    const [first = view] = whole;
    if (view.dtype !== first.dtype || view.shape.join() !== first.shape.join())
      throw new InputError(
        `${placeOfView(view)}: tensor "${nameOf(index)}" is ${view.dtype} [${view.shape.join(', ')}], and "${nameOf(0)}" ` +
          `${first.dtype} [${first.shape.join(', ')}]; they must be alike.`,
      );
    whole.push(view);
  }
  return stackTensors(whole);
}

function takePart(view: TensorView, { parts, order }: FusedRow, index: number): TensorView {
  const rows = (view.shape[0] ?? 0) / parts.length;
  if (!Number.isInteger(rows))
    throw new InputError(
      `${placeOfView(view)}: tensor "${view.source}" [${view.shape.join(', ')}] should hold ${parts.length} equal blocks of ` +
        'rows, which it cannot; it belongs to another model.',
    );
  if (order === 'interleaved') return everyRow(view, parts.length, index);
  return sliceRows(view, index * rows, (index + 1) * rows);
}

function fuse({ name, parts, order }: FusedRow, layer: string, tensors: ReadonlyMap<string, TensorView>) {
  const views = parts.map((part) => {
    const view = tensors.get(withLayer(part, layer));
    if (view === undefined)
      throw new InputError(
        `${withLayer(name, layer)} is made of ${parts.map((path) => withLayer(path, layer)).join(', ')}, but ` +
          `${withLayer(part, layer)} is not in the source; convert with --names published or add it.`,
      );
    return view;
  });
  const shapes = new Set(views.map(({ dtype, shape }) => `${dtype} [${shape.join(', ')}]`));
  if (shapes.size > 1)
    throw new InputError(
      `${withLayer(name, layer)} is made of tensors of one dtype and shape, but they are ${[...shapes].join(', ')}.`,
    );
  return order === 'stacked' ? stackRows(views) : interleaveRows(views);
}
