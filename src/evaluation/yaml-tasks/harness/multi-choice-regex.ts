/** The filter `multi_choice_regex`: an answer's letter by a pattern, else by the text of a choice, else behind a colon. */
import { type PythonPattern, pythonPattern, selectMatch } from '../../graders/python-pattern.js';
import { strip } from '../../graders/python-text.js';
import { RowFault } from '../../sets/set-reader.js';
import type { RowRecord } from '../row-field.js';

export interface MultiChoiceOptions {
  readonly pattern: PythonPattern;
  readonly place: number;
  readonly fallback: string;
  readonly ignoresCase: boolean;
  readonly ignoresPunctuation: boolean;
  readonly ignored: readonly PythonPattern[];
}

/** The row's column `choices` holds the texts of the options. */
export function multiChoiceRegex(
  options: MultiChoiceOptions,
): (answers: readonly string[], row: RowRecord) => readonly string[] {
  const { pattern, place, fallback } = options;
  return (answers, row) => {
    const { choices } = row;
    if (!Array.isArray(choices))
      throw new RowFault(
        'missing field',
        'the filter multi_choice_regex needs a column "choices" that is a list.',
      );
    const texts = choices.map((choice) => ignoring(strip(String(choice)), options));
    const letters = texts.map((_, index) => String.fromCharCode(0x41 + index));
    // Of equal texts the last counts.
    const letterOf = new Map(texts.map((text, index) => [text, `(${letters[index] ?? ''})`]));
    // The longest first: a choice that begins another one must not be found in it.
    const byLength = [...texts].sort((a, b) => escaped(b).length - escaped(a).length);
    const ofTexts = pythonPattern(byLength.map(escaped).join('|'));
    const behindColon = pythonPattern(`:[\\s]*(${letters.join('|')})`);
    return answers.map((answer) => {
      const direct = selectMatch(pattern.findAll(answer), place);
      if (direct !== undefined && direct !== '') return direct;
      const text = selectMatch(ofTexts.findAll(ignoring(answer, options)), place);
      if (text !== undefined && text !== '') return letterOf.get(text) ?? text;
      const letter = selectMatch(behindColon.findAll(answer), place);
      return letter === undefined || letter === '' ? fallback : `(${letter})`;
    });
  };
}

function ignoring(text: string, { ignored, ignoresCase, ignoresPunctuation }: MultiChoiceOptions): string {
  const kept = ignored.reduce((rest, pattern) => pattern.replaceAll(rest, ''), text);
  const cased = ignoresCase ? kept.toLowerCase() : kept;
  return ignoresPunctuation ? cased.replace(/\p{P}/gu, '') : cased;
}

/** As re.escape, for all that a pattern could read otherwise. */
function escaped(text: string): string {
  return text.replace(/[^\p{L}\p{N}_]/gu, (character) =>
    /[\x21-\x7e\s]/.test(character) ? `\\${character}` : character,
  );
}
