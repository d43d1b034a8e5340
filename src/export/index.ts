export { exportOnnx } from './export-onnx.js';
export {
  DEFAULT_OPSET,
  EXPORT_DTYPES,
  type ExportDType,
  type ExportOnnxOptions,
  type ExportReport,
  NEWEST_OPSET,
  OLDEST_OPSET,
} from './export-options.js';
