/** The keys of a task of one's own; docs/own-tasks.md explains each. */
import { z } from 'zod';

const template = z.string().min(1);
const path = z.string().min(1);
const count = z.int().min(0);

const common = {
  name: z
    .string()
    .regex(/^[\w.-]+$/, 'a name has letters, digits, "-", "_" and "." alone')
    .optional(),
  title: z.string().optional(),
  version: z.int().min(1).default(1),
  source: z.string().default('our own'),
  paper: z.string().default('none'),
  data: z.union([path, z.record(z.string(), z.union([path, z.array(path).min(1)]))]),
  columns: z.array(z.string().min(1)).min(1).optional(),
  split: z.string().min(1).default('test'),
  examples_split: z.string().min(1).optional(),
  examples_match: z.string().min(1).optional(),
  shots: count.default(0),
  group: z.union([template, z.array(template).min(1)]).optional(),
  system: template.optional(),
  header: template.optional(),
  prompt: template,
  separator: z.string().default('\n\n'),
  blank: z.string().default(' '),
  mode: z.enum(['loglikelihood', 'generate']).optional(),
  form: z.enum(['chat', 'plain']).optional(),
  stop: z.array(z.string().min(1)).optional(),
  max_new_tokens: z.int().min(1).default(256),
  answer: template,
};

const choice = z.strictObject({
  kind: z.literal('choice'),
  ...common,
  options: z.union([template, z.array(template).min(2)]),
  answer_is: z.enum(['letter', 'index', 'number', 'text']).default('letter'),
  compare: z.enum(['letters', 'texts']).default('letters'),
});

const exactMatch = z.strictObject({
  kind: z.literal('exact-match'),
  ...common,
  ignore_case: z.boolean().default(false),
  ignore_punctuation: z.boolean().default(false),
  ignore: z.array(z.string().min(1)).default([]),
});

const regex = z.strictObject({
  kind: z.literal('regex'),
  ...common,
  pattern: z.string().min(1),
  take: z.enum(['first', 'last']).default('last'),
  compare: z.enum(['text', 'number']).default('text'),
  tolerance: z.number().min(0).default(1e-6),
  ignore_case: z.boolean().default(false),
});

export const OWN_TASK_SCHEMAS = { choice, 'exact-match': exactMatch, regex } as const;

export type ChoiceConfig = z.output<typeof choice>;
export type ExactMatchConfig = z.output<typeof exactMatch>;
export type RegexConfig = z.output<typeof regex>;
export type OwnTaskConfig = ChoiceConfig | ExactMatchConfig | RegexConfig;
