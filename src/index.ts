/**
 * Layers, upper to lower; imports point down only, and folders between commas do not import each other
 * (checked by tools/check-layers.mjs, which reads the next line):
 *
 * cli > compat, serving, persona > demo > training, evaluation > data, generation > models > checkpoint > distributed, quantization, lora > nn > tensor, tokenizers, templates, hub > config, formats, workers > errors, json, log
 *
 * A folder is imported through its index.ts; nothing outside a folder reaches past it.
 */
export * from './errors/index.js';
