/** Cleaning of texts. */
export { Cleaner, type CleanOptions, cleanSamples, cleanSparkText } from './clean.js';
