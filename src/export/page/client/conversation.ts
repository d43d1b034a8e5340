/** What was said, as prompt ids: by our own tokenizers and chat formats, the same as in the server. */
import {
  type ChatFormat,
  type ChatMessage,
  isPublishedChat,
  publishedChat,
  templateChat,
} from '../../../models/index.js';
import { parseFolderTokens, parseTokenizer, type Tokenizer } from '../../../tokenizers/index.js';
import type { PageModel } from '../page-model.js';
import type { FileSource } from './file-source.js';

export class Conversation {
  readonly messages: ChatMessage[] = [];
  readonly tokenizer: Tokenizer;
  readonly stopTokenIds: ReadonlySet<number>;
  readonly #format: ChatFormat;
  readonly #contextLength: number;

  private constructor(tokenizer: Tokenizer, format: ChatFormat, { endTokenIds, contextLength }: PageModel) {
    this.tokenizer = tokenizer;
    this.#format = format;
    this.#contextLength = contextLength;
    this.stopTokenIds = new Set([...endTokenIds, ...format.stopTokenIds(tokenizer)]);
  }

  static async open(model: PageModel, files: FileSource): Promise<Conversation> {
    const { file, beside, newlineToken } = model.tokenizer;
    const texts = new Map<string, unknown>();
    for (const name of beside) texts.set(name, JSON.parse(new TextDecoder().decode(await files.read(name))));
    const tokens = parseFolderTokens((name) =>
      texts.has(name) ? { json: texts.get(name), source: name } : undefined,
    );
    const bytes = new Uint8Array(await files.read(file));
    const tokenizer = parseTokenizer(bytes, file, newlineToken === undefined ? {} : { newlineToken }, tokens);
    return new Conversation(tokenizer, formatOf(model), model);
  }

  /** The prompt of all messages; the oldest are left out where there are too many. */
  prompt(maxNewTokens: number): number[] {
    const maxLength = Math.max(this.#contextLength - maxNewTokens, Math.floor(this.#contextLength / 2));
    return this.#format.renderPrompt(this.messages, this.tokenizer, { maxLength });
  }
}

function formatOf({ chat, endTokenIds }: PageModel): ChatFormat {
  if (chat.kind === 'template') return templateChat(chat.text, { endTokenIds });
  if (isPublishedChat(chat.name)) return publishedChat(chat.name, endTokenIds);
  throw new Error(`no chat format ${chat.name}`);
}
