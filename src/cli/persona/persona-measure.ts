/** `xinghe persona measure`: how often a model falls out of its role. */
import { join } from 'node:path';
import { readSamples } from '../../data/index.js';
import { InputError } from '../../errors/index.js';
import {
  compareRuns,
  comparisonNotes,
  comparisonText,
  HttpModel,
  type LanguageModel,
  readRun,
  writeComparison,
} from '../../evaluation/index.js';
import { log } from '../../log/index.js';
import {
  type GeneralDialogue,
  measurePersona,
  readCharacter,
  readTestQuestions,
  summaryText,
} from '../../persona/index.js';
import { chatOptions } from '../chat-options.js';
import { openLocalModel } from '../evaluated-model.js';
import { judgeOptions, openJudge } from '../judge-options.js';
import { modelOptions } from '../model-options.js';
import { type OptionSpec, type OptionValues, parseOptions } from '../options.js';

const { rubric: _rubric, ...personaJudgeOptions } = judgeOptions;

export { personaJudgeOptions };

const specs = {
  ...modelOptions,
  model: {
    kind: 'string',
    value: 'DIR|URL',
    required: true,
    help: 'model folder or weight file, or the address of an OpenAI-compatible API',
  },
  attributes: {
    kind: 'string',
    value: 'FILE',
    required: true,
    help: 'the table of attributes, or the role card',
  },
  questions: {
    kind: 'string',
    value: 'FILE',
    help: 'questions.jsonl of persona prepare, or a template: its held-out lines; default: those of ours',
  },
  general: {
    kind: 'strings',
    value: 'FILE…',
    help: 'general.jsonl of persona prepare, or other dialogues: how well the model still answers them (a model of ours)',
  },
  talks: { kind: 'integer', min: 0, help: 'talks of ten turns in each language; default 4' },
  system: { kind: 'string', value: 'TEXT', help: 'said to the model before each question; default nothing' },
  output: {
    kind: 'string',
    value: 'DIR',
    required: true,
    help: 'where measure.json, report.html and samples.jsonl go',
  },
  against: {
    kind: 'string',
    value: 'DIR',
    help: 'the output folder of another model’s measurement: compare.html and compare.json beside the report',
  },
  limit: { kind: 'integer', min: 1, help: 'questions at most' },
  'max-new-tokens': { kind: 'integer', min: 1, help: 'of one answer; default 128' },
  tokenizer: { kind: 'string', value: 'PATH', help: 'default: the one in the model folder' },
  ...chatOptions,
  'model-name': {
    kind: 'string',
    value: 'NAME',
    help: 'with an address: which of its models; default its first',
  },
  timeout: { kind: 'integer', min: 1, help: 'with an address: seconds for one answer; default 120' },
  parallel: { kind: 'integer', min: 1, help: 'with an address: questions at the same time; default 8' },
  ...personaJudgeOptions,
  overwrite: { kind: 'flag', help: 'begin anew where the output folder holds another measurement' },
  json: { kind: 'flag', help: 'print the result on stdout' },
} as const satisfies Record<string, OptionSpec>;

type Options = OptionValues<typeof specs>;

const EXIT_INCOMPLETE = 1;

export async function personaMeasure(args: readonly string[]): Promise<number> {
  const options = parseOptions(
    {
      command: 'xinghe persona measure',
      summary: 'how often a model falls out of its role, by rules and optionally by a judge model',
      notes:
        'An interrupted measurement goes on when the same command is given again. The key of an address is read from OPENAI_API_KEY, ' +
        'that of a judge from JUDGE_API_KEY.',
    },
    specs,
    args,
  );
  const character = await readCharacter(options.attributes);
  const questions = readTestQuestions(options.questions);
  const general = await readGeneralDialogues(options);
  const against = options.against === undefined ? undefined : readRun(options.against);
  const model = await openMeasuredModel(options);
  const judge = await openJudge(
    { ...options, rubric: undefined },
    isAddress(options.model) ? options.model : undefined,
    (folder) => openLocalModel({ ...options, ...JUDGE_ALONE, model: folder }),
  );
  try {
    const summary = await measurePersona({
      model,
      character,
      questions,
      general,
      talks: options.talks,
      system: options.system,
      judge,
      output: options.output,
      overwrite: options.overwrite,
      limit: options.limit,
      maxNewTokens: options['max-new-tokens'],
      command: ['xinghe', 'persona', 'measure', ...args],
    });
    if (options.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
    else process.stdout.write(summaryText([summary], [summary.model]));
    if (against !== undefined) {
      const runs = [against, readRun(options.output)];
      const comparison = compareRuns(runs);
      for (const note of comparisonNotes(comparison)) log(`warning: ${note}`);
      writeComparison(options.output, runs, comparison);
      if (!options.json) process.stdout.write(`\n${comparisonText(comparison)}`);
    }
    log(`question by question: ${join(options.output, 'report.html')}`);
    return summary.complete ? 0 : EXIT_INCOMPLETE;
  } finally {
    judge?.dispose();
    model.dispose();
  }
}

/** Options of the measured model that say nothing of a judge. */
const JUDGE_ALONE = {
  adapter: undefined,
  config: undefined,
  tokenizer: undefined,
  'chat-template': undefined,
  'template-set': [],
};

function isAddress(path: string): boolean {
  return /^https?:\/\//.test(path);
}

async function readGeneralDialogues({ general, model }: Options): Promise<GeneralDialogue[]> {
  if (general.length === 0) return [];
  if (isAddress(model))
    throw new InputError(
      'xinghe persona measure: --general needs log-likelihoods of answers in chat form, which an address does not give; measure a model folder, or leave it out.',
    );
  const dialogues: GeneralDialogue[] = [];
  for await (const sample of readSamples(general, { form: 'auto' }))
    if (sample.kind === 'dialogue')
      dialogues.push({ messages: sample.messages.map(({ role, content }) => ({ role, content })) });
  if (dialogues.length === 0) throw new InputError(`--general ${general.join(' ')}: no dialogue is there.`);
  return dialogues;
}

async function openMeasuredModel(options: Options): Promise<LanguageModel> {
  if (!isAddress(options.model)) return openLocalModel(options);
  return HttpModel.open({
    address: options.model,
    name: options['model-name'],
    timeoutSeconds: options.timeout,
    parallel: options.parallel,
    apiKey: process.env.OPENAI_API_KEY,
    forms: ['chat'],
  });
}
