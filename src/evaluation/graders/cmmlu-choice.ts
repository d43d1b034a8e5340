/**
 * The option that a free answer names, as CMMLU's own code finds it: the letter that begins the text, else phrases in their
 * order, else the letter nearest to a word of praise, else the only letter there is. What the original then draws at random is
 * none here.
 */

/** @returns a letter of A to D, or '' for none */
export function cmmluChoice(output: string): string {
  if (/^[A-D]/.test(output)) return output.charAt(0);
  const named = letterOf(PHRASES, output) ?? earlierOf(output, ['答案为', '答案选项为']);
  if (named !== undefined) return named;
  for (const praise of ['当选', '正确']) {
    const letter = nearestBefore(praise, output);
    if (letter !== undefined) return letter;
  }
  return letterOf(WEAK, output) ?? '';
}

function letterOf(patterns: readonly RegExp[], text: string): string | undefined {
  for (const pattern of patterns) {
    const letter = pattern.exec(text)?.groups?.letter;
    if (letter !== undefined) return letter;
  }
  return undefined;
}

/** The letter behind the phrase that comes first; of those with a letter behind them on their line. */
function earlierOf(text: string, phrases: readonly string[]): string | undefined {
  for (const line of text.split('\n')) {
    const places = phrases.map((phrase) => line.indexOf(phrase)).filter((at) => at >= 0);
    if (places.length === 0) continue;
    const letter = /[A-D]/.exec(line.slice(Math.min(...places)))?.[0];
    if (letter !== undefined) return letter;
  }
  return undefined;
}

/** The last letter in front of the first such word that has one in front of it on its line. */
function nearestBefore(word: string, text: string): string | undefined {
  for (const line of text.split('\n')) {
    const first = line.search(/[A-D]/);
    const end = first < 0 ? -1 : line.indexOf(word, first);
    if (end >= 0) return line.slice(first, end).match(/[A-D]/g)?.at(-1);
  }
  return undefined;
}

const PHRASES: readonly RegExp[] = [
  '答案(?:选项)?[是为]：? ?@',
  '答案[是为]选项 ?@',
  '故?选择?：? ?@',
  '@ ?选?项[是为]?正确',
  '正确的?选项[是为] ?@',
  '答案(?:应该)?[是为]@',
  '选项 ?@ ?[是为]?正确',
  '选择答案 ?@',
  '答案?：?@',
  '@(?:选?项)?是?符合题意',
  '答案选项：? ?@',
].map((pattern) => new RegExp(pattern.replace('@', '(?<letter>[A-D])'), 'u'));

const WEAK: readonly RegExp[] = [
  /[^不]是：? ?(?<letter>[A-D])/u,
  // The only one that is there.
  /^[^A-D]*(?<letter>[A-D])[^A-D]*$/u,
];
