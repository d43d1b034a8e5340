export { TextDesk } from './text-desk.js';
