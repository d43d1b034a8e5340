/** A small tokenizer that knows the special tokens of the published chat templates. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { goldenFolder } from './golden.js';

/** Control tokens, which no message may forge. */
export const CONTROL_TOKENS = [
  '<s>',
  '</s>',
  '<|im_start|>',
  '<|im_end|>',
  '<|begin_of_text|>',
  '<|start_header_id|>',
  '<|end_header_id|>',
  '<|eot_id|>',
  '<|eom_id|>',
  '<|python_tag|>',
  '[INST]',
  '[/INST]',
  '[TOOL_CALLS]',
  '[AVAILABLE_TOOLS]',
  '[/AVAILABLE_TOOLS]',
  '[TOOL_RESULTS]',
  '[/TOOL_RESULTS]',
] as const;

/** Tokens that are text to a reader. */
export const VISIBLE_TOKENS = ['<think>', '</think>', '<tool_call>', '</tool_call>'] as const;

/** A new folder with tokenizer.json and tokenizer_config.json. @param config further keys of the latter */
export function chatTokenizerFolder(config: Readonly<Record<string, unknown>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'chat-tokenizer-'));
  const file = `${goldenFolder}tokenizers/bbpe_llama3_regex/tokenizer.json`;
  const json = JSON.parse(readFileSync(file, 'utf8')) as { added_tokens: object[] };
  const added = [
    ...CONTROL_TOKENS.map((content) => ({ content, special: true })),
    ...VISIBLE_TOKENS.map((content) => ({ content, special: false })),
  ];
  for (const [index, token] of added.entries())
    json.added_tokens.push({
      id: 1000 + index,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      ...token,
    });
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(json));
  writeFileSync(
    join(folder, 'tokenizer_config.json'),
    JSON.stringify({
      tokenizer_class: 'PreTrainedTokenizerFast',
      bos_token: '<s>',
      eos_token: '</s>',
      unk_token: '<unk>',
      pad_token: '<pad>',
      ...config,
    }),
  );
  return folder;
}
