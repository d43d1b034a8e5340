/** `lora.target_modules: all`, as PEFT (all-linear) and LLaMA-Factory (all) write it: every linear layer of the blocks. */
import { isMapping } from './key-tree.js';

/** In the published name of every layer of a block there is a dot; an output head has none and stays as it is. */
const EVERY_BLOCK = ['.'];

/** The same configuration with the word spelt out; what is no such configuration comes back as it is. */
export function spellOutAllModules(config: unknown): unknown {
  if (!isMapping(config) || !isMapping(config.lora)) return config;
  const { target_modules: targets } = config.lora;
  const words: readonly unknown[] = Array.isArray(targets) ? targets : [targets];
  const isAll = words.length === 1 && (words[0] === 'all' || words[0] === 'all-linear');
  const list = isAll
    ? EVERY_BLOCK
    : typeof targets === 'string' && targets !== ''
      ? targets.split(/\s*,\s*/)
      : targets;
  return list === targets ? config : { ...config, lora: { ...config.lora, target_modules: list } };
}
