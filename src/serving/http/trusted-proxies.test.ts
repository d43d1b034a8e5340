import { expect, test } from 'vitest';
import { TrustedProxies } from './trusted-proxies.js';

const from = (remoteAddress: string, forwarded?: string): Parameters<TrustedProxies['clientOf']>[0] =>
  Object({ socket: { remoteAddress }, headers: { 'x-forwarded-for': forwarded } });

test.each([
  [[], '127.0.0.1', '1.2.3.4', '127.0.0.1'],
  [['127.0.0.1'], '127.0.0.1', undefined, '127.0.0.1'],
  [['127.0.0.1'], '127.0.0.1', '1.2.3.4', '1.2.3.4'],
  [['127.0.0.1'], '::ffff:127.0.0.1', '1.2.3.4', '1.2.3.4'],
  [['127.0.0.1'], '9.9.9.9', '1.2.3.4', '9.9.9.9'],
  // What a caller writes itself stands before what the proxy adds.
  [['127.0.0.1'], '127.0.0.1', '6.6.6.6, 1.2.3.4', '1.2.3.4'],
  [['127.0.0.1', '10.0.0.0/8'], '127.0.0.1', '6.6.6.6, 1.2.3.4, 10.1.1.1', '1.2.3.4'],
  [['10.0.0.0/8'], '10.1.1.1', '10.2.2.2', '10.2.2.2'],
  [['127.0.0.1'], '127.0.0.1', '1.2.3.4:5678', '1.2.3.4'],
  [['::1'], '::1', '[2001:db8::1]:80', '2001:db8::1'],
  [['fc00::/7'], 'fd00::1', '2001:db8::2', '2001:db8::2'],
  [['127.0.0.1'], '127.0.0.1', 'unknown', '127.0.0.1'],
  [['127.0.0.1'], '127.0.0.1', '"><script>', '127.0.0.1'],
])('trusting %j, %s with %s is %s', (trusted, direct, forwarded, client) => {
  expect(new TrustedProxies(trusted).clientOf(from(direct, forwarded))).toBe(client);
});

test.each(['localhost', '10.0.0.0/33', '::1/129', '10.0.0/8', '', '1.2.3.4/'])('%j is no proxy', (text) => {
  expect(() => new TrustedProxies([text])).toThrow(`Trusted proxies: ${JSON.stringify(text)}`);
});
