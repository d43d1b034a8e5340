/**
 * The option that a free answer names, as OpenCompass' `first_option` finds it: patterns tried in their order, the first that
 * matches anywhere decides, and of what it captured the first option of the set counts. A pattern that matches without an
 * option in what it captured is passed over.
 */
import { PYTHON_SPACE as SPACE, strip } from './python-text.js';

/** @param options their letters, e.g. "ABCD" @returns a letter, or '' for none */
export function firstOption(output: string, options: string): string {
  const text = strip(output);
  const letters = Array.from(options);
  for (const pattern of patternsFor(options)) {
    const match = pattern.exec(text);
    if (match === null) continue;
    const [whole, captured] = match;
    const named = captured === undefined || captured === '' ? whole : captured;
    const found = letters.find((letter) => named.includes(letter));
    if (found !== undefined) return found;
  }
  return '';
}

const compiled = new Map<string, readonly RegExp[]>();

function patternsFor(options: string): readonly RegExp[] {
  const known = compiled.get(options);
  if (known !== undefined) return known;
  const patterns = PATTERNS.map((pattern) =>
    typeof pattern === 'string'
      ? new RegExp(spelled(pattern, options), 'su')
      : new RegExp(spelled(pattern.anyCase, options), 'siu'),
  );
  compiled.set(options, patterns);
  return patterns;
}

/** In the table below `@` stands for the class of the options, `_` for one white space, `~` for any character that is none. */
function spelled(pattern: string, options: string): string {
  return pattern
    .replaceAll('~', `[^${SPACE.slice(1)}`)
    .replaceAll('_', SPACE)
    .replaceAll('@', `[${options}]`);
}

/** What may stand in front of a letter at the end of the text. */
const PAUSE = `(?:_|[，：:,])`;
const STOP = '[。\\.]?$';

const PATTERNS: readonly (string | { readonly anyCase: string })[] = [
  // 答案 … X
  '答案是?_*(@)',
  '答案是?_*：_*(@)',
  '答案是?_*:_*(@)',
  '答案选项应?该?是_*(@)',
  '答案选项应?该?为_*(@)',
  '答案应该?是_*(@)',
  '答案应该?选_*(@)',
  '答案选项为?_*：_*(@)',
  '答案选项为?_+\\(?\\*?\\*?(@)\\*?\\*?\\)?',
  '答案选项是?_*:_*(@)',
  '答案为_*(@)',
  '答案选_*(@)',
  // 选 X
  '选择?_*(@)',
  // A comma is lacking between two patterns of the original: as one they ask for both, one behind the other.
  '故选?_*(@)只有选?项?_?(@)_?是?对',
  // 只有 X …, 说法… 是 X
  '只有选?项?_?(@)_?是?错',
  '只有选?项?_?(@)_?不?正确',
  '只有选?项?_?(@)_?错误',
  '说法不?对选?项?的?是_?(@)',
  '说法不?正确选?项?的?是_?(@)',
  '说法错误选?项?的?是_?(@)',
  // X 是正确的
  '(@)_?是正确的',
  '(@)_?是正确答案',
  '选项_?(@)_?正确',
  '所以答_?(@)',
  '所以_?(@[.。$]?$)',
  '所有_?(@[.。$]?$)',
  // a letter that ends the text
  `${PAUSE}(@)[。，,\\.]?$`,
  `${PAUSE}[故即](@)${STOP}`,
  `${PAUSE}因此(@)${STOP}`,
  `[是为。]_?(@)${STOP}`,
  `因此_?(@)${STOP}`,
  `显然_?(@)${STOP}`,
  // any word behind 答案是
  '答案是_?(~+)(?:。|$)',
  '答案应该是_?(~+)(?:。|$)',
  '答案为_?(~+)(?:。|$)',
  // English; the letter itself must be upper case, for only then it is an option
  { anyCase: 'ANSWER_*:_*(@)' },
  '[Tt]he answer is:?_+\\(?(@)\\)?',
  '[Tt]he answer is:?_+\\(?\\*?\\*?(@)\\*?\\*?\\)?',
  '[Tt]he answer is option:?_+\\(?(@)\\)?',
  '[Tt]he correct answer is:?_+\\(?(@)\\)?',
  '[Tt]he correct answer is option:?_+\\(?(@)\\)?',
  '[Tt]he correct answer is:?.*?boxed\\{(@)\\}',
  '[Tt]he correct option is:?.*?boxed\\{(@)\\}',
  '[Tt]he correct answer option is:?.*?boxed\\{(@)\\}',
  '[Tt]he answer to the question is:?_+\\(?(@)\\)?',
  // a letter that begins the text, or stands alone
  '^选项_?(@)',
  '^(@)_?选?项',
  '(_|^)@(?:_|[。，,：:\\.$])',
  '1._?(.*?)$',
  '1._?(@)[.。$]?$',
  // what is left
  '(@):',
  '(@)',
];
