/** Alpaca records to packed rows on disk, as a whole process. */
import { prepareDataset } from '../../data/index.js';

export interface DataSettings {
  readonly input: string;
  readonly tokenizer: string;
  readonly output: string;
  readonly seqLength: number;
  readonly workers: number;
}

export interface DataValues {
  readonly rows: number;
  readonly tokens: number;
}

export async function measureData(settings: DataSettings): Promise<DataValues> {
  const { input, tokenizer, output, seqLength, workers } = settings;
  const { train } = await prepareDataset({
    form: 'alpaca',
    recipe: 'xverse-sft',
    packing: 'greedy',
    tokenizer,
    seqLength,
    inputs: [input],
    output,
    workers,
  });
  return { rows: train.rows, tokens: train.tokens };
}
