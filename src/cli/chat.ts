/** `xinghe chat`: a conversation in the terminal, in the model family's own chat format. */
import { createInterface } from 'node:readline/promises';
import { InputError } from '../errors/index.js';
import { generateText } from '../generation/index.js';
import { log } from '../log/index.js';
import {
  blameWeights,
  type ChatMessage,
  type LoadedModel,
  loadModelTokenizer,
  promptLimit,
} from '../models/index.js';
import type { Tokenizer } from '../tokenizers/index.js';
import { loadModelByOptions, modelOptions } from './model-options.js';
import { type OptionValues, parseOptions } from './options.js';
import { DEFAULT_MAX_NEW_TOKENS, samplingByOptions, samplingOptions } from './sampling-options.js';

const specs = {
  ...modelOptions,
  tokenizer: { kind: 'string', value: 'PATH', help: 'default: the one in the model folder' },
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
  const options = parseOptions(
    {
      command: 'xinghe chat',
      summary: 'talk with a model in the terminal',
      notes: 'While talking: /reset forgets the conversation, /exit (or Ctrl-D) ends it.',
    },
    specs,
    args,
  );
  if (options.json && options.message.length === 0)
    throw new InputError('xinghe chat: --json needs --message TEXT');
  const loaded = loadModelByOptions(options);
  const tokenizer = loadModelTokenizer(loaded.architecture, options.tokenizer ?? options.model);
  const conversation = new Conversation(loaded, tokenizer, options);
  if (options.message.length > 0) {
    for (const message of options.message)
      conversation.answer(
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

class Conversation {
  readonly #loaded: LoadedModel;
  readonly #tokenizer: Tokenizer;
  readonly #options: ChatOptions;
  #messages: ChatMessage[] = [];

  constructor(loaded: LoadedModel, tokenizer: Tokenizer, options: ChatOptions) {
    this.#loaded = loaded;
    this.#tokenizer = tokenizer;
    this.#options = options;
    this.reset();
  }

  get messages(): readonly ChatMessage[] {
    return this.#messages;
  }

  reset(): void {
    const { system } = this.#options;
    this.#messages = system === undefined ? [] : [{ role: 'system', content: system }];
  }

  answer(question: string, onText: (piece: string) => void, onEnd: () => void): void {
    if (question.trim() === '') throw new InputError('xinghe chat: the message is empty.');
    const { model, architecture } = this.#loaded;
    const maxNewTokens = this.#options['max-new-tokens'] ?? DEFAULT_MAX_NEW_TOKENS;
    const messages: ChatMessage[] = [...this.#messages, { role: 'user', content: question }];
    const maxLength =
      model.maxPositions === undefined ? undefined : promptLimit(model.maxPositions, maxNewTokens);
    const promptIds = architecture.chat.renderPrompt(messages, this.#tokenizer, { maxLength });
    const room = model.maxPositions === undefined ? maxNewTokens : model.maxPositions - promptIds.length;
    const request = {
      promptIds,
      maxNewTokens: Math.min(maxNewTokens, room),
      sampling: samplingByOptions(this.#options),
      stopTokenIds: architecture.chat.stopTokenIds(this.#tokenizer),
    };
    const [result] = blameWeights(this.#loaded, this.#options.model, () =>
      generateText(model, this.#tokenizer, [request], (_, piece) => onText(piece)),
    );
    onEnd();
    this.#messages = [...messages, { role: 'assistant', content: result?.text ?? '' }];
  }
}

async function talk(conversation: Conversation): Promise<void> {
  const lines = createInterface({ input: process.stdin, output: process.stderr, prompt: '你 / You> ' });
  log('/reset forgets the conversation, /exit ends it.');
  lines.prompt();
  for await (const line of lines) {
    const said = line.trim();
    if (said === '/exit') break;
    if (said === '/reset') {
      conversation.reset();
      log('(forgotten)');
    } else if (said !== '')
      try {
        conversation.answer(
          said,
          (piece) => process.stdout.write(piece),
          () => process.stdout.write('\n'),
        );
      } catch (error) {
        // A message that does not fit is no reason to end the conversation.
        if (!(error instanceof InputError)) throw error;
        log(error.message);
      }
    lines.prompt();
  }
  lines.close();
}
