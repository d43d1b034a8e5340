/** Jinja templates of chats, and a process in which those of strangers are rendered. */

export { originAt, type TextOrigin, unmarked } from './given-marks.js';
export type { TextSpan } from './interpreter.js';
export { pythonJson, pythonText } from './python-text.js';
export { renderChild } from './render-child-path.js';
export { ChatTemplate, type RenderedTemplate, type RenderOptions, type TemplateValues } from './template.js';
export { TemplateError } from './template-error.js';
export { TextTemplate } from './text-template.js';
