/** `xinghe persona extract`: the answers of a teacher. */
import { join } from 'node:path';
import { log } from '../../log/index.js';
import { EXCEPTION_FILE, extractAnswers, QA_FILE, readCharacter, readPrompts } from '../../persona/index.js';
import { EXIT_BAD_INPUT, type OptionSpec, parseOptions } from '../options.js';
import { openTeacher, teacherOptions } from './persona-teacher.js';

const specs = {
  prompts: {
    kind: 'string',
    value: 'FILE',
    required: true,
    help: 'what persona assemble wrote: text, a prompt a line, or records (.jsonl)',
  },
  output: {
    kind: 'string',
    value: 'DIR',
    required: true,
    help: `where ${QA_FILE} and ${EXCEPTION_FILE} go`,
  },
  ...teacherOptions,
  attributes: { kind: 'string', value: 'FILE', help: 'for --teacher rules: the table or the role card' },
  threads: { kind: 'integer', min: 1, help: 'CPU threads of a model of ours; default: all cores' },
  json: { kind: 'flag', help: 'print counts as JSON on stdout' },
} as const satisfies Record<string, OptionSpec>;

export async function personaExtract(args: readonly string[]): Promise<number> {
  const options = parseOptions(
    {
      command: 'xinghe persona extract',
      summary: 'the answers of a teacher to every prompt',
      notes:
        `The same command asks only what is missing. What fails goes to ${EXCEPTION_FILE}, and the others are asked; the exit code is 2 ` +
        'where anything is missing at the end. Keys come from the environment or the file of --keys, never from the command line.',
    },
    specs,
    args,
  );
  const prompts = readPrompts(options.prompts);
  const character = options.attributes === undefined ? undefined : await readCharacter(options.attributes);
  const report = await extractAnswers({
    prompts,
    output: options.output,
    openTeacher: () => openTeacher(options, prompts, character),
    maxNewTokens: options['max-new-tokens'],
    temperature: options.temperature,
  });
  const missing = report.prompts - report.answered;
  if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else
    process.stdout.write(
      `${report.answered} of ${report.prompts} prompts are answered (${join(options.output, QA_FILE)})\n`,
    );
  if (missing === 0) return 0;
  const reasons = Object.entries(report.failed).map(([reason, count]) => `${count} x ${reason}`);
  log(
    `xinghe persona extract: ${missing} prompts have no answer (${reasons.join(', ')}); they stand in ` +
      `${join(options.output, EXCEPTION_FILE)}, the same command asks them again`,
  );
  return EXIT_BAD_INPUT;
}
