/** Tables of text: aligned by what characters take on a terminal, or in Markdown. */

export interface TextTable {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Places of columns that begin at their left edge; the others end at their right one. */
  readonly textColumns: ReadonlySet<number>;
  /** Columns from this one on stand behind a bar. */
  readonly barBefore?: number;
}

/** Lines without an end of line at their end. */
export function alignedTable(table: TextTable): string {
  return `${alignedLines(table).join('\n')}\n`;
}

export function alignedLines({ columns, rows, textColumns, barBefore }: TextTable): string[] {
  const widths = columns.map((name, place) =>
    Math.max(displayWidth(name), ...rows.map((row) => displayWidth(row[place] ?? ''))),
  );
  return [columns, ...rows].map((cells) =>
    columns
      .map((_, place) => {
        const cell = cells[place] ?? '';
        const blank = ' '.repeat((widths[place] ?? 0) - displayWidth(cell));
        const padded = textColumns.has(place) ? cell + blank : blank + cell;
        return place === barBefore ? `| ${padded}` : padded;
      })
      .join('  ')
      .trimEnd(),
  );
}

export function markdownTable(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(columns), line(columns.map(() => '---')), ...rows.map(line), ''].join('\n');
}

/** Columns of a terminal: two for a character of East Asia and for an emoji, none for marks that stand on another. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text)
    if (!/[\p{Mn}\p{Me}\p{Cf}]/u.test(character)) width += WIDE.test(character) ? 2 : 1;
  return width;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\p{Emoji_Presentation}\u{20000}-\u{3fffd}]/u;
