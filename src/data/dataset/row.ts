/** A row as it comes from disk. Shapes: L ids in a row, padding included. */

export interface PackedRow {
  readonly ids: Int32Array; // [L]
  /** 1 where the token is learned, 0 where it is only read and in the padding. */
  readonly lossMask: Uint8Array; // [L]
  /** Number of the document within the row, from 0; -1 in the padding. Undefined where the files do not tell. */
  readonly documentIds: Int32Array | undefined; // [L]
}

/** One document of a row, and where it came from. */
export interface RowOrigin {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** Place of its first id in the row. */
  readonly position: number;
  /** Ids of it in the row. */
  readonly tokens: number;
  /** Ids of the document that stand in earlier rows: 0 where it begins here. */
  readonly offset: number;
}

export const NO_DOCUMENT = -1;

/**
 * Lengths of the documents of a row, from its first id to its last; each span of padding counts as one. undefined where
 * the documents overlap or leave the row.
 */
export function documentLengths(
  documents: readonly { readonly position: number; readonly tokens: number }[],
  rowLength: number,
): number[] | undefined {
  const lengths: number[] = [];
  let end = 0;
  for (const { position, tokens } of documents) {
    if (position < end || tokens < 0 || position + tokens > rowLength) return undefined;
    if (position > end) lengths.push(position - end);
    if (tokens > 0) lengths.push(tokens);
    end = position + tokens;
  }
  if (end < rowLength) lengths.push(rowLength - end);
  return lengths;
}

/**
 * Positions for document-masked attention: counted from 0 in every document; 0 in the padding. Without document ids
 * they count through the row.
 */
export function rowPositions({ ids, documentIds }: PackedRow): Int32Array {
  const positions = new Int32Array(ids.length);
  for (let index = 1; index < ids.length; index++) {
    const document = documentIds?.[index] ?? 0;
    const continues = document !== NO_DOCUMENT && document === (documentIds?.[index - 1] ?? 0);
    positions[index] = continues ? positions[index - 1]! + 1 : 0;
  }
  return positions;
}
