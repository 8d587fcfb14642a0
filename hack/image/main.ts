import { join } from 'node:path';

import { Command, InvalidArgumentError, Option } from 'commander';
import { goOnWithoutReaders } from '../../agent/closed-readers.ts';
import { LabError } from '../lab/host/lab-error.ts';
import { buildImage, projectFolder, projectVersion, updatePins } from './build-image.ts';
import { ImageError } from './image-error.ts';
import { type Platform, platforms } from './platform.ts';

goOnWithoutReaders();

interface Flags {
  readonly platforms: readonly Platform[];
  readonly output: string;
  readonly reference?: string;
  readonly newest?: boolean;
  readonly updatePins?: boolean;
  readonly json?: boolean;
}

/** `npm run image`. */
const program = new Command('image')
  .description('Builds the container image as an OCI image layout, from pinned parts, without a registry.')
  .addOption(
    new Option('--platforms <list>', 'processors, separated by commas')
      .argParser(platformList)
      .default(platforms, platforms.map(({ architecture }) => architecture).join(',')),
  )
  .option('--output <folder>', 'where the layout goes; what was there is replaced', join(projectFolder, 'dist/image'))
  .option('--reference <name:tag>', 'as container runtimes list it (default: ikemesh.io/ikemesh:VERSION)')
  .option('--newest', "take Debian's libraries as they are served now, instead of the pinned ones")
  .option('--update-pins', 'pin what Debian serves now, and build nothing')
  .option('--json', 'print what was built as one object')
  .action(main);

async function main(flags: Flags): Promise<void> {
  const say = (line: string): boolean => process.stderr.write(`image: ${line}\n`);
  try {
    if (flags.updatePins === true) {
      await updatePins(flags.platforms, say);
      return;
    }
    const reference = flags.reference ?? `ikemesh.io/ikemesh:${await projectVersion()}`;
    const { output, platforms: wanted, newest = false } = flags;
    const { digest, platforms: built } = await buildImage({ reference, platforms: wanted, output, newest, say });
    const sizes = built.map(({ platform, compressedBytes, unpackedBytes, components }) => ({
      architecture: platform.architecture,
      compressedBytes,
      unpackedBytes,
      components: components.length,
    }));
    if (flags.json === true) {
      console.log(JSON.stringify({ reference, digest, output, platforms: sizes }));
      return;
    }
    console.log(`${reference} in ${output}\n  ${digest}`);
    for (const { architecture, compressedBytes, unpackedBytes, components } of sizes) {
      const unpacked = `${megabytes(unpackedBytes)} unpacked, ${megabytes(compressedBytes)} compressed`;
      console.log(`  ${architecture.padEnd(5)}  ${unpacked}, ${components} components (sbom-${architecture}.cdx.json)`);
    }
  } catch (error) {
    if (!(error instanceof ImageError || error instanceof LabError)) throw error;
    console.error(`image: ${error.message}`);
    process.exitCode = 1;
  }
}

function platformList(text: string): readonly Platform[] {
  return text.split(',').map((name) => {
    const found = platforms.find(({ architecture }) => architecture === name);
    if (found !== undefined) return found;
    const known = platforms.map(({ architecture }) => architecture).join(', ');
    throw new InvalidArgumentError(`'${name}' is none of ${known}`);
  });
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

await program.parseAsync();
