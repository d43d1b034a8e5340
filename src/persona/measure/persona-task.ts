/** Questions about a persona as sets of an evaluation: single questions, talks of ten turns, and what else the model knows. */
import type { Grade, Prompt, Sample, SetReader, Task } from '../../evaluation/index.js';
import type { Language } from '../attributes/attribute-kinds.js';
import { type Character, forbiddenIn, isInStyle, speakAs } from '../character/role-card.js';
import { composeAnswer } from '../compose/compose-answer.js';
import { judgeAnswer, RULES_VERSION, type RuleVerdict } from '../rules/judge-answer.js';
import type { TestQuestion, TestTalk } from './test-set.js';

/** Files of the measured set. */
export const SET_FILES = {
  persona: 'persona.json',
  questions: 'questions.jsonl',
  talks: 'talks.jsonl',
  general: 'general.jsonl',
} as const;

const SPEAKERS = {
  zh: { user: '用户：', assistant: '助手：' },
  en: { user: 'User: ', assistant: 'Assistant:' },
} as const;

export interface PersonaTaskOptions {
  /** Folder of the set. */
  readonly root: string;
  readonly character: Character;
  /** Said to the model before each question. Default: nothing, the persona is in its weights. */
  readonly system?: string | undefined;
  readonly today: Date;
}

const COMMON = {
  version: RULES_VERSION,
  folder: '.',
  source: 'a template of questions about an assistant, ours (src/persona/template) or the user’s',
  paper:
    'iFlytekSpark-13B, self-awareness tool chain, 2024, for the break rate (its own questions are other ones)',
  defaultShots: undefined,
  takesCot: false,
} as const;

/** Usability is the share of questions without a break; both kinds of break are metrics of their own. */
export function personaTask(options: PersonaTaskOptions, questions: readonly TestQuestion[]): Task {
  return {
    ...COMMON,
    name: 'persona',
    title: 'Questions about the persona',
    deviations: ['answers are judged by rules on the attributes, not by people'],
    root: options.root,
    defaultMode: 'generate',
    modes: ['generate'],
    metrics: ['usability', 'contradicted', 'claimed', 'in_style'],
    metric: 'usability',
    load: async (reader) => {
      use(reader, SET_FILES.questions);
      return { samples: questions.map((question) => questionSample(options, question)), notes: [] };
    },
  };
}

/** Ten turns each; usability is the share of talks without any break. */
export function talksTask(options: PersonaTaskOptions, talks: readonly TestTalk[]): Task {
  return {
    ...COMMON,
    name: 'persona-talks',
    title: 'Talks of ten turns about the persona',
    deviations: ['talks are put together from the held-out questions'],
    root: options.root,
    defaultMode: 'generate',
    modes: ['generate'],
    metrics: ['usability', 'turns_kept', 'consistent'],
    metric: 'usability',
    load: async (reader) => {
      use(reader, SET_FILES.talks);
      return { samples: talks.map((talk) => talkSample(options, talk)), notes: [] };
    },
  };
}

export interface GeneralDialogue {
  readonly messages: readonly { readonly role: string; readonly content: string }[];
}

/** The last answer of general dialogues, by its log-likelihood: what is forgotten shows there. */
export function generalTask(root: string, dialogues: readonly GeneralDialogue[]): Task {
  return {
    ...COMMON,
    name: 'general',
    title: 'General dialogues (what is forgotten)',
    deviations: [],
    root,
    defaultMode: 'loglikelihood',
    metrics: ['greedy_match', 'bits_per_byte'],
    metric: 'greedy_match',
    load: async (reader) => {
      use(reader, SET_FILES.general);
      return { samples: dialogues.flatMap(generalSample), notes: [] };
    },
  };
}

/** Their hashes say whether two measurements had the same questions. */
function use(reader: SetReader, file: string): void {
  reader.use(SET_FILES.persona);
  reader.use(file);
}

function promptOf(system: string | undefined, question: string, language: Language): Prompt {
  return {
    ...(system !== undefined && { system }),
    shots: [],
    question,
    dialogue: { turns: [], speakers: SPEAKERS[language] },
  };
}

function stopsOf(language: Language): string[] {
  const { user, assistant } = SPEAKERS[language];
  return [`\n${user.trim()}`, `\n${assistant}`];
}

function questionSample({ character, system, today }: PersonaTaskOptions, question: TestQuestion): Sample {
  const { id, language, kind, asks, turns, input, premise, denies } = question;
  const asked = [...turns, { input, asks }];
  const [first = { input, asks }, ...later] = asked;
  return {
    id,
    file: SET_FILES.questions,
    groups: [language === 'zh' ? 'Chinese' : 'English', kind, ...new Set(asked.flatMap((turn) => turn.asks))],
    target: speakAs(
      character,
      composeAnswer(character.persona, { id, language, asks, premise, denies }),
      language,
    ),
    prompt: promptOf(system, first.input, language),
    ...(later.length > 0 && { laterTurns: later.map((turn) => turn.input) }),
    stop: stopsOf(language),
    maxNewTokens: 128,
    grade: (outputs) => {
      const verdicts = asked.map((turn, place) =>
        judgeTurn(
          character,
          { language, asks: turn.asks, ...(place === asked.length - 1 && { denies }) },
          outputs[place] ?? '',
          today,
        ),
      );
      const style = outputs
        .map((output) => isInStyle(character, output, language))
        .filter((each) => each !== undefined);
      return gradeOf(verdicts, style);
    },
  };
}

export function judgeTurn(
  character: Character,
  question: {
    readonly language: Language;
    readonly asks: readonly string[];
    readonly denies?: string | undefined;
  },
  answer: string,
  today: Date,
): RuleVerdict {
  const forbidden = forbiddenIn(character, answer);
  if (forbidden !== undefined)
    return { kind: 'contradicted', reason: `says “${forbidden}”, which the character never says` };
  return judgeAnswer(character.persona, question, answer, today);
}

/** "contradicted: …", as the report shows it. */
export function verdictText({ kind, reason }: RuleVerdict): string {
  return reason === '' ? kind : `${kind}: ${reason}`;
}

function gradeOf(verdicts: readonly RuleVerdict[], style: readonly boolean[]): Grade {
  const has = (kind: RuleVerdict['kind']): boolean => verdicts.some((verdict) => verdict.kind === kind);
  const texts = verdicts.map(verdictText);
  // One break a question: what contradicts counts before what is claimed.
  const isContradicted = has('contradicted');
  return {
    extracted: texts.length === 1 ? (texts[0] ?? null) : texts,
    isCorrect: [!isContradicted && !has('claimed')],
    others: {
      contradicted: Number(isContradicted),
      claimed: Number(!isContradicted && has('claimed')),
      ...(style.length > 0 && { in_style: style.filter(Boolean).length / style.length }),
    },
  };
}

function talkSample(
  { character, system, today }: PersonaTaskOptions,
  { id, language, turns }: TestTalk,
): Sample {
  const [first, ...later] = turns;
  return {
    id,
    file: SET_FILES.talks,
    groups: [language === 'zh' ? 'Chinese' : 'English'],
    target: 'every turn keeps to the persona',
    prompt: promptOf(system, first?.input ?? '', language),
    laterTurns: later.map(({ input }) => input),
    stop: stopsOf(language),
    maxNewTokens: 128,
    grade: (outputs) => {
      const verdicts = turns.map(({ asks }, place) =>
        judgeTurn(character, { language, asks }, outputs[place] ?? '', today),
      );
      const kept = verdicts.map(({ kind }) => kind === 'kept');
      return {
        extracted: verdicts.map(verdictText),
        isCorrect: [kept.every(Boolean)],
        others: {
          turns_kept: kept.filter(Boolean).length / Math.max(kept.length, 1),
          // The first and the last turn ask the same thing in other words.
          consistent: Number(kept[0] === true && kept.at(-1) === true),
        },
      };
    },
  };
}

function generalSample({ messages }: GeneralDialogue, place: number): Sample[] {
  const answer = messages.at(-1);
  const question = messages.at(-2);
  if (answer?.role !== 'assistant' || question?.role !== 'user') return [];
  const system = messages[0]?.role === 'system' ? messages[0].content : undefined;
  const turns = messages
    .slice(system === undefined ? 0 : 1, -2)
    .flatMap(({ role, content }) =>
      role === 'user' || role === 'assistant' ? [{ role, content } as const] : [],
    );
  const language = /\p{Script=Han}/u.test(question.content) ? 'zh' : 'en';
  return [
    {
      id: `general/${place}`,
      file: SET_FILES.general,
      groups: [language === 'zh' ? 'Chinese' : 'English'],
      target: answer.content,
      reference: answer.content,
      prompt: {
        ...(system !== undefined && { system }),
        shots: [],
        question: question.content,
        dialogue: { turns, speakers: SPEAKERS[language] },
      },
      stop: stopsOf(language),
      grade: () => ({ extracted: null, isCorrect: [false] }),
    },
  ];
}
