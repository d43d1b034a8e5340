/** A token that is matched in the raw text, before the model sees it. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Left out by `skipSpecialTokens`. */
  readonly special: boolean;
  /** Matches whole words only. */
  readonly singleWord: boolean;
  /** Takes white space on its left with it. */
  readonly lstrip: boolean;
  /** Takes white space on its right with it. */
  readonly rstrip: boolean;
  /** Is matched in the normalised text rather than in the text as given. */
  readonly normalized: boolean;
}

/** What a special token is for. */
export type Role = 'bos' | 'eos' | 'pad' | 'unk';
export const ROLES: readonly Role[] = ['bos', 'eos', 'pad', 'unk'];
