export { fieldOf } from './field-of.js';
export { hasIndexKeys, orderedObject, orderKeys, parseOrderedJson } from './key-order.js';
