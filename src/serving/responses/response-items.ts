/** The output of a response, item by item: messages and calls, and the events that tell of them. */
import { randomUUID } from 'node:crypto';
import type { ChatDelta } from '../openai/index.js';

export interface ResponseEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

interface MessageItem {
  readonly kind: 'message';
  readonly id: string;
  text: string;
}

interface CallItem {
  readonly kind: 'call';
  readonly id: string;
  readonly callId: string;
  readonly name: string;
  text: string;
}

/** What the model thinks before it answers. */
interface ReasoningItem {
  readonly kind: 'reasoning';
  readonly id: string;
  text: string;
}

type Item = MessageItem | CallItem | ReasoningItem;

export class ResponseItems {
  /** Those that have ended. */
  readonly output: object[] = [];
  #open: Item | undefined;

  /** The events of a piece of the answer. */
  *push({ content, reasoning_content, tool_calls = [] }: ChatDelta): Generator<ResponseEvent> {
    if (reasoning_content !== undefined && reasoning_content !== '') {
      if (this.#open?.kind !== 'reasoning')
        yield* this.#begin({ kind: 'reasoning', id: itemId('rs'), text: '' });
      yield* this.#add(reasoning_content);
    }
    if (content !== undefined && content !== '') {
      if (this.#open?.kind !== 'message')
        yield* this.#begin({ kind: 'message', id: itemId('msg'), text: '' });
      yield* this.#add(content);
    }
    for (const { id, function: called } of tool_calls) {
      if (id !== undefined)
        yield* this.#begin({ kind: 'call', id: itemId('fc'), callId: id, name: called.name ?? '', text: '' });
      if (called.arguments !== '') yield* this.#add(called.arguments);
    }
  }

  /** @param isCut the last item did not come to its end. An answer without any item becomes an empty message */
  *close(isCut: boolean): Generator<ResponseEvent> {
    if (this.#open === undefined && this.output.length === 0)
      yield* this.#begin({ kind: 'message', id: itemId('msg'), text: '' });
    yield* this.#end(isCut ? 'incomplete' : 'completed');
  }

  *#begin(item: Item): Generator<ResponseEvent> {
    yield* this.#end('completed');
    this.#open = item;
    const output_index = this.output.length;
    yield { type: 'response.output_item.added', output_index, item: published(item, 'in_progress') };
    if (item.kind === 'message')
      yield {
        type: 'response.content_part.added',
        item_id: item.id,
        output_index,
        content_index: 0,
        part: textPart(''),
      };
  }

  *#add(delta: string): Generator<ResponseEvent> {
    const item = this.#open;
    if (item === undefined) return;
    item.text += delta;
    const indices = { item_id: item.id, output_index: this.output.length };
    if (item.kind === 'message')
      yield { type: 'response.output_text.delta', ...indices, content_index: 0, delta, logprobs: [] };
    else if (item.kind === 'reasoning')
      yield { type: 'response.reasoning_text.delta', ...indices, content_index: 0, delta };
    else yield { type: 'response.function_call_arguments.delta', ...indices, delta };
  }

  *#end(status: 'completed' | 'incomplete'): Generator<ResponseEvent> {
    const item = this.#open;
    if (item === undefined) return;
    const output_index = this.output.length;
    const indices = { item_id: item.id, output_index };
    if (item.kind === 'message') {
      yield {
        type: 'response.output_text.done',
        ...indices,
        content_index: 0,
        text: item.text,
        logprobs: [],
      };
      yield { type: 'response.content_part.done', ...indices, content_index: 0, part: textPart(item.text) };
    } else if (item.kind === 'reasoning')
      yield { type: 'response.reasoning_text.done', ...indices, content_index: 0, text: item.text };
    else
      yield {
        type: 'response.function_call_arguments.done',
        ...indices,
        name: item.name,
        arguments: item.text,
      };
    const whole = published(item, status);
    this.output.push(whole);
    this.#open = undefined;
    yield { type: 'response.output_item.done', output_index, item: whole };
  }
}

function itemId(prefix: 'msg' | 'fc' | 'rs'): string {
  return `${prefix}_${randomUUID().replaceAll('-', '')}`;
}

function textPart(text: string): object {
  return { type: 'output_text', text, annotations: [], logprobs: [] };
}

function published(item: Item, status: string): object {
  const { id, text } = item;
  if (item.kind === 'call')
    return { type: 'function_call', id, call_id: item.callId, name: item.name, arguments: text, status };
  if (item.kind === 'reasoning') {
    const thoughts = status === 'in_progress' ? [] : [{ type: 'reasoning_text', text }];
    return { type: 'reasoning', id, summary: [], content: thoughts, status };
  }
  const content = status === 'in_progress' ? [] : [textPart(text)];
  return { type: 'message', id, status, role: 'assistant', content };
}
