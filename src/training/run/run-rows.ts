/** The rows of a run: a prepared dataset, or files through the tokenizer and the family's chat format. */
import {
  concatenateDocuments,
  type Dataset,
  type DialogueSample,
  openDataset,
  packSamples,
  type Row,
  type RowSource,
  readSamples,
  rowsInMemory,
  SkipReport,
  separateSamples,
  UnreadKeys,
} from '../../data/index.js';
import { InputError } from '../../errors/index.js';
import { formatCount, log } from '../../log/index.js';
import {
  type Architecture,
  type ChatFormat,
  type ChosenChat,
  chooseModelChat,
  type TrainingIds,
} from '../../models/index.js';
import type { Tokenizer } from '../../tokenizers/index.js';
import { comparesAnswers } from '../objective/objective-config.js';
import type { TrainingSettings } from '../step/training-settings.js';
import { logLeftOut } from './left-out.js';
import { readPreferenceRows } from './preference-rows.js';
import { PREFERENCE_FORM, type TrainConfig } from './run-config.js';

/** Where rows come from; the same for training and for evaluation. */
type RowsConfig = Omit<TrainConfig['data'], 'shuffle'>;

export interface RunRows {
  readonly rows: RowSource;
  /** Is each text of a row read on its own? */
  readonly documentAttention: boolean;
  /** The chat template of the dialogues; undefined: the family's own format, or none. */
  readonly chatTemplate?: string | undefined;
  /** Closes the files that the rows are read from. */
  close(): void;
}

const DEFAULT_SEQUENCE_LENGTH = 1024;

/** Whether rows have lengths of their own, as dialogues from files do; texts are joined, prepared rows are filled up. */
export function rowsVary({ files, form }: Pick<RowsConfig, 'files' | 'form'>): boolean {
  return files !== undefined && form !== 'text';
}

/**
 * @param tokenizerPath where a chat template may lie
 * @throws InputError for faulty records (with file and line), and if there is nothing to learn
 */
export async function readRunRows(
  data: RowsConfig,
  architecture: Architecture,
  tokenizer: Tokenizer,
  { objective, micro_batch_size: microBatchSize }: TrainingSettings,
  tokenizerPath: string,
): Promise<RunRows> {
  const { files = [], sequence_length: length = DEFAULT_SEQUENCE_LENGTH } = data;
  if (comparesAnswers(objective)) {
    const chosen = chatOfRows(data, architecture, tokenizerPath);
    const rows = await readPreferenceRows(
      {
        files,
        sequenceIds: length + 1,
        objective,
        chat: chosen?.format ?? architecture.chat,
        keepsTools: chosen?.kind === 'template',
        microBatchSize,
      },
      tokenizer,
    );
    return { rows, documentAttention: false, chatTemplate: templateText(chosen), close: () => {} };
  }
  if (data.dataset !== undefined)
    return datasetRows(data, openDataset(data.dataset), architecture, tokenizer);
  return fileRows(data, architecture, tokenizer, tokenizerPath);
}

/** What conversations are written in: the template that is named, the family's own format, the template beside the tokenizer. */
function chatOfRows(
  { chat_template: template, template_values: values }: RowsConfig,
  architecture: Architecture,
  tokenizerPath: string,
): ChosenChat | undefined {
  return chooseModelChat(architecture, [tokenizerPath], { template, values });
}

function templateText(chosen: ChosenChat | undefined): string | undefined {
  return chosen?.kind === 'template' ? chosen.text : undefined;
}

/**
 * Rows of a prepared dataset.
 * @param tokenizer checked against that of the dataset, where both are known
 */
export function datasetRows(
  { document_attention: wanted, learn }: RowsConfig,
  dataset: Dataset,
  { shape: { vocabSize }, padTokenId }: Architecture,
  tokenizer: Tokenizer | undefined,
): RunRows {
  const { path, rowCount, rowLength, hasDocuments } = dataset;
  if (rowCount === 0) throw new InputError(`${path} has no rows.`);
  for (const part of dataset.parts ?? [dataset]) checkTokenizer(part, vocabSize, tokenizer);
  if (wanted === true && !hasDocuments)
    throw new InputError(
      `${path} does not tell where its documents begin; data.document_attention cannot be true.`,
    );
  log(`data: ${rowCount} rows of ${rowLength} ids (${path})`);
  return {
    rows: {
      path,
      rowCount,
      rowLength,
      phases: dataset.phases,
      async read(index) {
        const row = await dataset.read(index);
        for (let at = 0; at < row.ids.length; at++)
          if ((row.ids[at] ?? 0) >= vocabSize)
            throw new InputError(
              `${path}, row ${index}: id ${row.ids[at]} at ${at}; the model has ${vocabSize} ids.`,
            );
        return learn === 'all'
          ? { ids: row.ids, documents: row.documents, lossMask: wholeMask(row, padTokenId) }
          : row;
      },
    },
    documentAttention: wanted ?? hasDocuments,
    // Sets of several templates are refused where they are joined.
    chatTemplate: (dataset.parts ?? [dataset])[0]?.index?.chat_template,
    close: () => dataset.close(),
  };
}

function checkTokenizer({ path, index }: Dataset, vocabSize: number, tokenizer: Tokenizer | undefined): void {
  if (index === undefined) return;
  if (index.tokenizer.vocab_size > vocabSize)
    throw new InputError(
      `${path} was prepared with a tokenizer of ${index.tokenizer.vocab_size} ids, the model has ${vocabSize}; prepare it with ` +
        "the model's tokenizer.",
    );
  if (tokenizer !== undefined && index.tokenizer.vocab_size !== tokenizer.vocabSize)
    throw new InputError(
      `${path} was prepared with ${index.tokenizer.path} (${index.tokenizer.vocab_size} ids), the run's tokenizer has ` +
        `${tokenizer.vocabSize}; prepare it with the model's tokenizer.`,
    );
}

/** 1 for every id but the padding at the ends of the row. */
function wholeMask({ ids }: Row, padTokenId: number | undefined): Uint8Array {
  let [start, end] = [0, ids.length];
  while (start < end && ids[start] === padTokenId) start += 1;
  while (end > start && ids[end - 1] === padTokenId) end -= 1;
  return new Uint8Array(ids.length).fill(1, start, end);
}

async function fileRows(
  data: RowsConfig,
  architecture: Architecture,
  tokenizer: Tokenizer,
  tokenizerPath: string,
): Promise<RunRows> {
  const { files = [], form, sequence_length = DEFAULT_SEQUENCE_LENGTH, packing = 'greedy' } = data;
  if (form === undefined || form === PREFERENCE_FORM) throw new TypeError('files without a form of texts');
  const rowLength = sequence_length + 1;
  const texts: number[][] = [];
  const dialogues: Row[] = [];
  const samples = { dialogues: 0 };
  const chosen = form === 'text' ? undefined : chatOfRows(data, architecture, tokenizerPath);
  const chat = chosen?.format ?? architecture.chat;
  const skips = new SkipReport();
  const unread = new UnreadKeys();
  const keepsTools = chosen?.kind === 'template';
  for await (const sample of readSamples(files, {
    form,
    keepsTools,
    onSkip: skips.add,
    onUnreadKey: unread.add,
  })) {
    if (sample.kind === 'dialogue') samples.dialogues += 1;
    if (sample.kind === 'text') texts.push(tokenizer.encode(sample.text));
    else {
      for (const dialogue of renderedRows(chat, sample, tokenizer))
        dialogues.push(
          data.learn === 'all'
            ? { ids: dialogue.ids, lossMask: Array.from(dialogue.ids, () => 1) }
            : dialogue,
        );
    }
  }
  logLeftOut(skips, unread);
  if (dialogues.length > samples.dialogues)
    log(
      `data: ${dialogues.length} rows of ${samples.dialogues} dialogues; the chat template shows answers in another form once they ` +
        'are history, so that such an answer has a row of its own',
    );
  const rows = [
    ...concatenateDocuments(texts, rowLength, architecture.eosTokenId),
    ...dialogueRows(dialogues, packing, rowLength),
  ];
  const names = files.join(', ');
  if (rows.length === 0)
    throw new InputError(`${names}: no row to train on; the files are empty, or every record is too long.`);
  let tokens = 0;
  let learned = 0;
  for (const { ids, lossMask } of rows) {
    tokens += ids.length;
    for (let index = 0; index < lossMask.length; index++) learned += lossMask[index] ?? 0;
  }
  if (learned === 0) throw new InputError(`${names}: no token to learn; the loss masks are all 0.`);
  const fill = (100 * tokens) / (rows.length * rowLength);
  log(
    `data: ${rows.length} rows of at most ${rowLength} ids, ${formatCount(tokens)} tokens (${fill.toFixed(1)} % ` +
      `full), ${formatCount(learned)} of them learned`,
  );
  return {
    rows: rowsInMemory(rows, names),
    documentAttention: data.document_attention ?? dialogues.length > 0,
    chatTemplate: templateText(chosen),
    close: () => {},
  };
}

/** @throws InputError with the file and line of what cannot be rendered */
function renderedRows(
  chat: ChatFormat,
  { messages, tools, origin }: DialogueSample,
  tokenizer: Tokenizer,
): readonly TrainingIds[] {
  try {
    return chat.renderTrainingRows(messages, tokenizer, { tools });
  } catch (error) {
    throw error instanceof InputError
      ? new InputError(`${origin.file}:${origin.line}: ${error.message}`)
      : error;
  }
}

function dialogueRows(
  samples: readonly Row[],
  packing: 'greedy' | 'none',
  rowLength: number,
): readonly Row[] {
  const pack = packing === 'greedy' ? packSamples : separateSamples;
  const { rows, tooLong } = pack(samples, rowLength);
  if (tooLong.length > 0) {
    const longest = Math.max(...tooLong.map(({ tokens }) => tokens));
    log(
      `data: ${tooLong.length} of ${samples.length} dialogues are longer than a row of ${rowLength} ids (the longest ` +
        `has ${longest}) and are left out; raise data.sequence_length to keep them`,
    );
  }
  return rows;
}
