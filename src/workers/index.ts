export {
  compiledModule,
  type MapOrderedOptions,
  mapOrdered,
  type Work,
  type WorkerModule,
  type WorkerSource,
} from './map-ordered.js';
