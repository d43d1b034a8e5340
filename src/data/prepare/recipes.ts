/** The published ways from samples to rows. Sources: the families' README.md. */
import { InputError } from '../../errors/index.js';
import {
  type ChatFormat,
  type ChosenChat,
  chooseChat,
  type PublishedChat,
  publishedChat,
} from '../../models/index.js';
import type { TemplateValues } from '../../templates/index.js';
import type { LoadTokenizerOptions, Tokenizer } from '../../tokenizers/index.js';

/**
 * - joined: all texts one after the other, cut at the rows' ends
 * - greedy: in order, a new row where the next sample does not fit
 * - first-fit: each sample into the first row with room (TeleChat's pass over all samples not yet used)
 * - best-fit: the longest first, each into the row that it fills best
 * - none: one sample a row
 */
export const packings = ['joined', 'greedy', 'first-fit', 'best-fit', 'none'] as const;
export type Packing = (typeof packings)[number];

/** Those whose data scripts were published, and with them how they are talked to. */
type RecipeFamily = PublishedChat;

/** Rows that are no family's: answers by a chat template, texts as the tokenizer has them. */
type RecipeOwner = RecipeFamily | 'any';

export interface Recipe {
  readonly family: RecipeOwner;
  /** Whether every token is learned, or answers only. */
  readonly kind: 'pretrain' | 'sft';
  /** Which answers are learned, as published, where a record does not say it; pre-training takes the last one alone. */
  readonly answers: 'all' | 'last';
  /** Ids of a row beyond seq_length: 1 where a row holds as many predictions as its length says. */
  readonly extraIds: 0 | 1;
  /** As published. */
  readonly packing: Packing;
  readonly paddingSide: 'left' | 'right';
  /** Padding ids that first-fit leaves in every row. */
  readonly minPadding: number;
  /** Spark's rules for blanks and line ends. */
  readonly cleansText: boolean;
}

const pretrain = {
  kind: 'pretrain',
  answers: 'last',
  extraIds: 1,
  packing: 'joined',
  paddingSide: 'right',
  minPadding: 0,
  cleansText: false,
} as const;

/** Samples that fill a row to max_seq_len - 10 or more are left out, and rows end 11 before their length. */
const telechatRows = {
  kind: 'sft',
  answers: 'all',
  extraIds: 0,
  packing: 'first-fit',
  paddingSide: 'left',
  minPadding: 11,
  cleansText: false,
} as const;

export const recipes = {
  'spark-pretrain': { ...pretrain, family: 'spark', cleansText: true },
  'spark-sft': {
    family: 'spark',
    kind: 'sft',
    answers: 'all',
    extraIds: 1,
    packing: 'greedy',
    paddingSide: 'right',
    minPadding: 0,
    cleansText: true,
  },
  'telechat-pretrain': { ...pretrain, family: 'telechat' },
  'telechat-sft': { ...telechatRows, family: 'telechat' },
  'telechat52b-pretrain': { ...pretrain, family: 'telechat52b' },
  'telechat52b-sft': { ...telechatRows, family: 'telechat52b', answers: 'last' },
  'xverse-pretrain': { ...pretrain, family: 'xverse' },
  'xverse-sft': {
    family: 'xverse',
    kind: 'sft',
    answers: 'all',
    extraIds: 1,
    packing: 'none',
    paddingSide: 'right',
    minPadding: 0,
    cleansText: false,
  },
  'text-pretrain': { ...pretrain, family: 'any' },
  'template-sft': {
    family: 'any',
    kind: 'sft',
    answers: 'all',
    extraIds: 1,
    packing: 'greedy',
    paddingSide: 'right',
    minPadding: 0,
    cleansText: false,
  },
} as const satisfies Record<string, Recipe>;

export type RecipeName = keyof typeof recipes;
export const recipeNames = Object.keys(recipes).filter((name): name is RecipeName => name in recipes);

export function tokenizerOptions({ family }: Recipe): LoadTokenizerOptions {
  return family === 'spark' ? { newlineToken: '<ret>' } : {};
}

/** XVERSE's released tokenizer calls its end token so; a bare tokenizer.json does not say which token it is. */
const XVERSE_END = '<|endoftext|>';

/** What a template needs to know of, as words and values. */
export interface RecipeChat {
  /** File or folder of the tokenizer, where a template may lie. */
  readonly tokenizer: string;
  /** A Jinja file, or a name. Default: the recipe's own format. */
  readonly chatTemplate?: string | undefined;
  readonly templateValues?: TemplateValues | undefined;
}

/**
 * A chat template where one is named, else the format that the recipe's family published; with recipes of no family the template
 * beside the tokenizer.
 * @throws InputError for a template that there is not, or that cannot be read
 */
export function chatFormatOf(recipe: Recipe, tokenizer: Tokenizer, chat: RecipeChat): ChatFormat {
  return chosenChatOf(recipe, tokenizer, chat).format;
}

/** The text of the template; undefined: a published format. @throws InputError as `chatFormatOf` */
export function chatTemplateOf(recipe: Recipe, tokenizer: Tokenizer, chat: RecipeChat): string | undefined {
  const chosen = chosenChatOf(recipe, tokenizer, chat);
  return chosen.kind === 'template' ? chosen.text : undefined;
}

function chosenChatOf(recipe: Recipe, tokenizer: Tokenizer, chat: RecipeChat): ChosenChat {
  const { tokenizer: path, chatTemplate: template, templateValues: values } = chat;
  const end = tokenizer.eosTokenId;
  const endTokenIds = end === undefined ? [] : [end];
  const own = recipe.family === 'any' ? undefined : familyChat(recipe.family, tokenizer);
  const chosen = chooseChat({ paths: [path], endTokenIds, own }, { template, values });
  if (chosen !== undefined) return chosen;
  throw new InputError(
    `${path}: there is no chat template beside the tokenizer (chat_template.jinja, or chat_template in tokenizer_config.json); ` +
      'name one with --chat-template.',
  );
}

function familyChat(family: RecipeFamily, tokenizer: Tokenizer): ChatFormat {
  const end = tokenizer.eosTokenId ?? tokenizer.tokenToId(XVERSE_END);
  return publishedChat(family, end === undefined ? [] : [end]);
}

/** Closes every text and every answer. @throws InputError for a tokenizer of another family */
export function endTokenId(recipe: Recipe, tokenizer: Tokenizer): number {
  const { family } = recipe;
  const end =
    family === 'any' ? tokenizer.eosTokenId : familyChat(family, tokenizer).stopTokenIds(tokenizer)[0];
  if (end !== undefined) return end;
  throw new InputError(
    family === 'any'
      ? 'the tokenizer names no end token; name it in tokenizer_config.json beside it (eos_token).'
      : `${family}: the tokenizer has no end token.`,
  );
}

export function paddingId(recipe: Recipe, tokenizer: Tokenizer): number {
  switch (recipe.family) {
    case 'spark':
      return 0;
    case 'telechat':
    case 'telechat52b':
      return 3;
    case 'xverse':
    case 'any':
      // Where the tokenizer names none, any id will do: padding is never learned and nothing comes after it.
      return tokenizer.padTokenId ?? endTokenId(recipe, tokenizer);
  }
}
