import { copyFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';

import { packLayer } from '../hack/image/layer.ts';
import { writeOciLayout } from '../hack/image/oci-layout.ts';

const reference = 'ikemesh.example/prometheus:1';

/** An OCI image layout with Debian's Prometheus and the C library that it wants, of this machine. */
export async function prometheusImage(program: string, folder: string): Promise<string> {
  const work = join(folder, 'image-prometheus');
  const root = join(work, 'root');
  for (const [from, to] of [[program, 'prometheus'], ...LIBRARIES] as const) {
    await mkdir(join(root, to, '..'), { recursive: true });
    await copyFile(from, join(root, to));
  }
  const layer = await packLayer(root, join(work, 'layer.tar'));
  await rm(root, { recursive: true });
  const layout = join(work, 'layout');
  const platform = { architecture: 'amd64' } as const;
  const process = { title: 'prometheus', entrypoint: ['/prometheus'], words: [], environment: [], user: '65534:65534' };
  await writeOciLayout(layout, [{ platform, layers: [layer] }], { reference, version: '1' }, process);
  return layout;
}

/** What the monitors of the chart say of how to ask, as prometheus-operator writes it for Prometheus. */
export interface ScrapeAccess {
  readonly serverName: string;
  /** Addresses with ports. */
  readonly agents: readonly string[];
  readonly operators: readonly string[];
  /** The authority by which the certificate of the targets is judged. */
  readonly authority: string;
}

/** A Prometheus in a pod of its own, as the ServiceAccount `prometheus` of the namespace `monitoring`, with its token from the pod's files. */
export function prometheusPod({ serverName, agents, operators, authority }: ScrapeAccess): readonly object[] {
  const asked = {
    scheme: 'https',
    tls_config: { ca_file: '/etc/prometheus/ca.crt', server_name: serverName },
    authorization: { credentials_file: '/var/run/secrets/kubernetes.io/serviceaccount/token' },
  };
  const configuration = stringify({
    global: { scrape_interval: '2s', scrape_timeout: '2s' },
    scrape_configs: [
      { job_name: 'agents', ...asked, static_configs: [{ targets: agents }] },
      { job_name: 'operators', ...asked, static_configs: [{ targets: operators }] },
    ],
  });
  const words = [
    '--config.file=/etc/prometheus/prometheus.yml',
    '--storage.tsdb.path=/data',
    '--web.listen-address=:9090',
  ];
  const metadata = { name: 'prometheus', namespace: 'monitoring' };
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'monitoring' } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata,
      data: { 'prometheus.yml': configuration, 'ca.crt': authority },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata,
      spec: {
        serviceAccountName: 'prometheus',
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'prometheus',
            image: reference,
            imagePullPolicy: 'Never',
            args: words,
            readinessProbe: { httpGet: { path: '/-/ready', port: 9090 }, periodSeconds: 2 },
            volumeMounts: [
              { name: 'configuration', mountPath: '/etc/prometheus' },
              { name: 'data', mountPath: '/data' },
            ],
          },
        ],
        securityContext: { fsGroup: 65534 },
        volumes: [
          { name: 'configuration', configMap: { name: 'prometheus' } },
          { name: 'data', emptyDir: {} },
        ],
      },
    },
  ];
}

const LIBRARIES = [
  ['/lib/x86_64-linux-gnu/libc.so.6', 'lib/x86_64-linux-gnu/libc.so.6'],
  ['/lib64/ld-linux-x86-64.so.2', 'lib64/ld-linux-x86-64.so.2'],
] as const;
