/** `xinghe tokenizer merge`: a vocabulary extended by the pieces of another. */
import { withLockedOutput, writeFileAtomic } from '../../formats/index.js';
import { log } from '../../log/index.js';
import { mergeVocabularies } from '../../tokenizers/index.js';
import { parseOptions } from '../options.js';

const specs = {
  base: {
    kind: 'string',
    value: 'FILE',
    required: true,
    help: 'the .model or tokenizer.json whose ids stay',
  },
  add: {
    kind: 'string',
    value: 'FILE',
    required: true,
    help: 'the one whose further pieces come behind them',
  },
  output: { kind: 'string', value: 'FILE', required: true, help: 'the file to write, of the same format' },
  json: { kind: 'flag', help: 'print the sizes as JSON' },
} as const;

export async function tokenizerMerge(args: readonly string[]): Promise<number> {
  const options = parseOptions(
    { command: 'xinghe tokenizer merge', summary: 'a vocabulary extended by the pieces of another' },
    specs,
    args,
  );
  const { baseSize, size, added } = await withLockedOutput(options.output, () => {
    const merged = mergeVocabularies(options.base, options.add);
    writeFileAtomic(options.output, merged.content);
    return merged;
  });
  log(`${added.length} new pieces behind ${baseSize}: ${size} ids to ${options.output}`);
  if (options.json) {
    const result = { output: options.output, base_size: baseSize, vocab_size: size, added: added.length };
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }
  return 0;
}
