/** What a checkpoint is converted to. */
export const CONVERSIONS = ['safetensors', 'bfloat16', 'float32', 'bin', 'ranks'] as const;
export type Conversion = (typeof CONVERSIONS)[number];
