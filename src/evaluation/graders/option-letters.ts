/** The letters of options in a text, by their places. */

/** Every character of the class, in order. @param letters of a character class, e.g. "A-D" */
export function lettersIn(text: string, letters: string): string[] {
  return text.match(new RegExp(`[${letters}]`, 'gu')) ?? [];
}

/** "ABCD" for 4. */
export function optionLetters(count: number): string[] {
  return Array.from({ length: count }, (_, index) => String.fromCharCode(0x41 + index));
}
