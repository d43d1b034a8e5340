/** Conversion of checkpoints, as `xinghe convert`. */
import { withLockedOutput } from '../formats/index.js';
import { type ConversionResult, type ConvertOptions, convertModel } from '../models/index.js';

/**
 * Container and family of the source are recognised by its content. The output is written in a temporary place, read back,
 * compared and only then renamed.
 * @throws InputError for a source that cannot be read or does not fit, an output that is there already
 */
export async function convert(options: ConvertOptions): Promise<ConversionResult> {
  return await withLockedOutput(options.to, () => convertModel(options));
}
