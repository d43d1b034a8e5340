/** Forms that are a list of turns: ShareGPT, OpenAI's messages, XVERSE's. */
import { markAnswers, readAlpaca } from './alpaca.js';
import { dialogue, type JsonRecord, type ReadForm, requireList, type SampleContent } from './form.js';
import { learnedByRecord } from './learned-keys.js';
import { readTurns } from './turns.js';

/** {"conversations": [{"from": "human" | "gpt" | "system", "value"}, …], "system"?} */
export const readShareGpt: ReadForm = (record) => readDialogue(record, 'conversations');

/** {"messages": [{"role": "system" | "user" | "assistant", "content"}, …]}; a list of "tools" beside it is not used. */
export const readMessages: ReadForm = (record) => readDialogue(record, 'messages');

/**
 * XVERSE publishes no set of its own: its fine-tuning script runs LLaMA-Efficient-Tuning on alpaca_gpt4 (Alpaca records),
 * and chat() takes [{"role", "content"}, …]. All three are read, told apart by their keys.
 */
export const readXverse: ReadForm = (record, options) => {
  if (Object.hasOwn(record, 'messages')) return readMessages(record, options);
  if (Object.hasOwn(record, 'conversations')) return readShareGpt(record, options);
  return readAlpaca(record, options);
};

function readDialogue(record: JsonRecord, key: 'conversations' | 'messages'): SampleContent {
  const turns = readTurns(record, key, requireList(record, key));
  return dialogue(markAnswers(turns, learnedByRecord(record)));
}
