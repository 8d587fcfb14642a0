import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { chart, valueWords } from './testing/helm.ts';
import { TestCluster } from './testing/release.ts';

describe('an installation of the chart', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await TestCluster.start();
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

  it('is admitted where only restricted pods are, but for the agents', async () => {
    await cluster.apply({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'restricted', labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
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
      if (name === 'ikemesh-agent') expect(stderr).toMatch(/violates PodSecurity "restricted:latest": host namespaces/);
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
});

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
