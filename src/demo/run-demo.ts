/**
 * The whole life of a small model in one run: text of an invented world, a tokenizer trained on it, pre-training,
 * fine-tuning on dialogues, a measurement on questions that were held out, and a folder that every command loads.
 * Every number printed is measured in the run.
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { concatenateDocuments, packSamples, rowsInMemory } from '../data/index.js';
import { InputError } from '../errors/index.js';
import { type MultipleChoiceResult, scoreMultipleChoice } from '../evaluation/index.js';
import { writeFileAtomic } from '../formats/index.js';
import { generateText } from '../generation/index.js';
import { log } from '../log/index.js';
import { type LoadedModel, parseArchitecture, saveModel } from '../models/index.js';
import { initializeModule } from '../nn/index.js';
import { prepareRuntime, RandomGenerator, scope } from '../tensor/index.js';
import { loadTokenizer, type Tokenizer, trainByteLevelBpe } from '../tokenizers/index.js';
import {
  metricsFile,
  plotLossTerminal,
  progress,
  renderLossSvg,
  runTrainingLoop,
  type TrainingResult,
} from '../training/index.js';
import { type DemoPlan, demoPlan } from './plan.js';
import { trainingDialogues } from './world/dialogues.js';
import { pretrainingDocuments } from './world/pretraining.js';
import { type ChoiceQuestion, demoQuestions, heldOutQuestions } from './world/questions.js';
import { createWorld, type World } from './world/world.js';

export interface DemoOptions {
  /** Made anew; an earlier demo in it is replaced. */
  readonly output: string;
  readonly quick: boolean;
  readonly seed: number;
  readonly threads?: number | undefined;
  /** Sizes of model, texts and training. Default: those of `quick`. */
  readonly plan?: DemoPlan;
}

/** Accuracy of one kind of question at one time. */
export interface DemoScore {
  readonly correct: number;
  readonly total: number;
  /** Questions whose free answer is word for word the expected one. */
  readonly exact: number;
}

/** With random weights, after pre-training (before fine-tuning), and after fine-tuning. */
export interface DemoScores {
  readonly untrained: DemoScore;
  readonly before: DemoScore;
  readonly after: DemoScore;
}

export interface DemoReport {
  readonly seed: number;
  readonly quick: boolean;
  readonly parameters: number;
  readonly pretrainingTokens: number;
  readonly fineTuningTokens: number;
  /** Facts that no dialogue asks for. */
  readonly facts: DemoScores;
  /** Sums and comparisons that no dialogue asks for. */
  readonly arithmetic: DemoScores;
  readonly chance: number;
  readonly answers: readonly { readonly question: string; readonly answer: string }[];
  readonly seconds: number;
  readonly modelFolder: string;
}

const REPORT_FILE = 'report.json';
const SPECIAL_TOKENS = ['<|pad|>', '<|startoftext|>', '<|endoftext|>'] as const;

export async function runDemo(options: DemoOptions): Promise<DemoReport> {
  const started = performance.now();
  prepareFolder(options.output);
  prepareRuntime(options.threads === undefined ? {} : { threads: options.threads });
  const { plan = demoPlan(options.quick) } = options;
  const folder = (name: string): string => {
    const path = join(options.output, name);
    mkdirSync(path, { recursive: true });
    return path;
  };

  heading(1, 'The world: facts about invented people, animals and things, in Chinese and English');
  const world = createWorld({ seed: options.seed, size: options.quick ? 'quick' : 'full' });
  const documents = pretrainingDocuments(world, plan.pretrainingText);
  const dialogues = trainingDialogues(world, plan.dialogueText);
  const questions = heldOutQuestions(world);
  writeWorld(folder('world'), documents, dialogues, questions);
  log(
    `${documents.length} texts, ${dialogues.length} dialogues, ${questions.length} questions about facts and sums ` +
      'that no dialogue asks for',
  );

  heading(2, 'The tokenizer: byte-level BPE trained on that text');
  const modelFolder = join(options.output, 'model');
  const tokenizer = trainTokenizer(folder('tokenizer'), [...documents, ...dialogueTexts(dialogues)], plan);
  const characters = documents.reduce((sum, text) => sum + text.length, 0);

  const loaded = createModel(plan, tokenizer, options.seed);
  const rows = concatenateDocuments(
    documents.map((text) => tokenizer.encode(text)),
    plan.rowLength + 1,
    loaded.architecture.eosTokenId,
  );
  const tokens = rows.reduce((sum, { ids }) => sum + ids.length, 0);
  log(`${tokenizer.vocabSize} tokens, ${(characters / tokens).toFixed(2)} characters a token`);

  const untrained = measure(loaded, tokenizer, questions);
  logScores('with random weights', untrained);

  heading(3, 'Pre-training: the next token of the texts');
  const pretraining = await runTrainingLoop(loaded, rowsInMemory(rows), {
    ...plan.pretraining,
    output: folder('pretraining'),
    observers: [
      metricsFile(join(folder('pretraining'), 'metrics.jsonl')),
      progress({ label: 'pre-training' }),
    ],
    seed: options.seed,
    shuffle: true,
    label: 'pre-training',
  });
  const before = measure(loaded, tokenizer, questions);
  logScores('after pre-training', before);

  heading(4, 'Fine-tuning: the answers of the dialogues (the loss mask leaves the questions out)');
  const { chat } = loaded.architecture;
  const samples = dialogues.map(({ messages }) => chat.renderTraining(messages, tokenizer));
  const fineTuning = await runTrainingLoop(
    loaded,
    rowsInMemory(packSamples(samples, plan.rowLength + 1).rows),
    {
      ...plan.fineTuning,
      output: folder('fine-tuning'),
      observers: [
        metricsFile(join(folder('fine-tuning'), 'metrics.jsonl')),
        progress({ label: 'fine-tuning' }),
      ],
      seed: options.seed,
      shuffle: true,
      label: 'fine-tuning',
    },
  );
  const after = measure(loaded, tokenizer, questions);
  logScores('after fine-tuning', after);
  await saveModel(modelFolder, loaded, join(options.output, 'tokenizer'));
  writeGenerationDefaults(modelFolder);
  drawLosses(options.output, pretraining, fineTuning);

  heading(5, 'Talking');
  const answers = talk(loaded, tokenizer, world);
  const report: DemoReport = {
    seed: options.seed,
    quick: options.quick,
    parameters: loaded.model.parameterCount(),
    pretrainingTokens: pretraining.tokens,
    fineTuningTokens: fineTuning.tokens,
    facts: { untrained: untrained.facts, before: before.facts, after: after.facts },
    arithmetic: { untrained: untrained.arithmetic, before: before.arithmetic, after: after.arithmetic },
    chance: before.chance,
    answers,
    seconds: (performance.now() - started) / 1000,
    modelFolder,
  };
  writeFileAtomic(join(options.output, REPORT_FILE), `${JSON.stringify(report, null, 2)}\n`);
  loaded.model.dispose();
  return report;
}

function heading(number: number, text: string): void {
  log(`\n[${number}/5] ${text}`);
}

/** An empty folder; removes an earlier demo, refuses anything else. */
function prepareFolder(output: string): void {
  if (existsSync(output) && readdirSync(output).length > 0) {
    const isDemo = existsSync(join(output, REPORT_FILE)) || existsSync(join(output, 'world'));
    if (!isDemo)
      throw new InputError(`${output}: is not empty and holds no demo; name another folder with --output.`);
    rmSync(output, { recursive: true });
  }
  mkdirSync(output, { recursive: true });
}

function writeWorld(
  folder: string,
  documents: readonly string[],
  dialogues: ReturnType<typeof trainingDialogues>,
  questions: readonly ChoiceQuestion[],
): void {
  const lines = (records: readonly unknown[]): string =>
    records.map((record) => `${JSON.stringify(record)}\n`).join('');
  writeFileAtomic(join(folder, 'texts.jsonl'), lines(documents.map((text) => ({ text }))));
  writeFileAtomic(join(folder, 'dialogues.jsonl'), lines(dialogues));
  writeFileAtomic(join(folder, 'questions.jsonl'), lines(questions));
}

function dialogueTexts(dialogues: ReturnType<typeof trainingDialogues>): string[] {
  return dialogues.flatMap(({ messages }) => messages.map(({ content }) => content));
}

function trainTokenizer(folder: string, texts: readonly string[], plan: DemoPlan): Tokenizer {
  const trained = trainByteLevelBpe({ texts, vocabSize: plan.vocabSize, specialTokens: SPECIAL_TOKENS });
  const [pad, start, end] = SPECIAL_TOKENS;
  writeFileAtomic(join(folder, 'tokenizer.json'), JSON.stringify(trained));
  writeFileAtomic(
    join(folder, 'tokenizer_config.json'),
    `${JSON.stringify({ tokenizer_class: 'PreTrainedTokenizerFast', pad_token: pad, bos_token: start, eos_token: end }, null, 2)}\n`,
  );
  return loadTokenizer(folder);
}

/** At a server's usual temperature of 1 so small a model writes half characters. */
function writeGenerationDefaults(folder: string): void {
  const defaults = { do_sample: true, temperature: 0.3 };
  writeFileAtomic(join(folder, 'generation_config.json'), `${JSON.stringify(defaults, null, 2)}\n`);
}

function createModel({ model: shape }: DemoPlan, tokenizer: Tokenizer, seed: number): LoadedModel {
  const architecture = parseArchitecture(
    {
      architectures: ['XverseForCausalLM'],
      model_type: 'xverse',
      vocab_size: tokenizer.vocabSize,
      max_position_embeddings: 1024,
      pad_token_id: tokenizer.padTokenId,
      bos_token_id: tokenizer.bosTokenId,
      eos_token_id: tokenizer.eosTokenId,
      ...shape,
    },
    'the demo',
  );
  const model = architecture.createModel();
  const generator = new RandomGenerator(seed);
  scope(() => initializeModule(model, { rule: architecture.initRule, generator }));
  generator.dispose();
  return { model, architecture };
}

interface Measured {
  readonly facts: DemoScore;
  readonly arithmetic: DemoScore;
  readonly chance: number;
}

/** The most probable of four answers, and the free answer word for word. */
function measure(loaded: LoadedModel, tokenizer: Tokenizer, questions: readonly ChoiceQuestion[]): Measured {
  const { model, architecture } = loaded;
  const stopTokenIds = architecture.chat.stopTokenIds(tokenizer);
  const prompts = questions.map(({ question }) =>
    architecture.chat.renderPrompt([{ role: 'user', content: question }], tokenizer),
  );
  const choices: MultipleChoiceResult = scoreMultipleChoice(
    model,
    questions.map(({ replies, answer }, index) => ({
      prompt: prompts[index] ?? [],
      options: replies.map((reply) => tokenizer.encode(reply)),
      answer,
    })),
  );
  const free = inBatches(prompts, 64).flatMap((batch) =>
    generateText(
      model,
      tokenizer,
      batch.map((promptIds) => ({ promptIds, maxNewTokens: 32, stopTokenIds })),
    ),
  );
  const score = (counts: (question: ChoiceQuestion) => boolean): DemoScore => {
    const chosen = questions.flatMap((question, index) => (counts(question) ? [index] : []));
    return {
      correct: chosen.filter((index) => choices.predictions[index] === questions[index]?.answer).length,
      total: chosen.length,
      exact: chosen.filter((index) => free[index]?.text.trim() === questions[index]?.expectedReply).length,
    };
  };
  return {
    facts: score(({ kind }) => kind === 'fact'),
    arithmetic: score(({ kind }) => kind !== 'fact'),
    chance: choices.chance,
  };
}

function inBatches<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}

function logScores(when: string, { facts, arithmetic, chance }: Measured): void {
  const percent = (part: number, whole: number): string =>
    `${((100 * part) / Math.max(whole, 1)).toFixed(1)} %`;
  const line = (name: string, { correct, total, exact }: DemoScore): string =>
    `  ${name}: ${percent(correct, total)} right of four (n = ${total}, chance ${percent(chance, 1)}), ` +
    `${percent(exact, total)} answered freely word for word`;
  log(`${when}:\n${line('held-out facts', facts)}\n${line('held-out arithmetic', arithmetic)}`);
}

function drawLosses(output: string, pretraining: TrainingResult, fineTuning: TrainingResult): void {
  const offset = pretraining.losses.length;
  const series = [
    { name: 'pre-training', points: pretraining.losses },
    {
      name: 'fine-tuning',
      points: fineTuning.losses.map(({ step, loss }) => ({ step: step + offset, loss })),
    },
  ];
  const points = series.flatMap(({ name, points: own }) => own.map((point) => ({ ...point, series: name })));
  log(`\n${plotLossTerminal(points, { color: process.stderr.isTTY === true })}`);
  writeFileAtomic(join(output, 'loss.svg'), renderLossSvg(series, { title: 'Loss' }));
}

function talk(
  loaded: LoadedModel,
  tokenizer: Tokenizer,
  world: World,
): { question: string; answer: string }[] {
  const { model, architecture } = loaded;
  return demoQuestions(world).map(({ question }) => {
    const promptIds = architecture.chat.renderPrompt([{ role: 'user', content: question }], tokenizer);
    const stopTokenIds = architecture.chat.stopTokenIds(tokenizer);
    const [result] = generateText(model, tokenizer, [{ promptIds, maxNewTokens: 48, stopTokenIds }]);
    return { question, answer: result?.text.trim() ?? '' };
  });
}
