/** `xinghe score`: what a reward model says of answers, one or two in a record. */
import { resolve } from 'node:path';
import {
  encodeAnswer,
  type PreferenceRecord,
  readPreferences,
  type SampleOrigin,
  SkipReport,
  UnreadKeys,
  unreadKeysText,
} from '../data/index.js';
import { InputError } from '../errors/index.js';
import { scoreConversations } from '../evaluation/index.js';
import { writeFileAtomic } from '../formats/index.js';
import { log } from '../log/index.js';
import { type ChatMessage, type ChosenChat, type LoadedModel, loadModelTokenizer } from '../models/index.js';
import { chatOptions, chosenChatByOptions } from './chat-options.js';
import { placed } from './hub-options.js';
import { loadModelByOptions, modelOptions } from './model-options.js';
import { parseOptions } from './options.js';

const specs = {
  ...modelOptions,
  tokenizer: {
    kind: 'string',
    value: 'PATH',
    place: 'tokenizer',
    help: 'default: the one beside the weights',
  },
  ...chatOptions,
  input: {
    kind: 'string',
    value: 'FILE',
    required: true,
    help: 'records: conversations that end with an answer, prompt and completion, or prompt, chosen and rejected',
  },
  output: { kind: 'string', value: 'FILE', help: 'where the scores go, a JSON line each; default stdout' },
  'batch-size': { kind: 'integer', min: 1, help: 'conversations at the same time; default 8' },
  json: { kind: 'flag', help: 'print the means as JSON on stdout; needs --output' },
} as const;

export async function score(args: readonly string[]): Promise<number> {
  const options = await placed(
    specs,
    parseOptions({ command: 'xinghe score', summary: 'score answers with a reward model' }, specs, args),
  );
  const { input, output } = options;
  if (options.json && output === undefined)
    throw new InputError(
      'xinghe score: --json prints means on stdout, where the scores go; give --output FILE',
    );
  if (output !== undefined && resolve(output) === resolve(input))
    throw new InputError(`xinghe score: --output ${output} is the file of the answers; name another file`);
  const loaded = loadModelByOptions(options, { output: 'score', integerActivations: 'none' });
  try {
    const chat = chosenChatByOptions(options, loaded);
    const { records, skips } = await readRecords(input, chat?.kind === 'template');
    const lines = scoreRecords(loaded, chat, records, options);
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    if (output === undefined) process.stdout.write(text);
    else writeFileAtomic(output, text);
    const summary = summaryOf(lines, skips.total);
    if (options.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
    log(describe(summary));
    return 0;
  } finally {
    loaded.model.dispose();
  }
}

type Read = PreferenceRecord & { readonly origin: SampleOrigin };

async function readRecords(
  input: string,
  keepsTools: boolean,
): Promise<{ records: Read[]; skips: SkipReport }> {
  const skips = new SkipReport();
  const records: Read[] = [];
  const unread = new UnreadKeys();
  const options = { keepsTools, onSkip: skips.add, onUnreadKey: unread.add, mayBeUnlabelled: true };
  for await (const record of readPreferences([input], options)) records.push(record);
  if (unread.list().length > 0)
    log(`keys of the records that are not read: ${unreadKeysText(unread.list())}`);
  for (const { reason, count, examples } of skips.reasons())
    log(
      `${count} record${count === 1 ? '' : 's'} left out (${reason}), the first: ${examples[0]?.message ?? ''}`,
    );
  if (records.length === 0) throw new InputError(`${input}: no answer to score.`);
  return { records, skips };
}

type ScoreLine =
  | { readonly line: number; readonly score: number }
  | { readonly line: number; readonly chosen: number; readonly rejected: number };

function scoreRecords(
  loaded: LoadedModel,
  chat: ChosenChat | undefined,
  records: readonly Read[],
  options: {
    readonly model: string;
    readonly tokenizer: string | undefined;
    readonly 'batch-size': number | undefined;
  },
): ScoreLine[] {
  const { architecture, model } = loaded;
  const tokenizer = loadModelTokenizer(architecture, options.tokenizer ?? options.model);
  const format = chat?.format ?? architecture.chat;
  const answersOf = (record: Read): readonly ChatMessage[] =>
    record.kind === 'pair' ? [record.chosen, record.rejected] : [record.answer];
  const conversations = records.flatMap((record) =>
    answersOf(record).map((answer) => {
      const { ids } = encodeAnswer({ ...record, answer }, format, tokenizer);
      const { maxPositions = ids.length } = model.shape;
      if (ids.length > maxPositions)
        throw new InputError(
          `${options.model}: the conversation in line ${record.origin.line} has ${ids.length} tokens, the model is made for ` +
            `${maxPositions}; shorten it or leave it out.`,
        );
      return ids;
    }),
  );
  const scores = [...scoreConversations(loaded, conversations, { batchSize: options['batch-size'] })].flat();
  let place = 0;
  const next = (): number => scores[place++] ?? Number.NaN;
  return records.map(({ kind, origin: { line } }) =>
    kind === 'pair' ? { line, chosen: next(), rejected: next() } : { line, score: next() },
  );
}

interface Summary {
  readonly answers: number;
  readonly mean_score: number | undefined;
  readonly pairs: number;
  readonly accuracy: number | undefined;
  readonly mean_margin: number | undefined;
  readonly skipped: number;
}

function summaryOf(lines: readonly ScoreLine[], skipped: number): Summary {
  const singles = lines.flatMap((line) => ('score' in line ? [line.score] : []));
  const margins = lines.flatMap((line) => ('chosen' in line ? [line.chosen - line.rejected] : []));
  const mean = (values: readonly number[]): number | undefined =>
    values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    answers: singles.length,
    mean_score: mean(singles),
    pairs: margins.length,
    accuracy: mean(margins.map((margin) => (margin > 0 ? 1 : 0))),
    mean_margin: mean(margins),
    skipped,
  };
}

function describe({
  answers,
  mean_score: score,
  pairs,
  accuracy,
  mean_margin: margin,
  skipped,
}: Summary): string {
  return [
    ...(score === undefined ? [] : [`${answers} answers, mean score ${score.toPrecision(4)}`]),
    ...(accuracy === undefined || margin === undefined
      ? []
      : [
          `${pairs} pairs, ${(100 * accuracy).toFixed(1)} % told right, mean margin ${margin.toPrecision(4)}`,
        ]),
    ...(skipped === 0 ? [] : [`${skipped} records left out`]),
  ].join('; ');
}
