/**
 * A reward model: a family's model whose output projection is a single row, the score of a text up to each of its tokens.
 * Saved as transformers keeps …ForSequenceClassification with one label: `score.weight` in the place of `lm_head.weight`, and
 * no word of it elsewhere. A family may have a key that says it, too (`rewardMarks`).
 *
 * Shapes: B batch, T tokens, D hidden.
 */
import { nameScheme, ownNames, type WeightTables } from '../checkpoint/index.js';
import { InputError } from '../errors/index.js';
import { DenseLinear, initializeModule, type Linear, type Module } from '../nn/index.js';
import { intTensor, type RandomGenerator, type Tensor } from '../tensor/index.js';
import { type Block, CausalLm, type ModelEnds, type RotaryParameters } from './causal-lm.js';
import { type Architecture, configValue } from './family.js';
import type { LoadedModel } from './load-model.js';

/** Own and published name of the projection. */
export const SCORE = 'score';
const OUTPUT_PROJECTION = 'lmHead';

const SEQUENCE_CLASSIFICATION = /ForSequenceClassification$/;

class RewardModel extends CausalLm {
  readonly layers: readonly Block[];
  readonly finalNorm: CausalLm['finalNorm'];
  readonly score: Linear;
  readonly ends: ModelEnds;
  override readonly slidingWindows: CausalLm['slidingWindows'];
  override readonly cachesUnrotatedKeys: boolean;
  override readonly rotatesTextsApart: boolean;
  readonly #base: CausalLm;

  /** Takes over all of `base` but its output projection, which is freed. */
  constructor(base: CausalLm) {
    super(base.shape);
    this.#base = base;
    this.layers = base.layers;
    this.finalNorm = base.finalNorm;
    this.score = new DenseLinear(base.shape.hiddenSize, 1);
    this.ends = { embedding: base.ends.embedding, head: ['finalNorm', SCORE] };
    this.slidingWindows = base.slidingWindows;
    this.cachesUnrotatedKeys = base.cachesUnrotatedKeys;
    this.rotatesTextsApart = base.rotatesTextsApart;
    for (const [path, module] of base.namedModules()) if (path === OUTPUT_PROJECTION) module.dispose();
  }

  /** Its own first, then what else the base has: the embedding. */
  override *namedModules(prefix = ''): Generator<[path: string, module: Module]> {
    yield* super.namedModules(prefix);
    for (const [path, module] of this.#base.namedModules()) {
      const [child = ''] = path.split('.');
      if (path === '' || child === OUTPUT_PROJECTION || Object.hasOwn(this, child)) continue;
      yield [prefix === '' ? path : `${prefix}.${path}`, module];
    }
  }

  protected override ownerOf(key: string): Module {
    return Object.hasOwn(this, key) ? this : this.#base;
  }

  embed(inputIds: Tensor): Tensor {
    return this.#base.embed(inputIds); // [B, T, D]
  }

  head(hidden: Tensor): Tensor {
    return this.score.forward(this.finalNorm.forward(hidden)); // [B, T, 1]
  }

  override rotaryParameters(length: number): RotaryParameters {
    return this.#base.rotaryParameters(length);
  }
}

/**
 * Does its config describe a model that scores?
 * @throws InputError for one that sorts texts into several classes
 */
export function isRewardModel(
  { section: sectionOf, publishedConfig, rewardMarks: { flag } }: Architecture,
  source: string,
): boolean {
  const section = sectionOf(publishedConfig);
  if (flag !== undefined && configValue(section, flag) === true) return true;
  const names = configValue(section, 'architectures');
  const isClassifier =
    Array.isArray(names) && names.some((name) => SEQUENCE_CLASSIFICATION.test(String(name)));
  if (!isClassifier) return false;
  const labels = labelCount(section);
  if (labels === 1) return true;
  throw new InputError(
    `${source}: a classifier of ${labels} labels (num_labels, id2label); only models with one, a score, are read.`,
  );
}

/** transformers writes the labels by name, and 2 of them are its default. */
function labelCount(config: unknown): number {
  const count = configValue(config, 'num_labels');
  if (typeof count === 'number') return count;
  const labels = configValue(config, 'id2label');
  return typeof labels === 'object' && labels !== null ? Object.keys(labels).length : 2;
}

/** The same family with a score for its output. */
export function rewardArchitecture(base: Architecture): Architecture {
  if (base.output === 'score') return base;
  const names = base.names.withHead(SCORE);
  const tables: WeightTables = {
    ...base.tables,
    names,
    schemes: new Map([
      ['published', nameScheme(names)],
      ['own', ownNames(names)],
    ]),
  };
  return {
    ...base,
    tables,
    names,
    output: 'score',
    publishedConfig: rewardConfig(base),
    gguf: { unsupported: 'llama.cpp does not read reward models of this family' },
    createModel: () => new RewardModel(base.createModel()),
  };
}

function rewardConfig({ section, publishedConfig, rewardMarks }: Architecture): unknown {
  const { className, flag } = rewardMarks;
  const given = configValue(section(publishedConfig), 'architectures');
  const named = Array.isArray(given) && typeof given[0] === 'string' ? given[0] : className;
  const name = SEQUENCE_CLASSIFICATION.test(named)
    ? named
    : named.includes('ForCausalLM')
      ? named.replace('ForCausalLM', 'ForSequenceClassification')
      : className;
  const marks = {
    architectures: [name],
    num_labels: 1,
    id2label: { 0: 'LABEL_0' },
    label2id: { LABEL_0: 0 },
    ...(flag !== undefined && { [flag]: true }),
  };
  return withMarks(publishedConfig, marks);
}

/** In the section of a Spark run file; else in the config itself. */
function withMarks(config: unknown, marks: Readonly<Record<string, unknown>>): unknown {
  if (typeof config !== 'object' || config === null) return marks;
  for (const key of ['model', 'model_config'])
    if (configValue(config, key) !== undefined)
      return { ...config, [key]: withMarks(configValue(config, key), marks) };
  return { ...config, ...marks };
}

/**
 * The score of each text: that of its last token.
 * @param output of a reward model [R, T, 1] @param lengths of the texts, without their padding
 * @returns [R], in float32 at least
 */
export function lastScores(output: Tensor, lengths: readonly number[]): Tensor {
  const last = intTensor(
    lengths.map((length) => length - 1),
    [lengths.length, 1],
  ).toDevice(output.device);
  const scores = output.squeeze(-1).gather(1, last).squeeze(-1);
  return scores.dtype === 'float64' ? scores : scores.to('float32');
}

/**
 * The model with a new score, drawn by the generator, in the place of its output projection; a reward model is given back as
 * it is. The model that was given is not to be used any more.
 */
export function withScoreHead(loaded: LoadedModel, generator: RandomGenerator): LoadedModel {
  if (loaded.architecture.output === 'score') return loaded;
  const architecture = rewardArchitecture(loaded.architecture);
  const model = new RewardModel(loaded.model);
  const { computeDType: dtype, device } = loaded.model;
  const score = new DenseLinear(model.shape.hiddenSize, 1);
  initializeModule(score, { rule: architecture.initRule, generator, dtype, device });
  model.assign(`${SCORE}.weight`, score.weight);
  const { cuts } = loaded;
  return {
    model,
    architecture,
    cuts: cuts && new Map([...cuts].filter(([path]) => !path.startsWith(`${OUTPUT_PROJECTION}.`))),
  };
}
