/** GET /v1/models and /v1/models/{id}: the model and, as models of their own names, its adapters. */
import type { Route } from '../http/index.js';
import { findModel, type OpenAiContext } from './context.js';

interface ModelCard {
  readonly id: string;
  readonly object: 'model';
  /** Seconds since 1970. */
  readonly created: number;
  readonly owned_by: 'xinghe';
  readonly root: string;
  /** The model that an adapter sits on. */
  readonly parent: string | null;
  readonly max_model_len: number;
  readonly permission: readonly never[];
}

export function modelRoutes(context: OpenAiContext): Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/models',
      access: 'key',
      body: 'none',
      docs: { summary: 'The model and its adapters', tag: 'OpenAI' },
      handler: (_, reply) => reply.json(200, { object: 'list', data: modelCards(context) }),
    },
    {
      method: 'GET',
      path: '/v1/models/*id',
      access: 'key',
      body: 'none',
      docs: { summary: 'One of them', tag: 'OpenAI', errors: [404] },
      handler: ({ params }, reply) => {
        const { id } = findModel(context, params.id);
        reply.json(
          200,
          modelCards(context).find((card) => card.id === id),
        );
      },
    },
  ];
}

/** The model first, then adapters in order of loading. */
function modelCards({ model, engine }: OpenAiContext): ModelCard[] {
  const base: ModelCard = {
    id: model.id,
    object: 'model',
    created: model.created,
    owned_by: 'xinghe',
    root: model.id,
    parent: null,
    max_model_len: engine.maxModelLength,
    permission: [],
  };
  const adapters = engine.adapters.map(({ name }) => ({ ...base, id: name, root: name, parent: model.id }));
  return [base, ...adapters];
}
