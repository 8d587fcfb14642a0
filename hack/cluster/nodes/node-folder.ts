import { copyFile, link, mkdir, open, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { ClusterError } from '../cluster-error.ts';
import type { Authority } from '../control-plane/authority.ts';
import { saveCredential } from '../control-plane/authority.ts';
import { kubeconfigText, type Server } from '../control-plane/kubeconfig.ts';
import { runProgram } from '../control-plane/run-program.ts';
import { controlPlaneAddresses, type DualStack, networks, withPrefix } from '../network/address-plan.ts';
import { rootEnvironment, rootProgram } from '../network/root-program.ts';
import type { ProgramPaths } from '../programs/program-paths.ts';
import { pauseReference } from './images.ts';

/** Programs that run on nodes; what they call comes from the root folder. */
export const nodePrograms = [
  'kubelet',
  'kube-proxy',
  'containerd',
  'containerd-shim-runc-v2',
  'ctr',
  'node-commands',
] as const;

export interface NodeFolderOptions {
  readonly folder: string;
  readonly name: string;
  readonly addresses: DualStack;
  /** The API server as nodes reach it. */
  readonly server: Server;
  readonly authority: Authority;
  /** The root folder that it boots from. */
  readonly root: string;
  readonly paths: ProgramPaths<(typeof nodePrograms)[number]>;
  /** Archives that containerd imports at the first boot. */
  readonly images: readonly string[];
}

/** Makes the folder that a node boots with: scripts, settings, identities, images and an empty disk. */
export async function makeNodeFolder(options: NodeFolderOptions): Promise<void> {
  const { folder, name, addresses, server, authority } = options;
  await mkdir(join(folder, 'images'), { recursive: true, mode: 0o700 });
  for (const script of scripts) await copyFile(join(guestFolder, script), join(folder, script));
  await writeFile(join(folder, 'settings.sh'), settings(options));
  const kubelet = { name: `system:node:${name}`, groups: ['system:nodes'] };
  await saveCredential(join(folder, 'kubelet'), authority.server(kubelet.name, [name, ...addresses]));
  await writeFile(join(folder, 'ca.crt'), authority.certificate);
  const proxy = { name: 'system:kube-proxy' };
  for (const [file, user] of [['kubelet', kubelet] as const, ['kube-proxy', proxy] as const]) {
    const text = kubeconfigText(server, user.name, authority.client(user));
    await writeFile(join(folder, `${file}.kubeconfig`), text, { mode: 0o600 });
  }
  await writeFile(join(folder, 'kubelet.yaml'), stringify(kubeletConfiguration));
  await writeFile(join(folder, 'kube-proxy.yaml'), stringify(proxyConfiguration));
  await writeFile(join(folder, 'containerd.toml'), containerdConfiguration);
  for (const image of options.images) await link(image, join(folder, 'images', basename(image)));
  await makeDisk(options);
}

/** An empty one, sparse: it takes what is written to it. */
async function makeDisk({ root, folder }: NodeFolderOptions): Promise<void> {
  const disk = await open(diskOf(folder), 'w');
  await disk.truncate(diskBytes);
  await disk.close();
  const words = ['-q', '-F', '-t', 'ext4', '-m', '0', '-E', 'nodiscard,lazy_itable_init=1', diskOf(folder)];
  const [program, ...rest] = rootProgram(root, 'mke2fs', words);
  const { code, stderr } = await runProgram(program, rest, { environment: rootEnvironment });
  if (code !== 0) throw new ClusterError(`the disk ${diskOf(folder)} cannot be formatted: ${stderr.trim()}`);
}

/** The file that is a node's disk. */
export function diskOf(folder: string): string {
  return join(folder, 'disk.img');
}

function settings({ name, addresses, paths }: NodeFolderOptions): string {
  const lines = [
    `NODE=${name}`,
    `NODE_IPS=${addresses.join(',')}`,
    `ADDRESSES='${withPrefix(addresses).join(' ')}'`,
    `GATEWAYS='${controlPlaneAddresses.join(' ')}'`,
    `PROGRAMS='${nodePrograms.join(' ')}'`,
    ...nodePrograms.map((program) => `PROGRAM_${program.replaceAll('-', '_')}='${dirname(paths[program])}'`),
  ];
  return `${lines.join('\n')}\n`;
}

/** The folder of a node as the node sees it. */
const seen = '/run/node';

const kubeletConfiguration = {
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  authentication: {
    anonymous: { enabled: false },
    webhook: { enabled: true },
    x509: { clientCAFile: `${seen}/ca.crt` },
  },
  // A refusal is remembered for half a minute otherwise, for which nobody wants to wait after a grant.
  authorization: { mode: 'Webhook', webhook: { cacheUnauthorizedTTL: '2s' } },
  tlsCertFile: `${seen}/kubelet.crt`,
  tlsPrivateKeyFile: `${seen}/kubelet.key`,
  cgroupDriver: 'cgroupfs',
  containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
  failSwapOn: false,
  // Nothing is reserved for the system: a guest of this size has nothing to spare.
  enforceNodeAllocatable: [],
  evictionHard: { 'memory.available': '32Mi', 'nodefs.available': '5%', 'imagefs.available': '5%' },
  // There are no images but those that were imported, and nothing would bring one back.
  imageGCHighThresholdPercent: 100,
  // There is no cluster DNS; pods find the API server by their environment, as in every cluster.
  resolvConf: '',
};

const proxyConfiguration = {
  apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
  kind: 'KubeProxyConfiguration',
  mode: 'iptables',
  clientConnection: { kubeconfig: `${seen}/kube-proxy.kubeconfig` },
  clusterCIDR: networks.pods.join(','),
  // Left as the kernel has it.
  conntrack: { maxPerCore: 0 },
};

const containerdConfiguration = `version = 3
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '${pauseReference}'
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ['/usr/lib/cni']
  conf_dir = '/etc/cni/net.d'
`;

const guestFolder = join(import.meta.dirname, '../guest');
const scripts = ['boot-uml.sh', 'start-node.sh', 'start-unit.sh', 'import-images.sh', 'shut-down.sh'] as const;
const diskBytes = 16 * 2 ** 30;
