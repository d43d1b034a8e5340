/**
 * The golden numbers on a device that is not the CPU: tests/support/pretend-device/ runs nothing that CUDA would refuse, so
 * an operand left on the CPU, or an operator of ours that only the CPU has, fails here.
 */
import { describeGoldens } from './support/golden-suite.js';
import { loadPretendDevice } from './support/pretend-device/pretend-device.js';

// Every operator copies its operands: long rows add nothing but time.
describeGoldens(loadPretendDevice(), ({ name }) => !name.startsWith('long'));
