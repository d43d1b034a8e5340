/**
 * A process that renders one template after the other. The watchdog of `vm` ends a loop even when whoever started us is gone
 * and nobody is left to end the process.
 */
import vm from 'node:vm';
import { messageOf } from '../errors/index.js';
import { parseOrderedJson } from '../json/index.js';
import { ChatTemplate, type RenderedTemplate, type TemplateValues } from './template.js';
import { TemplateError } from './template-error.js';

interface Task {
  readonly template: string;
  /** JSON of an object. */
  readonly values: string;
  /** The template's own words. */
  readonly own: TemplateValues;
  /** Milliseconds. */
  readonly timeout: number;
  readonly maxLength: number;
}

/** Templates of earlier tasks, since most are the same. */
const MAX_TEMPLATES = 16;
const templates = new Map<string, ChatTemplate>();

let task: Task;
let values: Readonly<Record<string, unknown>>;
let isRead: boolean;

function render(): RenderedTemplate {
  isRead = false;
  let template = templates.get(task.template);
  if (template === undefined) {
    template = new ChatTemplate(task.template);
    if (templates.size >= MAX_TEMPLATES) templates.clear();
    templates.set(task.template, template);
  }
  isRead = true;
  // The watchdog counts the time; the steps are there for callers without one.
  return template.renderMarked(values, task.own, {
    maxLength: task.maxLength,
    maxSteps: Number.POSITIVE_INFINITY,
  });
}

Object.assign(globalThis, { render });
const script = new vm.Script('render()');
process.on('disconnect', () => process.exit());
process.on('message', (next: Task) => {
  task = next;
  try {
    values = Object(parseOrderedJson(task.values));
    // What it gives is what `render` gives.
    const { text, marked }: RenderedTemplate = script.runInThisContext({ timeout: task.timeout });
    process.send?.({ text, marked });
  } catch (error) {
    process.send?.({
      fault: messageOf(error).slice(0, 500),
      isUnreadable: !isRead,
      isRaised: error instanceof TemplateError && error.isRaised,
    });
  }
});
process.send?.('ready');
