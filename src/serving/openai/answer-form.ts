/** How a model writes what is no plain text of its answer: calls of tools, and what it thinks. Told by its chat template. */

export interface AnswerForm {
  /** undefined: a form that is not read here; calls stay text. */
  readonly calls: CallForm | undefined;
  /** none: the model does not think; begun: the prompt ends within its thoughts. */
  readonly thinking: 'none' | 'possible' | 'begun';
}

/** The words around calls. */
export interface CallForm {
  readonly name: 'hermes' | 'llama' | 'mistral';
  /** Stands before calls. */
  readonly start: string;
  /** Stands behind each, where there is one. */
  readonly end: string | undefined;
  /** An answer that begins so may be a call without the mark before it, which is left out of texts where it is a control token. */
  readonly bare: RegExp | undefined;
  /** Between calls. */
  readonly separator: RegExp;
  /** A call may be a name, these marks and its arguments alone: `name[CALL_ID]id[ARGS]{…}`, the id with its mark or without both. */
  readonly named?: { readonly id: string; readonly args: string };
  /** The marks are control tokens, without which calls cannot be told: texts keep them. */
  readonly keepsMarks?: boolean;
}

/** Hermes and Qwen: `<tool_call>{"name", "arguments"}</tool_call>`; ours too, where the prompt asks for it. */
export const HERMES_CALLS: CallForm = {
  name: 'hermes',
  start: '<tool_call>',
  end: '</tool_call>',
  bare: undefined,
  separator: /[\s,[\]]/,
};

/** Llama 3.1: `{"name", "parameters"}` as the whole answer, behind `<|python_tag|>` or not; several with `;` between them. */
const LLAMA_CALLS: CallForm = {
  name: 'llama',
  start: '<|python_tag|>',
  end: undefined,
  bare: /^\{/,
  separator: /[\s;,]/,
};

/** Mistral: `[TOOL_CALLS][{"name", "arguments"}, …]`, lately `[TOOL_CALLS]name[CALL_ID]id[ARGS]{…}` for each. */
const MISTRAL_CALLS: CallForm = {
  name: 'mistral',
  start: '[TOOL_CALLS]',
  end: undefined,
  bare: /^\[\s*\{/,
  separator: /[\s,[\]]/,
  named: { id: '[CALL_ID]', args: '[ARGS]' },
  keepsMarks: true,
};

/** Of the families' own formats: calls as the prompt asks for them, no thoughts. */
export const FAMILY_ANSWER: AnswerForm = { calls: HERMES_CALLS, thinking: 'none' };

/**
 * @param prompt what the template made of the conversation
 * @param callsAreText the template has no place for tools, and a text asks for calls in our form
 */
export function templateAnswer(
  template: string,
  prompt: string,
  { callsAreText }: { readonly callsAreText: boolean },
): AnswerForm {
  return { calls: callsAreText ? HERMES_CALLS : callForm(template), thinking: thinkingOf(template, prompt) };
}

/** Whether conversations by this template may have thoughts. */
export function canThink(template: string | undefined): boolean {
  return template !== undefined && /<\/?think>|\benable_thinking\b/.test(template);
}

function callForm(template: string): CallForm | undefined {
  if (template.includes(HERMES_CALLS.start)) return HERMES_CALLS;
  if (template.includes(MISTRAL_CALLS.start)) return MISTRAL_CALLS;
  const isLlama = template.includes(LLAMA_CALLS.start) || /\\?"parameters\\?": dictionary/.test(template);
  return isLlama ? LLAMA_CALLS : undefined;
}

function thinkingOf(template: string, prompt: string): AnswerForm['thinking'] {
  if (/<think>\s*$/.test(prompt)) return 'begun';
  // A thought that the prompt has closed is over.
  if (/<\/think>\s*$/.test(prompt)) return 'none';
  return /<\/?think>/.test(template) ? 'possible' : 'none';
}
