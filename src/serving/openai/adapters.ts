/** POST /v1/load_lora_adapter and /v1/unload_lora_adapter, for keys of administrators: they read folders of the server. */
import { z } from 'zod';
import { badRequest, HttpError, type Route } from '../http/index.js';
import type { OpenAiContext } from './context.js';
import { optional } from './fields.js';
import { parseBody } from './parse-body.js';

/** What can stand in a URL and in a log. */
const name = z
  .string()
  .regex(/^[\p{L}\p{N}][\p{L}\p{N}._/@:+-]{0,127}$/u, 'expected 1 to 128 letters, digits or . _ / @ : + -');

const loadSchema = z.object({
  lora_name: name,
  lora_path: z
    .string()
    .min(1)
    .max(4096)
    .refine((path) => !path.includes('\0'), { message: 'expected a path' }),
  load_inplace: optional(z.boolean()),
});
const unloadSchema = z.object({ lora_name: z.string().min(1).max(128) });

export function adapterRoutes({ model, engine }: OpenAiContext): Route[] {
  return [
    {
      method: 'POST',
      path: '/v1/load_lora_adapter',
      access: 'admin',
      body: 'json',
      docs: {
        summary: 'Load a LoRA adapter from a folder of the server; it is then a model of its name',
        tag: 'Administration',
        request: loadSchema,
        example: { lora_name: 'persona', lora_path: 'adapters/persona' },
        contentType: 'text/plain',
        errors: [403],
      },
      handler: async ({ body }, reply) => {
        const { lora_name, lora_path, load_inplace } = parseBody(loadSchema, body, '/v1/load_lora_adapter');
        const isLoaded = engine.adapters.some((adapter) => adapter.name === lora_name);
        if (
          lora_name !== model.id &&
          isLoaded &&
          load_inplace === true &&
          engine.replaceAdapter !== undefined
        ) {
          await engine.replaceAdapter({ name: lora_name, path: lora_path });
          reply.text(200, `Success: LoRA adapter '${lora_name}' replaced successfully.`);
          return;
        }
        if (lora_name === model.id || isLoaded)
          throw badRequest(
            `lora_name: there is a model ${JSON.stringify(lora_name)} already; load_inplace: true replaces an adapter`,
            'lora_name',
          );
        await engine.loadAdapter({ name: lora_name, path: lora_path });
        reply.text(200, `Success: LoRA adapter '${lora_name}' added successfully.`);
      },
    },
    {
      method: 'POST',
      path: '/v1/unload_lora_adapter',
      access: 'admin',
      body: 'json',
      docs: {
        summary: 'Unload it, when the requests that use it have ended',
        tag: 'Administration',
        request: unloadSchema,
        example: { lora_name: 'persona' },
        contentType: 'text/plain',
        errors: [403, 404],
      },
      handler: async ({ body }, reply) => {
        const { lora_name } = parseBody(unloadSchema, body, '/v1/unload_lora_adapter');
        if (!engine.adapters.some((adapter) => adapter.name === lora_name))
          throw new HttpError(404, {
            message: `The LoRA adapter ${JSON.stringify(lora_name)} does not exist.`,
            param: 'lora_name',
          });
        await engine.unloadAdapter(lora_name);
        reply.text(200, `Success: LoRA adapter '${lora_name}' removed successfully.`);
      },
    },
  ];
}
