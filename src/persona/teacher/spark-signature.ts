/** Signed addresses of Spark's WebSocket API: HMAC-SHA256 over host, date and request line, in the query. */
import { createHmac } from 'node:crypto';

export interface SparkKeys {
  readonly appId: string;
  readonly apiKey: string;
  readonly apiSecret: string;
}

/** @param date of the request: the server takes one that differs little from its own clock (five minutes) */
export function signedSparkUrl(
  address: string,
  { apiKey, apiSecret }: SparkKeys,
  date: Date = new Date(),
): string {
  const url = new URL(address);
  const when = date.toUTCString();
  const signature = sparkSignature(apiSecret, { host: url.host, date: when, path: url.pathname });
  const authorization = Buffer.from(
    `api_key="${apiKey}", algorithm="hmac-sha256", headers="host date request-line", signature="${signature}"`,
  ).toString('base64');
  url.search = new URLSearchParams({ authorization, date: when, host: url.host }).toString();
  return url.href;
}

/** base64 of the HMAC over `host: …\ndate: …\nGET {path} HTTP/1.1`. */
export function sparkSignature(
  secret: string,
  { host, date, path }: { readonly host: string; readonly date: string; readonly path: string },
): string {
  return createHmac('sha256', secret)
    .update(`host: ${host}\ndate: ${date}\nGET ${path} HTTP/1.1`)
    .digest('base64');
}
