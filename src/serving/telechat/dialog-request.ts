/** The body of a dialog request, with the defaults and ranges of TeleChat's published service. */
import { z } from 'zod';
import { showValue } from '../../formats/index.js';
import type { SamplingParameters } from '../../generation/index.js';
import { dialogError } from './dialog-error.js';

const maxTurns = 1024;

const parameters = {
  do_sample: z.boolean().nullish().describe('false: the most probable token each time. Default true.'),
  max_length: z
    .int()
    .min(1)
    .max(4096)
    .nullish()
    .describe('Tokens of prompt and answer together. Default 4096.'),
  max_new_tokens: z.int().min(1).max(4096).nullish().describe('Tokens of the answer. Default: what is left.'),
  top_k: z.int().min(1).max(99).nullish().describe('Default 20.'),
  top_p: z.number().gt(0).lt(1).nullish().describe('Default 0.2.'),
  temperature: z.number().gt(0).lt(1).nullish().describe('Default 0.1.'),
  repetition_penalty: z.number().gt(1).lt(100).nullish().describe('Default 1.03.'),
} as const;

type Parameter = keyof typeof parameters;

/** As published, both ends left out but for whole numbers. */
const ranges: Readonly<Record<Parameter, string>> = {
  do_sample: 'true or false',
  max_length: 'a whole number from 1 to 4096',
  max_new_tokens: 'a whole number from 1 to 4096',
  top_k: 'a whole number from 1 to 99',
  top_p: 'a number above 0 and below 1',
  temperature: 'a number above 0 and below 1',
  repetition_penalty: 'a number above 1 and below 100',
};

const turn = z.looseObject({ role: z.enum(['user', 'bot']), content: z.string() });

/** Unknown fields have no effect, as published. */
export const dialogSchema = z.looseObject({
  dialog: z
    .array(turn)
    .min(1)
    .max(maxTurns)
    .describe('user and bot in turns; the first and the last are the user.'),
  ...parameters,
});

export interface DialogRequest {
  readonly messages: readonly { readonly role: 'user' | 'assistant'; readonly content: string }[];
  readonly sampling: SamplingParameters;
  readonly maxLength: number;
  readonly maxNewTokens: number | undefined;
}

/** @throws HttpError 200 with one of the published codes */
export function parseDialogRequest(body: unknown): DialogRequest {
  if (typeof body !== 'object' || body === null || !('dialog' in body) || body.dialog === null)
    throw dialogError('missing', 'dialog', 'dialog');
  const messages = parseDialog(body.dialog);
  const doSample = parameter(body, 'do_sample') ?? true;
  const topK = parameter(body, 'top_k') ?? 20;
  const topP = parameter(body, 'top_p') ?? 0.2;
  const temperature = parameter(body, 'temperature') ?? 0.1;
  const repetitionPenalty = parameter(body, 'repetition_penalty') ?? 1.03;
  return {
    messages,
    sampling: doSample ? { temperature, topK, topP, repetitionPenalty } : { repetitionPenalty },
    maxLength: parameter(body, 'max_length') ?? 4096,
    maxNewTokens: parameter(body, 'max_new_tokens') ?? undefined,
  };
}

function parseDialog(dialog: unknown): DialogRequest['messages'] {
  if (!Array.isArray(dialog) || dialog.length === 0 || dialog.length > maxTurns)
    throw dialogError('dialog', `give a list of 1 to ${maxTurns} turns`, 'dialog');
  const messages = dialog.map((entry: unknown, index) => {
    const location = `dialog[${index}]`;
    const result = turn.safeParse(entry);
    if (!result.success)
      throw dialogError(
        'dialog',
        `${location} must have a role, user or bot, and a text as content`,
        location,
      );
    const wanted = index % 2 === 0 ? 'user' : 'bot';
    const { role, content } = result.data;
    if (role !== wanted)
      throw dialogError('dialog', `${location} has role ${role}; ${wanted} is next`, location);
    return { role: role === 'user' ? 'user' : 'assistant', content } as const;
  });
  const last = messages.at(-1);
  if (last?.role !== 'user' || last.content === '')
    throw dialogError(
      'dialog',
      'the last turn must be a question of the user',
      `dialog[${messages.length - 1}]`,
    );
  return messages;
}

function parameter<Name extends Parameter>(body: object, name: Name): z.output<(typeof parameters)[Name]> {
  const value: unknown = Reflect.get(body, name);
  const result = parameters[name].safeParse(value);
  // The schema of one field: its output is of that field's type, which the compiler cannot see through the index.
  if (result.success) return result.data as z.output<(typeof parameters)[Name]>;
  throw dialogError('range', `${name} is ${showValue(value)}; give ${ranges[name]}`, name);
}
