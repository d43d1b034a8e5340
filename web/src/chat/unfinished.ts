/** Answers in progress when the page was left, saved in its last moment. */
import { asList, asNumber, asText, field, parseJson } from '../api/json.js';
import type { Message } from '../conversation/conversation.js';

export const UNFINISHED = 'xinghe.unfinished';

export function readUnfinished(text: string | undefined): Message[] {
  return asList(parseJson(text ?? '')).flatMap((entry): Message[] => {
    const id = asText(field(entry, 'id'));
    const conversationId = asText(field(entry, 'conversationId'));
    const parent = asText(field(entry, 'parent'));
    if (id === undefined || conversationId === undefined || parent === undefined) return [];
    return [
      {
        id,
        conversationId,
        parent,
        role: 'assistant',
        text: asText(field(entry, 'text')) ?? '',
        reasoning: asText(field(entry, 'reasoning')),
        readsFrom: asText(field(entry, 'readsFrom')),
        createdAt: asNumber(field(entry, 'createdAt')) ?? Date.now(),
        model: asText(field(entry, 'model')),
        comparison: asText(field(entry, 'comparison')),
        state: 'cut-off',
      },
    ];
  });
}
