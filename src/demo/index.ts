/** The demo: a small invented world, a model trained on it from scratch, and its measurement. */

export { type DemoOptions, type DemoReport, type DemoScore, runDemo } from './run-demo.js';
export { type Attribute, attributes } from './world/attributes.js';
export {
  type Dialogue,
  type DialogueOptions,
  type Message,
  trainingDialogues,
} from './world/dialogues.js';
export type { EntityKind, EntityName, Language, Term } from './world/lexicon.js';
export { type PretrainingOptions, pretrainingDocuments } from './world/pretraining.js';
export {
  type AnswerIndex,
  type ChoiceQuestion,
  type DemoQuestion,
  demoQuestions,
  heldOutQuestions,
  type QuestionKind,
} from './world/questions.js';
export { createWorld, type Entity, type Fact, type Sum, type World, type WorldSize } from './world/world.js';
