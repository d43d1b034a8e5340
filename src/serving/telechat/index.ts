export { type TelechatOptions, telechatRoutes } from './dialog-routes.js';
