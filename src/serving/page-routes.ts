/** The chat page: the files that Vite has built, read once and answered from memory. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Route, RouteRequest } from './http/index.js';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.json': 'application/json; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
  '.txt': 'text/plain; charset=utf-8',
};

/** Scripts and styles of ours alone; KaTeX and the page set styles on elements. Answers may show pictures as data. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Beside the compiled sources; where the sources run as they are, in dist/. */
export function pageFolder(): string | undefined {
  const folders = ['../web/', '../../dist/web/'].map((path) => fileURLToPath(new URL(path, import.meta.url)));
  return folders.find((folder) => existsSync(join(folder, 'index.html')));
}

/** One route for each file of `folder`, `/` for its index.html; open to everybody: its calls carry the keys. */
export function pageRoutes(folder: string): Route[] {
  return filesBelow(folder, '').map((name) => pageRoute(name, readFileSync(join(folder, name))));
}

function pageRoute(name: string, content: Buffer): Route {
  const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`;
  // Vite writes a hash of the content into the names of these.
  const isImmutable = name.startsWith('assets/');
  const headers = {
    'content-type': TYPES[extname(name)] ?? 'application/octet-stream',
    'cache-control': isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache',
    etag,
    'content-security-policy': CONTENT_SECURITY_POLICY,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
  };
  return {
    method: 'GET',
    path: name === 'index.html' ? '/' : `/${name}`,
    name: 'page',
    access: 'open',
    body: 'none',
    handler: (request, reply) => {
      if (isKnown(request, etag)) reply.text(304, '', headers);
      else reply.text(200, content, headers);
    },
  };
}

function isKnown({ headers }: RouteRequest, etag: string): boolean {
  return (headers['if-none-match'] ?? '')
    .split(',')
    .some((known) => known.trim().replace(/^W\//, '') === etag);
}

function filesBelow(folder: string, prefix: string): string[] {
  return readdirSync(join(folder, prefix)).flatMap((entry) => {
    const name = `${prefix}${entry}`;
    return statSync(join(folder, name)).isDirectory() ? filesBelow(folder, `${name}/`) : [name];
  });
}
