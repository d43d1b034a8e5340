/** Evaluation tasks for a training run: sets and graders of `evaluation`, the model of `training`. */
import { InputError } from '../errors/index.js';
import { LocalModel, PythonSandbox, planTasks, TaskSuite } from '../evaluation/index.js';
import { readGenerationDefaults } from '../generation/index.js';
import { log } from '../log/index.js';
import { chooseModelChat, templateChat } from '../models/index.js';
import type { TaskEvaluator, TaskEvaluatorOptions } from '../training/index.js';

/** Memory for keys and values beside all that training holds, unless one question alone needs more. */
export const TASKS_CACHE_BYTES = 2 ** 28;

/** @throws InputError for unknown tasks, and sets that are not there or not of their form */
export async function createTaskEvaluator({
  settings: { tasks = [], tasks_data: data = '' },
  loaded,
  tokenizer,
  tokenizerPath,
  chatTemplate,
}: TaskEvaluatorOptions): Promise<TaskEvaluator> {
  const { architecture } = loaded;
  const { hasChatFormat, eosTokenIds } = architecture;
  // As the finished model will be asked: in its family's form, else in the template that it was trained in.
  const chat =
    !hasChatFormat && chatTemplate !== undefined
      ? templateChat(chatTemplate, {
          endTokenIds: eosTokenIds,
          source: 'the chat template of the training data',
        })
      : chooseModelChat(architecture, [tokenizerPath])?.format;
  const planned = tasks.map(({ task, shots, mode, form, limit, max_new_tokens: maxNewTokens }) => {
    try {
      const { tasks: plans } = planTasks({
        task,
        preset: undefined,
        data,
        shots,
        isCot: false,
        mode,
        form,
        forms: chat === undefined ? ['plain'] : ['chat', 'plain'],
      });
      return plans.map((plan) => ({ plan, limit, maxNewTokens }));
    } catch (error) {
      if (error instanceof InputError) throw new InputError(`evaluation.tasks, ${task}: ${error.message}`);
      throw error;
    }
  });
  const suite = await TaskSuite.load(planned.flat(), data);
  for (const note of suite.notes()) log(`evaluation.tasks: ${note}`);
  const runsCode = planned.flat().some(({ plan }) => plan.task.runsCode === true && plan.mode === 'generate');
  const sandbox = runsCode ? new PythonSandbox({}) : undefined;
  return {
    async measure(onProgress) {
      // Made anew each time: the pages of the cache are free while the model is trained.
      const model = new LocalModel({
        loaded,
        tokenizer,
        chat,
        stopTokenIds: readGenerationDefaults(tokenizerPath).eosTokenIds,
        identity: { path: '', model: {}, tokenizer: null, adapter: null, dtype: null },
        cacheBytes: TASKS_CACHE_BYTES,
      });
      try {
        return await suite.measure(
          model,
          {
            runProgram: (program) => {
              if (sandbox === undefined) throw new RangeError('a program to run, and no sandbox was made');
              return sandbox.run(program);
            },
          },
          onProgress,
        );
      } finally {
        model.dispose();
      }
    },
    dispose: () => sandbox?.dispose(),
  };
}
