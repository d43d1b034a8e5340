/** `xinghe tokenizer`: encode and decode here, lines of JSON from text to ids and back; the rest in files of their own. */
import { z } from 'zod';
import { parseConfig } from '../config/index.js';
import { InputError, messageOf } from '../errors/index.js';
import { readJsonLines, writeFileAtomic } from '../formats/index.js';
import { log } from '../log/index.js';
import { loadTokenizer, type Tokenizer } from '../tokenizers/index.js';
import { EXIT_BAD_INPUT, HelpRequest, parseOptions } from './options.js';
import { tokenizerMerge } from './tokenizer-merge.js';
import { tokenizerReport } from './tokenizer-report.js';
import { tokenizerTrain } from './tokenizer-train.js';

const specs = {
  tokenizer: { kind: 'string', value: 'PATH', required: true, help: 'tokenizer.json, *.model, or a folder' },
  input: {
    kind: 'string',
    value: 'LINES.jsonl',
    required: true,
    help: 'one {"text": …} or {"ids": […]} a line',
  },
  output: {
    kind: 'string',
    value: 'OUT.jsonl',
    required: true,
    help: 'one {"ids": […]} or {"text": …} a line',
  },
  'add-special-tokens': { kind: 'flag', help: "encode: add the tokenizer's own special tokens" },
  'skip-special-tokens': { kind: 'flag', help: 'decode: leave special tokens out of the text' },
} as const;

const textLine = z.object({ text: z.string() });
const idsLine = z.object({ ids: z.array(z.int().nonnegative()) });

const HELP = `xinghe tokenizer SUBCOMMAND [options]; xinghe tokenizer SUBCOMMAND --help tells more

  encode  lines of JSON, text to ids
  decode  lines of JSON, ids to text
  train   a vocabulary from text files: SentencePiece BPE and unigram, byte-level BPE
  report  how many tokens a tokenizer needs, by kind of writing and by file
  merge   a vocabulary extended by the pieces of another
`;

export async function tokenizer(args: readonly string[]): Promise<number> {
  const [verb, ...rest] = args;
  switch (verb) {
    case 'encode':
    case 'decode':
      return convertLines(verb, rest);
    case 'train':
      return tokenizerTrain(rest);
    case 'report':
      return tokenizerReport(rest);
    case 'merge':
      return tokenizerMerge(rest);
    case '--help':
    case '-h':
      throw new HelpRequest(HELP);
    case undefined:
      process.stdout.write(HELP);
      return EXIT_BAD_INPUT;
    default:
      throw new InputError(
        `xinghe tokenizer: "${verb}" is no subcommand; there are encode, decode, train, report and merge`,
      );
  }
}

function convertLines(verb: 'encode' | 'decode', args: readonly string[]): number {
  const options = parseOptions(
    { command: `xinghe tokenizer ${verb}`, summary: 'lines of JSON, text to ids and back' },
    specs,
    args,
  );
  const loaded = loadTokenizer(options.tokenizer);
  let count = 0;
  writeFileAtomic(options.output, (write) => {
    for (const { line, value } of readJsonLines(options.input)) {
      const source = `${options.input}:${line}`;
      if (verb === 'encode') {
        const { text } = parseConfig(textLine, value, { source });
        const ids = loaded.encode(text, { addSpecialTokens: options['add-special-tokens'] });
        write(`${JSON.stringify({ ids })}\n`);
      } else {
        const { ids } = parseConfig(idsLine, value, { source });
        const text = decodeLine(loaded, ids, options['skip-special-tokens'], source);
        write(`${JSON.stringify({ text })}\n`);
      }
      count += 1;
    }
  });
  log(`${count} lines to ${options.output}`);
  return 0;
}

function decodeLine(
  loaded: Tokenizer,
  ids: readonly number[],
  skipSpecialTokens: boolean,
  source: string,
): string {
  try {
    return loaded.decode(ids, { skipSpecialTokens });
  } catch (error) {
    throw error instanceof InputError ? new InputError(`${source}: ${messageOf(error)}`) : error;
  }
}
