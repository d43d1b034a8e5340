/** What `prepareDataset` is told, and all that can be refused before the work starts. */
import { resolve } from 'node:path';
import { InputError } from '../../errors/index.js';
import { fileStatus } from '../../formats/index.js';
import { openTokenizer } from '../../models/index.js';
import type { TemplateValues } from '../../templates/index.js';
import type { CleanOptions } from '../clean/index.js';
import { MINDRECORD_SUFFIX } from '../dataset/mindrecord-rows.js';
import type { SampleForm } from '../forms/index.js';
import { type Mixture, mixtureFiles, mixtureOf, readMixture } from './mixture.js';
import type { Padding } from './plan-source.js';
import {
  chatTemplateOf,
  endTokenId,
  type Packing,
  paddingId,
  type Recipe,
  type RecipeName,
  recipes,
  tokenizerOptions,
} from './recipes.js';

export type Container = 'safetensors' | 'mindrecord';

export interface PrepareOptions {
  /** auto: told by the keys of each file's first records. */
  readonly form: SampleForm | 'auto';
  readonly recipe: RecipeName;
  /** File or folder. */
  readonly tokenizer: string;
  readonly seqLength: number;
  /** Default: the files of the mixture. */
  readonly inputs: readonly string[];
  /** New folder, or a new file *.mindrecord. */
  readonly output: string;
  /** Default: mindrecord for an output of that name, else safetensors. */
  readonly container?: Container | undefined;
  /** Default: as the recipe was published. */
  readonly packing?: Packing | undefined;
  /** Which answers are learned. Default: as the recipe was published. */
  readonly answers?: 'all' | 'last' | undefined;
  /** Names of special tokens within texts become these tokens. Default false: they are text. */
  readonly parsesSpecial?: boolean | undefined;
  /** A Jinja file, or a name: answers in that chat template. Default: as the recipe was published; see `chatFormatOf`. */
  readonly chatTemplate?: string | undefined;
  /** Variables of the template, such as `enable_thinking`. */
  readonly templateValues?: TemplateValues | undefined;
  /** JSON {path: weight} or {"phases": […]}. Default: every sample once. */
  readonly weights?: string | undefined;
  /** Share of the samples that is held out. Default 0. */
  readonly validation?: number | undefined;
  /** Threads. Default: one for each core. */
  readonly workers?: number | undefined;
  /** The part of a job array, index from 1. */
  readonly shard?: { readonly index: number; readonly count: number } | undefined;
  /** What a faulty record does. Default: stop. */
  readonly onError?: 'stop' | 'skip' | undefined;
  /** Default 42. */
  readonly seed?: number | undefined;
  /** Shuffle the samples before they are packed. */
  readonly shuffle?: boolean | undefined;
  readonly clean?: CleanOptions | undefined;
  readonly deduplicate?: 'exact' | 'near' | undefined;
  /** Evaluation sets, files or folders. */
  readonly contamination?: readonly string[] | undefined;
  /** Leave out the samples that hit an evaluation item. Default: only report them. */
  readonly dropContaminated?: boolean | undefined;
  /** Exchange an output that is there. */
  readonly overwrite?: boolean | undefined;
  /** Largest bytes of rows in one file. Default 512 MiB. */
  readonly fileBytes?: number | undefined;
}

/** Checked options. */
export interface PrepareJob {
  readonly options: PrepareOptions;
  readonly recipe: Recipe;
  readonly packing: Packing;
  readonly rowLength: number;
  readonly inputs: readonly string[];
  readonly mixture: Mixture;
  readonly padding: Padding;
  readonly vocabSize: number;
  /** Text of the template that renders dialogues; undefined: a published format, or texts. */
  readonly chatTemplate: string | undefined;
  readonly container: Container;
  readonly seed: number;
  readonly validation: number;
}

/** @throws InputError for the first thing that does not go together, before any record is read */
export function checkPrepareOptions(options: PrepareOptions): PrepareJob {
  const { form, seqLength, validation = 0, shard, answers } = options;
  const recipe: Recipe = recipes[options.recipe];
  const packing = options.packing ?? recipe.packing;
  const rowLength = seqLength + recipe.extraIds;
  refuseCombinations(options, recipe, packing);
  if (rowLength - recipe.minPadding < 2)
    throw new InputError(
      `A row of ${options.recipe} has ${rowLength} ids, too few to learn from; raise --seq-length.`,
    );
  if (!(validation >= 0 && validation < 1))
    throw new InputError(`--validation is ${validation}; give a share from 0 up to, not including, 1.`);
  if (shard !== undefined && !(shard.index >= 1 && shard.index <= shard.count))
    throw new InputError(
      `--shard is ${shard.index}/${shard.count}; the first number goes from 1 to the second.`,
    );
  if (answers !== undefined && recipe.kind === 'pretrain')
    throw new InputError(`--answers is for dialogues; ${options.recipe} learns every token.`);
  if (recipe.kind === 'pretrain' && form !== 'text' && form !== 'alpaca')
    throw new InputError(
      `${options.recipe} learns texts: of \`text\`, or the outputs of \`alpaca\`; --form is ${form}. Take one of them, or an sft recipe.`,
    );
  if (form === 'text' && recipe.kind === 'sft')
    throw new InputError(
      `--form text has no answers for ${options.recipe} to learn; take a pretrain recipe or another form.`,
    );
  const { inputs, mixture } = resolveInputs(options);
  if (mixture.kind === 'phases' && mixture.phases.length > 1 && namesMindRecord(options))
    throw new InputError(
      `${options.output} is one file, but a curriculum has one for each phase; name a folder as the output.`,
    );
  const tokenizer = openTokenizer(options.tokenizer, tokenizerOptions(recipe));
  if (recipe.kind === 'pretrain' || options.chatTemplate === undefined) endTokenId(recipe, tokenizer);
  const chatTemplate = recipe.kind === 'sft' ? chatTemplateOf(recipe, tokenizer, options) : undefined;
  if (recipe.kind !== 'sft' && options.chatTemplate !== undefined)
    throw new InputError(`--chat-template is for dialogues; ${options.recipe} learns texts as they are.`);
  const id = paddingId(recipe, tokenizer);
  if (id >= tokenizer.vocabSize)
    throw new InputError(
      `${options.tokenizer} has ${tokenizer.vocabSize} ids, ${options.recipe} pads with id ${id}; they do not belong together.`,
    );
  return {
    options,
    recipe,
    packing,
    rowLength,
    inputs,
    mixture,
    padding: { side: recipe.paddingSide, id },
    vocabSize: tokenizer.vocabSize,
    chatTemplate,
    container: options.container ?? (namesMindRecord(options) ? 'mindrecord' : 'safetensors'),
    seed: options.seed ?? 42,
    validation,
  };
}

function namesMindRecord({ output }: Pick<PrepareOptions, 'output'>): boolean {
  return output.endsWith(MINDRECORD_SUFFIX);
}

function refuseCombinations(
  { recipe: name, ...options }: PrepareOptions,
  recipe: Recipe,
  packing: Packing,
): void {
  if (namesMindRecord(options) && options.container === 'safetensors')
    throw new InputError(
      `${options.output} is a name for --format mindrecord; name a folder for safetensors.`,
    );
  if (packing === 'joined' && recipe.kind === 'sft')
    throw new InputError(
      `--packing joined cuts samples at the rows' ends; ${name} keeps answers whole. Take another.`,
    );
  if (options.dropContaminated === true && (options.contamination ?? []).length === 0)
    throw new InputError('--drop-contaminated needs evaluation sets: name them with --check-contamination.');
  if (options.clean?.spark === true && recipe.cleansText)
    throw new InputError(`${name} cleans by Spark's rule already; leave spark out of --clean.`);
}

function resolveInputs(options: PrepareOptions): { inputs: readonly string[]; mixture: Mixture } {
  const file = options.weights === undefined ? undefined : readMixture(options.weights);
  const inputs = options.inputs.length > 0 || file === undefined ? options.inputs : mixtureFiles(file);
  if (inputs.length === 0) throw new InputError('No input: name files with --input, or in --weights.');
  const seen = new Set<string>();
  for (const input of inputs) {
    const status = fileStatus(input);
    if (status === undefined) throw new InputError(`${input} does not exist; check the path.`);
    if (status.isDirectory()) throw new InputError(`${input} is a folder; name its files.`);
    if (seen.has(resolve(input)))
      throw new InputError(
        `${input} is named twice; to take its samples twice, give it a weight of 2 (--weights).`,
      );
    seen.add(resolve(input));
  }
  return { inputs, mixture: mixtureOf(file, inputs) };
}
