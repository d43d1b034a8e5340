/** The written rubric that a judge scores by: one document with its texts in both languages, ours or one's own. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse, YAMLParseError } from 'yaml';
import { z } from 'zod';
import { InputError, messageOf } from '../../errors/index.js';

/** A text for both languages, or one for each. */
const text = z.union([z.string().min(1), z.strictObject({ en: z.string().min(1), zh: z.string().min(1) })]);

const schema = z.strictObject({
  name: z.string().min(1),
  version: z.union([z.number(), z.string()]),
  role: text,
  scale: text,
  dimensions: z.record(z.string(), z.strictObject({ title: text, criteria: text })),
});

export type RubricText = z.infer<typeof text>;

export interface Rubric {
  readonly name: string;
  readonly version: string;
  /** Who the judge is. */
  readonly role: RubricText;
  /** What the points mean. */
  readonly scale: RubricText;
  readonly dimensions: ReadonlyMap<string, { readonly title: RubricText; readonly criteria: RubricText }>;
  /** Of the document's bytes. */
  readonly sha256: string;
  readonly path: string;
}

export const RUBRIC_PATH = fileURLToPath(
  new URL('../../../src/evaluation/judge/rubric.yaml', import.meta.url),
);

/** @throws InputError for a document that is not there, is no YAML, lacks something, or has what nobody reads */
export function loadRubric(path: string = RUBRIC_PATH): Rubric {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    throw new InputError(`--rubric ${path}: ${messageOf(error)}`);
  }
  const read = schema.safeParse(parsed(content, path));
  if (!read.success) {
    const [issue] = read.error.issues;
    throw new InputError(
      `${path}: ${issue?.path.join('.') || 'the document'}: ${issue?.message ?? 'not a rubric'}; a rubric has name, version, role, ` +
        `scale and dimensions.NAME.{title, criteria}, as ${RUBRIC_PATH} has.`,
    );
  }
  const { name, version, role, scale, dimensions } = read.data;
  if (Object.keys(dimensions).length === 0) throw new InputError(`${path}: dimensions: names none.`);
  return {
    name,
    version: String(version),
    role,
    scale,
    dimensions: new Map(Object.entries(dimensions)),
    sha256: createHash('sha256').update(content).digest('hex'),
    path,
  };
}

export function inLanguage(given: RubricText, language: 'zh' | 'en'): string {
  return (typeof given === 'string' ? given : given[language]).trim();
}

/** @throws InputError for a dimension that the rubric does not speak of */
export function dimensionOf(
  { dimensions, path }: Rubric,
  name: string,
  id: string,
): { readonly title: RubricText; readonly criteria: RubricText } {
  const found = dimensions.get(name);
  if (found !== undefined) return found;
  throw new InputError(
    `${id} is of the dimension "${name}", of which the rubric ${path} says nothing; it has ${[...dimensions.keys()].join(', ')}.`,
  );
}

function parsed(content: string, path: string): unknown {
  try {
    const value: unknown = parse(content);
    return value;
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    throw new InputError(`${path}: not valid YAML: ${error.message.split('\n')[0]}`);
  }
}
