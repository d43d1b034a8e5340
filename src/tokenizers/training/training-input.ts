/** What every kind of tokenizer is trained on. */
export interface TrainingInput {
  /** Plain text or JSON lines (.jsonl), each also gzipped (.gz). */
  readonly files: readonly string[];
  /** The key of a JSON line that holds the text. Default "text". */
  readonly field?: string | undefined;
  /** Threads. Default: one for each core. The result is the same for any number. */
  readonly workers?: number | undefined;
  /** Learn from so many texts only, drawn at random. Default: all. */
  readonly sample?: { readonly texts: number; readonly seed: number } | undefined;
  readonly onProgress?: TrainingProgress | undefined;
}

/** `read`: bytes of the files read so far. `learn`: pieces; of the unigram model rounds. */
export type TrainingProgress = (state: {
  readonly stage: 'read' | 'learn';
  readonly done: number;
  readonly total?: number;
}) => void;
