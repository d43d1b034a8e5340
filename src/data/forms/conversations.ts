/** Forms that are a list of turns: ShareGPT, OpenAI's messages, XVERSE's. */
import { markAnswers, readAlpaca } from './alpaca.js';
import {
  dialogue,
  type FormOptions,
  type JsonRecord,
  type ReadForm,
  requireList,
  type SampleContent,
  toolDialogue,
} from './form.js';
import { learnedByRecord } from './learned-keys.js';
import { toolsOf } from './tool-turns.js';
import { readTurns } from './turns.js';

/** {"conversations": [{"from": "human" | "gpt" | "system", "value"}, …], "system"?} */
export const readShareGpt: ReadForm = (record, options) => readDialogue(record, 'conversations', options);

/** {"messages": [{"role": "system" | "user" | "assistant", "content"}, …]}; a list of "tools" beside it where tools are read. */
export const readMessages: ReadForm = (record, options) => readDialogue(record, 'messages', options);

/** {"system", "dialog": [{"role": "user" | "bot", "content"}, …]}, as TeleChat2 publishes its samples. */
export const readDialog: ReadForm = (record, options) => readDialogue(record, 'dialog', options);

/**
 * XVERSE publishes no set of its own: its fine-tuning script runs LLaMA-Efficient-Tuning on alpaca_gpt4 (Alpaca records),
 * and chat() takes [{"role", "content"}, …]. All three are read, told apart by their keys.
 */
export const readXverse: ReadForm = (record, options) => {
  if (Object.hasOwn(record, 'messages')) return readMessages(record, options);
  if (Object.hasOwn(record, 'conversations')) return readShareGpt(record, options);
  return readAlpaca(record, options);
};

function readDialogue(
  record: JsonRecord,
  key: 'conversations' | 'messages' | 'dialog',
  { keepsTools = false }: FormOptions,
): SampleContent {
  const turns = readTurns(record, key, requireList(record, key), keepsTools);
  const messages = markAnswers(turns, learnedByRecord(record));
  return keepsTools ? toolDialogue(messages, toolsOf(record)) : dialogue(messages);
}
