/** A template of questions: lines of {"input","target"}, and what ours say besides. */
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { didYouMeanHint } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
import { readJsonLines, showValue } from '../../formats/index.js';

/** What the persona answered ("target") may stand beside it. */
const turnSchema = z.object({ input: z.string().min(1), asks: z.array(z.string()).default([]) });

/** What a line of ours holds. Lines of others may have further keys: nobody reads them. */
const lineSchema = z.object({
  input: z.string().min(1),
  target: z.string().default(''),
  id: z.string().min(1).optional(),
  language: z.enum(['zh', 'en']).optional(),
  /** direct, compound, trick, unset, attack, talk; a word of one's own too. */
  kind: z.string().min(1).optional(),
  /** The attributes that the question is about. */
  asks: z.array(z.string().min(1)).optional(),
  /** For measuring, never for learning. */
  held_out: z.boolean().optional(),
  /** What the user said before, oldest first. */
  turns: z.array(turnSchema).optional(),
  /** What the question takes for true of the first attribute that it asks for. */
  premise: z.string().min(1).optional(),
  /** A product that the assistant is said to be. */
  denies: z.string().min(1).optional(),
});

export type TemplateTurn = z.output<typeof turnSchema>;

export interface TemplateLine
  extends Omit<z.output<typeof lineSchema>, 'id' | 'language' | 'kind' | 'held_out'> {
  readonly id: string;
  readonly language: 'zh' | 'en';
  readonly kind: string;
  /** Undefined: the template does not say which of its lines are for measuring. */
  readonly heldOut: boolean | undefined;
}

/** Our own, with all attributes in both languages. */
export const TEMPLATE_PATH = fileURLToPath(
  new URL('../../../src/persona/template/template.jsonl', import.meta.url),
);

/** @throws InputError naming the line, for one that is no JSON, has no input, or an id that another has */
export function readTemplate(path: string = TEMPLATE_PATH): TemplateLine[] {
  const lines: TemplateLine[] = [];
  const seen = new Map<string, number>();
  for (const { line, value } of readJsonLines(path)) {
    const read = readLine(value, line, `${path}:${line}`);
    const earlier = seen.get(read.id);
    if (earlier !== undefined)
      throw new InputError(
        `${path}:${line}: the id "${read.id}" is that of line ${earlier} already; each has its own.`,
      );
    seen.set(read.id, line);
    lines.push(read);
  }
  if (lines.length === 0)
    throw new InputError(`${path} holds no line; a template has lines of {"input": "…", "target": "…"}.`);
  return lines;
}

function readLine(value: unknown, line: number, place: string): TemplateLine {
  const found = lineSchema.safeParse(value);
  if (!found.success) {
    const [issue] = found.error.issues;
    const where = issue?.path.join('.') ?? '';
    const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
    const hint = keys.includes(where) ? '' : didYouMeanHint(where, keys);
    throw new InputError(
      where === ''
        ? `${place}: a line is {"input": "…", "target": "…"}, found ${showValue(value)}.`
        : `${place}: "${where}": ${issue?.message ?? 'not as it should be'}.${hint} A line is {"input": "…", "target": "…"}.`,
    );
  }
  const { id, language, kind, held_out: heldOut, ...rest } = found.data;
  return {
    ...rest,
    id: id ?? `line/${line}`,
    language: language ?? languageOf(rest.input),
    kind: kind ?? 'direct',
    heldOut,
  };
}

export function languageOf(text: string): 'zh' | 'en' {
  return /\p{Script=Han}/u.test(text) ? 'zh' : 'en';
}

/** The question as a user says it: templates of others begin it with the speaker. */
export function questionOf({ input }: Pick<TemplateLine, 'input'>): string {
  const said = input.replace(/^\s*(用户|User)\s*[:：]\s*/i, '');
  return said.trim() === '' ? input : said;
}
