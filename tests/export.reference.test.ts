/** Exported graphs of every family in onnxruntime, against our own forward pass. */
import { describeExports, padded } from './support/export-cases.js';
import { goldenModels } from './support/golden.js';

describeExports(goldenModels.map((model) => ({ name: model, model, text: padded })));
