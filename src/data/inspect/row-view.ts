/** A row as people look at it: its documents, and each token with its text, id, mask and position. */
import type { Tokenizer } from '../../tokenizers/index.js';
import type { Dataset } from '../dataset/dataset.js';
import { NO_DOCUMENT, type PackedRow, rowPositions } from '../dataset/row.js';
import { CharacterBorders, LateCharacters } from './character-groups.js';

export interface TokenView {
  /** In the row, from 0. */
  readonly place: number;
  readonly id: number;
  /** As the tokenizer spells it; undefined without one. */
  readonly token: string | undefined;
  /** What the token adds to the text: '' where a character is not complete yet. */
  readonly text: string;
  /** It spells text, or a part of a character; special tokens do not. */
  readonly isBytes: boolean;
  /** Its last character goes on in the next token. */
  readonly endsInCharacter: boolean;
  readonly learned: boolean;
  /** In its document. */
  readonly position: number;
}

export interface DocumentView {
  /** In the row, from 0; undefined: padding. */
  readonly document: number | undefined;
  /** "file:line"; undefined where the files do not tell. */
  readonly origin: string | undefined;
  /** Tokens of the document that stand in earlier rows. */
  readonly offset: number;
  readonly learned: number;
  readonly tokens: readonly TokenView[];
}

export interface RowView {
  readonly path: string;
  readonly row: number;
  readonly rows: number;
  readonly rowLength: number;
  /** Stretches of one document or of padding, in the order of the row. */
  readonly documents: readonly DocumentView[];
}

/** @param tokenizer undefined: ids only */
export function viewRow(dataset: Dataset, row: number, tokenizer: Tokenizer | undefined): RowView {
  const packed = dataset.row(row);
  const origins = dataset.origins(row);
  const positions = rowPositions(packed);
  const documents = spans(packed).map(({ document, from, to }): DocumentView => {
    const origin = document === undefined ? undefined : origins[document];
    const tokens = viewTokens(packed, positions, from, to, tokenizer);
    return {
      document,
      origin: origin === undefined ? undefined : `${origin.file}:${origin.line}`,
      offset: origin?.offset ?? 0,
      learned: tokens.filter(({ learned }) => learned).length,
      tokens,
    };
  });
  return { path: dataset.path, row, rows: dataset.rowCount, rowLength: packed.ids.length, documents };
}

interface Span {
  readonly document: number | undefined;
  readonly from: number;
  readonly to: number;
}

function spans({ ids, documentIds }: PackedRow): Span[] {
  if (documentIds === undefined) return [{ document: 0, from: 0, to: ids.length }];
  const found: Span[] = [];
  for (let from = 0; from < ids.length; ) {
    let to = from + 1;
    while (to < ids.length && documentIds[to] === documentIds[from]) to += 1;
    const document = documentIds[from];
    found.push({ document: document === NO_DOCUMENT ? undefined : document, from, to });
    from = to;
  }
  return found;
}

function viewTokens(
  { ids, lossMask }: PackedRow,
  positions: Int32Array,
  from: number,
  to: number,
  tokenizer: Tokenizer | undefined,
): TokenView[] {
  const stream = tokenizer?.createDecodeStream();
  const borders = new CharacterBorders();
  const characters = new LateCharacters();
  const vocabSize = tokenizer?.vocabSize ?? 0;
  return Array.from(ids.subarray(from, to), (id, index): TokenView => {
    const place = from + index;
    const isKnown = id >= 0 && id < vocabSize;
    const bytes = isKnown ? tokenizer?.tokenBytes(id) : undefined;
    const endsInCharacter = borders.push(bytes);
    return {
      place,
      id,
      token: isKnown ? tokenizer?.idToToken(id) : undefined,
      text: characters.textOf(isKnown ? (stream?.push(id) ?? '') : '', bytes, endsInCharacter),
      isBytes: bytes !== undefined,
      endsInCharacter,
      learned: lossMask[place] === 1,
      position: positions[place]!,
    };
  });
}
