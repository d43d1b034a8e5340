import { describe, expect, test } from 'vitest';
import {
  detectForm,
  FormFault,
  type FormOptions,
  formReader,
  keysOfForm,
  type SampleForm,
  unreadKeys,
} from './index.js';

const [q1, a1, q2, a2] = ['q1', 'a1', 'q2', 'a2'] as const;
const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });
const system = (content: string) => ({ role: 'system', content });
const oneTurn = [user(q1), assistant(a1)];
const twoTurns = [...oneTurn, user(q2), assistant(a2)];

function messages(form: SampleForm, record: Record<string, unknown>, options: FormOptions = {}): unknown {
  const content = formReader(form)(record, options);
  return content.kind === 'dialogue' ? content.messages : content.text;
}

function fault(form: SampleForm, record: Record<string, unknown>): string {
  try {
    messages(form, record);
  } catch (error) {
    if (error instanceof FormFault) return `${error.reason}: ${error.message}`;
    throw error;
  }
  throw new Error('the record was taken');
}

describe('alpaca', () => {
  test('instruction and input are one question', () => {
    expect(messages('alpaca', { instruction: q1, output: a1 })).toEqual(oneTurn);
    expect(messages('alpaca', { instruction: q1, input: '', output: a1 })).toEqual(oneTurn);
    const both = { instruction: 'q', input: '1', output: a1 };
    expect(messages('alpaca', both)).toEqual([user('q\n1'), assistant(a1)]);
    expect(messages('alpaca', both, { inputSeparator: '' })).toEqual(oneTurn);
  });

  test('history and system come before', () => {
    const record = { system: 's', history: [[q1, a1]], instruction: q2, input: null, output: a2 };
    expect(messages('alpaca', record)).toEqual([system('s'), ...twoTurns]);
    expect(fault('alpaca', { ...record, history: [[q1]] })).toBe(
      'wrong type: `history[0]` must be [question, answer], got ["q1"]',
    );
  });

  test('a missing key is named, with those found', () => {
    expect(fault('alpaca', { instruction: q1, input: '', response: a1 })).toBe(
      'missing key: missing `output`; keys found: instruction, input, response',
    );
    expect(fault('alpaca', { instruction: q1, output: 3 })).toBe(
      'wrong type: `output` must be a text, got 3',
    );
  });
});

describe('sharegpt, messages and xverse', () => {
  const gpt = (value: string) => ({ from: 'gpt', value });
  const human = (value: string) => ({ from: 'human', value });

  test('the names of the roles', () => {
    const conversations = [
      { from: 'system', value: 's' },
      human(q1),
      gpt(a1),
      { from: 'user', value: q2 },
      assistant(a2),
    ];
    expect(messages('sharegpt', { id: 'x', conversations })).toEqual([system('s'), ...twoTurns]);
    expect(messages('sharegpt', { system: 's', conversations: [human(q1), gpt(a1)] })).toEqual([
      system('s'),
      ...oneTurn,
    ]);
    expect(messages('messages', { messages: twoTurns, tools: [] })).toEqual(twoTurns);
    const parts = [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'q' },
          { type: 'text', text: '1' },
        ],
      },
      assistant(a1),
    ];
    expect(messages('messages', { messages: parts })).toEqual(oneTurn);
  });

  test('xverse: Alpaca as its script trains on, or the lists of its chat', () => {
    expect(messages('xverse', { instruction: q1, input: '', output: a1 })).toEqual(oneTurn);
    expect(messages('xverse', { messages: twoTurns })).toEqual(twoTurns);
    expect(messages('xverse', { conversations: [human(q1), { from: 'bot', value: a1 }] })).toEqual(oneTurn);
  });

  test.each([
    [
      'unknown role: `messages[0]` has the role "narrator"; known: system, user, human',
      [{ role: 'narrator', content: '' }],
    ],
    ['tool calls: `messages[1]` is from "tool"', [user(q1), { role: 'tool', content: '' }]],
    ['tool calls: `messages[1].tool_calls`', [user(q1), { ...assistant(''), tool_calls: [{}] }]],
    [
      'wrong type: `messages[0].content[0]` must be a part',
      [{ role: 'user', content: [{ type: 'image_url' }] }],
    ],
    ['wrong type: `messages[0]` must be an object, got "q"', ['q']],
    ['missing key: missing `messages[0].content`; keys found: role', [{ role: 'user' }]],
    ['order of turns: message 2 is from the user, expected the assistant', [user(q1), user(q2)]],
    ['order of turns: message 1 is from the assistant', [assistant(a1)]],
    ['order of turns: message 4 is from the system', [system('s'), ...oneTurn, system('s')]],
    ['order of turns: the dialogue ends with the user', [...oneTurn, user(q2)]],
    ['order of turns: the dialogue has no messages', []],
  ])('refuses: %s', (expected, list) => {
    expect(fault('messages', { messages: list })).toContain(expected);
  });
});

describe('telechat', () => {
  test.each(['<_user>q1<_bot>a1<_user>q2', 'q1<_bot>a1<_user>q2', '<_user>q1<_bot>a1<_user>q2<_bot>'])(
    '%s',
    (input) => {
      expect(messages('telechat', { input, output: a2 })).toEqual(twoTurns);
    },
  );

  test('a single question without a marker', () => {
    expect(messages('telechat', { input: q1, output: a1 })).toEqual(oneTurn);
  });

  test('the turns of TeleChat2, with its system text', () => {
    const bot = (content: string) => ({ role: 'bot', content });
    const record = {
      system: 's\n',
      dialog: [user(q1), bot(a1), user(q2), bot(a2)],
      tool: false,
      multiturn: true,
    };
    expect(messages('telechat', record)).toEqual([system('s\n'), ...twoTurns]);
    expect(detectForm([{ line: 1, value: record }], 'FILE')).toBe('telechat');
    expect([...unreadKeys(record, keysOfForm('telechat'))]).toEqual(['tool', 'multiturn']);
    expect(fault('telechat', { ...record, dialog: [bot(a1)] })).toContain('order of turns');
    expect(fault('telechat', { ...record, dialog: 'q1' })).toContain('`dialog` must be');
  });

  test.each([
    ['<_user>q1<_user>q2', 'turn 1'],
    ['<_user>q1<_bot>a1<_bot>b1<_user>q2', 'turn 1'],
    ['<_user>q1<_bot>a1<_user>q2<_bot>a2', 'turn 2'],
  ])('refuses %s', (input, turn) => {
    expect(fault('telechat', { input, output: a2 })).toContain(`order of turns: ${turn} of \`input\``);
  });
});

test('text of any key', () => {
  expect(messages('text', { text: '一' })).toBe('一');
  expect(messages('text', { content: '一' }, { textField: 'content' })).toBe('一');
});
