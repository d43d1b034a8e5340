export { type QuantizationReport, REPORT_FILE } from './quantization-report.js';
export { quantizeModel } from './quantize-model.js';
export { QUANTIZATION_FORMS, QUANTIZATION_SCHEMES, type QuantizeOptions } from './quantize-options.js';
