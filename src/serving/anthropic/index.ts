export { anthropicRoutes } from './messages-routes.js';
