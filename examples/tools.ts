/** The model asks for a function of ours, gets its result, and goes on. */
import { loadModel, type Message, type Tool } from 'xinghe';

const [path = 'out/demo/model'] = process.argv.slice(2);

const weather: Tool = {
  name: 'weather',
  description: 'The weather of a city today',
  parameters: {
    type: 'object',
    properties: { city: { enum: ['北京', 'Hefei'] }, unit: { enum: ['celsius', 'fahrenheit'] } },
    required: ['city', 'unit'],
    additionalProperties: false,
  },
};

function run(name: string, given: Readonly<Record<string, unknown>>): string {
  if (name !== weather.name) return JSON.stringify({ error: `there is no ${name}` });
  return JSON.stringify({ city: given.city, temperature: 21, unit: given.unit });
}

await using model = await loadModel(path, { cacheTokens: 4096 });
const messages: Message[] = [{ role: 'user', content: 'How warm is it in Hefei?' }];

// `required` holds the call to the schema, whatever the model; `auto` (the default) leaves it the choice.
const asked = await model.chat(messages, { tools: [weather], toolChoice: 'required', maxNewTokens: 128 });
messages.push(asked.message);
for (const { id, name, arguments: written } of asked.toolCalls) {
  console.log(`${name} ${written}`);
  messages.push({ role: 'tool', toolCallId: id, content: run(name, JSON.parse(written)) });
}
const { text } = await model.chat(messages, { tools: [weather], toolChoice: 'none', maxNewTokens: 24 });
console.log(text);
