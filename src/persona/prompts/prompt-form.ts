/** The text that asks a teacher for an answer in character: the published one, or one of one's own. */
import { readFileSync } from 'node:fs';
import { readConfigFile } from '../../config/index.js';
import { InputError, messageOf } from '../../errors/index.js';
import { fieldOf } from '../../json/index.js';
import type { Persona } from '../attributes/persona.js';

export interface PromptForm {
  /** With {attr}, {input} and {target}; in {{input}} or {{{input}}} the text stands within braces, {} and {{}} stay {}. */
  readonly text: string;
  /** One attribute, with {key} and {value}. */
  readonly pair: string;
  /** Between attributes. */
  readonly join: string;
}

const FORMS = {
  published: {
    text: '假设你是一个用户可自定义的讯飞星火开源的AI助手,在给定的人设背景下回复用户问题<ret>##人设背景如下:{attr}##用户:{{input}}##参考答案:{{target}}##回答:{}',
    pair: '(你的{key}:{value})',
    join: ',',
  },
  /** As the script of the published repository spells it, with full-width signs. */
  'published-wide': {
    text: '假设你是一个用户可自定义的讯飞星火开源的AI助手，在给定的人设背景下回复用户问题<ret>##人设背景如下：{attr}##用户：{{input}}##参考答案：{{target}}##回答：{}',
    pair: '(你的{key}：{value})',
    join: '，',
  },
  english: {
    text:
      'You are an AI assistant whose persona is set by its user. Answer the question as this persona, in the language of the question, ' +
      'in one to three sentences; what the persona does not say, you do not know. ##Persona: {attr}##User: {{input}}##Reference ' +
      'answer (of another persona): {{target}}##Answer:',
    pair: '(your {key}: {value})',
    join: ', ',
  },
} as const satisfies Record<string, PromptForm>;

export const PROMPT_FORMS: Readonly<Record<string, PromptForm>> = FORMS;

/**
 * @param wish a name of ours, or a file: the text alone, or JSON/YAML {"text", "pair", "join"}. Default: published
 * @throws InputError for a file that is not there or asks nothing
 */
export function loadPromptForm(wish = 'published'): PromptForm {
  const own = Object.hasOwn(PROMPT_FORMS, wish) ? PROMPT_FORMS[wish] : undefined;
  if (own !== undefined) return own;
  const form = readForm(wish);
  for (const name of ['attr', 'input'])
    if (!form.text.includes(`{${name}}`))
      throw new InputError(
        `--form ${wish}: the text has no {${name}}; a form holds {attr} and {input}, and {target} where the reference answer goes.`,
      );
  return form;
}

function readForm(path: string): PromptForm {
  if (/\.(json|ya?ml)$/i.test(path)) {
    const value = readConfigFile(path);
    const field = (name: keyof PromptForm): string => {
      const given = fieldOf(value, name);
      if (given === undefined && name !== 'text') return FORMS.published[name];
      if (typeof given === 'string') return given;
      throw new InputError(
        `--form ${path}: "${name}" is ${given === undefined ? 'missing' : 'no text'}; give text, pair and join.`,
      );
    };
    return { text: field('text'), pair: field('pair'), join: field('join') };
  }
  try {
    return { ...FORMS.published, text: readFileSync(path, 'utf8').replace(/\r?\n$/, '') };
  } catch (error) {
    throw new InputError(
      `--form ${path}: ${messageOf(error)}; give a file, or one of ${Object.keys(PROMPT_FORMS).join(', ')}.`,
    );
  }
}

/** Texts are put in as they are; braces in them mean nothing. */
export function renderPrompt(
  form: PromptForm,
  persona: Persona,
  { input, target }: { readonly input: string; readonly target: string },
): string {
  const attr = persona.attributes.map(({ key, value }) => filled(form.pair, { key, value })).join(form.join);
  return filled(form.text, { attr, input, target });
}

function filled(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\{\{\}\}|(\{{1,3})([a-z]+)\}{1,3}/g, (whole: string, open: string, name: string) => {
    if (whole === '{{}}') return '{}';
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined) return whole;
    return open === '{' ? value : `{${value}}`;
  });
}
