export { hasIndexKeys, orderedObject, orderKeys, parseOrderedJson } from './key-order.js';
