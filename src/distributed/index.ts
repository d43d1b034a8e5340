export { type RankEnvironment, rankEnvironment } from './rank-environment.js';
