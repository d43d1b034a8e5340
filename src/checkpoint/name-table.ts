/**
 * The two-column table between a family's published tensor names and our own paths. `{i}` stands for a layer number
 * and must be the same on both sides.
 */

export type NameRow = readonly [published: string, path: string];

/** Own paths of what stands around the layers. */
export interface EndPaths {
  readonly embedding: string;
  readonly finalNorm: string;
  /** The output projection, in those models of the family that have one of their own; undefined: it is always tied. */
  readonly head: string | undefined;
}

export interface NameTableOptions {
  /** Default: of a model that nobody knows. */
  readonly ends?: EndPaths;

  /**
   * Published names that carry nothing (buffers): skipped on purpose. "*.mask" stands for every name that ends in
   * ".mask", for buffers whose place in the tree varies.
   */
  readonly skip?: readonly string[];
  /** A prefix that some published files leave away, e.g. "transformer.". */
  readonly optionalPrefix?: string;
  /** Parameters that published files hold piece by piece: the name of a piece, `{e}` for its number, and our path. */
  readonly pieces?: readonly NameRow[];
}

/** A piece of a parameter, an index of its first dimension. */
export interface PieceName {
  readonly path: string;
  readonly index: number;
}

const LAYER = '{i}';
const PIECE = '{e}';

export class NameTable {
  readonly #rows: readonly NameRow[];
  readonly #options: NameTableOptions;
  readonly #toPath: ReadonlyMap<string, string>;
  readonly #toPublished: ReadonlyMap<string, string>;
  readonly #skip: ReadonlySet<string>;
  readonly #skipEndings: readonly string[];
  readonly #optionalPrefix: string | undefined;
  readonly #pieceToPath: ReadonlyMap<string, string>;
  readonly #pathToPiece: ReadonlyMap<string, string>;

  readonly ends: EndPaths | undefined;

  constructor(rows: readonly NameRow[], options: NameTableOptions = {}) {
    const { ends, skip = [], optionalPrefix, pieces = [] } = options;
    this.#rows = rows;
    this.#options = options;
    this.ends = ends;
    this.#toPath = new Map(rows);
    this.#toPublished = new Map(rows.map(([published, path]) => [path, published]));
    this.#skip = new Set(skip);
    this.#skipEndings = skip.filter((name) => name.startsWith('*')).map((name) => name.slice(1));
    this.#optionalPrefix = optionalPrefix;
    this.#pieceToPath = new Map(pieces);
    this.#pathToPiece = new Map(pieces.map(([piece, path]) => [path, piece]));
  }

  /** The same with another output projection, whose published name is its own path. */
  withHead(head: string): NameTable {
    const weight = `${head}.weight`;
    const rows = this.#rows.filter(([, path]) => path !== this.headWeight);
    const ends = this.ends === undefined ? {} : { ends: { ...this.ends, head } };
    return new NameTable([...rows, [weight, weight]], { ...this.#options, ...ends });
  }

  /** The same with parameters that published files hold piece by piece; their wholes are in the table. */
  withPieces(pieces: readonly NameRow[]): NameTable {
    return new NameTable(this.#rows, { ...this.#options, pieces });
  }

  /** Our path of a published name; "skip" for a buffer; undefined for a name that the family does not have. */
  fromPublished(published: string): string | 'skip' | undefined {
    const direct = this.#lookUp(published);
    if (direct !== undefined || this.#optionalPrefix === undefined) return direct;
    return this.#lookUp(this.#optionalPrefix + published);
  }

  /** Is this one of our paths? */
  hasPath(path: string): boolean {
    return this.#toPublished.has(layerPattern(path).pattern);
  }

  /**
   * The published name of one of our paths; of one that files hold piece by piece, the name of the whole. Throws for a path
   * that is not in the table.
   */
  toPublished(path: string): string {
    const { pattern, layer } = layerPattern(path);
    const published = this.#toPublished.get(pattern);
    if (published === undefined) throw new TypeError(`no published name for ${path}`);
    return withLayer(published, layer);
  }

  /** The parameter that a published name is a piece of; undefined for every other name. */
  pieceOf(published: string): PieceName | undefined {
    if (this.#pieceToPath.size === 0) return undefined;
    const { pattern, layer } = layerPattern(published);
    const [, before = '', number = '', after = ''] = /^(.*\.)(0|[1-9]\d*)(\..*)$/.exec(pattern) ?? [];
    const path = this.#pieceToPath.get(before + PIECE + after);
    return path === undefined ? undefined : { path: withLayer(path, layer), index: Number(number) };
  }

  /** Published names of the pieces of one of our paths, by their numbers; undefined where files hold it whole. */
  piecesOf(path: string): ((index: number) => string) | undefined {
    const { pattern, layer } = layerPattern(path);
    const piece = this.#pathToPiece.get(pattern);
    return piece === undefined ? undefined : (index) => withLayer(piece, layer).replace(PIECE, String(index));
  }

  /** [V, D], by own path. */
  get embeddingWeight(): string | undefined {
    return weightOf(this.ends?.embedding);
  }

  /** [V, D], by own path; a tied model does not have it. */
  get headWeight(): string | undefined {
    return weightOf(this.ends?.head);
  }

  /** Is the output projection of the model with these parameters its embedding? @param parameters by own path */
  isTied(parameters: Pick<ReadonlyMap<string, unknown>, 'has'>): boolean {
    const { embeddingWeight, headWeight } = this;
    return parameters.has(embeddingWeight ?? '') && !parameters.has(headWeight ?? '');
  }

  #lookUp(published: string): string | 'skip' | undefined {
    const { pattern, layer } = layerPattern(published);
    const path = this.#toPath.get(pattern);
    if (path !== undefined) return withLayer(path, layer);
    const isSkipped =
      this.#skip.has(pattern) || this.#skipEndings.some((ending) => published.endsWith(ending));
    return isSkipped ? 'skip' : undefined;
  }
}

function weightOf(module: string | undefined): string | undefined {
  return module === undefined ? undefined : `${module}.weight`;
}

/** "h.{i}.mlp" with layer "12" -> "h.12.mlp". */
export function withLayer(pattern: string, layer: string): string {
  return pattern.replace(LAYER, layer);
}

/** "h.12.mlp" -> pattern "h.{i}.mlp", layer "12"; layer "" for a name without a number. The first number is the layer's. */
export function layerPattern(name: string): { pattern: string; layer: string } {
  const match = /(^|\.)(\d+)(?=\.|$)/.exec(name);
  if (match === null) return { pattern: name, layer: '' };
  const start = match.index + (match[1]?.length ?? 0);
  const layer = match[2] ?? '';
  return { pattern: name.slice(0, start) + LAYER + name.slice(start + layer.length), layer };
}
