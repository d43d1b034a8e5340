/**
 * Training rows: token ids with a loss mask, and how documents and samples become them.
 */

export interface Row {
  readonly ids: ArrayLike<number>;
  /** 1 where the token is learned, 0 where it is only read; as long as ids. */
  readonly lossMask: ArrayLike<number>;
  /** Lengths of the documents that lie one after the other in the row, padding included; undefined: one document. */
  readonly documents?: readonly number[] | undefined;
  /** Of a record whose answers are compared or judged: its sequences are the documents of the row, in this order. */
  readonly comparison?: Comparison | undefined;
}

/** What a preference record says of its sequences. */
export interface Comparison {
  /** Of one answer, with one for another question behind it: is it wanted? undefined: chosen, and rejected behind it. */
  readonly isDesirable?: boolean | undefined;
  /** By how much chosen is better than rejected. Default 0. */
  readonly margin?: number | undefined;
  /** Log-probability of each sequence's answer by the model before training. */
  readonly referenceLogProbs?: readonly number[] | undefined;
}

/** Rows that are read when they are asked for. */
export interface RowSource {
  /** Where they come from, for messages. */
  readonly path: string;
  readonly rowCount: number;
  /** Ids in the longest row; of rows that compare, in their longest sequence. */
  readonly rowLength: number;
  /** Rows of each phase of a curriculum, in order; undefined: there is none. */
  readonly phases?: readonly number[] | undefined;
  read(index: number): Row | Promise<Row>;
}

/** Rows in memory. */
export function rowsInMemory(rows: readonly Row[], path = 'the rows in memory'): RowSource {
  return {
    path,
    rowCount: rows.length,
    rowLength: rows.reduce((longest, row) => Math.max(longest, longestSequence(row)), 0),
    read(index) {
      const row = rows[index];
      if (row === undefined) throw new RangeError(`row ${index} of ${rows.length}`);
      return row;
    },
  };
}

function longestSequence({ ids, documents, comparison }: Row): number {
  return comparison === undefined || documents === undefined ? ids.length : Math.max(...documents);
}

/** The sequences of a row that compares, each as a row of its own. */
export function sequencesOf({ ids, lossMask, documents = [ids.length] }: Row): Row[] {
  let start = 0;
  return documents.map((length) => {
    const end = start + length;
    const places = Array.from({ length }, (_, index) => start + index);
    start = end;
    return { ids: places.map((at) => ids[at] ?? 0), lossMask: places.map((at) => lossMask[at] ?? 0) };
  });
}

export interface PackResult {
  readonly rows: readonly Row[];
  /** Samples that no row can hold; by index, with their length. */
  readonly tooLong: readonly { readonly sample: number; readonly tokens: number }[];
}

interface OpenRow {
  readonly ids: number[];
  readonly lossMask: number[];
  readonly documents: number[];
}

function openRow(): OpenRow {
  return { ids: [], lossMask: [], documents: [] };
}

/** Joins all documents, each closed by `endId`, and cuts rows of `rowLength` ids; the last row may be shorter. */
export function concatenateDocuments(
  documents: Iterable<readonly number[]>,
  rowLength: number,
  endId: number | undefined,
): Row[] {
  const rows: Row[] = [];
  let open = openRow();
  for (const document of documents) {
    const ids = endId === undefined ? document : [...document, endId];
    for (let start = 0; start < ids.length; ) {
      const taken = ids.slice(start, start + rowLength - open.ids.length);
      for (const id of taken) {
        open.ids.push(id);
        open.lossMask.push(1);
      }
      open.documents.push(taken.length);
      start += taken.length;
      if (open.ids.length === rowLength) {
        rows.push(open);
        open = openRow();
      }
    }
  }
  // One id alone predicts nothing.
  if (open.ids.length > 1) rows.push(open);
  return rows;
}

/** One row for each sample. */
export function separateSamples(samples: readonly Row[], rowLength: number): PackResult {
  return {
    rows: samples.filter(({ ids }) => ids.length <= rowLength),
    tooLong: tooLongSamples(samples, rowLength),
  };
}

/** Fills rows with samples in order, starting a new row when the next does not fit; the last row is kept. */
export function packSamples(samples: readonly Row[], rowLength: number): PackResult {
  const rows: Row[] = [];
  let open = openRow();
  for (const { ids, lossMask } of samples) {
    if (ids.length > rowLength) continue;
    if (open.ids.length + ids.length > rowLength) {
      rows.push(open);
      open = openRow();
    }
    for (let index = 0; index < ids.length; index++) {
      open.ids.push(ids[index]!);
      open.lossMask.push(lossMask[index]!);
    }
    open.documents.push(ids.length);
  }
  if (open.ids.length > 0) rows.push(open);
  return { rows, tooLong: tooLongSamples(samples, rowLength) };
}

function tooLongSamples(samples: readonly Row[], rowLength: number): PackResult['tooLong'] {
  return samples.flatMap(({ ids }, sample) =>
    ids.length > rowLength ? [{ sample, tokens: ids.length }] : [],
  );
}
