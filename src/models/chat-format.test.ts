/** Prompts against the golden ones, training rows against the prompts, refused conversations. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { goldenFolder } from '../../tests/support/golden.js';
import { requires } from '../../tests/support/requires.js';
import { sharedData } from '../../tests/support/shared-data.js';
import { loadTokenizer, type Tokenizer } from '../tokenizers/index.js';
import { missingChatFormat } from './chat-format.js';
import { answerText, type ChatFormat, type ChatMessage, type FamilyName, promptLimit } from './index.js';
import { sparkChat } from './spark/chat-format.js';
import { telechatChat } from './telechat/chat-format.js';
import { telechat52bChat } from './telechat52b/chat-format.js';
import { xverseChat } from './xverse/chat-format.js';

interface GoldenPrompt {
  history: [question: string, answer: string][];
  question: string;
  ids: number[];
  max_length?: number;
  max_position_embeddings?: number;
  max_new_tokens?: number;
}

const golden = JSON.parse(gunzipSync(readFileSync(`${goldenFolder}chat.json.gz`)).toString()) as Record<
  'spark' | 'telechat-12b' | 'telechat-52b' | 'xverse',
  GoldenPrompt[]
>;

const newlineToken = '<ret>';
const telechat12bFolder = sharedData('tokenizers/telechat-12b');
const telechat52bFolder = sharedData('tokenizers/telechat-52b');

interface Subject {
  readonly family: FamilyName;
  readonly prompts: GoldenPrompt[];
  readonly format: ChatFormat;
  readonly load: (() => Tokenizer) | undefined;
}

const subjects: Subject[] = [
  {
    family: 'spark',
    prompts: golden.spark,
    format: sparkChat,
    load: () => loadTokenizer(`${goldenFolder}tokenizers/spark_like`, { newlineToken }),
  },
  {
    family: 'telechat',
    prompts: golden['telechat-12b'],
    format: telechatChat,
    load: telechat12bFolder === undefined ? undefined : () => loadTokenizer(telechat12bFolder),
  },
  {
    family: 'telechat52b',
    prompts: golden['telechat-52b'],
    format: telechat52bChat,
    load: telechat52bFolder === undefined ? undefined : () => loadTokenizer(telechat52bFolder),
  },
  {
    family: 'xverse',
    prompts: golden.xverse,
    format: xverseChat([3]),
    load: () => loadTokenizer(`${goldenFolder}tokenizers/bbpe_llama3_regex`),
  },
];

function messagesOf({ history, question }: Pick<GoldenPrompt, 'history' | 'question'>): ChatMessage[] {
  return [
    ...history.flatMap(([asked, answered]): ChatMessage[] => [
      { role: 'user', content: asked },
      { role: 'assistant', content: answered },
    ]),
    { role: 'user', content: question },
  ];
}

const user = (content: string): ChatMessage => ({ role: 'user', content });
const assistant = (content: string): ChatMessage => ({ role: 'assistant', content });
const system = (content: string): ChatMessage => ({ role: 'system', content });

for (const { family, prompts, format, load } of subjects)
  describe(family, requires(load !== undefined, 'its tokenizer is not in ../shared/data'), () => {
    const tokenizer = load?.() as Tokenizer;

    test('every golden prompt', () => {
      for (const prompt of prompts) {
        const { max_position_embeddings: contextLength, max_new_tokens: maxNewTokens } = prompt;
        const maxLength =
          contextLength === undefined || maxNewTokens === undefined
            ? prompt.max_length
            : promptLimit(contextLength, maxNewTokens);
        const ids = format.renderPrompt(messagesOf(prompt), tokenizer, { maxLength });
        expect(ids, JSON.stringify({ ...prompt, ids: undefined })).toEqual(prompt.ids);
      }
    });

    test('a training row is the prompt and the learned answer with its end', () => {
      const prompt = format.renderPrompt([user('你好')], tokenizer);
      const { ids, lossMask } = format.renderTraining([user('你好'), assistant('你好！')], tokenizer);
      expect(ids.slice(0, prompt.length)).toEqual(prompt);
      expect(lossMask).toEqual(ids.map((_, index) => Number(index >= prompt.length)));
      expect(format.stopTokenIds(tokenizer)).toEqual([ids.at(-1)]);
      expect(answerText(format, [...ids.slice(prompt.length), 9, 9], tokenizer)).toBe('你好！');
    });

    test('an empty system message is none, in prompts and in training', () => {
      const turns = [user('一'), assistant('甲')];
      for (const messages of [
        [system(''), ...turns],
        [system(''), system(''), ...turns],
        [...turns.slice(0, 1), system(''), ...turns.slice(1)],
      ])
        expect(format.renderTraining(messages, tokenizer)).toMatchObject({
          ids: format.renderTraining(turns, tokenizer).ids,
        });
      expect(format.renderPrompt([system(''), user('一')], tokenizer)).toEqual(
        format.renderPrompt([user('一')], tokenizer),
      );
      expect(format.renderPrompt([system('s'), user('一')], tokenizer)).not.toEqual(
        format.renderPrompt([user('一')], tokenizer),
      );
    });

    test('marks and special tokens within a message are text, unless they are asked for', () => {
      const names = [...tokenizer.specialTexts, '<end>', '<_end>', '<_bot>', '<User>', '</s>', '<ret>'];
      const ends = format.stopTokenIds(tokenizer);
      const specials = new Set([...tokenizer.specialTexts.map((name) => tokenizer.tokenToId(name)), ...ends]);
      const count = (ids: readonly number[]): number => ids.filter((id) => specials.has(id)).length;
      for (const name of names) {
        const plain = count(format.renderPrompt([user('问')], tokenizer));
        const asked = format.renderPrompt([user(`问${name}答${name}`)], tokenizer);
        expect(count(asked), name).toBe(plain);
        const told = format.renderPrompt([system(name), user('问')], tokenizer);
        expect(count(told), name).toBe(count(format.renderPrompt([system('说'), user('问')], tokenizer)));
        const row = format.renderTraining([user(name), assistant(`${name}。`)], tokenizer);
        expect(count(row.ids), name).toBe(
          count(format.renderTraining([user('问'), assistant('答')], tokenizer).ids),
        );
        if (count(tokenizer.encode(`问${name}答`)) > 0)
          expect(
            count(format.renderPrompt([user(`问${name}答`)], tokenizer, { parsesSpecial: true })),
            name,
          ).toBeGreaterThan(plain);
      }
    });

    test('which answers of several are learned', () => {
      const messages = [user('一'), assistant('甲'), user('二'), assistant('乙')];
      const learned = (answers?: 'all' | 'last'): string => {
        const { ids, lossMask } = format.renderTraining(messages, tokenizer, { answers });
        return tokenizer.decode(ids.filter((_, index) => lossMask[index] === 1));
      };
      expect(learned('last')).not.toContain('甲');
      expect(learned('last')).toContain('乙');
      expect(learned('all')).toContain('甲');
      expect(learned()).toBe(learned(family === 'telechat52b' ? 'last' : 'all'));
    });

    test('a system text stands before the first question that is kept', () => {
      const plain = format.renderPrompt([user('请用英文回答。\n你是谁？')], tokenizer);
      const messages = [system('请用英文回答。'), user('你是谁？')];
      expect(format.renderPrompt(messages, tokenizer)).toEqual(plain);
      const long = [system('请用英文回答。'), user('一'.repeat(200)), assistant('好'), user('你是谁？')];
      const cut = tokenizer.decode(format.renderPrompt(long, tokenizer, { maxLength: plain.length + 10 }));
      expect(cut).toContain('请用英文回答。\n你是谁？');
      expect(cut).not.toContain('一一');
    });

    test('a question beyond the limit is cut at its left or refused', () => {
      const question = [user(`${'一'.repeat(3000)}乙`)];
      const render = (): number[] => format.renderPrompt(question, tokenizer, { maxLength: 100 });
      if (family === 'spark' || family === 'telechat52b') {
        expect(render).toThrow(`${family} chat: the last message makes a prompt of`);
        return;
      }
      expect(render()).toHaveLength(100);
      expect(tokenizer.decode(render())).toContain('一乙');
    });

    test.each([
      { messages: [], message: 'there is no user message' },
      { messages: [user('a'), system('b')], message: 'message 2 has role "system"' },
      { messages: [user('a'), user('b')], message: 'message 2 has role "user" after another' },
      { messages: [assistant('a')], message: 'message 1 has role "assistant" without' },
      { messages: [user('a'), assistant('b')], message: 'the last message must be the user' },
      {
        messages: JSON.parse('[{"role":"tool","content":"x"}]'),
        message: 'message 1 has role "tool"; known',
      },
    ])('refused: $message', ({ messages, message }) => {
      expect(() => format.renderPrompt(messages, tokenizer)).toThrow(`${family} chat: ${message}`);
    });

    test('a conversation without an answer is nothing to train on', () => {
      expect(() => format.renderTraining([user('a')], tokenizer)).toThrow(
        /must end with an assistant message/,
      );
    });
  });

test('a tokenizer of another family is refused by the token that is missing', () => {
  const tokenizer = loadTokenizer(`${goldenFolder}tokenizers/bbpe_llama3_regex`);
  expect(() => telechatChat.renderPrompt([user('a')], tokenizer)).toThrow(
    /telechat chat: .* no token <_user>/,
  );
  expect(() => sparkChat.stopTokenIds(tokenizer)).toThrow(/spark chat: .* no token <end>/);
  expect(() => xverseChat([]).stopTokenIds(tokenizer)).toThrow(/eos_token_id/);
});

test('a family without a format of its own refuses every use, and names the way out', () => {
  const tokenizer = loadTokenizer(`${goldenFolder}tokenizers/bbpe_llama3_regex`);
  const format = missingChatFormat('llama');
  const refusal = /^llama chat: this family has no chat format of its own.*chat_template\.jinja/;
  expect(() => format.renderPrompt([user('a')], tokenizer)).toThrow(refusal);
  expect(() => format.renderTraining([user('a'), assistant('b')], tokenizer)).toThrow(refusal);
  expect(() => format.stopTokenIds(tokenizer)).toThrow(refusal);
});
