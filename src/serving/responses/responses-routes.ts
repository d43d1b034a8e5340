/** OpenAI's Responses API: POST /v1/responses, whole and as a stream. Nothing is kept between two requests. */
import type { Reply, Route, RouteRequest } from '../http/index.js';
import { ChatRun, type OpenAiContext, parseBody } from '../openai/index.js';
import { ResponseItems } from './response-items.js';
import { ResponseObject } from './response-object.js';
import { chatBodyOf, responsesSchema } from './responses-schema.js';

const PATH = '/v1/responses';

export function responsesRoutes(context: OpenAiContext): Route[] {
  return [
    {
      method: 'POST',
      path: PATH,
      access: 'key',
      body: 'json',
      docs: {
        summary: "An answer in the form of OpenAI's Responses API; nothing is stored",
        tag: 'OpenAI',
        request: responsesSchema,
        example: { input: '你好', max_output_tokens: 8 },
        isStream: true,
        errors: [404, 422],
      },
      handler: async (request, reply) => {
        const fields = parseBody(responsesSchema, request.body, PATH);
        const run = await ChatRun.plan(chatBodyOf(fields), PATH, context, request);
        const response = new ResponseObject(fields, run);
        await (fields.stream === true
          ? stream(response, run, request, reply)
          : whole(response, run, request, reply));
      },
    },
  ];
}

async function whole(
  response: ResponseObject,
  run: ChatRun,
  { signal }: RouteRequest,
  reply: Reply,
): Promise<void> {
  const items = new ResponseItems();
  await run.run(signal, async (delta) => {
    for (const _ of items.push(delta));
  });
  for (const _ of items.close(run.finishReason === 'length'));
  reply.json(200, response.ended(items.output));
}

async function stream(
  response: ResponseObject,
  run: ChatRun,
  { signal }: RouteRequest,
  reply: Reply,
): Promise<void> {
  const events = reply.eventStream({ terminator: null, errorEvent: 'error' });
  let sequence = 0;
  const send = async (type: string, fields: object): Promise<void> => {
    await events.send({ type, sequence_number: sequence, ...fields }, type);
    sequence += 1;
  };
  await send('response.created', { response: response.begun() });
  await send('response.in_progress', { response: response.begun() });
  const items = new ResponseItems();
  await run.run(signal, async (delta) => {
    for (const { type, ...fields } of items.push(delta)) await send(type, fields);
  });
  const isCut = run.finishReason === 'length';
  for (const { type, ...fields } of items.close(isCut)) await send(type, fields);
  const type = isCut ? 'response.incomplete' : 'response.completed';
  await send(type, { response: response.ended(items.output) });
  await events.end();
}
