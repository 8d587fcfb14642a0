/** A program of the cluster, and the Go package that it is built from. */
export interface Program {
  readonly name: string;
  /** Folder below `modules/` whose go.mod pins it. */
  readonly module: 'cert-manager' | 'containerd' | 'etcd' | 'helm' | 'helm-3' | 'kubernetes' | 'node';
  readonly package: string;
  /** Go's build tags. */
  readonly tags?: readonly string[];
  /** Values of string variables that the linker sets, by their full names. */
  readonly variables?: Readonly<Record<string, string>>;
  /** A folder of another module that belongs to the program and is kept beside it, under this name. */
  readonly beside?: { readonly name: string; readonly module: string; readonly path: string };
}

/** The release that the pins in `modules/kubernetes` make; the programs say it of themselves. */
export const kubernetesVersion = '1.37.2';

const [kubernetesMajor = '', kubernetesMinor = ''] = kubernetesVersion.split('.');

function kubernetes(name: string): Program {
  return {
    name,
    module: 'kubernetes',
    package: `k8s.io/kubernetes/cmd/${name}`,
    variables: {
      'k8s.io/component-base/version.gitVersion': `v${kubernetesVersion}`,
      'k8s.io/component-base/version.gitMajor': kubernetesMajor,
      'k8s.io/component-base/version.gitMinor': kubernetesMinor,
    },
  };
}

/** Its file systems beside overlayfs need headers of C libraries. */
function containerd(name: string): Program {
  const tags = ['no_btrfs', 'no_zfs', 'no_devmapper'];
  return { name, module: 'containerd', package: `github.com/containerd/containerd/v2/cmd/${name}`, tags };
}

/** As its releases are built: without, it renders for Kubernetes 1.20. */
const helm3 = {
  name: 'helm-3',
  module: 'helm-3',
  package: 'helm.sh/helm/v3/cmd/helm',
  variables: {
    'helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor': kubernetesMajor,
    'helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor': kubernetesMinor,
    'helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor': kubernetesMajor,
    'helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor': kubernetesMinor,
  },
} as const;

/** Every program, those first that most tests want. */
export const programs = {
  etcd: { name: 'etcd', module: 'etcd', package: 'go.etcd.io/etcd/server/v3' },
  'kube-apiserver': kubernetes('kube-apiserver'),
  kubectl: kubernetes('kubectl'),
  'kube-controller-manager': kubernetes('kube-controller-manager'),
  'kube-scheduler': kubernetes('kube-scheduler'),
  kubelet: kubernetes('kubelet'),
  'kube-proxy': kubernetes('kube-proxy'),
  containerd: containerd('containerd'),
  'containerd-shim-runc-v2': containerd('containerd-shim-runc-v2'),
  ctr: containerd('ctr'),
  'node-commands': { name: 'node-commands', module: 'node', package: './node-commands' },
  pause: { name: 'pause', module: 'node', package: './pause' },
  traffic: { name: 'traffic', module: 'node', package: './traffic' },
  helm: { name: 'helm', module: 'helm', package: 'helm.sh/helm/v4/cmd/helm' },
  'helm-3': helm3,
  'cert-manager-controller': {
    name: 'cert-manager-controller',
    module: 'cert-manager',
    package: './cert-manager-controller',
    beside: {
      name: 'chart',
      module: 'github.com/cert-manager/cert-manager',
      path: 'deploy/charts/cert-manager',
    },
  },
  'cert-manager-webhook': {
    name: 'cert-manager-webhook',
    module: 'cert-manager',
    package: './cert-manager-webhook',
  },
} as const satisfies Record<string, Program>;

export type ProgramName = keyof typeof programs;

/** All that a control plane may run, in the order in which they are best built. */
export const programNames = Object.keys(programs) as readonly ProgramName[];
