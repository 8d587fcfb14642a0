import { chmod, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { build, type Plugin } from 'esbuild';

export interface BundleOptions {
  /** What runs the file when it is executed; whichever Node comes first on the PATH unless told. */
  readonly interpreter?: string;
}

/**
 * Bundles a TypeScript program into one executable ES module that runs on Node without a build step of its own.
 * Packages with native code stay outside: the bundle must lie where Node finds them in a node_modules folder above it.
 * Returns the files that went into it, relative to the working folder.
 */
export async function bundle(entry: string, outfile: string, options: BundleOptions = {}): Promise<readonly string[]> {
  const { metafile } = await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    external: NATIVE_PACKAGES,
    plugins: [builtinsByRequire, textsOfFiles],
    // Names stay as they are; what keeps those of functions that had to be renamed costs 3 MB of every agent.
    minifyWhitespace: true,
    minifySyntax: true,
    sourcemap: 'linked',
    sourcesContent: false,
    legalComments: 'none',
    logLevel: 'warning',
    metafile: true,
    // CommonJS packages ask for Node's modules by `require`, which ES modules do not have.
    banner: { js: `#!${options.interpreter ?? '/usr/bin/env node'}\n${REQUIRE}` },
  });
  await chmod(outfile, 0o755);
  return Object.keys(metafile.inputs);
}

/**
 * Node's own modules are asked for by `require`. Importing one reads all of its exports, of which some load what hardly anybody
 * wants: with `node:http` come all of `fetch`, WebSocket and HTTP/2, 16 MB at the start of every agent.
 */
const builtinsByRequire: Plugin = {
  name: 'builtins-by-require',
  setup: ({ onResolve, onLoad }) => {
    const namespace = 'builtin';
    onResolve({ filter: /^node:/ }, ({ path, kind }) =>
      kind === 'require-call' ? { path, external: true } : { path, namespace },
    );
    onLoad({ filter: /.*/, namespace }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)});`,
    }));
  },
};

/**
 * Text that a program of ours reads from a file beside its source, by `readFileSync` of a URL that begins with `./` or `../`, is in
 * the bundle: beside that there is no such file.
 */
const textsOfFiles: Plugin = {
  name: 'texts-of-files',
  setup: ({ onLoad }) => {
    onLoad({ filter: /[.]ts$/, namespace: 'file' }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      const files = [...source.matchAll(READ_TEXT)].map(([, name = '']) => join(dirname(path), name));
      if (files.length === 0) return undefined;
      const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')));
      const contents = source.replaceAll(READ_TEXT, () => JSON.stringify(texts.shift()));
      return { contents, loader: 'ts', watchFiles: files };
    });
  },
};

const READ_TEXT = /readFileSync\(\s*new URL\('([.]{1,2}[/][^']+)', import[.]meta[.]url\),\s*'utf8',?\s*\)/g;
const NATIVE_PACKAGES = ['koffi'];
const REQUIRE =
  "import { createRequire as bundledRequire } from 'node:module'; const require = bundledRequire(import.meta.url);";
