/** The package as npm would publish it, and installed elsewhere without a registry. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const repository = fileURLToPath(new URL('../../', import.meta.url));

interface PackageJson {
  readonly name: string;
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly [key: string]: unknown;
}

export function packageJson(): PackageJson {
  return JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
}

/** Paths within the package. */
export function packedFiles(): string[] {
  const text = npm(repository, ['pack', '--dry-run', '--json', '--ignore-scripts']);
  const [packed]: { files: { path: string }[] }[] = JSON.parse(text);
  return packed?.files.map(({ path }) => path) ?? [];
}

/** The folders of all that the package needs at run time, from the lock file. */
export function runtimePackages(): string[] {
  const lock: { packages: Record<string, { dev?: boolean; optional?: boolean; devOptional?: boolean }> } =
    JSON.parse(readFileSync(join(repository, 'package-lock.json'), 'utf8'));
  return Object.entries(lock.packages)
    .filter(([path, { dev, optional, devOptional }]) => path !== '' && !dev && !optional && !devOptional)
    .map(([path]) => path);
}

/**
 * A new project in `folder` with the package installed from its tarball; nothing is fetched, no script of a package runs.
 * The types of Node lie beside it, as they do wherever TypeScript for Node is written.
 */
export function installPackage(folder: string): void {
  const tarballs = join(folder, 'tarballs');
  const app = join(folder, 'app');
  mkdirSync(tarballs);
  mkdirSync(app);
  const sources = ['.', ...runtimePackages().map((path) => `./${path}`)];
  npm(repository, ['pack', '--ignore-scripts', '--silent', '--pack-destination', tarballs, ...sources]);
  const dependencies = Object.fromEntries(
    readdirSync(tarballs).map((file) => {
      const name = file.replace(/-\d.*$/, '').replace('opentelemetry-api', '@opentelemetry/api');
      return [name, `file:../tarballs/${file}`];
    }),
  );
  const project = { name: 'app', private: true, type: 'module', dependencies };
  writeFileSync(join(app, 'package.json'), JSON.stringify(project));
  npm(app, ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', '--silent']);
  mkdirSync(join(app, 'node_modules', '@types'));
  for (const types of ['@types/node', 'undici-types'])
    symlinkSync(join(repository, 'node_modules', types), join(app, 'node_modules', types));
}

/** So that its set-up has nothing to compile: an object's name says all that went into it. */
export function lendObjects(app: string): void {
  const target = join(app, 'node_modules', 'xinghe', 'build');
  mkdirSync(target);
  cpSync(join(repository, 'build', 'obj'), join(target, 'obj'), { recursive: true });
}

function npm(cwd: string, args: readonly string[]): string {
  return execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
