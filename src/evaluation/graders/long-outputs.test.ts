/** A model that does not stop writes long outputs, mostly of one thing: reading them takes time that grows as they do. */
import { expect, test } from 'vitest';
import { extractCloze, extractOne } from '../tasks/agieval/extraction.js';
import { extractAnswer } from '../tasks/bbh/bbh.js';
import { extractAnswers } from '../tasks/gaokao-bench/sub-forms.js';
import { lastFlexibleNumber, lastNumber, markedNumber } from '../tasks/gsm8k/answers.js';
import { cevalChoice } from './ceval-choice.js';
import { cmmluChoice } from './cmmlu-choice.js';
import { firstOption } from './first-option.js';
import { isEquivalentMath, lastBoxed } from './hendrycks-math.js';
import { isSameMinervaText, minervaAnswer } from './minerva-math.js';

const LENGTH = 200_000;
const filled = (text: string): string => `x${text.repeat(LENGTH / text.length)}x`;

const graders: Readonly<Record<string, (output: string) => unknown>> = {
  first_option: (output) => firstOption(output, 'ABCD'),
  ceval: cevalChoice,
  cmmlu: cmmluChoice,
  'gaokao, marked': (output) => extractAnswers('multi_question_choice', output, 3),
  'gaokao, physics': (output) => extractAnswers('multi_choice', output, 1),
  'agieval, one': (output) => extractOne(output, { isFewShot: true, isCot: true }, 'zh'),
  'agieval, cloze': (output) => extractCloze(output, { isFewShot: false, isCot: false }),
  gsm8k: (output) => [markedNumber(output), lastFlexibleNumber(output), lastNumber(output)],
  hendrycks: (output) => isEquivalentMath(lastBoxed(output) ?? output, '1'),
  minerva: (output) => isSameMinervaText(minervaAnswer(output), output),
  bbh: extractAnswer,
};

test.each(Object.entries(graders))('%s', (_name, read) => {
  const started = performance.now();
  for (const text of [' ', '\n', 'A', '答案是', '答案为', '【答案】 ', '$', '\\text{', '\\boxed{', '1,', '-'])
    read(filled(text));
  // Anew from every character it would be minutes.
  expect(performance.now() - started).toBeLessThan(8000);
});
