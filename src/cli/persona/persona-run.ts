/** `xinghe persona run`: all steps in one folder. */
import { join } from 'node:path';
import { withLockedOutput } from '../../formats/index.js';
import { log } from '../../log/index.js';
import { loadPromptForm, readCharacter, runPersona, summaryText } from '../../persona/index.js';
import { openLocalModel } from '../evaluated-model.js';
import { openJudge } from '../judge-options.js';
import { type OptionSpec, parseOptions } from '../options.js';
import { assembleOptions } from './persona-assemble.js';
import { personaJudgeOptions } from './persona-measure.js';
import { prepareOptions } from './persona-prepare.js';
import { openTeacher, teacherOptions } from './persona-teacher.js';
import { runPersonaTraining, trainOptions } from './persona-train.js';

const specs = {
  model: { kind: 'string', value: 'PATH', required: true, help: 'model folder or weight file to begin with' },
  ...assembleOptions,
  output: { kind: 'string', value: 'DIR', required: true, help: 'the folder of the run' },
  ...teacherOptions,
  ...prepareOptions,
  ...trainOptions,
  talks: { kind: 'integer', min: 0, help: 'talks of ten turns in each language; default 4' },
  ...personaJudgeOptions,
  overwrite: { kind: 'flag', help: 'train and measure anew where the folder holds another run' },
  json: { kind: 'flag', help: 'print before and after as JSON on stdout' },
} as const satisfies Record<string, OptionSpec>;

export async function personaRun(args: readonly string[]): Promise<number> {
  const options = parseOptions(
    {
      command: 'xinghe persona run',
      summary: 'assemble, extract, prepare, measure, train and measure again, in one folder',
      notes: 'The same command goes on where an earlier one ended; what is done is not done again.',
    },
    specs,
    args,
  );
  const { output, threads } = options;
  const character = await readCharacter(options.attributes);
  const form = loadPromptForm(options.form);
  const local = {
    adapter: undefined,
    config: undefined,
    dtype: undefined,
    device: undefined,
    threads,
    tokenizer: undefined,
    'chat-template': undefined,
    'template-set': [],
  };
  const report = await withLockedOutput(output, () =>
    runPersona({
      output,
      model: options.model,
      character,
      form,
      template: options.template,
      general: options.general,
      generalShare: options['general-share'],
      lora: options.lora,
      set: options.set,
      seed: options.seed,
      threads,
      talks: options.talks,
      maxNewTokens: options['max-new-tokens'],
      temperature: options.temperature,
      overwrite: options.overwrite,
      command: ['xinghe', 'persona', 'run', ...args],
      openTeacher: (prompts) => openTeacher(options, prompts, character),
      openModel: async (model) => openLocalModel({ ...local, model }),
      openJudge: (folder) =>
        openJudge({ ...options, rubric: undefined, output: folder }, undefined, (model) =>
          openLocalModel({ ...local, model }),
        ),
      train: async (config, set) => {
        await runPersonaTraining(config, set);
      },
    }),
  );
  if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else {
    process.stdout.write(`\n${summaryText([report.before, report.after], ['before', 'after'])}`);
    process.stdout.write(
      [
        '',
        `question by question: ${join(output, 'comparison', 'compare.html')}`,
        `talk with it:         bin/xinghe chat --model ${report.model}`,
        ...(report.adapter === null
          ? []
          : [
              `beside others:        bin/xinghe serve --model ${options.model} --adapter NAME=${report.adapter}`,
            ]),
        '',
      ].join('\n'),
    );
  }
  log(`everything lies in ${output}`);
  return 0;
}
