/** Chat formats out of Jinja chat templates: prompts, rows to train on, and which format a model has. */
export { printsArguments, withTextArguments } from './call-arguments.js';
export {
  BUILT_IN_CHATS,
  type ChatModel,
  type ChatWishes,
  type ChosenChat,
  chooseChat,
} from './choose-chat.js';
export { type ConversationOptions, conversationValues, tokenValues } from './conversation-values.js';
export { MESSAGE_EXTRAS, readFunctionCall, readMessageExtras, readTools } from './message-extras.js';
export { type CutText, cutContents, encodeCut } from './rendered-chat.js';
export { type TemplateChatOptions, templateChat } from './template-chat.js';
export { modelTemplates, type NamedTemplate } from './template-source.js';
