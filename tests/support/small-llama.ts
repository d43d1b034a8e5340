/** A Llama of random weights that takes milliseconds. */
import { parseArchitecture, saveModel } from '../../src/models/index.js';
import { initializeModule } from '../../src/nn/index.js';
import { RandomGenerator } from '../../src/tensor/index.js';

/** Writes it into the new folder `path`, the same at each run, in float32. @param changes of its config */
export async function saveSmallLlama(
  path: string,
  changes: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const config = {
    ...{ model_type: 'llama', vocab_size: 96, hidden_size: 64, intermediate_size: 128, num_hidden_layers: 2 },
    ...{ num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 64, rms_norm_eps: 1e-5 },
    ...changes,
  };
  const architecture = parseArchitecture(config, 'test');
  const model = architecture.createModel();
  const generator = new RandomGenerator(1);
  initializeModule(model, { rule: architecture.initRule, generator, dtype: 'float32' });
  await saveModel(path, { model, architecture });
}
