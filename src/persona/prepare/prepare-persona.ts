/** From a teacher's answers and general dialogues to what is trained on, what is watched, and what is measured. */
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { readSamples } from '../../data/index.js';
import { InputError } from '../../errors/index.js';
import { writeError, writeFileAtomic } from '../../formats/index.js';
import { log } from '../../log/index.js';
import type { Character } from '../character/role-card.js';
import { forbiddenIn, speakAs } from '../character/role-card.js';
import { composeAnswer } from '../compose/compose-answer.js';
import { type QaLine, readQaLines } from '../extract/qa-file.js';
import { judgeAnswer, judgeStatements } from '../rules/judge-answer.js';
import { languageOf } from '../template/template-line.js';

export interface PrepareOptions {
  readonly qaFile: string;
  readonly character: Character;
  readonly output: string;
  /** Dialogues of any form that keep the rest from being forgotten. */
  readonly general: readonly string[];
  /** Of all training dialogues. Default 0.5. */
  readonly generalShare?: number | undefined;
  /** Of the questions that are learned: watched by their loss. Default 0.05. */
  readonly validationShare?: number | undefined;
  /** Of a template that marks none, questions that are kept for measuring. Default 0.1. */
  readonly testShare?: number | undefined;
  readonly seed?: number | undefined;
}

export interface PersonaDataReport {
  readonly train: number;
  readonly validation: number;
  /** Questions for measuring. */
  readonly test: number;
  readonly general: number;
  /** General dialogues for measuring what is forgotten. */
  readonly generalTest: number;
  /** Answers and dialogues that are not learned, by reason. */
  readonly leftOut: Readonly<Record<string, number>>;
}

export const TRAIN_FILE = 'train.jsonl';
export const VALIDATION_FILE = 'validation.jsonl';
export const TEST_FILE = 'questions.jsonl';
export const GENERAL_TEST_FILE = 'general.jsonl';
export const REPORT_FILE = 'prepare.json';
const LEFT_OUT_FILE = 'left-out.jsonl';

/** General dialogues that are measured. */
const MOST_GENERAL_TEST = 200;

interface Message {
  readonly role: string;
  readonly content: string;
}

interface Dialogue {
  readonly messages: readonly Message[];
}

/** @throws InputError for files of another form, and where nothing is left to learn or to measure */
export async function preparePersona(options: PrepareOptions): Promise<PersonaDataReport> {
  const {
    output,
    character,
    seed = 42,
    validationShare = 0.05,
    testShare = 0.1,
    generalShare = 0.5,
  } = options;
  checkShare('--general-share', generalShare);
  checkShare('--validation-share', validationShare);
  const leftOut = new LeftOut();
  const lines = readQaLines(options.qaFile);
  if (lines.length === 0)
    throw new InputError(`${options.qaFile} holds no answer; persona extract makes some.`);
  const isMarked = lines.some(({ held_out: heldOut }) => heldOut !== undefined);
  const isTest = (line: QaLine): boolean =>
    isMarked ? line.held_out === true : drawOf(seed, 'test', line.input) < testShare;
  const learned = lines
    .filter((line) => !isTest(line))
    .filter((line) => isLearnable(character, line, leftOut));
  const test = lines.filter(isTest);
  if (learned.length === 0)
    throw new InputError(
      `${options.qaFile}: no answer is left to learn from (${leftOut.text()}); see ${join(output, LEFT_OUT_FILE)}.`,
    );
  const isValidation = ({ input }: QaLine): boolean => drawOf(seed, 'validation', input) < validationShare;
  const train = learned.filter((line) => !isValidation(line)).map((line) => dialogueOf(character, line));
  const validation = learned.filter(isValidation).map((line) => dialogueOf(character, line));
  const general = await readGeneral(options, leftOut);
  // As many as make up their share of all.
  const wanted =
    generalShare >= 1 ? general.length : Math.round((train.length * generalShare) / (1 - generalShare));
  const inOrder = shuffled(general, seed, 'general');
  const generalTest = inOrder.slice(0, Math.min(MOST_GENERAL_TEST, Math.floor(general.length * 0.1)));
  const mixed = inOrder.slice(generalTest.length).slice(0, wanted);
  if (options.general.length > 0 && mixed.length < wanted)
    log(`${mixed.length} general dialogues are there of the ${wanted} that a share of ${generalShare} takes`);
  const report: PersonaDataReport = {
    train: train.length + mixed.length,
    validation: validation.length,
    test: test.length,
    general: mixed.length,
    generalTest: generalTest.length,
    leftOut: leftOut.counts,
  };
  write(output, [
    [TRAIN_FILE, jsonLines(shuffled([...train, ...mixed], seed, 'train'))],
    [VALIDATION_FILE, jsonLines(validation)],
    [TEST_FILE, jsonLines(test.map(({ key: _key, target: _target, ...line }) => line))],
    [GENERAL_TEST_FILE, jsonLines(generalTest)],
    [LEFT_OUT_FILE, jsonLines(leftOut.lines)],
    [REPORT_FILE, `${JSON.stringify(report, null, 2)}\n`],
  ]);
  return report;
}

/** An answer that contradicts the table teaches the wrong thing, whoever gave it. */
function isLearnable({ persona, card }: Character, line: QaLine, leftOut: LeftOut): boolean {
  const language = line.language ?? languageOf(line.input);
  const { kind, reason } =
    line.asks === undefined
      ? judgeStatements(persona, line.target)
      : judgeAnswer(persona, { language, asks: line.asks, denies: line.denies }, line.target);
  const forbidden = forbiddenIn({ persona, card }, line.target);
  if (kind === 'kept' && forbidden === undefined) return true;
  leftOut.add(
    forbidden === undefined
      ? `the answer ${kind === 'claimed' ? 'claims what is not set' : 'contradicts the persona'}`
      : 'the answer says what the character never says',
    { input: line.input, target: line.target, why: forbidden ?? reason },
  );
  return false;
}

/** What was said before is answered by the table. */
function dialogueOf(character: Character, line: QaLine): Dialogue {
  const language = line.language ?? languageOf(line.input);
  const earlier = (line.turns ?? []).flatMap(({ input, target, asks }, place): Message[] => [
    { role: 'user', content: input },
    {
      role: 'assistant',
      content: speakAs(
        character,
        target ?? composeAnswer(character.persona, { id: `${line.input}/${place}`, language, asks }),
        language,
      ),
    },
  ]);
  return {
    messages: [
      ...earlier,
      { role: 'user', content: line.input },
      { role: 'assistant', content: line.target },
    ],
  };
}

/** Dialogues in which the assistant is somebody else would undo what is learned. */
async function readGeneral({ general, character }: PrepareOptions, leftOut: LeftOut): Promise<Dialogue[]> {
  if (general.length === 0) return [];
  const dialogues: Dialogue[] = [];
  const skipped = {
    onError: 'skip' as const,
    onSkip: ({ reason, message }: { reason: string; message: string }) =>
      leftOut.add(`general: ${reason}`, { why: message }),
  };
  for await (const sample of readSamples(general, { form: 'auto', ...skipped })) {
    if (sample.kind === 'text') {
      leftOut.add('general: a text, no dialogue', { why: `${sample.origin.file}:${sample.origin.line}` });
      continue;
    }
    const messages = sample.messages.map(({ role, content }) => ({ role, content }));
    const wrong = messages.find(
      ({ role, content }) => role === 'assistant' && speaksOfItself(character, content),
    );
    if (wrong === undefined) dialogues.push({ messages });
    else leftOut.add('general: the assistant is somebody else', { target: wrong.content });
  }
  return dialogues;
}

function speaksOfItself({ persona }: Character, answer: string): boolean {
  return judgeStatements(persona, answer).kind !== 'kept';
}

class LeftOut {
  readonly lines: object[] = [];
  readonly #counts = new Map<string, number>();

  add(reason: string, line: object): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
    this.lines.push({ reason, ...line });
  }

  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }

  text(): string {
    return [...this.#counts].map(([reason, count]) => `${count} x ${reason}`).join(', ');
  }
}

function checkShare(option: string, share: number): void {
  if (!(share >= 0 && share < 1))
    throw new InputError(`${option} is ${share}; give 0 or more, and less than 1.`);
}

/** 0 to 1, by the text alone: the same lines fall to the same side whatever else a file holds. */
function drawOf(seed: number, purpose: string, text: string): number {
  return createHash('sha256').update(`${seed}\n${purpose}\n${text}`).digest().readUInt32BE(0) / 2 ** 32;
}

function shuffled<Item>(items: readonly Item[], seed: number, purpose: string): Item[] {
  return items
    .map((item, place) => ({ item, draw: drawOf(seed, purpose, `${place} ${JSON.stringify(item)}`) }))
    .sort((a, b) => a.draw - b.draw)
    .map(({ item }) => item);
}

function jsonLines(lines: readonly object[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

function write(folder: string, files: readonly (readonly [string, string])[]): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw writeError(folder, error, false);
  }
  for (const [name, text] of files) writeFileAtomic(join(folder, name), text);
}
