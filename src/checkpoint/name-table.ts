/**
 * The two-column table between a family's published tensor names and our own paths. `{i}` stands for a layer number
 * and must be the same on both sides.
 */

export type NameRow = readonly [published: string, own: string];

export interface NameTableOptions {
  /**
   * Published names that carry nothing (buffers): skipped on purpose. "*.mask" stands for every name that ends in
   * ".mask", for buffers whose place in the tree varies.
   */
  readonly skip?: readonly string[];
  /** A prefix that some published files leave away, e.g. "transformer.". */
  readonly optionalPrefix?: string;
}

const LAYER = '{i}';

export class NameTable {
  readonly #rows: readonly NameRow[];
  readonly #options: NameTableOptions;
  readonly #toOwn: ReadonlyMap<string, string>;
  readonly #toPublished: ReadonlyMap<string, string>;
  readonly #skip: ReadonlySet<string>;
  readonly #skipEndings: readonly string[];
  readonly #optionalPrefix: string | undefined;

  constructor(rows: readonly NameRow[], options: NameTableOptions = {}) {
    const { skip = [], optionalPrefix } = options;
    this.#rows = rows;
    this.#options = options;
    this.#toOwn = new Map(rows);
    this.#toPublished = new Map(rows.map(([published, own]) => [own, published]));
    this.#skip = new Set(skip);
    this.#skipEndings = skip.filter((name) => name.startsWith('*')).map((name) => name.slice(1));
    this.#optionalPrefix = optionalPrefix;
  }

  /** The same without the rows of some own paths, and with others. */
  changed(without: readonly string[], more: readonly NameRow[]): NameTable {
    return new NameTable([...this.#rows.filter(([, own]) => !without.includes(own)), ...more], this.#options);
  }

  /** Our path of a published name; "skip" for a buffer; undefined for a name that the family does not have. */
  fromPublished(published: string): string | 'skip' | undefined {
    const direct = this.#lookUp(published);
    if (direct !== undefined || this.#optionalPrefix === undefined) return direct;
    return this.#lookUp(this.#optionalPrefix + published);
  }

  /** Is this one of our paths? */
  hasOwn(own: string): boolean {
    return this.#toPublished.has(layerPattern(own).pattern);
  }

  /** The published name of one of our paths. Throws for a path that is not in the table. */
  toPublished(own: string): string {
    const { pattern, layer } = layerPattern(own);
    const published = this.#toPublished.get(pattern);
    if (published === undefined) throw new TypeError(`no published name for ${own}`);
    return withLayer(published, layer);
  }

  #lookUp(published: string): string | 'skip' | undefined {
    const { pattern, layer } = layerPattern(published);
    const own = this.#toOwn.get(pattern);
    if (own !== undefined) return withLayer(own, layer);
    const isSkipped =
      this.#skip.has(pattern) || this.#skipEndings.some((ending) => published.endsWith(ending));
    return isSkipped ? 'skip' : undefined;
  }
}

/** "h.{i}.mlp" with layer "12" -> "h.12.mlp". */
export function withLayer(pattern: string, layer: string): string {
  return pattern.replace(LAYER, layer);
}

/** "h.12.mlp" -> pattern "h.{i}.mlp", layer "12"; layer "" for a name without a number. Names have at most one. */
export function layerPattern(name: string): { pattern: string; layer: string } {
  const match = /(^|\.)(\d+)(?=\.|$)/.exec(name);
  if (match === null) return { pattern: name, layer: '' };
  const start = match.index + (match[1]?.length ?? 0);
  const layer = match[2] ?? '';
  return { pattern: name.slice(0, start) + LAYER + name.slice(start + layer.length), layer };
}
