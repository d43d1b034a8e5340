export {
  type ConversionPlan,
  type ConversionResult,
  type ConvertOptions,
  convertModel,
  planConversion,
} from './convert-model.js';
