/**
 * The chat page: files read once and answered from memory. Each file is a route of its own, so no request ever becomes a
 * file name.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { extname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Reply, Route } from './route.js';

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.webmanifest': 'application/manifest+json; charset=utf-8',
  '.svg': 'image/svg+xml; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.webp': 'image/webp',
  '.jpg': 'image/jpeg',
  '.woff': 'font/woff',
  '.woff2': 'font/woff2',
  '.ttf': 'font/ttf',
  '.wasm': 'application/wasm',
};

/** Below this a compressed answer is no smaller on the wire. */
const MIN_COMPRESSED_BYTES = 1024;

/**
 * Our own scripts, no inline one, and no connection to anyone else: what a model writes can neither run nor report what
 * it sees, not even by the address of a picture. No style attributes either: the page sets styles through the object model.
 */
const securityHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

interface StaticFile {
  readonly content: Buffer;
  readonly compressed: Buffer | undefined;
  /** Without quotes. */
  readonly tag: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * One open GET route for each file in `folder`, `index.html` also as its folder. Names that begin with a dot are left
 * out. Without an index.html: a page at `/` that says how it is built.
 */
export function staticRoutes(folder: string | undefined): Route[] {
  const names = folder === undefined ? [] : listFiles(folder, '');
  if (folder === undefined || !names.includes('index.html')) return [missingPage()];
  return names.flatMap((name) => {
    const file = prepareFile(name, readFileSync(join(folder, name)));
    const paths = [`/${name}`];
    if (name === 'index.html' || name.endsWith('/index.html'))
      paths.push(`/${name.slice(0, -'index.html'.length)}`);
    return paths.map((path) => staticRoute(path, file));
  });
}

function prepareFile(name: string, content: Buffer): StaticFile {
  const type = contentTypes[extname(name).toLowerCase()] ?? 'application/octet-stream';
  const isText = /charset|wasm/.test(type);
  const compressed =
    isText && content.length >= MIN_COMPRESSED_BYTES ? gzipSync(content, { level: 9 }) : undefined;
  return {
    content,
    compressed: compressed !== undefined && compressed.length < content.length ? compressed : undefined,
    tag: createHash('sha256').update(content).digest('base64url').slice(0, 22),
    headers: {
      'content-type': type,
      // The bundler writes a hash of the content into these names.
      'cache-control': /(?:^|\/)assets\/.*-[\w-]{8,}\.\w+$/.test(name)
        ? 'public, max-age=31536000, immutable'
        : 'no-cache',
      ...securityHeaders,
    },
  };
}

function staticRoute(path: string, file: StaticFile): Route {
  return {
    method: 'GET',
    path,
    name: 'static',
    access: 'open',
    isPublic: true,
    body: 'none',
    handler: ({ headers }, reply) => sendFile(file, headers, reply),
  };
}

function sendFile(file: StaticFile, request: IncomingHttpHeaders, reply: Reply): void {
  const isCompressed = file.compressed !== undefined && takesGzip(request['accept-encoding']);
  // Two forms of one file must not be taken for each other by a cache.
  const etag = `"${file.tag}${isCompressed ? '-gzip' : ''}"`;
  const headers = {
    ...file.headers,
    etag,
    ...(file.compressed === undefined ? {} : { vary: 'Accept-Encoding' }),
  };
  if (isKnown(request['if-none-match'], etag)) reply.text(304, '', headers);
  else if (isCompressed && file.compressed !== undefined)
    reply.text(200, file.compressed, { ...headers, 'content-encoding': 'gzip' });
  else reply.text(200, file.content, headers);
}

function takesGzip(accepted = ''): boolean {
  return accepted
    .split(',')
    .some((part) => /^\s*(?:gzip|\*)\s*(?:;|$)/i.test(part) && !/;\s*q=0(?:\.0*)?\s*$/i.test(part));
}

function isKnown(header: string | undefined, etag: string): boolean {
  return (header ?? '').split(',').some((part) => {
    const known = part.trim().replace(/^W\//, '');
    return known === '*' || known === etag;
  });
}

function listFiles(folder: string, prefix: string): string[] {
  let entries: string[];
  try {
    entries = readdirSync(join(folder, prefix));
  } catch {
    return [];
  }
  return entries
    .filter((name) => !name.startsWith('.'))
    .sort()
    .flatMap((name) => {
      const path = `${prefix}${name}`;
      return statSync(join(folder, path)).isDirectory() ? listFiles(folder, `${path}/`) : [path];
    });
}

function missingPage(): Route {
  const text = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Xinghe 星河</title>
<h1>Xinghe 星河</h1>
<p>The server runs; its chat page was not built. Run <code>npm run build</code> and start it again.</p>
<p>服务已启动，但聊天页面尚未构建。请运行 <code>npm run build</code> 后重新启动。</p>
<p>API: <code>POST /v1/chat/completions</code>, <code>GET /openapi.json</code></p>
</html>
`;
  return staticRoute('/', prepareFile('index.html', Buffer.from(text)));
}
