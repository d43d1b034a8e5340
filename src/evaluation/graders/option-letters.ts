/** The letters of options in a text, by their places. */

/** Every character of the class, in order. @param letters of a character class, e.g. "A-D" */
export function lettersIn(text: string, letters: string): string[] {
  return text.match(new RegExp(`[${letters}]`, 'gu')) ?? [];
}

/** "ABCD" for 4. */
export function optionLetters(count: number): string[] {
  return Array.from({ length: count }, (_, index) => String.fromCharCode(0x41 + index));
}

/** The first letter of the class behind the phrase on one line, of the first line that has both; its time grows as the text. */
export function letterBehind(phrase: string, text: string, letters: string): string | undefined {
  const letter = new RegExp(`[${letters}]`);
  for (const line of text.split('\n')) {
    const at = line.indexOf(phrase);
    const found = at < 0 ? undefined : letter.exec(line.slice(at + phrase.length))?.[0];
    if (found !== undefined) return found;
  }
  return undefined;
}
