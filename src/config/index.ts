/**
 * From files and `--set` to checked values. The schemas stay with the components that they configure.
 */
export { readConfigFile, readConfigText, readYaml11File } from './config-file.js';
export { didYouMean, didYouMeanHint } from './did-you-mean.js';
export { applyOverrides } from './overrides.js';
export { parseConfig } from './parse-config.js';
export { productVersion } from './product-version.js';
export { knownKeysAt } from './schema-keys.js';
export { type LocatedValue, parseLocatedYaml, parseYaml, parseYaml11, TaggedText } from './yaml.js';
