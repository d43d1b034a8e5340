/**
 * Training rows: token ids with a loss mask, and how documents and samples become them.
 */

export interface Row {
  readonly ids: readonly number[];
  /** 1 where the token is learned, 0 where it is only read; as long as ids. */
  readonly lossMask: readonly number[];
}

export interface PackResult {
  readonly rows: readonly Row[];
  /** Samples that no row can hold; by index, with their length. */
  readonly tooLong: readonly { readonly sample: number; readonly tokens: number }[];
}

/** Joins all documents, each closed by `endId`, and cuts rows of `rowLength` ids; the last row may be shorter. */
export function concatenateDocuments(
  documents: Iterable<readonly number[]>,
  rowLength: number,
  endId: number | undefined,
): Row[] {
  const rows: Row[] = [];
  let open: number[] = [];
  const close = (ids: number[]): void => {
    rows.push({ ids, lossMask: new Array<number>(ids.length).fill(1) });
  };
  for (const document of documents) {
    const ids = endId === undefined ? document : [...document, endId];
    for (let start = 0; start < ids.length; ) {
      const taken = ids.slice(start, start + rowLength - open.length);
      for (const id of taken) open.push(id);
      start += taken.length;
      if (open.length === rowLength) {
        close(open);
        open = [];
      }
    }
  }
  // One id alone predicts nothing.
  if (open.length > 1) close(open);
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
  const rows: { ids: number[]; lossMask: number[] }[] = [];
  let open = { ids: [] as number[], lossMask: [] as number[] };
  for (const { ids, lossMask } of samples) {
    if (ids.length > rowLength) continue;
    if (open.ids.length + ids.length > rowLength) {
      rows.push(open);
      open = { ids: [], lossMask: [] };
    }
    for (const id of ids) open.ids.push(id);
    for (const bit of lossMask) open.lossMask.push(bit);
  }
  if (open.ids.length > 0) rows.push(open);
  return { rows, tooLong: tooLongSamples(samples, rowLength) };
}

function tooLongSamples(samples: readonly Row[], rowLength: number): PackResult['tooLong'] {
  return samples.flatMap(({ ids }, sample) =>
    ids.length > rowLength ? [{ sample, tokens: ids.length }] : [],
  );
}
