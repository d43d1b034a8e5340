/** A row for the terminal: each document as running text, then its tokens one a line. */
import type { DocumentView, RowView, TokenView } from './row-view.js';

const LEARNED = '\u001b[32m';
const READ = '\u001b[2m';
const HEAD = '\u001b[1m';
const RESET = '\u001b[0m';

/** @param color ANSI colours: learned tokens green, the others faint */
export function renderRowText(view: RowView, color: boolean): string {
  const paint = (text: string, style: string): string =>
    color && text !== '' ? `${style}${text}${RESET}` : text;
  const padding = view.documents.reduce(
    (sum, { document, tokens }) => sum + (document === undefined ? tokens.length : 0),
    0,
  );
  const learned = view.documents.reduce((sum, document) => sum + document.learned, 0);
  const lines = [
    paint(`row ${view.row} of ${view.rows}`, HEAD) +
      `  ${view.rowLength} ids: ${learned} learned, ${view.rowLength - padding - learned} only read, ${padding} padding`,
  ];
  for (const document of view.documents) {
    lines.push('', paint(documentTitle(document), HEAD));
    if (document.document === undefined) continue;
    if (document.tokens.some(({ token }) => token !== undefined))
      lines.push(runningText(document, paint), '');
    lines.push(...tokenTable(document, paint));
  }
  return `${lines.join('\n')}\n`;
}

export function documentTitle({ document, origin, offset, learned, tokens }: DocumentView): string {
  const [first, last] = [tokens[0], tokens.at(-1)];
  const places = `places ${first?.place ?? 0} to ${last?.place ?? 0}`;
  if (document === undefined) return `padding: ${tokens.length} times id ${first?.id ?? ''}, ${places}`;
  const from = offset > 0 ? `, continued after ${offset} tokens in earlier rows` : '';
  const where = origin === undefined ? '' : ` from ${origin}`;
  return `document ${document}${where}: ${tokens.length} tokens, ${learned} learned, ${places}${from}`;
}

type Paint = (text: string, style: string) => string;

/** Where the mask changes, so does the colour; without colours learned text stands in ⟦ ⟧. */
function runningText({ tokens }: DocumentView, paint: Paint): string {
  let text = '';
  for (let from = 0; from < tokens.length; ) {
    const learned = tokens[from]!.learned;
    let to = from;
    let run = '';
    while (to < tokens.length && tokens[to]!.learned === learned) run += spokenText(tokens[to++]!);
    const painted = paint(run, learned ? LEARNED : READ);
    text += learned && painted === run ? `⟦${run}⟧` : painted;
    from = to;
  }
  return text;
}

/** Special tokens have no text of their own in most tokenizers; they are shown as they are spelt. */
function spokenText({ text, token }: TokenView): string {
  const isSpecial = text === '' && token !== undefined && /^<[^<>]{2,}>$/.test(token) && !/^<0x/.test(token);
  return visible(isSpecial ? token : text, true);
}

function tokenTable({ tokens, document }: DocumentView, paint: Paint): string[] {
  const rows = tokens.map((token) => ({
    token,
    cells: [
      String(token.place),
      String(token.id),
      token.learned ? '1' : '0',
      String(token.position),
      String(document ?? ''),
      token.token === undefined ? '' : visible(token.token, false),
      visible(token.text, false),
    ],
  }));
  const heads = ['place', 'id', 'mask', 'position', 'document', 'token', 'text'];
  const widths = heads.map((head, column) =>
    rows.reduce((width, { cells }) => Math.max(width, displayWidth(cells[column] ?? '')), head.length),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => {
        const space = ' '.repeat(Math.max(0, (widths[column] ?? 0) - displayWidth(cell)));
        // Numbers to the right, texts to the left.
        return column < 5 ? space + cell : cell + space;
      })
      .join('  ')
      .trimEnd();
  return [line(heads), ...rows.map(({ token, cells }) => paint(line(cells), token.learned ? LEARNED : READ))];
}

/** Control characters must not reach a terminal; line ends may be kept beside their sign. */
export function visible(text: string, keepLines: boolean): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => {
    if (character === '\n') return keepLines ? '↵\n' : '↵';
    if (character === '\t') return '⇥';
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  });
}

/** Columns of a terminal: two for wide characters, none for marks that stand on others. */
function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (/\p{M}/u.test(character)) continue;
    const isWide =
      (code >= 0x1100 && code <= 0x115f) ||
      (code >= 0x2e80 && code <= 0xa4cf) ||
      (code >= 0xac00 && code <= 0xd7a3) ||
      (code >= 0xf900 && code <= 0xfaff) ||
      (code >= 0xfe30 && code <= 0xfe6f) ||
      (code >= 0xff00 && code <= 0xff60) ||
      (code >= 0xffe0 && code <= 0xffe6) ||
      (code >= 0x1f300 && code <= 0x1faff) ||
      (code >= 0x20000 && code <= 0x3fffd);
    width += isWide ? 2 : 1;
  }
  return width;
}
