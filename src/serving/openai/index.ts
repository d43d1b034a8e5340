/** The OpenAI API, with the extensions of vLLM and llama.cpp that clients expect. */
import { createHash } from 'node:crypto';
import { DEFAULT_MAX_SEQUENCES, type Pooling } from '../../generation/index.js';
import type { EngineService } from '../engine-service.js';
import type { Route } from '../http/index.js';
import type { ServedModel } from '../served-model.js';
import { TokenizerService } from '../texts/index.js';
import { adapterRoutes } from './adapters.js';
import { chatCompletionsRoute } from './chat-completions.js';
import { completionsRoute } from './completions.js';
import type { OpenAiContext } from './context.js';
import { embeddingsRoute } from './embeddings.js';
import { modelRoutes } from './models.js';
import { propsRoute } from './props.js';
import { TemplateQueue } from './template-queue.js';
import { TokenTexts } from './token-texts.js';
import { tokenizeRoutes } from './tokenize.js';

export { canThink } from './answer-form.js';
export { anyObject, list } from './bounded-schemas.js';
export { callInput } from './call-input.js';
export type { ChatDelta, ToolCall } from './chat-choice.js';
export { ChatRun, chatPromptTokens, type RunCaller } from './chat-run.js';
export { CompletionRun } from './completion-run.js';
export { contentText } from './content-text.js';
export { findModel, type OpenAiContext, requireEngine } from './context.js';
export { optional } from './fields.js';
export { parseBody } from './parse-body.js';

export interface OpenAiRoutesOptions {
  readonly model: ServedModel;
  readonly engine: EngineService;
  /** Tokenizes long texts. Default: at once, on this thread. */
  readonly texts?: TokenizerService | undefined;
  /** A Jinja template in place of the model's chat format. Default: the model's template; without one the family's own format. */
  readonly chatTemplate?: string | undefined;
  /** Requests may bring templates of their own. Default false: a template is a program. */
  readonly allowChatTemplate?: boolean | undefined;
  /** Sequences of one request that are with the engine at the same time; the others follow. Default 64. */
  readonly maxSequences?: number | undefined;
  /** Every caller may give a priority. Default false: those with an admin key. */
  readonly allowPriority?: boolean | undefined;
  /** Keys share cached prefixes. Default false: usage and time would tell one what another has asked. */
  readonly sharePrefixes?: boolean | undefined;
  /** Which hidden states stand for a text in /v1/embeddings. Default last. */
  readonly pooling?: Pooling | undefined;
  /** Told how many choices a request asks for. */
  readonly observeChoices?: ((count: number) => void) | undefined;
}

export function openAiRoutes(options: OpenAiRoutesOptions): Route[] {
  return openAiRoutesOf(createOpenAiContext(options));
}

/** What the routes work with; those of other APIs share it. */
export function createOpenAiContext(options: OpenAiRoutesOptions): OpenAiContext {
  const {
    model,
    engine,
    texts = new TokenizerService(model),
    chatTemplate = options.model.template?.text,
    allowChatTemplate = false,
    maxSequences = DEFAULT_MAX_SEQUENCES,
    allowPriority = false,
    sharePrefixes = false,
    pooling = 'last',
    observeChoices,
  } = options;
  const needsTemplates = allowChatTemplate || chatTemplate !== undefined;
  return {
    model,
    engine,
    texts,
    tokens: new TokenTexts(model.tokenizer),
    templates: needsTemplates ? new TemplateQueue() : undefined,
    chatTemplate,
    toolTemplate: options.model.template?.toolTemplate ?? chatTemplate,
    allowChatTemplate,
    maxSequences,
    allowPriority,
    sharePrefixes,
    pooling,
    observeChoices,
    fingerprint: fingerprintOf(model),
  };
}

export function openAiRoutesOf(context: OpenAiContext): Route[] {
  return [
    chatCompletionsRoute(context),
    completionsRoute(context),
    embeddingsRoute(context),
    ...modelRoutes(context),
    ...tokenizeRoutes(context),
    propsRoute(context),
    ...adapterRoutes(context),
  ];
}

/** Equal for servers of the same model. */
function fingerprintOf({ id, architecture }: ServedModel): string {
  const hash = createHash('sha256').update(JSON.stringify([id, architecture.publishedConfig]));
  return `fp_${hash.digest('hex').slice(0, 10)}`;
}
