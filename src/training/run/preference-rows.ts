/**
 * Rows of answers that are compared or judged, from files of records. A row has two sequences: chosen and rejected, or an
 * answer and one of another prompt (KTO).
 */
import { isDeepStrictEqual } from 'node:util';
import {
  type Comparison,
  encodeAnswer,
  type FormFaultReason,
  locationOf,
  type PreferenceRecord,
  type Row,
  readPreferences,
  rowsInMemory,
  type SampleOrigin,
  SkipReport,
  UnreadKeys,
} from '../../data/index.js';
import { InputError } from '../../errors/index.js';
import { formatCount, log } from '../../log/index.js';
import type { ChatFormat, ChatMessage } from '../../models/index.js';
import type { Tokenizer } from '../../tokenizers/index.js';
import type { PreferenceConfig } from '../objective/objective-config.js';
import { logLeftOut } from './left-out.js';

export interface PreferenceRowsOptions {
  readonly files: readonly string[];
  /** Ids in a sequence at most. */
  readonly sequenceIds: number;
  readonly objective: PreferenceConfig;
  /** What prompts and answers are written in. */
  readonly chat: ChatFormat;
  /** Tools, their calls and results are read, for a chat template that has a place for them. */
  readonly keepsTools: boolean;
  /** Rows of a micro-batch: among them KTO gives answers to other prompts. */
  readonly microBatchSize: number;
}

/** A prompt and an answer to it. */
interface Sequence {
  readonly prompt: readonly number[];
  readonly answer: readonly number[];
  /** Of the answer. */
  readonly answerMask: readonly number[];
}

/** @throws InputError for faulty records (with file and line), and where nothing is left to learn from */
export async function readPreferenceRows(
  { files, sequenceIds, objective, chat, keepsTools, microBatchSize }: PreferenceRowsOptions,
  tokenizer: Tokenizer,
): Promise<ReturnType<typeof rowsInMemory>> {
  const skips = new SkipReport();
  const unread = new UnreadKeys();
  const names = files.join(', ');
  const pairs: Pair[] = [];
  const judged: Judged[] = [];
  let records = 0;
  let [tooLong, longest] = [0, 0];
  const options = { keepsTools, onSkip: skips.add, onUnreadKey: unread.add };
  for await (const record of readPreferences(files, options)) {
    refuseOtherKind(record, objective, locationOf(record.origin));
    records += 1;
    const read = encoded(record, chat, tokenizer);
    const lost = lostByRendering(read);
    if (lost !== undefined) {
      skips.add({
        ...record.origin,
        reason: lost.reason,
        message: `${locationOf(record.origin)}: ${lost.message}`,
      });
      continue;
    }
    const length = Math.max(...read.sequences.map(idsIn));
    if (length > sequenceIds) {
      tooLong += 1;
      longest = Math.max(longest, length);
    } else if (read.kind === 'pair') pairs.push(read);
    else judged.push(read);
  }
  logLeftOut(skips, unread);
  if (tooLong > 0)
    log(
      `data: ${tooLong} of ${records} records are longer than ${sequenceIds} ids (the longest has ${longest}) and are left out; ` +
        'raise data.sequence_length to keep them',
    );
  const rows =
    objective.loss === 'kto'
      ? judgedRows([...unpaired(pairs), ...judged], sequenceIds, microBatchSize)
      : pairs.map(pairRow);
  if (rows.length === 0)
    throw new InputError(
      `${names}: no record to train on; the files are empty, or every record is too long or has nothing to learn.`,
    );
  if (objective.loss === 'kto' && rows.length < 2)
    throw new InputError(`${names}: one answer is left; kto needs 2 at least, for its KL term.`);
  const tokens = rows.reduce((sum, { ids }) => sum + ids.length, 0);
  const kinds =
    objective.loss === 'kto'
      ? `answers (${rows.filter(({ comparison }) => comparison?.isDesirable === true).length} of them wanted)`
      : 'pairs';
  log(
    `data: ${rows.length} ${kinds}, ${formatCount(tokens)} tokens, sequences of at most ${sequenceIds} ids`,
  );
  return rowsInMemory(rows, names);
}

interface Pair {
  readonly kind: 'pair';
  readonly sequences: readonly [chosen: Sequence, rejected: Sequence];
  readonly margin: number | undefined;
}

interface Judged {
  readonly kind: 'judged';
  readonly sequences: readonly [Sequence];
  readonly isDesirable: boolean;
}

function encoded(
  record: PreferenceRecord & { readonly origin: SampleOrigin },
  chat: ChatFormat,
  tokenizer: Tokenizer,
): Pair | Judged {
  const encode = (answer: ChatMessage): Sequence =>
    split(encodeAnswer({ ...record, answer }, chat, tokenizer));
  if (record.kind === 'judged')
    return {
      kind: 'judged',
      sequences: [encode(record.answer)],
      isDesirable: record.isDesirable === true,
    };
  return {
    kind: 'pair',
    sequences: [encode(record.chosen), encode(record.rejected)],
    margin: record.margin,
  };
}

/** A chat template may trim or drop what the record tells apart. */
function lostByRendering({
  sequences,
}: Pair | Judged): { readonly reason: FormFaultReason; readonly message: string } | undefined {
  if (sequences.some(({ answer }) => answer.length === 0))
    return { reason: 'nothing to learn', message: 'the chat template shows nothing of the answer.' };
  const [one, other] = sequences;
  if (other !== undefined && isDeepStrictEqual(one, other))
    return {
      reason: 'same answers',
      message: 'the chat template shows `chosen` and `rejected` as the same tokens: nothing is preferred.',
    };
  return undefined;
}

/** @throws InputError for answers that are judged one by one, where two are to be compared */
function refuseOtherKind({ kind }: PreferenceRecord, { loss }: PreferenceConfig, place: string): void {
  if (kind === 'judged' && loss !== 'kto')
    throw new InputError(
      `${place}: an answer with a label, where ${loss} compares two; give \`chosen\` and \`rejected\`, or take the loss kto.`,
    );
}

/** Where the answer begins: behind it everything belongs to it. */
function split({
  ids,
  lossMask,
}: {
  readonly ids: readonly number[];
  readonly lossMask: readonly number[];
}): Sequence {
  const first = lossMask.indexOf(1);
  const start = first < 0 ? ids.length : first;
  return { prompt: ids.slice(0, start), answer: ids.slice(start), answerMask: lossMask.slice(start) };
}

function idsIn({ prompt, answer }: Sequence): number {
  return prompt.length + answer.length;
}

function pairRow({ sequences, margin }: Pair): Row {
  return rowOf(sequences, { margin });
}

/** Chosen answers are wanted, rejected ones are not; all of the one, then all of the other, so that neighbours have other prompts. */
function unpaired(pairs: readonly Pair[]): Judged[] {
  return [true, false].flatMap((isDesirable) =>
    pairs.map(({ sequences: [chosen, rejected] }) => ({
      kind: 'judged' as const,
      sequences: [isDesirable ? chosen : rejected] as const,
      isDesirable,
    })),
  );
}

/** Beside each answer that of the row before it within its group, to its own prompt, cut to the length of a sequence. */
function judgedRows(all: readonly Judged[], sequenceIds: number, groupSize: number): Row[] {
  return all.map(({ sequences: [own], isDesirable }, index) => {
    const first = index - (index % groupSize);
    const last = Math.min(first + groupSize, all.length) - 1;
    const other = all[index === first ? last : index - 1]?.sequences[0] ?? own;
    const room = sequenceIds - own.prompt.length;
    const mismatched = {
      prompt: own.prompt,
      answer: other.answer.slice(0, room),
      answerMask: other.answerMask.slice(0, room),
    };
    return rowOf([own, mismatched], { isDesirable });
  });
}

function rowOf(sequences: readonly Sequence[], comparison: Comparison): Row {
  return {
    ids: sequences.flatMap(({ prompt, answer }) => [...prompt, ...answer]),
    lossMask: sequences.flatMap(({ prompt, answerMask }) => [...prompt.map(() => 0), ...answerMask]),
    documents: sequences.map(idsIn),
    comparison,
  };
}
