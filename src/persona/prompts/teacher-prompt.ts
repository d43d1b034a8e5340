/** Prompts for a teacher, and the files they lie in: a prompt a line as text, or records that also say what they are about. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { InputError, messageOf } from '../../errors/index.js';
import { readJsonLines } from '../../formats/index.js';
import type { Persona } from '../attributes/persona.js';
import { composeAnswer } from '../compose/compose-answer.js';
import { questionOf, type TemplateLine } from '../template/template-line.js';
import { type PromptForm, renderPrompt } from './prompt-form.js';

const turnSchema = z.object({
  input: z.string(),
  target: z.string().optional(),
  asks: z.array(z.string()).optional(),
});

export const promptSchema = z.object({
  id: z.string(),
  prompt: z.string().min(1),
  /** The question as a user says it. */
  input: z.string().min(1),
  language: z.enum(['zh', 'en']).optional(),
  kind: z.string().optional(),
  asks: z.array(z.string()).optional(),
  held_out: z.boolean().optional(),
  /** What was said before, with the persona's answers. */
  turns: z.array(turnSchema).optional(),
  premise: z.string().optional(),
  denies: z.string().optional(),
});

export type TeacherPrompt = z.output<typeof promptSchema>;

/** What became of the texts on the way, for people. */
export interface AssembledPrompts {
  readonly prompts: readonly TeacherPrompt[];
  /** Prompts with line breaks, which became <ret>: a prompt is one line. */
  readonly joined: number;
}

/**
 * One prompt for each line of a template. What was said before a question stands before it in the form's own marks.
 * @param opening what the teacher is told first, of a character
 */
export function assemblePrompts(
  template: readonly TemplateLine[],
  persona: Persona,
  form: PromptForm,
  opening = '',
): AssembledPrompts {
  let joined = 0;
  const prompts = template.map((line): TeacherPrompt => {
    const { id, language, kind, asks, heldOut, premise, denies } = line;
    const turns = line.turns?.map((turn, place) => ({
      ...turn,
      target: composeAnswer(persona, { ...turn, id: `${id}/${place}`, language }),
    }));
    const history = turns?.map(({ input, target }) => `${input}##回答:${target}##用户:`).join('') ?? '';
    const raw =
      opening + renderPrompt(form, persona, { input: `${history}${line.input}`, target: line.target });
    const prompt = raw.replace(/\r\n|\r|\n/g, '<ret>');
    if (prompt !== raw) joined += 1;
    return {
      id,
      prompt,
      input: questionOf(line),
      language,
      kind,
      ...(asks !== undefined && { asks }),
      ...(heldOut !== undefined && { held_out: heldOut }),
      ...(turns !== undefined && { turns }),
      ...(premise !== undefined && { premise }),
      ...(denies !== undefined && { denies }),
    };
  });
  return { prompts, joined };
}

/** A line a prompt; records where the name ends in .jsonl. */
export function promptsText(prompts: readonly TeacherPrompt[], path: string): string {
  const isRecords = /\.jsonl$/i.test(path);
  return prompts.map((each) => `${isRecords ? JSON.stringify(each) : each.prompt}\n`).join('');
}

/** @throws InputError for a line of another form, and text in which no question can be found */
export function readPrompts(path: string): TeacherPrompt[] {
  return /\.jsonl$/i.test(path) ? readRecords(path) : readText(path);
}

function readRecords(path: string): TeacherPrompt[] {
  const prompts: TeacherPrompt[] = [];
  for (const { line, value } of readJsonLines(path)) {
    const found = promptSchema.safeParse(value);
    if (!found.success) {
      const [issue] = found.error.issues;
      throw new InputError(
        `${path}:${line}: "${issue?.path.join('.') ?? ''}": ${issue?.message ?? ''}; a line is {"id", "prompt", "input"}, as persona assemble writes it.`,
      );
    }
    prompts.push(found.data);
  }
  if (prompts.length === 0) throw new InputError(`${path} holds no prompt.`);
  return prompts;
}

function readText(path: string): TeacherPrompt[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new InputError(`--prompts ${path}: ${messageOf(error)}`);
  }
  const lines = text.split(/\r?\n/).map((prompt, place) => ({ prompt, place: place + 1 }));
  const prompts = lines
    .filter(({ prompt }) => prompt.trim() !== '')
    .map(({ prompt, place }): TeacherPrompt => {
      const input = questionIn(prompt);
      if (input === undefined)
        throw new InputError(
          `${path}:${place}: no question can be told in this prompt (##用户:{…}##); write records: persona assemble --output FILE.jsonl.`,
        );
      return { id: `line/${place}`, prompt, input };
    });
  if (prompts.length === 0) throw new InputError(`${path} holds no prompt.`);
  return prompts;
}

/** In the published form, or ours. */
function questionIn(prompt: string): string | undefined {
  const inside = /##\s*(?:用户|User)\s*[:：]\s*\{(.*?)\}\s*##\s*(?:参考答案|Reference)/.exec(prompt)?.[1];
  const said = inside?.split(/##(?:用户|User)[:：]/).at(-1);
  return said === undefined || said.trim() === '' ? undefined : questionOf({ input: said });
}

/** Equal prompts have one answer. */
export function promptKey({ prompt }: Pick<TeacherPrompt, 'prompt'>): string {
  return createHash('sha256').update(prompt).digest('hex').slice(0, 16);
}
