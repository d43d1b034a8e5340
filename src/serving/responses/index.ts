export { responsesRoutes } from './responses-routes.js';
