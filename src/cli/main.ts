/** The command line: finds the command, and turns what it throws into an exit code and a message. */
import { didYouMeanHint, productVersion } from '../config/index.js';
import { InputError, InterruptedError, isSystemError, messageOf, systemErrorText } from '../errors/index.js';
import { watchStderr, writeStderr } from '../log/index.js';
import { helpLanguage } from './help/help-language.js';
import { EXIT_BAD_INPUT, HelpRequest } from './options.js';

export interface Command {
  readonly summary: string;
  /** Loaded when it is called, so that `--help` and light commands do not load the engine. */
  readonly load: () => Promise<(args: readonly string[]) => Promise<number>>;
  /** Words behind it that are commands of their own, where its help does not list them. */
  readonly subcommands?: readonly string[];
}

export const commands: Readonly<Record<string, Command>> = {
  demo: {
    summary: 'the whole life of a small model in one run: data, tokenizer, training, measuring, talking',
    load: async () => (await import('./demo.js')).demo,
  },
  setup: {
    summary: 'find or fetch libtorch and build the native part, as the first use of any command does',
    load: async () => (await import('./setup.js')).setup,
  },
  doctor: {
    summary: 'versions, devices, measured speed, and what each optional part would need',
    load: async () => (await import('./doctor.js')).doctor,
  },
  tokenizer: {
    summary: 'encode and decode lines; train, measure and merge vocabularies',
    load: async () => (await import('./tokenizer/tokenizer.js')).tokenizer,
  },
  data: {
    summary: 'prepare rows for training from records, merge and inspect them',
    load: async () => (await import('./data/data.js')).data,
  },
  train: {
    summary: 'pre-train or fine-tune (full, LoRA) by a configuration file',
    load: async () => (await import('./train.js')).train,
  },
  run: {
    summary:
      'the published run entry: train, finetune, eval, predict or export by a run file of Spark or MindFormers',
    load: async () => (await import('./run/run.js')).run,
  },
  launch: {
    summary: 'a command as several ranks, on one machine or many; rank tables',
    load: async () => (await import('./launch/launch.js')).launch,
    subcommands: ['rank-table', 'merge-rank-tables'],
  },
  watch: {
    summary: 'the page of finished and running training runs, several side by side',
    load: async () => (await import('./watch.js')).watch,
  },
  plan: {
    summary: 'memory and time of a training run, or memory of generation, before it is started',
    load: async () => (await import('./plan/plan.js')).plan,
  },
  convert: {
    summary: 'weights and optimiser states to another container, spelling, dtype, number of files or ranks',
    load: async () => (await import('./convert.js')).convert,
  },
  export: {
    summary: 'a model as an ONNX graph for onnxruntime, in programs, on devices and in browsers',
    load: async () => (await import('./export.js')).exportModel,
  },
  quantize: {
    summary: "the weights of a model's blocks as integers of 8 or 4 bits",
    load: async () => (await import('./quantize.js')).quantize,
  },
  forward: {
    summary: 'logits, loss and gradients of given ids, for comparison with other implementations',
    load: async () => (await import('./forward.js')).forward,
  },
  score: {
    summary: 'score answers with a reward model',
    load: async () => (await import('./score.js')).score,
  },
  judge: {
    summary: 'compare recorded dialogues of two or more models by a judge; hold a judge against people',
    load: async () => (await import('./judge.js')).judge,
  },
  evaluate: {
    summary: 'published evaluation sets on a model, or on recorded outputs',
    load: async () => (await import('./evaluate.js')).evaluate,
  },
  compare: {
    summary: 'two or more evaluations, sample by sample',
    load: async () => (await import('./compare.js')).compare,
  },
  persona: {
    summary: 'teach a model who it is: prompts, a teacher, training, and how often it falls out of its role',
    load: async () => (await import('./persona/persona.js')).persona,
  },
  generate: {
    summary: 'continue a prompt, or answer a file of questions',
    load: async () => (await import('./generate.js')).generate,
  },
  chat: {
    summary: 'talk with a model in the terminal',
    load: async () => (await import('./chat.js')).chat,
  },
  serve: {
    summary: 'a model behind an OpenAI-compatible API, with a chat page',
    load: async () => (await import('./serve.js')).serve,
  },
  bench: {
    summary: 'how fast each part is on this machine, alone or in turns with programs of others',
    load: async () => (await import('./bench/bench.js')).bench,
  },
  completion: {
    summary: 'what a shell needs to complete commands and options: bash, zsh or fish',
    load: async () => (await import('./completion.js')).completion,
  },
};

/** Set in the ranks of `xinghe launch`; asked for here without loading what they need. */
const LAUNCHER_PIPE = 'XINGHE_LAUNCHER_PIPE';
const EXIT_FAILURE = 1;
const EXIT_INTERRUPTED = 130;

/** Runs one command. @returns the exit code: 0 done, 1 failure, 2 bad input or usage, 130 interrupted */
export async function main(argv: readonly string[]): Promise<number> {
  watchStderr();
  if (LAUNCHER_PIPE in process.env) (await import('../distributed/index.js')).startHeartbeat();
  try {
    const [name, ...args] = withHelpLast(argv);
    if (name === undefined || name === '--help' || name === '-h') {
      process.stdout.write(await overview());
      return name === undefined ? EXIT_BAD_INPUT : 0;
    }
    if (name === '--version' || name === '-V' || name === 'version') {
      process.stdout.write(`xinghe ${productVersion()}\n`);
      return 0;
    }
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (command === undefined)
      throw new InputError(
        `unknown command "${name}".${didYouMeanHint(name, Object.keys(commands))} There are ` +
          `${Object.keys(commands).join(', ')}.`,
      );
    const run = await command.load();
    return await run(args);
  } catch (error) {
    if (error instanceof HelpRequest) {
      process.stdout.write(await helpText(error));
      return 0;
    }
    if (error instanceof InputError) {
      writeStderr(named(error.message));
      return EXIT_BAD_INPUT;
    }
    if (error instanceof InterruptedError) {
      writeStderr(named(error.message));
      return error.isHandedOver ? 0 : EXIT_INTERRUPTED;
    }
    if (isRefusedBySystem(error)) {
      writeStderr(named(messageOf(error)));
      return EXIT_BAD_INPUT;
    }
    writeStderr(`xinghe: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return EXIT_FAILURE;
  }
}

/** `help train` is `train --help`; `help data prepare` too. */
function withHelpLast(argv: readonly string[]): readonly string[] {
  const [first, ...rest] = argv;
  return first === 'help' ? [...rest, '--help'] : argv;
}

/** Who speaks: messages of a command say it themselves. */
function named(message: string): string {
  return /^xinghe( [a-z-]+)*: /.test(message) ? `${message}\n` : `xinghe: ${message}\n`;
}

/** What the system refuses (a file, an address) is the user's to put right, even where no better message was made of it. */
function isRefusedBySystem(error: unknown): boolean {
  return isSystemError(error) && ('path' in error || systemErrorText(error) !== undefined);
}

/** In the language of the environment; the texts are loaded when they are asked for. */
async function helpText({ message, page }: HelpRequest): Promise<string> {
  const { formatPage, translated } = await import('./help/format-page.js');
  const language = helpLanguage();
  return page === undefined ? translated(message, language) : formatPage(page, language);
}

async function overview(): Promise<string> {
  const language = helpLanguage();
  // Nothing is loaded for English.
  const say = language === 'english' ? (text: string) => text : await translator();
  const width = Math.max(...Object.keys(commands).map((name) => name.length));
  const lines = Object.entries(commands).map(
    ([name, { summary }]) => `  ${name.padEnd(width)}  ${say(summary)}`,
  );
  const head =
    language === 'english'
      ? 'xinghe COMMAND [options]; xinghe COMMAND --help (or help COMMAND) tells more, xinghe --version which one this is'
      : 'xinghe 命令 [选项]；xinghe 命令 --help（或 help 命令）给出详情，xinghe --version 给出版本';
  return `${head}\n\n${lines.join('\n')}\n`;
}

async function translator(): Promise<(text: string) => string> {
  const { translated } = await import('./help/format-page.js');
  return (text) => translated(text, 'chinese');
}
