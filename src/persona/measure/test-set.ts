/** The questions that a persona is measured by: single ones, and talks of ten turns that are put together of them. */
import { createHash } from 'node:crypto';
import { InputError } from '../../errors/index.js';
import type { Language } from '../attributes/attribute-kinds.js';
import { questionOf, readTemplate, type TemplateLine } from '../template/template-line.js';

export interface TestTurn {
  readonly input: string;
  readonly asks: readonly string[];
}

export interface TestQuestion extends TestTurn {
  readonly id: string;
  readonly language: Language;
  readonly kind: string;
  readonly turns: readonly TestTurn[];
  readonly premise?: string | undefined;
  readonly denies?: string | undefined;
}

export interface TestTalk {
  readonly id: string;
  readonly language: Language;
  readonly turns: readonly TestTurn[];
}

/**
 * @param path a template; undefined: the held-out questions of ours. Of one that marks none all lines are asked
 * @throws InputError as readTemplate
 */
export function readTestQuestions(path: string | undefined): TestQuestion[] {
  const lines = readTemplate(path);
  const isMarked = lines.some(({ heldOut }) => heldOut !== undefined);
  const chosen = isMarked ? lines.filter(({ heldOut }) => heldOut === true) : lines;
  if (chosen.length === 0)
    throw new InputError(
      `${path ?? 'the template'} marks no question as held out ("held_out": true); none is left to measure with.`,
    );
  return chosen.map(testQuestion);
}

function testQuestion(line: TemplateLine): TestQuestion {
  const { id, language, kind, asks = [], turns = [], premise, denies } = line;
  return {
    id,
    language,
    kind,
    asks,
    input: questionOf(line),
    turns,
    ...(premise !== undefined && { premise }),
    ...(denies !== undefined && { denies }),
  };
}

export const TALK_TURNS = 10;

/**
 * Talks of ten turns in each language that has enough questions: the last turn asks what the first one asked, in other words.
 * @param count for each language
 */
export function makeTalks(questions: readonly TestQuestion[], count: number): TestTalk[] {
  return (['zh', 'en'] as const).flatMap((language) => {
    const own = questions.filter(
      (each) => each.language === language && each.turns.length === 0 && each.kind !== 'compound',
    );
    const asked = [...new Set(own.map(({ asks }) => asks.join()))];
    if (own.length < TALK_TURNS || asked.length < TALK_TURNS - 1) return [];
    return Array.from({ length: count }, (_, number): TestTalk => {
      const draw = (text: string): string => createHash('sha256').update(`${number} ${text}`).digest('hex');
      const order = [...asked].sort((a, b) => (draw(a) < draw(b) ? -1 : 1));
      const inWords = (about: string): TestQuestion[] =>
        own.filter(({ asks }) => asks.join() === about).sort((a, b) => (draw(a.id) < draw(b.id) ? -1 : 1));
      // The repeated attribute needs two wordings.
      const first = order.find((about) => inWords(about).length > 1) ?? order[0] ?? '';
      const middle = order.filter((about) => about !== first).slice(0, TALK_TURNS - 2);
      const [one, other = one] = inWords(first);
      const turns = [one, ...middle.map((about) => inWords(about)[0]), other].flatMap((question) =>
        question === undefined ? [] : [{ input: question.input, asks: question.asks }],
      );
      return { id: `talks/${language}/${number + 1}`, language, turns };
    });
  });
}
