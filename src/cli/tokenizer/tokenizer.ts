/** `xinghe tokenizer`: encode and decode here, lines of JSON from text to ids and back; the rest in files of their own. */
import { z } from 'zod';
import { parseConfig } from '../../config/index.js';
import { InputError, messageOf } from '../../errors/index.js';
import { readJsonLines, withLockedOutput, writeFileAtomic } from '../../formats/index.js';
import { log } from '../../log/index.js';
import { loadModelArchitecture, loadModelTokenizer, openTokenizer } from '../../models/index.js';
import type { Tokenizer } from '../../tokenizers/index.js';
import { hubOptions, placed } from '../hub-options.js';
import { EXIT_BAD_INPUT, HelpRequest, type OptionValues, parseOptionsAndWords } from '../options.js';
import { withInputPath } from '../standard-input.js';
import { tokenizerMerge } from './tokenizer-merge.js';
import { tokenizerReport } from './tokenizer-report.js';
import { tokenizerTrain } from './tokenizer-train.js';

const specs = {
  ...hubOptions,
  tokenizer: {
    kind: 'string',
    value: 'PATH',
    place: 'tokenizer',
    help: 'tokenizer.json, *.model, a folder, or a .gguf',
  },
  model: {
    kind: 'string',
    value: 'PATH',
    place: 'model',
    help: "a model folder or .gguf: its tokenizer, by its family's rules",
  },
  input: {
    kind: 'string',
    value: 'LINES.jsonl',
    help: 'one {"text": …} or {"ids": […]} a line; - reads stdin; or give a text (or ids) as arguments',
  },
  output: {
    kind: 'string',
    value: 'OUT.jsonl',
    help: 'one {"ids": […]} or {"text": …} a line; default stdout',
  },
  'add-special-tokens': { kind: 'flag', help: "encode: add the tokenizer's own special tokens" },
  'skip-special-tokens': { kind: 'flag', help: 'decode: leave special tokens out of the text' },
} as const;

type LinesOptions = OptionValues<typeof specs>;

const textLine = z.object({ text: z.string() });
const idsLine = z.object({ ids: z.array(z.int().nonnegative()) });

const HELP = `xinghe tokenizer SUBCOMMAND [options]; xinghe tokenizer SUBCOMMAND --help tells more

  encode  a text, or lines of JSON, to ids
  decode  ids, or lines of JSON, to text
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

type Verb = 'encode' | 'decode';

async function convertLines(verb: Verb, args: readonly string[]): Promise<number> {
  const { options: given, words } = parseOptionsAndWords(
    {
      command: `xinghe tokenizer ${verb}`,
      summary: 'lines of JSON, text to ids and back',
      notes: `xinghe tokenizer ${verb} --tokenizer PATH (or --model PATH) ${verb === 'encode' ? 'TEXT' : 'ID …'} prints the ${verb === 'encode' ? 'ids' : 'text'} on stdout.`,
    },
    specs,
    args,
  );
  const options = await placed(specs, given);
  const { input, output } = options;
  if ((input === undefined) === (words.length === 0))
    throw new InputError(
      `xinghe tokenizer ${verb}: give either --input FILE or ${verb === 'encode' ? 'a text' : 'ids'} as arguments`,
    );
  const loaded = tokenizerByOptions(verb, options);
  if (input === undefined) {
    const line =
      verb === 'encode' ? encodeWords(loaded, words, options) : decodeWords(loaded, words, options);
    if (output === undefined) process.stdout.write(line);
    else await withLockedOutput(output, () => writeFileAtomic(output, line));
    return 0;
  }
  return withInputPath(input, (path) => {
    if (output !== undefined)
      return withLockedOutput(output, () => {
        let count = 0;
        writeFileAtomic(output, (write) => {
          for (const line of convertedLines(verb, loaded, path, options)) {
            write(line);
            count += 1;
          }
        });
        log(`${count} lines to ${output}`);
        return 0;
      });
    for (const line of convertedLines(verb, loaded, path, options)) process.stdout.write(line);
    return 0;
  });
}

function tokenizerByOptions(verb: Verb, { tokenizer: path, model }: LinesOptions): Tokenizer {
  if ((path === undefined) === (model === undefined))
    throw new InputError(`xinghe tokenizer ${verb}: give either --tokenizer PATH or --model PATH`);
  return model === undefined
    ? openTokenizer(path ?? '')
    : loadModelTokenizer(loadModelArchitecture(model), model);
}

function* convertedLines(
  verb: Verb,
  loaded: Tokenizer,
  input: string,
  options: LinesOptions,
): Generator<string, void> {
  for (const { line, value } of readJsonLines(input)) {
    const source = `${input}:${line}`;
    if (verb === 'encode') {
      const { text } = parseConfig(textLine, value, { source });
      yield `${JSON.stringify({ ids: loaded.encode(text, { addSpecialTokens: options['add-special-tokens'] }) })}\n`;
    } else {
      const { ids } = parseConfig(idsLine, value, { source });
      yield `${JSON.stringify({ text: decodeLine(loaded, ids, options['skip-special-tokens'], source) })}\n`;
    }
  }
}

/** As a shell hands on a text without quotes: its words with a space between them. */
function encodeWords(loaded: Tokenizer, words: readonly string[], options: LinesOptions): string {
  const ids = loaded.encode(words.join(' '), { addSpecialTokens: options['add-special-tokens'] });
  return `${ids.join(' ')}\n`;
}

/** Ids apart by spaces or commas, in brackets or not: what encode and others print. */
function decodeWords(loaded: Tokenizer, words: readonly string[], options: LinesOptions): string {
  const parts = words
    .join(' ')
    .replace(/[[\],]/g, ' ')
    .trim()
    .split(/\s+/);
  const ids = parts.map((part) => {
    if (!/^\d{1,15}$/.test(part))
      throw new InputError(`xinghe tokenizer decode: "${part}" is no id; give whole numbers such as 5 6 7`);
    return Number(part);
  });
  return `${decodeLine(loaded, ids, options['skip-special-tokens'], 'xinghe tokenizer decode')}\n`;
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
