/** A teacher without a model: answers composed of the table of attributes. */
import type { AnswerHooks, LanguageModel, ModelIdentity, ModelQuestion } from '../../evaluation/index.js';
import type { Persona } from '../attributes/persona.js';
import { composeAnswer } from '../compose/compose-answer.js';
import type { TeacherPrompt } from '../prompts/teacher-prompt.js';
import { languageOf } from '../template/template-line.js';

export class RulesTeacher implements LanguageModel {
  readonly forms = ['chat'] as const;
  readonly usage = { promptTokens: 0, cachedTokens: 0, generatedTokens: 0 };
  readonly identity: ModelIdentity = {
    path: 'rules',
    model: { name: 'rules' },
    tokenizer: null,
    adapter: null,
    dtype: null,
  };
  readonly #persona: Persona;
  readonly #prompts: ReadonlyMap<string, TeacherPrompt>;
  readonly #speak: (text: string, language: 'zh' | 'en') => string;

  /** @param speak the manner of a character */
  constructor(
    persona: Persona,
    prompts: readonly TeacherPrompt[],
    speak: (text: string, language: 'zh' | 'en') => string = (text) => text,
  ) {
    this.#persona = persona;
    this.#speak = speak;
    this.#prompts = new Map(prompts.map((prompt) => [prompt.prompt, prompt]));
  }

  async answer(questions: readonly ModelQuestion[], hooks: AnswerHooks): Promise<void> {
    for (const [place, { prompt }] of questions.entries()) {
      const known = this.#prompts.get(prompt.question);
      if (known?.asks === undefined) {
        hooks.onUnanswerable(
          place,
          'not known what is asked',
          'the rules answer lines that say what they ask (asks)',
        );
        continue;
      }
      const language = known.language ?? languageOf(known.input);
      const output = this.#speak(composeAnswer(this.#persona, { ...known, language }), language);
      hooks.onAnswer(place, { prompt: prompt.question, ids: null, output, droppedShots: 0 });
    }
  }

  dispose(): void {}
}
