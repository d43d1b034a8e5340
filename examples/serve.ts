/** The API of `xinghe serve` inside a server of one's own, beside a route of one's own. */
import { createServer } from 'node:http';
import { loadModel } from 'xinghe';

const [path = 'out/demo/model', port = '0'] = process.argv.slice(2);
await using model = await loadModel(path, { cacheTokens: 2048 });

const answer = model.requestHandler({ apiKeys: ['my-secret-key'] });
const server = createServer((request, response) => {
  if (request.url === '/') response.end('my own page\n');
  else answer(request, response);
});
await new Promise<void>((resolve) => server.listen(Number(port), '127.0.0.1', resolve));
const address = server.address();
const base = `http://127.0.0.1:${typeof address === 'object' ? address?.port : port}`;

console.log((await (await fetch(base)).text()).trim());
const ask = (key: string) =>
  fetch(`${base}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ messages: [{ role: 'user', content: '你好' }], max_tokens: 8, stream: true }),
  });
console.log(`without a key of ours: ${(await ask('another-key')).status}`);
const stream = (await (await ask('my-secret-key')).text())
  .split('\n\n')
  .filter((event) => event.startsWith('data: '));
console.log(`with it: ${stream.length} events, the last ${stream.at(-1)}`);

if (port === '0') await new Promise((resolve) => server.close(resolve));
else await new Promise(() => undefined); // Ctrl-C ends it.
