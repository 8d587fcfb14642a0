import { chmod } from 'node:fs/promises';

import { build } from 'esbuild';

/**
 * Bundles a TypeScript program into one executable ES module that runs on Node without a build step of its own.
 * Packages with native code stay outside: the bundle must lie where Node finds them in a node_modules folder above it.
 */
export async function bundle(entry: string, outfile: string): Promise<void> {
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    external: NATIVE_PACKAGES,
    keepNames: true,
    sourcemap: 'linked',
    sourcesContent: false,
    legalComments: 'linked',
    logLevel: 'warning',
    // CommonJS packages ask for Node's modules by `require`, which ES modules do not have.
    banner: { js: `#!/usr/bin/env node\n${REQUIRE}` },
  });
  await chmod(outfile, 0o755);
}

const NATIVE_PACKAGES = ['koffi'];
const REQUIRE =
  "import { createRequire as bundledRequire } from 'node:module'; const require = bundledRequire(import.meta.url);";
