/** The rows of a run: its data files through the tokenizer, and through the family's chat format where they talk. */
import { concatenateDocuments, packSamples, type Row, readSamples, separateSamples } from '../data/index.js';
import { InputError } from '../errors/index.js';
import { formatCount, log } from '../log/index.js';
import type { Architecture } from '../models/index.js';
import type { Tokenizer } from '../tokenizers/index.js';
import type { TrainConfig } from './run-config.js';

/** @throws InputError for faulty records (with file and line), and if there is nothing to learn */
export async function readRunRows(
  data: TrainConfig['data'],
  architecture: Architecture,
  tokenizer: Tokenizer,
): Promise<readonly Row[]> {
  const rowLength = data.sequence_length + 1;
  const texts: number[][] = [];
  const dialogues: Row[] = [];
  for await (const sample of readSamples(data.files, { form: data.form })) {
    if (sample.kind === 'text') texts.push(tokenizer.encode(sample.text));
    else dialogues.push(architecture.chat.renderTraining(sample.messages, tokenizer));
  }
  const rows = [
    ...concatenateDocuments(texts, rowLength, architecture.eosTokenId),
    ...dialogueRows(dialogues, data.packing, rowLength),
  ];
  const files = data.files.join(', ');
  if (rows.length === 0)
    throw new InputError(`${files}: no row to train on; the files are empty, or every record is too long.`);
  let tokens = 0;
  let learned = 0;
  for (const { ids, lossMask } of rows) {
    tokens += ids.length;
    for (const bit of lossMask) learned += bit;
  }
  if (learned === 0) throw new InputError(`${files}: no token to learn; the loss masks are all 0.`);
  const fill = (100 * tokens) / (rows.length * rowLength);
  log(
    `data: ${rows.length} rows of at most ${rowLength} ids, ${formatCount(tokens)} tokens (${fill.toFixed(1)} % ` +
      `full), ${formatCount(learned)} of them learned`,
  );
  return rows;
}

function dialogueRows(
  samples: readonly Row[],
  packing: TrainConfig['data']['packing'],
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
