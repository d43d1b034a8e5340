export { ObservedEngine } from './observed-engine.js';
export type { ObservedParameters, ObservedReason, RequestObserver } from './request-observer.js';
export { metricsRoute, ServingMetrics, type ServingMetricsOptions } from './serving-metrics.js';
