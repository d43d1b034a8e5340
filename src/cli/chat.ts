/** `xinghe chat`: a conversation in the terminal, in the model's chat format. */
import { createInterface } from 'node:readline/promises';
import { InputError } from '../errors/index.js';
import { cacheBytesPerToken, type ModelRanks, TextEngine, type TextRequest } from '../generation/index.js';
import { log } from '../log/index.js';
import {
  type ChatFormat,
  type ChatMessage,
  type LoadedModel,
  loadModelTokenizer,
  promptLimit,
  reportNonFiniteWeights,
} from '../models/index.js';
import type { Tokenizer } from '../tokenizers/index.js';
import { chatByOptions, chatOptions } from './chat-options.js';
import { placed } from './hub-options.js';
import { integerOptions, loadModelByOptions, modelOptions } from './model-options.js';
import { onRanks } from './on-ranks.js';
import { type OptionValues, parseOptions } from './options.js';
import {
  DEFAULT_MAX_NEW_TOKENS,
  type ModelDefaults,
  readModelDefaults,
  samplingByOptions,
  samplingOptions,
  tellSampling,
} from './sampling-options.js';

const specs = {
  ...modelOptions,
  ...integerOptions,
  tokenizer: {
    kind: 'string',
    value: 'PATH',
    place: 'tokenizer',
    help: 'default: the one in the model folder',
  },
  'parse-special': { kind: 'flag', help: 'names of special tokens in messages become these tokens' },
  ...chatOptions,
  system: { kind: 'string', value: 'TEXT', help: 'a system text for the whole conversation' },
  message: {
    kind: 'strings',
    value: 'TEXT…',
    help: 'say this, print the answer and end; several are one conversation',
  },
  ...samplingOptions,
  json: { kind: 'flag', help: 'with --message: print {"messages": […]} on stdout' },
} as const;

type ChatOptions = OptionValues<typeof specs>;

export async function chat(args: readonly string[]): Promise<number> {
  const options = await placed(
    specs,
    parseOptions(
      {
        command: 'xinghe chat',
        summary: 'talk with a model in the terminal',
        notes:
          'While talking: /reset forgets the conversation, /help lists the commands, /exit (or Ctrl-D) ends it, Ctrl-C stops an answer.',
      },
      specs,
      args,
    ),
  );
  if (options.json && options.message.length === 0)
    throw new InputError('xinghe chat: --json needs --message TEXT');
  return onRanks(options, (ranks) => converse(options, ranks));
}

async function converse(options: ChatOptions, ranks: ModelRanks | undefined): Promise<number> {
  const defaults = readModelDefaults(options.model);
  tellSampling(options, defaults);
  const loaded = loadModelByOptions(options, { ranks });
  const tokenizer = loadModelTokenizer(loaded.architecture, options.tokenizer ?? options.model);
  const conversation = new Conversation(loaded, tokenizer, options, defaults);
  if (ranks !== undefined && options.message.length === 0 && process.stdin.isTTY !== true)
    log('(a launcher hands no terminal on: what is said comes from stdin, a line each)');
  if (options.message.length > 0) {
    for (const message of options.message)
      await conversation.answer(
        message,
        (piece) => {
          if (!options.json) process.stdout.write(piece);
        },
        () => {
          if (!options.json) process.stdout.write('\n');
        },
      );
    if (options.json) process.stdout.write(`${JSON.stringify({ messages: conversation.messages })}\n`);
    return 0;
  }
  await talk(conversation);
  return 0;
}

/** Tokens of history that are kept ready between two questions, where the model has no bound of its own. */
const HISTORY_TOKENS = 8192;
/** Memory for them at most: a 13B model holds 5000 tokens in it, in bfloat16. */
const HISTORY_BYTES = 4 * 2 ** 30;

class Conversation {
  readonly #loaded: LoadedModel;
  readonly #tokenizer: Tokenizer;
  readonly #options: ChatOptions;
  readonly #defaults: ModelDefaults;
  readonly #chat: ChatFormat;
  /** One for the whole talk: what was said before is found in its cache. */
  readonly #engine: TextEngine;
  #messages: ChatMessage[] = [];
  #isStopped = false;

  constructor(loaded: LoadedModel, tokenizer: Tokenizer, options: ChatOptions, defaults: ModelDefaults) {
    this.#loaded = loaded;
    this.#tokenizer = tokenizer;
    this.#options = options;
    this.#defaults = defaults;
    this.#chat = chatByOptions(options, loaded);
    const { model } = loaded;
    const affordable = Math.floor(HISTORY_BYTES / cacheBytesPerToken(model));
    const cacheTokens = Math.max(256, Math.min(model.shape.maxPositions ?? HISTORY_TOKENS, affordable));
    this.#engine = new TextEngine(model, tokenizer, { cacheTokens });
    this.reset();
  }

  get messages(): readonly ChatMessage[] {
    return this.#messages;
  }

  reset(): void {
    const { system } = this.#options;
    this.#messages = system === undefined ? [] : [{ role: 'system', content: system }];
  }

  /** Ends the answer that is being given; what was said stays. */
  stop(): void {
    this.#isStopped = true;
  }

  /** @throws InputError for a question that cannot be asked */
  async answer(question: string, onText: (piece: string) => void, onEnd: () => void): Promise<void> {
    if (question.trim() === '') throw new InputError('xinghe chat: the message is empty.');
    const { maxLength } = this.#engine.limits;
    const maxNewTokens = this.#options['max-new-tokens'] ?? DEFAULT_MAX_NEW_TOKENS;
    const messages: ChatMessage[] = [...this.#messages, { role: 'user', content: question }];
    const promptIds = this.#chat.renderPrompt(messages, this.#tokenizer, {
      maxLength: promptLimit(maxLength, maxNewTokens),
      parsesSpecial: this.#options['parse-special'],
    });
    const content = await this.#run(
      {
        promptIds,
        maxNewTokens: Math.min(maxNewTokens, maxLength - promptIds.length),
        sampling: samplingByOptions(this.#options, this.#defaults),
        stopTokenIds: [
          ...new Set([...this.#chat.stopTokenIds(this.#tokenizer), ...this.#defaults.eosTokenIds]),
        ],
      },
      onText,
    );
    onEnd();
    this.#messages = [...messages, { role: 'assistant', content }];
  }

  async #run(request: TextRequest, onText: (piece: string) => void): Promise<string> {
    const id = 'answer';
    let text = '';
    this.#isStopped = false;
    this.#engine.submit(id, request);
    try {
      while (this.#engine.hasWork && !this.#isStopped) {
        const events = reportNonFiniteWeights(this.#loaded, this.#options.model, () => {
          const made = this.#engine.step();
          for (const { error } of made) if (error !== undefined) throw error;
          return made;
        });
        for (const { event } of events) {
          if (event === undefined || event.text === '') continue;
          text += event.text;
          onText(event.text);
        }
        await new Promise((resolve) => setImmediate(resolve)); // Ctrl-C is heard between two steps only.
      }
    } finally {
      this.#engine.cancel(id);
    }
    return text;
  }
}

const HELP = '/reset forgets the conversation, /help shows this, /exit ends it.';

async function talk(conversation: Conversation): Promise<void> {
  const lines = createInterface({ input: process.stdin, output: process.stderr, prompt: '你 / You> ' });
  log(`${HELP} Ctrl-C stops an answer.`);
  let isAnswering = false;
  let isWarned = false;
  lines.on('SIGINT', () => {
    if (isAnswering) {
      conversation.stop();
    } else if (isWarned) {
      log('');
      lines.close();
    } else {
      // Meant for an answer that had just ended: what was said is not lost for that.
      isWarned = true;
      log('\n(Ctrl-C once more, /exit or Ctrl-D ends)');
      lines.write(null, { ctrl: true, name: 'u' });
      lines.prompt();
    }
  });
  lines.prompt();
  for await (const line of lines) {
    isWarned = false;
    const said = line.trim();
    if (said === '/exit' || said === '/quit') break;
    if (said === '/reset') {
      conversation.reset();
      log('(forgotten)');
    } else if (said === '/help' || said === '/?') {
      log(`${HELP} Ctrl-C stops an answer, Ctrl-D ends too. All else is said to the model.`);
    } else if (/^\/[a-z?]+$/i.test(said)) {
      // A slip is not worth an answer of the model, and a real message is seldom one word behind a slash.
      log(`${said} is no command. ${HELP} More words behind it make a message of it.`);
    } else if (said !== '')
      try {
        isAnswering = true;
        await conversation.answer(
          said,
          (piece) => process.stdout.write(piece),
          () => process.stdout.write('\n'),
        );
      } catch (error) {
        // A message that does not fit is no reason to end the conversation.
        if (!(error instanceof InputError)) throw error;
        log(error.message);
      } finally {
        isAnswering = false;
      }
    lines.prompt();
  }
  lines.close();
}
