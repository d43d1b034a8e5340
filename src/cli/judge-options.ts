/** The judge of a command line: an address, or a model of ours. */
import { join } from 'node:path';
import { InputError } from '../errors/index.js';
import { HttpModel, Judge, type LanguageModel, loadRubric, VerdictCache } from '../evaluation/index.js';
import type { OptionSpec, OptionValues } from './options.js';

export const judgeOptions = {
  judge: {
    kind: 'string',
    value: 'DIR|URL',
    place: 'model',
    help: 'who scores dialogues: the address of an OpenAI-compatible API, or a model folder; without one answers are recorded alone',
  },
  'judge-model': {
    kind: 'string',
    value: 'NAME',
    help: 'which model of the judge’s address; default its first',
  },
  rubric: {
    kind: 'string',
    value: 'FILE',
    help: 'a rubric in place of ours (src/evaluation/judge/rubric.yaml)',
  },
  'judge-cache': {
    kind: 'string',
    value: 'FILE',
    help: 'what the judge wrote, kept for the next run; default verdicts.jsonl in the output folder',
  },
  'judge-attempts': { kind: 'integer', min: 1, help: 'times that it is asked for one verdict; default 3' },
  'judge-max-new-tokens': { kind: 'integer', min: 1, help: 'of one verdict; default 1024' },
} as const satisfies Record<string, OptionSpec>;

type JudgeOptionValues = OptionValues<typeof judgeOptions> & {
  readonly output: string;
  readonly timeout: number | undefined;
  readonly parallel: number | undefined;
};

/**
 * @param answerer the address of the model that is measured, where it has one: its key is for it alone
 * @param openFolder loads a judge of ours
 */
export async function openJudge(
  options: JudgeOptionValues,
  answerer: string | undefined,
  openFolder: (path: string) => LanguageModel,
): Promise<Judge | undefined> {
  const { judge: path } = options;
  if (path === undefined) {
    const unused = (['judge-model', 'rubric', 'judge-cache', 'judge-attempts'] as const).find(
      (name) => options[name] !== undefined,
    );
    if (unused !== undefined)
      throw new InputError(`--${unused} is for a judge; name one with --judge DIR|URL.`);
    return undefined;
  }
  const rubric = loadRubric(options.rubric);
  const isAddress = /^https?:\/\//.test(path);
  if (!isAddress && options['judge-model'] !== undefined)
    throw new InputError('--judge-model is for an address; a judge in a folder is the one there.');
  const model = isAddress
    ? await HttpModel.open({
        address: path,
        name: options['judge-model'],
        timeoutSeconds: options.timeout,
        parallel: options.parallel,
        apiKey: judgeKey(path, answerer),
        forms: ['chat'],
        spelled: { key: 'JUDGE_API_KEY', name: '--judge-model' },
        bearsRefusals: true,
      })
    : openFolder(path);
  return new Judge({
    model,
    rubric,
    cache: new VerdictCache(options['judge-cache'] ?? join(options.output, 'verdicts.jsonl')),
    attempts: options['judge-attempts'],
    maxNewTokens: options['judge-max-new-tokens'],
  });
}

/** OPENAI_API_KEY serves a judge too, unless it is the key of another address. */
function judgeKey(address: string, answerer: string | undefined): string | undefined {
  const { JUDGE_API_KEY: own, OPENAI_API_KEY: other } = process.env;
  if (own !== undefined && own !== '') return own;
  const isForeign = answerer !== undefined && new URL(answerer).origin !== new URL(address).origin;
  return isForeign ? undefined : other;
}
