/** Jinja templates of chats, and a process in which those of strangers are rendered. */

export { renderChild } from './render-child-path.js';
export { ChatTemplate, type RenderOptions } from './template.js';
export { TemplateError } from './template-error.js';
