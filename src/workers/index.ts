export {
  type MapOrderedOptions,
  mapOrdered,
  type Work,
  type WorkerModule,
  type WorkerSource,
} from './map-ordered.js';
export { compiledModule, WorkerThread } from './worker-thread.js';
