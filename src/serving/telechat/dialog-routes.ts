/**
 * TeleChat's dialog service: `/telechat/gptDialog/v4` answers with JSON, `/telechat/gptDialog/v2` with the text as it comes,
 * in chunks. Served for every model that can chat.
 */
import { z } from 'zod';
import { InputError } from '../../errors/index.js';
import type { TextRequest } from '../../generation/index.js';
import { promptLimit } from '../../models/index.js';
import type { EngineService } from '../engine-service.js';
import type { Route, RouteDocs, RouteRequest } from '../http/index.js';
import type { ServedModel } from '../served-model.js';
import { TokenizerService } from '../texts/index.js';
import { dialogError, dialogErrorBody, dialogErrorSchema } from './dialog-error.js';
import { type DialogRequest, dialogSchema, parseDialogRequest } from './dialog-request.js';

export interface TelechatOptions {
  readonly model: ServedModel;
  readonly engine: EngineService;
  /** Keys share cached prefixes. Default false. */
  readonly sharePrefixes?: boolean | undefined;
  /** Default: everything is tokenized at once. */
  readonly texts?: TokenizerService | undefined;
}

/** Kept free for the answer where the client does not say how long it may be. */
const ANSWER_TOKENS = 1024;

const answerSchema = z.union([z.object({ role: z.literal('bot'), content: z.string() }), dialogErrorSchema]);

const example = {
  dialog: [
    { role: 'user', content: '你好' },
    { role: 'bot', content: '你好，有什么可以帮您？' },
    { role: 'user', content: '介绍一下自己' },
  ],
  max_new_tokens: 8,
};

export function telechatRoutes(options: TelechatOptions): Route[] {
  const route = (path: string, docs: Partial<RouteDocs>, handler: Route['handler']): Route => ({
    method: 'POST',
    path,
    access: 'key',
    body: 'json',
    errorBody: dialogErrorBody,
    docs: { summary: '', tag: 'TeleChat', request: dialogSchema, error: dialogErrorSchema, example, ...docs },
    handler,
  });
  return [
    route(
      '/telechat/gptDialog/v4',
      { summary: "TeleChat's dialog, answered at once", response: answerSchema },
      async (request, reply) => {
        let content = '';
        for await (const text of answerTexts(request, options)) content += text;
        reply.json(200, { role: 'bot', content });
      },
    ),
    route(
      '/telechat/gptDialog/v2',
      { summary: "TeleChat's dialog, answered as a stream of text", contentType: 'text/plain' },
      async (request, reply) => {
        // Published as text/html, in which what a model writes would run in a browser.
        const stream = reply.textStream();
        for await (const text of answerTexts(request, options)) await stream.write(text);
        await stream.end();
      },
    ),
  ];
}

async function* answerTexts(
  { body, signal, client, keyName, note }: RouteRequest,
  options: TelechatOptions,
): AsyncGenerator<string> {
  const request: TextRequest = {
    ...(await textRequest(parseDialogRequest(body), options, signal)),
    client,
    // What one key has asked another must not be able to tell by the time of its first token.
    cacheSalt:
      options.sharePrefixes === true || keyName === undefined ? undefined : JSON.stringify([keyName, null]),
  };
  let isComplete = false;
  const started = performance.now();
  let firstTokenSeconds: number | undefined;
  let completionTokens = 0;
  note(() => ({
    model: options.model.id,
    promptTokens: request.promptIds.length,
    completionTokens,
    firstTokenSeconds,
  }));
  for await (const { text, ids, end } of options.engine.generate(request, signal)) {
    firstTokenSeconds ??= (performance.now() - started) / 1000;
    completionTokens += ids.length;
    yield text;
    isComplete = end !== undefined;
  }
  if (!isComplete) throw signal.aborted ? signal.reason : new Error('the engine gave no end of a sequence');
}

/** The oldest turns are left out where the dialog is too long, as published. @throws HttpError */
export async function textRequest(
  dialog: DialogRequest,
  { model, engine, texts = new TokenizerService(model) }: TelechatOptions,
  signal?: AbortSignal,
): Promise<TextRequest> {
  const { maxNewTokens, sampling } = dialog;
  const { tokenizer, chatFault } = model;
  if (chatFault !== undefined) throw new InputError(chatFault);
  const length = Math.min(dialog.maxLength, engine.maxModelLength);
  const limit = promptLimit(length, maxNewTokens ?? ANSWER_TOKENS);
  const messages = newestWithinLimit(dialog.messages, limit * model.longestToken);
  let promptIds: readonly number[];
  try {
    promptIds = await texts.renderDialog(messages, limit, signal);
  } catch (error) {
    if (error instanceof InputError) throw dialogError('dialog', error.message, 'dialog');
    throw error;
  }
  const room = length - promptIds.length;
  if (room < 1)
    throw dialogError(
      'range',
      `the dialog has ${promptIds.length} tokens, prompt and answer together may have ${length}`,
      'max_length',
    );
  return {
    promptIds,
    maxNewTokens: Math.min(maxNewTokens ?? room, room),
    sampling,
    stopTokenIds: model.stopTokenIds,
    vocabLimit: tokenizer.vocabSize,
  };
}

/**
 * Saves the work of encoding what would be left out: whole rounds, and never the last question.
 * @throws HttpError if that alone is longer
 */
function newestWithinLimit(
  messages: DialogRequest['messages'],
  maxCharacters: number,
): DialogRequest['messages'] {
  let characters = messages.at(-1)?.content.length ?? 0;
  if (characters > maxCharacters)
    throw dialogError('dialog', `the last question has ${characters} characters; it is too long`, 'dialog');
  let first = messages.length - 1;
  while (first >= 2) {
    characters += (messages[first - 1]?.content.length ?? 0) + (messages[first - 2]?.content.length ?? 0);
    if (characters > maxCharacters) break;
    first -= 2;
  }
  return messages.slice(first);
}
