/** Training texts that contain parts of evaluation items. */
import { basename, resolve } from 'node:path';
import { joinedText } from '../deduplicate/index.js';
import type { Sample, SampleOrigin } from '../sample.js';
import { type EvaluationItem, evaluationFiles, itemLocation, readItems } from './items.js';
import { NgramIndex } from './ngram-index.js';
import { type NgramOptions, NgramScanner } from './ngrams.js';

export interface ContaminationOptions extends NgramOptions {
  /** Windows that more items share are boilerplate and count for none. Default 10. */
  readonly maxItems?: number | undefined;
}

export interface ContaminationHit {
  /** The training record. */
  readonly record: SampleOrigin;
  /** The evaluation item: "file:line", and its number in the document's list. */
  readonly item: string;
  /** The longest span of the training text that the item has too, cut after 200 characters. */
  readonly text: string;
  /** Characters (UTF-16 units) of that span. */
  readonly length: number;
}

export interface ContaminationSetReport {
  /** The last part of the set's path. */
  readonly set: string;
  readonly path: string;
  readonly items: number;
  /** Items without a window: they are shorter, and cannot be checked. */
  readonly itemsTooShort: number;
  readonly itemsHit: number;
  /** Training records that hit an item of the set. */
  readonly records: number;
  /** The first three of each item. */
  readonly hits: readonly ContaminationHit[];
}

const HITS_PER_ITEM = 3;
const TEXT_SHOWN = 200;

interface EvaluationSet {
  readonly path: string;
  items: number;
  itemsTooShort: number;
  itemsHit: number;
  records: number;
  readonly hits: ContaminationHit[];
}

interface KnownItem {
  readonly set: EvaluationSet;
  readonly location: string;
  hits: number;
}

/** Holds the windows of all items; samples go by. */
export class ContaminationCheck {
  readonly #sets: EvaluationSet[] = [];
  readonly #items: KnownItem[] = [];
  readonly #index: NgramIndex;
  readonly #scanner: NgramScanner;

  private constructor(options: ContaminationOptions) {
    this.#index = new NgramIndex(options.maxItems ?? 10);
    this.#scanner = new NgramScanner(options);
  }

  /**
   * Reads the evaluation sets: each path is one, a file or a folder with all its data files.
   * @throws InputError for a missing path and for files that cannot be read
   */
  static async load(
    paths: readonly string[],
    options: ContaminationOptions = {},
  ): Promise<ContaminationCheck> {
    const check = new ContaminationCheck(options);
    for (const path of paths) {
      const set = { path, items: 0, itemsTooShort: 0, itemsHit: 0, records: 0, hits: [] };
      check.#sets.push(set);
      for (const file of evaluationFiles(path))
        for await (const item of readItems(file)) check.#addItem(set, item);
    }
    return check;
  }

  /** Windows that are held; 12 bytes each. */
  get windows(): number {
    return this.#index.size;
  }

  /** Texts one by one; where all are too short, together, as a prompt would show them. */
  #addItem(set: EvaluationSet, item: EvaluationItem): void {
    const number = this.#items.length;
    this.#items.push({ set, location: itemLocation(item), hits: 0 });
    set.items += 1;
    const add = (text: string): number =>
      this.#scanner.scan(text, (low, high) => this.#index.add(low, high, number));
    let windows = 0;
    for (const text of item.texts) windows += add(text);
    if (windows === 0) windows = add(item.texts.join('\n'));
    if (windows === 0) set.itemsTooShort += 1;
  }

  /** Whether the sample hits an item; the hits are remembered for the report. */
  check(sample: Sample): boolean {
    const text = joinedText(sample);
    const spans = new Map<number, Span>();
    const items: number[] = [];
    this.#scanner.scan(text, (low, high, start, end) => {
      if (!this.#index.find(low, high, items)) return;
      for (const item of items) extend(spans, item, start, end);
      items.length = 0;
    });
    const sets = new Set<EvaluationSet>();
    for (const [number, span] of spans) {
      const item = this.#items[number]!;
      this.#note(item, sample.origin, text, span);
      sets.add(item.set);
    }
    for (const set of sets) set.records += 1;
    return spans.size > 0;
  }

  #note(item: KnownItem, record: SampleOrigin, text: string, { start, end }: Span): void {
    if (item.hits === 0) item.set.itemsHit += 1;
    item.hits += 1;
    if (item.hits > HITS_PER_ITEM) return;
    const shown = text.slice(start, Math.min(end, start + TEXT_SHOWN));
    item.set.hits.push({ record, item: item.location, text: shown, length: end - start });
  }

  report(): ContaminationSetReport[] {
    return this.#sets.map(({ path, ...counts }) => ({ set: basename(resolve(path)), path, ...counts }));
  }
}

interface Span {
  /** The longest so far. */
  start: number;
  end: number;
  /** The one that is still growing. */
  openStart: number;
  openEnd: number;
}

/** Windows come in the order of the text; those that overlap are one span. */
function extend(spans: Map<number, Span>, item: number, start: number, end: number): void {
  const span = spans.get(item);
  if (span === undefined) {
    spans.set(item, { start, end, openStart: start, openEnd: end });
    return;
  }
  if (start > span.openEnd) span.openStart = start;
  span.openEnd = Math.max(end, span.openEnd);
  if (span.openEnd - span.openStart <= span.end - span.start) return;
  span.start = span.openStart;
  span.end = span.openEnd;
}

/** All samples, or with `drop` those that hit no item. */
export async function* checkContamination(
  samples: AsyncIterable<Sample>,
  check: ContaminationCheck,
  options: { readonly drop: boolean },
): AsyncGenerator<Sample, void> {
  for await (const sample of samples) {
    const hit = check.check(sample);
    if (!hit || !options.drop) yield sample;
  }
}
