/** A processor that the image runs on, by the names that each supplier gives it. */
export interface Platform {
  /** As in OCI and Kubernetes. */
  readonly architecture: 'amd64' | 'arm64';
  /** As in the names of npm packages with native code. */
  readonly npm: 'x64' | 'arm64';
  /** The folder of Debian's libraries. */
  readonly libraries: string;
  /** The dynamic loader that Node names. */
  readonly loader: string;
}

/** A row per processor; the lock file and `pins.json` must have its packages. */
export const platforms: readonly Platform[] = [
  {
    architecture: 'amd64',
    npm: 'x64',
    libraries: 'usr/lib/x86_64-linux-gnu',
    loader: 'lib64/ld-linux-x86-64.so.2',
  },
  {
    architecture: 'arm64',
    npm: 'arm64',
    libraries: 'usr/lib/aarch64-linux-gnu',
    loader: 'lib/ld-linux-aarch64.so.1',
  },
];
