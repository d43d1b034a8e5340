/** The teacher of a command line: Spark, an OpenAI-compatible address, a model of ours, or the rules. */
import { InputError } from '../../errors/index.js';
import { HttpModel, type LanguageModel, RateLimit } from '../../evaluation/index.js';
import {
  type Character,
  keySource,
  RulesTeacher,
  SparkModel,
  sparkKeys,
  speakAs,
  type TeacherPrompt,
} from '../../persona/index.js';
import { openLocalModel } from '../evaluated-model.js';
import type { OptionSpec, OptionValues } from '../options.js';

export const teacherOptions = {
  teacher: {
    kind: 'string',
    value: 'spark|URL|DIR|rules',
    required: true,
    help: 'spark (or its ws address), the address of an OpenAI-compatible API, a model folder, or rules: answers made of the table alone',
  },
  'teacher-model': { kind: 'string', value: 'NAME', help: 'which model of an address; default its first' },
  'spark-url': { kind: 'string', value: 'URL', help: 'default: the published address of the domain' },
  'spark-domain': {
    kind: 'string',
    value: 'NAME',
    help: 'general, generalv2, generalv3, generalv3.5, 4.0Ultra; default generalv3.5',
  },
  keys: {
    kind: 'string',
    value: 'FILE',
    help: 'NAME=VALUE a line, before the environment: SPARK_APP_ID, SPARK_API_KEY, SPARK_API_SECRET; TEACHER_API_KEY or OPENAI_API_KEY',
  },
  rate: { kind: 'number', min: 0.001, help: 'questions a second at most' },
  parallel: { kind: 'integer', min: 1, help: 'questions at the same time; default 2 for Spark, else 8' },
  attempts: { kind: 'integer', min: 1, help: 'times that one question is asked; default 5' },
  timeout: { kind: 'integer', min: 1, help: 'seconds for one answer; default 120' },
  temperature: { kind: 'number', min: 0, help: 'of the answers; default 0.5 for Spark, else 0' },
  'max-new-tokens': { kind: 'integer', min: 1, help: 'of one answer; default 512' },
} as const satisfies Record<string, OptionSpec>;

export type TeacherOptionValues = OptionValues<typeof teacherOptions> & {
  readonly threads: number | undefined;
};

/** @param character for the rules alone, which answer by its table */
export async function openTeacher(
  options: TeacherOptionValues,
  prompts: readonly TeacherPrompt[],
  character: Character | undefined,
): Promise<LanguageModel> {
  const { teacher, rate, parallel, attempts, timeout: timeoutSeconds, temperature } = options;
  refuseUnused(options);
  const isSpark = isSparkTeacher(teacher);
  if (teacher === 'rules') {
    if (character === undefined)
      throw new InputError('--teacher rules answers by the table of attributes; name it with --attributes.');
    return new RulesTeacher(character.persona, prompts, (text, language) =>
      speakAs(character, text, language),
    );
  }
  const keys = keySource(options.keys);
  const common = { parallel, attempts, timeoutSeconds, rate: new RateLimit(rate) };
  if (isSpark)
    return new SparkModel({
      ...common,
      keys: sparkKeys(keys),
      address: options['spark-url'] ?? (teacher === 'spark' ? undefined : teacher),
      domain: options['spark-domain'],
      temperature,
    });
  if (/^https?:\/\//.test(teacher))
    return HttpModel.open({
      ...common,
      address: teacher,
      name: options['teacher-model'],
      apiKey: keys('TEACHER_API_KEY') ?? keys('OPENAI_API_KEY'),
      forms: ['chat'],
      spelled: { key: 'TEACHER_API_KEY (or OPENAI_API_KEY)', name: '--teacher-model' },
      bearsRefusals: true,
    });
  return openLocalModel({
    model: teacher,
    adapter: undefined,
    config: undefined,
    dtype: undefined,
    device: undefined,
    threads: options.threads,
    tokenizer: undefined,
    'chat-template': undefined,
    'template-set': [],
  });
}

function isSparkTeacher(teacher: string): boolean {
  return teacher === 'spark' || /^wss?:\/\//.test(teacher);
}

function refuseUnused(options: TeacherOptionValues): void {
  const { teacher } = options;
  const isAddress = /^https?:\/\//.test(teacher);
  const remote = ['rate', 'parallel', 'attempts', 'timeout', 'keys'] as const;
  const unused = [
    ...(isSparkTeacher(teacher) ? [] : (['spark-url', 'spark-domain'] as const)),
    ...(isAddress ? [] : (['teacher-model'] as const)),
    ...(isAddress || isSparkTeacher(teacher) ? [] : remote),
  ].find((name) => options[name] !== undefined);
  if (unused !== undefined)
    throw new InputError(`--${unused} means nothing to --teacher ${teacher}; leave it out.`);
}
