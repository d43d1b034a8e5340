/** Golden losses, gradients and ten optimiser steps of every family, full and LoRA, in float32 and float64. */
import { goldenModels } from '../../../tests/support/golden.js';
import { describeGoldenTraining } from '../../../tests/support/golden-training.js';

for (const folder of goldenModels) describeGoldenTraining(folder);
