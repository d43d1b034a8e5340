/** Asks a model what a task's samples ask, or takes recorded outputs. */
import { InputError } from '../../errors/index.js';
import { Progress } from '../../log/index.js';
import type { LanguageModel, ModelAnswer, ModelQuestion } from '../model/language-model.js';
import type { Problems } from '../problems.js';
import type { Sample } from '../task.js';
import type { TaskPlan } from './evaluation-plan.js';
import type { LoadedTask } from './load-samples.js';
import type { Answered } from './outcome.js';
import type { Predictions } from './predictions.js';

/**
 * @returns what was answered, by place of the sample; undefined where it could not be asked this time
 * @throws InputError for outputs of another set
 */
export function takePredictions(
  { plan, samples, ids, problems }: LoadedTask,
  predictions: Predictions,
): Answered[] {
  const { name } = plan.task;
  const outputs = predictions.outputs.get(name) ?? new Map<string, readonly string[]>();
  const unknown = [...outputs.keys()].filter((id) => !ids.has(id));
  if (unknown.length === outputs.size)
    throw new InputError(
      `${predictions.path}: no sample of ${name} has an id of these lines; they have "${unknown[0]}", the set here "${samples[0]?.id}". ` +
        'They belong to another set, or to other files of it.',
    );
  for (const id of unknown)
    problems.add('unknown id', id, `${predictions.path}: ${name} has no sample "${id}".`);
  for (const { reason, count, examples } of predictions.problems.get(name)?.list() ?? [])
    for (let each = 0; each < count; each++) {
      const { id = '', message = '' } = examples[each] ?? {};
      problems.add(reason, id, message);
    }
  return samples.map(({ id }) => {
    const own = outputs.get(id);
    return own === undefined
      ? { kind: 'missing', reason: 'no recorded output' }
      : { kind: 'outputs', outputs: own };
  });
}

/** What was answered before, and where answers go. */
export interface AnswerMemory {
  answerOf(task: string, id: string): Answered | undefined;
  add(task: string, id: string, answered: Answered): void;
}

export interface AskedSamples {
  readonly answered: readonly (Answered | undefined)[];
  readonly failures: Problems;
  readonly droppedShots: number;
}

/** @throws InterruptedError after a signal; what was answered until then is in the journal */
export async function askModel(
  { plan, samples, problems }: LoadedTask,
  {
    model,
    journal,
    maxNewTokens,
    failures,
    isQuiet = false,
  }: {
    readonly model: LanguageModel;
    readonly journal: AnswerMemory;
    readonly maxNewTokens: number | undefined;
    readonly failures: Problems;
    /** No line of progress. */
    readonly isQuiet?: boolean;
  },
): Promise<AskedSamples> {
  const { name } = plan.task;
  const answered = samples.map(({ id }) => journal.answerOf(name, id));
  const waiting = [...samples.entries()].filter(([index]) => answered[index] === undefined);
  const questions = waiting.map(([, sample]) => questionOf(sample, plan, maxNewTokens));
  const progress = isQuiet ? undefined : new Progress({ label: name, unit: 'sample', total: samples.length });
  let done = samples.length - waiting.length;
  const settle = (question: number, outcome: Answered): void => {
    const [index, sample] = waiting[question] ?? [];
    if (index === undefined || sample === undefined) return;
    answered[index] = outcome;
    journal.add(name, sample.id, outcome);
    done += 1;
    progress?.update(done);
  };
  await model.answer(questions, {
    onAnswer: (question, answer) => settle(question, toAnswered(answer)),
    onUnanswerable(question, reason, message) {
      problems.add(reason, waiting[question]?.[1].id ?? '', message);
      settle(question, { kind: 'missing', reason });
    },
    onFailure(question, reason, message) {
      failures.add(reason, waiting[question]?.[1].id ?? '', message);
    },
  });
  progress?.finish();
  return { answered, failures, droppedShots: answered.reduce((sum, each) => sum + droppedOf(each), 0) };
}

function toAnswered(answer: ModelAnswer): Answered {
  return answer.output === undefined
    ? { kind: 'choices', answer }
    : { kind: 'outputs', outputs: answer.outputs ?? [answer.output], answer };
}

function droppedOf(answered: Answered | undefined): number {
  return answered === undefined || answered.kind === 'missing' ? 0 : (answered.answer?.droppedShots ?? 0);
}

function questionOf(
  sample: Sample,
  { mode, form }: TaskPlan,
  maxNewTokens: number | undefined,
): ModelQuestion {
  const { prompt, choicePrompt, choices, reference, secondPrompt, repeats, sampling } = sample;
  if (prompt === undefined) throw new RangeError(`${sample.id} has no prompt`);
  if (mode === 'generate')
    return {
      kind: 'text',
      form,
      prompt,
      secondPrompt,
      laterTurns: sample.laterTurns,
      stop: sample.stop ?? [],
      maxNewTokens: maxNewTokens ?? sample.maxNewTokens ?? 256,
      repeats,
      sampling,
    };
  if (choices !== undefined) return { kind: 'choices', form, prompt: choicePrompt ?? prompt, choices };
  return {
    kind: 'choices',
    form,
    prompt: choicePrompt ?? prompt,
    choices: [{ continuations: [reference ?? ''] }],
  };
}
