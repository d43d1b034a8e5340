export { ollamaRoutes } from './ollama-routes.js';
