/** `xinghe demo`: the whole life of a small model in one run. */
import { join } from 'node:path';
import { type DemoScore, runDemo } from '../demo/index.js';
import { withLockedOutput } from '../formats/index.js';
import { formatDuration } from '../log/index.js';
import { parseOptions } from './options.js';

const specs = {
  quick: { kind: 'flag', help: 'a smaller world and model: under a minute' },
  output: { kind: 'string', value: 'FOLDER', help: 'default out/demo; an earlier demo there is replaced' },
  seed: { kind: 'integer', min: 0, help: 'another world and another model; default 1' },
  threads: { kind: 'integer', min: 1, help: 'CPU threads; default: all cores' },
  json: { kind: 'flag', help: 'print the report as JSON on stdout' },
} as const;

export async function demo(args: readonly string[]): Promise<number> {
  const options = parseOptions(
    {
      command: 'xinghe demo',
      summary: 'data, tokenizer, pre-training, fine-tuning, measuring, talking: in one run',
    },
    specs,
    args,
  );
  const output = options.output ?? join('out', 'demo');
  const report = await withLockedOutput(output, () =>
    runDemo({ output, quick: options.quick, seed: options.seed ?? 1, threads: options.threads }),
  );
  if (options.json) {
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    return 0;
  }
  const percent = ({ correct, total }: DemoScore): string => `${((100 * correct) / total).toFixed(1)} %`;
  const { untrained, before, after } = report.facts;
  const lines = [
    ...report.answers.flatMap(({ question, answer }) => [`  you  ${question}`, `  it   ${answer}`, '']),
    `Facts about people and things that no dialogue names, the right one of four answers (n = ${after.total}, chance ` +
      `${100 * report.chance} %): random weights ${percent(untrained)}, pre-trained ${percent(before)}, ` +
      `fine-tuned ${percent(after)}.`,
    '',
    `Done in ${formatDuration(report.seconds)}. Everything lies in ${output}:`,
    `  model/            weights, config and tokenizer; chat, generate and forward load it`,
    `  world/            the texts, dialogues and questions`,
    `  loss.svg          the loss of both stages; metrics.jsonl in pretraining/ and fine-tuning/`,
    `  report.json       every number above`,
    '',
    'Chat on:',
    `  bin/xinghe chat --model ${report.modelFolder}`,
    `  bin/xinghe serve --model ${report.modelFolder}     # a chat page and an API on http://127.0.0.1:8000/`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  return 0;
}
