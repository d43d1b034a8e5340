/** What a conversation is made of. */

/** One turn of a conversation, oldest first. */
export type Message =
  | {
      /** Instructions for the whole conversation; the first message, where there is one. */
      readonly role: 'system';
      /** The text. */
      readonly content: string;
    }
  | {
      /** Who asks. */
      readonly role: 'user';
      /** The text. */
      readonly content: string;
    }
  | {
      /** The model; `Answer.message` is such a message. */
      readonly role: 'assistant';
      /** The text; absent beside calls. */
      readonly content?: string | undefined;
      /** What it thought before it answered, for templates that show it. */
      readonly reasoning?: string | undefined;
      /** The tools that it called. */
      readonly toolCalls?: readonly ToolCall[] | undefined;
    }
  | {
      /** What a tool gave back. */
      readonly role: 'tool';
      /** The result as text; JSON where it is data. */
      readonly content: string;
      /** `ToolCall.id` of the call that it answers. */
      readonly toolCallId?: string | undefined;
    };

/** A function that the model may ask for; the caller runs it. */
export interface Tool {
  /** 1 to 64 letters, digits, `_`, `.` or `-`. */
  readonly name: string;
  /** What it does, for the model to read. */
  readonly description?: string | undefined;
  /** JSON Schema of its arguments, an object. Default: it takes none. */
  readonly parameters?: Readonly<Record<string, unknown>> | undefined;
}

/** The model asks for a tool. */
export interface ToolCall {
  /** Belongs into the message with the result. */
  readonly id: string;
  /** `Tool.name`. */
  readonly name: string;
  /** JSON as the model wrote it; held to the schema where the call was demanded, else to be checked. */
  readonly arguments: string;
}

/** As the API writes messages. */
export function messageBody(message: Message): Readonly<Record<string, unknown>> {
  switch (message.role) {
    case 'system':
    case 'user':
      return message;
    case 'assistant':
      return {
        role: 'assistant',
        content: message.content,
        reasoning_content: message.reasoning,
        tool_calls: message.toolCalls?.map(({ id, name, arguments: text }) => ({
          id,
          type: 'function',
          function: { name, arguments: text },
        })),
      };
    case 'tool':
      return { role: 'tool', content: message.content, tool_call_id: message.toolCallId };
    default:
      return message satisfies never;
  }
}
