export { TokenizerService } from './tokenizer-service.js';
