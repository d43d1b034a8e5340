/**
 * The help texts in Chinese, by the English ones: a text of a command that is missing here, or one here that no command has any
 * more, fails help.test.ts.
 */
import { benchTexts } from './chinese/bench.js';
import { commandTexts } from './chinese/commands.js';
import { evaluationTexts } from './chinese/evaluation.js';
import { generationTexts } from './chinese/generation.js';
import { modelTexts } from './chinese/models.js';
import { personaTexts } from './chinese/persona.js';
import { dataTexts, tokenizerTexts } from './chinese/tokenizers.js';
import { trainingTexts } from './chinese/training.js';

export const chinese: ReadonlyMap<string, string> = new Map(
  [
    commandTexts,
    tokenizerTexts,
    dataTexts,
    trainingTexts,
    modelTexts,
    evaluationTexts,
    generationTexts,
    personaTexts,
    benchTexts,
  ].flatMap((texts) => Object.entries(texts)),
);
