/** A conversation of several turns in the model's own chat format. */
import { loadModel, type Message } from 'xinghe';

const [path = 'out/demo/model', ...given] = process.argv.slice(2);
const questions = given.length > 0 ? given : ['你是谁？', 'And what can you do?'];
await using model = await loadModel(path, { cacheTokens: 2048 });

const messages: Message[] = [];
for (const question of questions) {
  messages.push({ role: 'user', content: question });
  console.log(`> ${question}`);
  const stream = model.streamChat(messages, { maxNewTokens: 24 });
  for await (const piece of stream) process.stdout.write(piece);
  const { message, usage } = await stream.answer;
  // What was said before lies in the cache: only what is new is read.
  console.log(`\n(${usage.cachedTokens} of ${usage.promptTokens} prompt tokens were there already)`);
  messages.push(message);
}
