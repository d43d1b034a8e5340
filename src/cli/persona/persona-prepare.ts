/** `xinghe persona prepare`: from answers to what is learned and measured. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { preparePersona, QA_FILE, readCharacter } from '../../persona/index.js';
import { type OptionSpec, parseOptions } from '../options.js';

export const prepareOptions = {
  general: {
    kind: 'strings',
    value: 'FILE…',
    help: 'dialogues of any form, mixed in so that the rest is not forgotten',
  },
  'general-share': { kind: 'number', min: 0, help: 'of all that is learned; default 0.5' },
  seed: { kind: 'integer', min: 0, help: 'of the split, the order and the training; default 42' },
} as const satisfies Record<string, OptionSpec>;

const specs = {
  answers: {
    kind: 'string',
    value: 'PATH',
    required: true,
    help: `${QA_FILE}, or the folder that persona extract wrote it to`,
  },
  attributes: {
    kind: 'string',
    value: 'FILE',
    required: true,
    help: 'the table or the role card: answers that contradict it are left out and counted',
  },
  ...prepareOptions,
  'validation-share': {
    kind: 'number',
    min: 0,
    help: 'of the questions, watched by their loss; default 0.05',
  },
  'test-share': {
    kind: 'number',
    min: 0,
    help: 'of a template that marks no held-out questions, kept for measuring; default 0.1',
  },
  output: {
    kind: 'string',
    value: 'DIR',
    required: true,
    help: 'where train.jsonl, validation.jsonl, questions.jsonl and general.jsonl go',
  },
  json: { kind: 'flag', help: 'print counts as JSON on stdout' },
} as const satisfies Record<string, OptionSpec>;

export async function personaPrepare(args: readonly string[]): Promise<number> {
  const options = parseOptions(
    { command: 'xinghe persona prepare', summary: 'from answers to what is learned, watched and measured' },
    specs,
    args,
  );
  const { answers } = options;
  const isFolder = statSync(answers, { throwIfNoEntry: false })?.isDirectory() === true;
  const report = await preparePersona({
    qaFile: isFolder ? join(answers, QA_FILE) : answers,
    character: await readCharacter(options.attributes),
    output: options.output,
    general: options.general,
    generalShare: options['general-share'],
    validationShare: options['validation-share'],
    testShare: options['test-share'],
    seed: options.seed,
  });
  if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else {
    const { train, general, validation, test, generalTest, leftOut } = report;
    process.stdout.write(
      [
        `${train} dialogues to learn, ${general} of them general ones`,
        `${validation} to watch`,
        `${test} questions and ${generalTest} general dialogues to measure`,
        ...Object.entries(leftOut).map(
          ([reason, count]) => `left out: ${count} x ${reason} (left-out.jsonl)`,
        ),
        '',
      ].join('\n'),
    );
  }
  return 0;
}
