import { describe, expect, test } from 'vitest';
import { FormFault } from '../forms/index.js';
import { readPreference } from './preference-record.js';

const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });
const human = (value: string) => ({ from: 'human', value });
const gpt = (value: string) => ({ from: 'gpt', value });
const pair = {
  kind: 'pair',
  prompt: [user('q')],
  chosen: assistant('good'),
  rejected: assistant('bad'),
  margin: undefined,
};

function fault(record: Record<string, unknown>): string {
  try {
    readPreference(record);
  } catch (error) {
    if (error instanceof FormFault) return `${error.reason}: ${error.message}`;
    throw error;
  }
  throw new Error('the record was taken');
}

describe('pairs', () => {
  test.each<[string, Record<string, unknown>]>([
    ['texts', { prompt: 'q', chosen: 'good', rejected: 'bad' }],
    [
      'a list of messages',
      { prompt: [user('q')], chosen: [assistant('good')], rejected: [assistant('bad')] },
    ],
    ['a prompt within', { chosen: [user('q'), assistant('good')], rejected: [user('q'), assistant('bad')] }],
    [
      'UltraFeedback: a prompt that the lists repeat',
      { prompt: 'q', chosen: [user('q'), assistant('good')], rejected: [user('q'), assistant('bad')] },
    ],
    [
      'HH: a conversation in one text',
      { chosen: '\n\nHuman: q\n\nAssistant: good', rejected: '\n\nHuman: q\n\nAssistant: bad' },
    ],
    ['ranking ShareGPT', { conversations: [human('q')], chosen: gpt('good'), rejected: gpt('bad') }],
    ['ranking messages', { messages: [user('q')], chosen: assistant('good'), rejected: assistant('bad') }],
    ['ranking Alpaca', { instruction: 'q', input: '', chosen: 'good', rejected: 'bad' }],
  ])('%s', (_, record) => {
    expect(readPreference(record)).toEqual(pair);
  });

  test('system, earlier turns, history, margin', () => {
    const prompt = [{ role: 'system', content: 's' }, user('q1'), assistant('a1'), user('q')];
    const rest = { chosen: 'good', rejected: 'bad' };
    expect(readPreference({ prompt, ...rest })).toEqual({ ...pair, prompt });
    expect(
      readPreference({ system: 's', conversations: [human('q1'), gpt('a1'), human('q')], ...rest }),
    ).toEqual({
      ...pair,
      prompt,
    });
    expect(readPreference({ system: 's', history: [['q1', 'a1']], instruction: 'q', ...rest })).toEqual({
      ...pair,
      prompt,
    });
    expect(readPreference({ system: 's', prompt: 'q', margin: 1.5, ...rest })).toEqual({
      ...pair,
      prompt: [prompt[0], user('q')],
      margin: 1.5,
    });
  });

  test.each<[string, Record<string, unknown>]>([
    ['same answers: `chosen` and `rejected` are the same text', { prompt: 'q', chosen: 'a', rejected: 'a' }],
    ['nothing to learn: chosen is empty', { prompt: 'q', chosen: ' ', rejected: 'a' }],
    ['nothing to learn: rejected is empty', { prompt: 'q', chosen: 'a', rejected: null }],
    [
      'prompt not shared: `chosen` and `rejected` differ before',
      { chosen: [user('q'), assistant('a')], rejected: [user('p'), assistant('b')] },
    ],
    [
      'prompt not shared: `chosen` has messages before its answer',
      { prompt: 'q', chosen: [user('p'), assistant('a')], rejected: [user('p'), assistant('b')] },
    ],
    ['missing key: missing `rejected`; keys found: prompt, chosen', { prompt: 'q', chosen: 'a' }],
    ['missing key: missing `prompt`; `chosen` is a text', { chosen: 'a', rejected: 'b' }],
    ['missing key: missing `prompt`', { chosen: gpt('a'), rejected: gpt('b') }],
    ['wrong type: `rejected` must be a list', { prompt: 'q', chosen: 'a', rejected: 7 }],
    ['wrong type: `margin` must be a number', { prompt: 'q', chosen: 'a', rejected: 'b', margin: 'x' }],
    [
      'order of turns: `chosen` must end with a message of the assistant, got one of the user',
      { chosen: [user('q')], rejected: [user('q'), assistant('b')] },
    ],
    [
      'order of turns: message 2 is from the user',
      { prompt: [user('q'), user('p')], chosen: 'a', rejected: 'b' },
    ],
    ['order of turns: ', { prompt: [user('q'), assistant('p')], chosen: 'a', rejected: 'b' }],
    ['unknown role', { prompt: [{ role: 'narrator', content: 'x' }], chosen: 'a', rejected: 'b' }],
  ])('refuses: %s', (expected, record) => {
    expect(fault(record)).toContain(expected);
  });
});

describe('answers that are judged', () => {
  const judged = { kind: 'judged', prompt: [user('q')], answer: assistant('a'), isDesirable: true };
  test.each<[string, Record<string, unknown>]>([
    ['texts', { prompt: 'q', completion: 'a', label: true }],
    ['lists', { prompt: [user('q')], completion: [assistant('a')], label: 1 }],
    ['ShareGPT with kto_tag', { conversations: [human('q'), gpt('a')], kto_tag: true }],
    ['messages with kto_tag', { messages: [user('q'), assistant('a')], kto_tag: true }],
    ['Alpaca with kto_tag', { instruction: 'q', output: 'a', kto_tag: true }],
  ])('%s', (_, record) => {
    expect(readPreference(record)).toEqual(judged);
  });

  test('columns of CSV and parquet: texts, and null for what a record lacks', () => {
    expect(
      readPreference({ prompt: 'q', completion: 'a', label: 'True', chosen: null, rejected: null }),
    ).toEqual(judged);
    expect(
      readPreference({
        prompt: 'q',
        chosen: 'good',
        rejected: 'bad',
        margin: '0.5',
        label: null,
        messages: null,
      }),
    ).toEqual({ ...pair, margin: 0.5 });
  });

  test('unwanted, unlabelled', () => {
    expect(readPreference({ prompt: 'q', completion: 'a', label: false })).toEqual({
      ...judged,
      isDesirable: false,
    });
    expect(fault({ prompt: 'q', completion: 'a' })).toContain('missing key: neither `chosen` and `rejected`');
    expect(readPreference({ prompt: 'q', completion: 'a' }, { mayBeUnlabelled: true })).toEqual({
      ...judged,
      isDesirable: undefined,
    });
    expect(fault({ prompt: 'q', completion: 'a', label: 'yes' })).toBe(
      'wrong type: `label` must be true or false, got "yes"',
    );
    expect(fault({ prompt: 'q', completion: '', label: true })).toContain(
      'nothing to learn: the answer is empty',
    );
  });
});

describe('tools, where a chat template has a place for them', () => {
  const tools = [{ type: 'function', function: { name: 'f' } }];
  const calling = (city: string) => ({
    role: 'assistant',
    content: null,
    tool_calls: [{ function: { name: 'f', arguments: `{"city": "${city}"}` } }],
  });
  const read = (city: string) => ({
    role: 'assistant',
    content: '',
    more: { tool_calls: [{ type: 'function', function: { name: 'f', arguments: { city } } }] },
  });
  const result = { role: 'tool', content: '21' };

  test('calls are answers, results and thoughts stand in prompts', () => {
    expect(
      readPreference(
        {
          tools: JSON.stringify(tools),
          prompt: [user('q'), { ...assistant('a'), reasoning_content: 'r' }, user('p')],
          chosen: [calling('Oslo')],
          rejected: calling('Rome'),
        },
        { keepsTools: true },
      ),
    ).toEqual({
      kind: 'pair',
      prompt: [user('q'), { ...assistant('a'), more: { reasoning_content: 'r' } }, user('p')],
      chosen: read('Oslo'),
      rejected: read('Rome'),
      margin: undefined,
      tools,
    });
    const judged = { messages: [user('q'), calling('Oslo'), result, assistant('a')], label: true };
    expect(readPreference(judged, { keepsTools: true })).toEqual({
      kind: 'judged',
      prompt: [user('q'), read('Oslo'), result],
      answer: assistant('a'),
      isDesirable: true,
    });
  });

  test('the same call twice is no preference, and without a template a call is refused', () => {
    const record = { prompt: 'q', chosen: calling('Oslo'), rejected: calling('Oslo') };
    expect(() => readPreference(record, { keepsTools: true })).toThrow('are the same text');
    expect(fault(record)).toContain('tool calls: `chosen[0].tool_calls`');
  });
});
