import { createHash } from 'node:crypto';

/** What a folder of Debian packages is made of; each is built once and cached under its hash. */
export interface Recipe {
  readonly name: string;
  /** The Debian release that the packages come from. */
  readonly suite: string;
  readonly packages: readonly string[];
  /**
   * The packages are only unpacked, with what they need, and none of their scripts has run, which are most of what building
   * takes: for programs that find what they need all the same. Default: a system as Debian installs it.
   */
  readonly unpackedOnly?: true;
  /** A release that is not stable yet signs its index for a week at a time; mirrors that stand still have an older one. */
  readonly unreleased?: true;
}

/** The guest's kernel, and what scenarios make and watch traffic with. */
const tools = [
  'user-mode-linux',
  'ca-certificates',
  'ethtool',
  'iperf3',
  'iproute2',
  'iptables',
  'iputils-ping',
  'kmod',
  // Node's own binary is linked with it.
  'libatomic1',
  'netcat-openbsd',
  'nftables',
  'openssl',
  'procps',
  'tcpdump',
] as const;

/** Root folders that can be built. A row per IKE daemon that cannot live beside the others, or per kernel release. */
export const recipes = {
  strongswan: {
    name: 'strongswan',
    suite: 'trixie',
    packages: [
      ...tools,
      'strongswan-charon',
      'strongswan-swanctl',
      'libcharon-extra-plugins',
      'libstrongswan-extra-plugins',
      'libstrongswan-standard-plugins',
    ],
  },
  libreswan: {
    name: 'libreswan',
    suite: 'trixie',
    // certutil and pk12util: pluto reads certificates and private keys from an NSS database only.
    packages: [...tools, 'libreswan', 'libnss3-tools'],
  },
  openiked: {
    name: 'openiked',
    suite: 'trixie',
    packages: [...tools, 'openiked'],
  },
  /** What the demo shows runs in a minimum, so that whoever sees it for the first time does not wait. */
  demo: {
    name: 'demo',
    suite: 'trixie',
    packages: [
      'base-files',
      'base-passwd',
      'coreutils',
      'dash',
      'hostname',
      'iproute2',
      'iputils-ping',
      'kmod',
      'libatomic1',
      'libstdc++6',
      'mount',
      'procps',
      'tcpdump',
      'user-mode-linux',
      'util-linux',
    ],
    unpackedOnly: true,
  },
  /** A node of hack/cluster: what kubelet, containerd and kube-proxy call. */
  node: {
    name: 'node',
    suite: 'trixie',
    packages: [...tools, 'conntrack', 'containernetworking-plugins', 'e2fsprogs', 'runc'],
  },
} as const satisfies Record<string, Recipe>;

export type RecipeName = keyof typeof recipes;

/**
 * A kernel that is newer than the one in the root folders. User Mode Linux from 6.16 on catches its processes' system calls
 * by seccomp, which makes a guest about twice as fast; but Debian builds it without any packet filter for IP.
 */
export const newerKernel = {
  name: 'kernel',
  suite: 'forky',
  packages: ['user-mode-linux'],
  unpackedOnly: true,
  unreleased: true,
} as const satisfies Recipe;

/**
 * The name of the cached folder: the recipe's name and a hash over everything that decides the folder's content,
 * so that a changed recipe is never served by an old folder.
 */
export function recipeFolderName(recipe: Recipe, customization: string): string {
  const content = JSON.stringify([recipe.name, recipe.suite, [...recipe.packages].sort(), customization]);
  return `${recipe.name}-${createHash('sha256').update(content).digest('hex').slice(0, 16)}`;
}
