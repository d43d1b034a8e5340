/** Questions to a model that answers from afar, some at the same time. */
import { Interruption } from '../../errors/index.js';
import type { ModelQuestion } from './language-model.js';

/**
 * Asks them in their order, `parallel` at the same time; after a failure no further one is asked.
 * @throws InterruptedError after a signal; whatever `answerOne` throws
 */
export async function answerInTurn(
  questions: readonly ModelQuestion[],
  parallel: number,
  answerOne: (index: number, question: ModelQuestion) => Promise<void>,
): Promise<void> {
  const interruption = new Interruption();
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < questions.length) {
      interruption.check((signal) => `stopped by ${signal}`);
      const index = next++;
      const question = questions[index];
      if (question !== undefined) await answerOne(index, question);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(parallel, questions.length) }, work));
  } finally {
    next = questions.length;
    interruption.dispose();
  }
}
