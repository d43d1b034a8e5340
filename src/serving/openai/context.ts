/** What the routes of the OpenAI API work with. */
import type { Pooling } from '../../generation/index.js';
import { type EngineService, EngineUnavailableError } from '../engine-service.js';
import { HttpError, type RouteRequest } from '../http/index.js';
import type { ServedModel } from '../served-model.js';
import type { TokenizerService } from '../texts/index.js';
import type { TemplateQueue } from './template-queue.js';
import type { TokenTexts } from './token-texts.js';

export interface OpenAiContext {
  readonly model: ServedModel;
  readonly engine: EngineService;
  readonly tokens: TokenTexts;
  readonly texts: TokenizerService;
  /** Renders Jinja templates; undefined: none is ever used. */
  readonly templates: TemplateQueue | undefined;
  /** The template of conversations; undefined: the family's own format. */
  readonly chatTemplate: string | undefined;
  /** Of conversations with tools. */
  readonly toolTemplate: string | undefined;
  /** Whether a request may bring a template of its own. */
  readonly allowChatTemplate: boolean;
  /** Sequences of one request that are with the engine at the same time. */
  readonly maxSequences: number;
  /** Every caller may say whose request goes first; else those with an admin key. */
  readonly allowPriority: boolean;
  /** What one key has asked may be found in the cache by another, which can tell so. */
  readonly sharePrefixes: boolean;
  /** Which hidden states stand for a text in /v1/embeddings. */
  readonly pooling: Pooling;
  readonly observeChoices: ((count: number) => void) | undefined;
  /** Changes with the model and its configuration. */
  readonly fingerprint: string;
}

/** Who asks. */
export type Caller = Pick<RouteRequest, 'client' | 'keyName' | 'isAdmin' | 'signal'>;

/** Before anything is measured by the engine's limits, which it may not have told yet. @throws EngineUnavailableError */
export function requireEngine({ engine: { state } }: OpenAiContext): void {
  if (state.kind !== 'ready')
    throw new EngineUnavailableError(state.detail, state.kind === 'failed' ? 60 : 5);
}

/** The id that answers carry, and the adapter that it stands for. */
export interface RequestedModel {
  readonly id: string;
  readonly adapter: string | undefined;
}

/** No name: the model itself. @throws HttpError 404 for a name that is neither the model's nor a loaded adapter's */
export function findModel({ model, engine }: OpenAiContext, name: string | undefined): RequestedModel {
  if (name === undefined || name === model.id) return { id: model.id, adapter: undefined };
  if (engine.adapters.some((adapter) => adapter.name === name)) return { id: name, adapter: name };
  throw new HttpError(404, {
    message: `The model \`${name.slice(0, 256)}\` does not exist. There ${namesOf(model.id, engine)}.`,
    param: 'model',
    code: 'model_not_found',
  });
}

/** More than this tells nobody anything; GET /v1/models lists them all. */
const MAX_NAMED = 20;

function namesOf(model: string, { adapters }: EngineService): string {
  const names = [model, ...adapters.map(({ name }) => name)];
  const shown = names.slice(0, MAX_NAMED).map((name) => `\`${name}\``);
  const more = names.length > MAX_NAMED ? ` and ${names.length - MAX_NAMED} more (GET /v1/models)` : '';
  return `${names.length === 1 ? 'is' : 'are'} ${shown.join(', ')}${more}`;
}
