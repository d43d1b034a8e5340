/** Duplicates, exact and near. */
export { type Duplicate, dropExactDuplicates, joinedText } from './exact.js';
export { dropNearDuplicates, type NearDuplicateOptions } from './near.js';
