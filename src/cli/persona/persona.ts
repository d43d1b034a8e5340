/** `xinghe persona assemble|extract|prepare|train|measure|run`. */
import { runVerb } from '../run-verb.js';

const verbs = {
  assemble: async () => (await import('./persona-assemble.js')).personaAssemble,
  extract: async () => (await import('./persona-extract.js')).personaExtract,
  prepare: async () => (await import('./persona-prepare.js')).personaPrepare,
  train: async () => (await import('./persona-train.js')).personaTrain,
  measure: async () => (await import('./persona-measure.js')).personaMeasure,
  run: async () => (await import('./persona-run.js')).personaRun,
} as const;

const HELP = `xinghe persona VERB; --help after a verb tells more

  assemble  a prompt for each question of a template, by a table of attributes or a role card
  extract   the answers of a teacher: Spark, an OpenAI-compatible address, a model of ours, or the rules alone
  prepare   what is learned, what is watched and what is measured; general dialogues mixed in
  train     with the published defaults, all weights or an adapter
  measure   how often a model falls out of its role
  run       all of them in one folder, with a table of before and after
`;

export function persona(args: readonly string[]): Promise<number> {
  return runVerb('xinghe persona', verbs, HELP, args);
}
