/** A vocabulary as llama.cpp takes it. */

/** ggml's numbers of what a token is. */
export const TOKEN_TYPES = {
  normal: 1,
  unknown: 2,
  control: 3,
  'user-defined': 4,
  unused: 5,
  byte: 6,
} as const;

export interface GgufToken {
  readonly text: string;
  readonly type: number;
  readonly score: number;
}

export interface GgufVocabulary {
  /** llama: SentencePiece's pieces and scores; gpt2: byte-level pieces and merges. */
  readonly model: 'llama' | 'gpt2';
  /** llama.cpp's name of the rule that cuts text into words. */
  readonly pre: string;
  readonly tokens: readonly GgufToken[];
  readonly merges?: readonly string[];
  /** A text begins as if a space stood before it. */
  readonly addSpacePrefix: boolean;
  /** What llama.cpp does differently from the published tokenizer. */
  readonly differences: readonly string[];
}
