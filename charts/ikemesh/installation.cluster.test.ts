import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { chart, valueWords } from './testing/helm.ts';
import { TestCluster } from './testing/release.ts';

describe.each(['helm', 'helm-3'] as const)('an installation of the chart by %s', (release) => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await TestCluster.start({}, release);
  });
  afterAll(() => cluster?.close());

  it('is accepted by the API server as a whole, and says what to do next', async () => {
    const { code, stdout, stderr } = await cluster.install('ikemesh', 'ike', ALL_SWITCHES);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout).toMatch(/metadata: \{name: mesh-ca, namespace: ikemesh-nodes\}/);
    expect(stdout).toMatch(/WARNING: this cluster has no cert-manager/);
  });

  it('lets a next step that its notes show be taken as it stands', async () => {
    const notes = await cluster.helm.succeed('get', 'notes', 'ikemesh', '--namespace=ike');
    const peering = /<<'END'\n(\s+apiVersion: ikemesh[\s\S]*?)END/.exec(notes)?.[1] ?? '';
    const lines = peering.split('\n').map((line) => line.slice(4));
    await cluster.kubectl(['create', '--validate=strict', '--filename=-'], lines.join('\n'));
    expect((await cluster.get('ipsecpeering', 'cluster'))['spec']).toMatchObject({ enforcement: 'Permissive' });
  });

  it('never changes its trust domain, however one tries', async () => {
    const other = valueWords(['trustDomain=other.internal']);
    const { code, stderr } = await cluster.helm.run('upgrade', 'ikemesh', chart, '--namespace=ike', ...other);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(
      /trustDomain is test.ikemesh.internal and cannot become other.internal: every node's identity/,
    );
    const rendered = await cluster.helm.render(['trustDomain=other.internal']);
    const configMap = rendered.find(({ metadata }) => metadata.name === 'ikemesh-trust-domain') ?? {};
    await expect(cluster.apply(configMap)).rejects.toThrow(/field is immutable when `immutable` is set/);
  });

  it('warns where the namespace admits no agent', async () => {
    await cluster.apply({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'strict', labels: { 'pod-security.kubernetes.io/enforce': 'baseline' } },
    });
    const words = [
      'install',
      'strict',
      chart,
      '--namespace=strict',
      '--dry-run=server',
      ...valueWords(['crds.enabled=false']),
    ];
    expect(await cluster.helm.succeed(...words)).toMatch(
      /enforces the Pod Security Standard `baseline`, which admits no agent/,
    );
  });

  it('is admitted where only restricted pods are, but for the agents and their holders', async () => {
    await cluster.apply({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'restricted', labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
    });
    // The controller that makes it may take its time.
    await cluster.apply({
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'default', namespace: 'restricted' },
    });
    const objects = await cluster.helm.render(ALL_SWITCHES);
    const pods = objects.flatMap(({ metadata, ...object }) => {
      const { template } = (object['spec'] ?? {}) as { readonly template?: { readonly spec: object } };
      return template === undefined ? [] : [{ name: metadata.name, spec: template.spec as Record<string, unknown> }];
    });
    for (const { name, spec } of pods) {
      const { serviceAccountName: _, restartPolicy: __, ...rest } = spec;
      const pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace: 'restricted' },
        spec: { ...rest, serviceAccountName: 'default' },
      };
      const { stderr } = await cluster.controlPlane.kubectl(['create', '--dry-run=server', '--filename=-'], {
        input: JSON.stringify(pod),
      });
      if (OF_THE_NODE.has(name)) expect(stderr).toMatch(/violates PodSecurity "restricted:latest": host namespaces/);
      else expect(stderr, name).toBe('');
    }
  });

  it('gave agents no right before the policy that confines them: the log of the API server has no binding of theirs', async () => {
    const requests = (await readFile(cluster.controlPlane.auditLog, 'utf8'))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as AuditEvent)
      .filter(({ verb }) => ['create', 'patch', 'update'].includes(verb));
    const bindings = requests.filter(
      ({ objectRef }) => /rolebindings$/.test(objectRef?.resource ?? '') && objectRef?.name === 'ikemesh-agent',
    );
    expect(bindings).toEqual([]);
    const policies = requests.filter(({ objectRef }) => objectRef?.resource === 'validatingadmissionpolicies');
    expect(policies.map(({ objectRef }) => objectRef?.name)).toContain('ikemesh-agent');
    expect(await cluster.may('ikemesh-agent', 'ike', 'list ipsecnodeconfigs')).toBe(false);
  });

  it('is upgraded over a minor version and rolled back, and nothing is gone in between', async () => {
    const before = await uids();
    const next = await laterChart('0.2.0');
    try {
      const words = ['--namespace=ike', ...valueWords(ALL_SWITCHES)];
      await cluster.helm.succeed('upgrade', 'ikemesh', next, ...words);
      expect(await imageOfAgents()).toBe('ikemesh.io/ikemesh:0.2.0');
      expect(await shortNames()).toEqual(['ipp', 'ippeering']);
      expect(await uids()).toEqual(before);
      await cluster.helm.succeed('rollback', 'ikemesh', '1', '--namespace=ike');
    } finally {
      await rm(next, { recursive: true });
    }
    expect(await imageOfAgents()).toBe('ikemesh.io/ikemesh:0.1.0');
    expect(await shortNames()).toEqual(['ipp']);
    expect(await uids()).toEqual(before);
    expect((await cluster.get('ipsecpeering', 'cluster'))['spec']).toMatchObject({ enforcement: 'Permissive' });
  });

  it.each([
    [
      '0.3.0',
      /ikemesh 0[.]1[.]0 is installed, and 0[.]3[.]0 leaves out minor versions: .* Upgrade to the newest 0[.]2 first/,
    ],
    ['1.1.0', /ikemesh 0[.]1[.]0 is installed, and 1[.]1[.]0 leaves out versions: .* then to 1[.]0/],
    ['2.0.0', /leaves out versions: .* then to 1[.]0/],
  ])('is not upgraded to %s, past versions in between, and says to which first', async (version, message) => {
    const revisions = () => cluster.helm.succeed('history', 'ikemesh', '--namespace=ike');
    const before = await revisions();
    const later = await laterChart(version);
    try {
      const words = ['--namespace=ike', ...valueWords(ALL_SWITCHES)];
      const { code, stderr } = await cluster.helm.run('upgrade', 'ikemesh', later, ...words);
      expect(code).not.toBe(0);
      expect(stderr).toMatch(message);
    } finally {
      await rm(later, { recursive: true });
    }
    expect(await revisions()).toBe(before);
    expect(await imageOfAgents()).toBe('ikemesh.io/ikemesh:0.1.0');
  });

  it('leaves peerings and definitions, which another release takes over when it is told to, and not before', async () => {
    await cluster.helm.succeed('uninstall', 'ikemesh', '--namespace=ike', '--no-hooks');
    const refused = await cluster.install('other', 'elsewhere');
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toMatch(/CustomResourceDefinition.* exists and cannot be imported into the current release/);
    const taken = await cluster.install('other', 'elsewhere', [], '--take-ownership');
    expect(taken.stderr + taken.code).toBe('0');
    expect((await cluster.get('ipsecpeering', 'cluster')).metadata.name).toBe('cluster');
    const definition = await cluster.get('crd', 'ipsecpeerings.ikemesh.io');
    expect(definition.metadata.annotations).toMatchObject({ 'meta.helm.sh/release-name': 'other' });
  });

  /** Objects that must not be made anew. */
  async function uids(): Promise<readonly string[]> {
    const kinds =
      'daemonsets,deployments,validatingadmissionpolicies,validatingadmissionpolicybindings,crds,namespaces';
    const words = ['get', kinds, '--all-namespaces', '--selector=app.kubernetes.io/instance=ikemesh'];
    const found = await cluster.kubectl([
      ...words,
      '--output=jsonpath={range .items[*]}{.metadata.name} {.metadata.uid}{"\\n"}{end}',
    ]);
    return found.trim().split('\n').sort();
  }

  async function imageOfAgents(): Promise<string> {
    const path = '--output=jsonpath={.spec.template.spec.containers[0].image}';
    return cluster.kubectl(['get', 'daemonset', 'ikemesh-agent', '--namespace=ike', path]);
  }

  async function shortNames(): Promise<unknown> {
    const { spec } = (await cluster.get('crd', 'ipsecpeerings.ikemesh.io')) as unknown as Definition;
    return spec.names.shortNames;
  }
});

/** Pods that have the network and a folder of the node. */
const OF_THE_NODE: ReadonlySet<string> = new Set(['ikemesh-agent', 'ikemesh-holder']);

/** The chart as a later version could be: another image, and a definition that says more. */
async function laterChart(version: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ikemesh-chart-next-'));
  await cp(chart, folder, { recursive: true });
  const change = async (file: string, from: string, to: string) => {
    const text = await readFile(join(folder, file), 'utf8');
    if (!text.includes(from)) throw new Error(`${file} does not say ${from}`);
    await writeFile(join(folder, file), text.replaceAll(from, to));
  };
  await change('Chart.yaml', '0.1.0', version);
  await change('templates/crds/ipsecpeerings.ikemesh.io.yaml', '- ipp\n', '- ipp\n      - ippeering\n');
  return folder;
}

interface Definition {
  readonly spec: { readonly names: { readonly shortNames: readonly string[] } };
}

interface AuditEvent {
  readonly verb: string;
  readonly objectRef?: { readonly resource?: string; readonly name?: string };
}

/** What needs no kind that this cluster lacks. */
const ALL_SWITCHES = [
  'networkPolicy.enabled=true',
  'agent.criticalPodsQuota.enabled=true',
  'agent.kernelModules.load=true',
  'agent.kernelModules.image=registry.test/kmod:1',
  'issuer.restricted=true',
];
