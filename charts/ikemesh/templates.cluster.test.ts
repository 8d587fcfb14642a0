import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { trustDomainFault } from '../../operator/nodeconfig/identity.ts';
import { chart, find, Helm, helmProgram, type KubernetesObject, valueWords } from './testing/helm.ts';
import { containersOf, type PodSpec, podSpecOf } from './testing/pods.ts';
import { documentedRights, installedRights } from './testing/rights.ts';

/** What the chart makes of values, without a cluster. */
describe("the chart's templates", () => {
  let helm: Helm;
  let helm3: Helm;
  beforeAll(async () => {
    helm = new Helm(await helmProgram());
    helm3 = new Helm(await helmProgram('helm-3'));
  });
  afterAll(() => {
    helm?.close();
    helm3?.close();
  });

  /** Why values are refused. */
  async function refusal(...values: readonly string[]): Promise<string> {
    const { code, stderr } = await helm.run('template', 'ikemesh', chart, ...valueWords(values));
    expect(code, stderr).not.toBe(0);
    return stderr;
  }

  async function podsOf(...values: readonly string[]): Promise<readonly { name: string; spec: PodSpec }[]> {
    return (await helm.render(values)).flatMap((object) => {
      const spec = podSpecOf(object);
      return spec === undefined || !RUNS_PODS.has(object.kind) ? [] : [{ name: object.metadata.name, spec }];
    });
  }

  async function agentPod(...values: readonly string[]): Promise<PodSpec> {
    return specOf(find(await helm.render(values), 'DaemonSet', 'ikemesh-agent'));
  }

  it('are without a fault in the eyes of helm lint --strict, of Helm 3 as well', async () => {
    for (const each of [helm, helm3]) {
      const { code, stdout } = await each.run('lint', '--strict', chart);
      expect(stdout).not.toMatch(/\[(WARNING|ERROR)\]/);
      expect(code).toBe(0);
    }
  });

  it('make the same objects by Helm 3', async () => {
    expect(await helm3.render(EVERYTHING)).toEqual(await helm.render(EVERYTHING));
  });

  describe('give pods no more than they need', () => {
    it('no pod is privileged, shares processes of the node, writes into its image or does without seccomp', async () => {
      const pods = await podsOf(...EVERYTHING);
      expect(pods.map(({ name }) => name).sort()).toEqual([
        'ikemesh-agent',
        'ikemesh-check',
        'ikemesh-holder',
        'ikemesh-operator',
        'ikemesh-removal',
      ]);
      for (const { name, spec } of pods) {
        expect(spec.hostPID ?? false, name).toBe(false);
        expect(spec.hostIPC ?? false, name).toBe(false);
        expect(spec.securityContext, name).toMatchObject({ seccompProfile: { type: 'RuntimeDefault' } });
        for (const container of containersOf(spec)) {
          expect(container.securityContext, `${name} ${container.name}`).toMatchObject({
            privileged: false,
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          });
        }
      }
    });

    it('only the agent has capabilities, those for XFRM and for port 500, and only its holder else the network of the node', async () => {
      for (const { name, spec } of await podsOf()) {
        const isAgent = name === 'ikemesh-agent';
        const isOfNode = isAgent || name === 'ikemesh-holder';
        expect(spec.hostNetwork ?? false, name).toBe(isOfNode);
        const added = containersOf(spec).flatMap(({ securityContext }) => securityContext?.capabilities?.add ?? []);
        expect(added, name).toEqual(isAgent ? ['NET_ADMIN', 'NET_BIND_SERVICE'] : []);
        expect(spec.securityContext?.['runAsNonRoot'] ?? false, name).toBe(!isOfNode);
      }
    });

    it('what a gateway sends too early is kept only where that is wanted, by one capability more', async () => {
      const { containers = [] } = await agentPod('agent.keepEarlyPackets=true');
      const [added] = containers.map(({ securityContext }) => securityContext?.capabilities?.add);
      expect(added).toEqual(['NET_ADMIN', 'NET_BIND_SERVICE', 'NET_RAW']);
    });

    it('modules are loaded by a container that has ended when the agent starts, and only where that is wanted', async () => {
      expect(JSON.stringify(await agentPod())).not.toContain('modprobe');
      const { initContainers, containers } = await agentPod(
        'agent.kernelModules.load=true',
        'agent.kernelModules.image=registry.test/kmod:1',
      );
      expect(initContainers).toMatchObject([
        {
          name: 'kernel-modules',
          image: 'registry.test/kmod:1',
          command: ['modprobe', '--all'],
          args: ['xfrm_user', 'esp4', 'esp6'],
          securityContext: { capabilities: { drop: ['ALL'], add: ['SYS_MODULE'] } },
        },
      ]);
      expect(containers[0]?.securityContext?.capabilities?.add).not.toContain('SYS_MODULE');
      expect(await refusal('agent.kernelModules.load=true')).toMatch(
        /kernelModules.image must be set to an image that/,
      );
    });

    it('the holder outlives the pod of the agent, with no capability, key or account, on the same nodes, where the agent asks', async () => {
      const objects = await helm.render(['agent.stateFolder=/srv/ikemesh', ...PLACES]);
      const agent = specOf(find(objects, 'DaemonSet', 'ikemesh-agent'));
      const holder = specOf(find(objects, 'DaemonSet', 'ikemesh-holder'));
      expect(holder.containers).toMatchObject([
        {
          name: 'holder',
          image: agent.containers[0]?.image,
          command: ['/usr/bin/node', '/app/holder.js'],
          args: ['--socket=/srv/ikemesh/holder.sock'],
          securityContext: { capabilities: { drop: ['ALL'] } },
          resources: { requests: { memory: '24Mi' } },
          volumeMounts: [{ name: 'state', mountPath: '/srv/ikemesh' }],
        },
      ]);
      expect(holder.containers[0]?.securityContext?.capabilities?.add).toBeUndefined();
      expect(holder).toMatchObject({ automountServiceAccountToken: false });
      // The operator takes every pod with the ServiceAccount of the agents for an agent.
      expect([agent.serviceAccountName, holder.serviceAccountName]).toEqual(['ikemesh-agent', 'ikemesh-holder']);
      find(objects, 'ServiceAccount', 'ikemesh-holder');
      expect(holder.volumes).toEqual([
        { name: 'state', hostPath: { path: '/srv/ikemesh', type: 'DirectoryOrCreate' } },
      ]);
      const places = ({ nodeSelector, affinity, tolerations, priorityClassName }: PodSpec) => {
        return { nodeSelector, affinity, tolerations, priorityClassName };
      };
      expect(places(agent)).toMatchObject({ nodeSelector: { disk: 'ssd' }, tolerations: [{ key: 'gpu' }] });
      expect(places(holder)).toEqual(places(agent));
      expect(agent.containers[0]?.args).toContain('--holder=/srv/ikemesh/holder.sock');
    });

    it('an agent is without a holder where none is wanted, and asks none then', async () => {
      const objects = await helm.render(['agent.holder.enabled=false']);
      expect(JSON.stringify(objects)).not.toContain('holder.js');
      const { containers } = specOf(find(objects, 'DaemonSet', 'ikemesh-agent'));
      expect(containers[0]?.args?.join(' ')).not.toContain('--holder');
      expect(await refusal('agent.holder.enable=false')).toMatch(/enable/);
    });

    it('the agent sees one folder of the node, its own', async () => {
      const { volumes = [] } = await agentPod('agent.stateFolder=/srv/ikemesh');
      expect(volumes.flatMap(({ hostPath }) => hostPath?.path ?? [])).toEqual(['/srv/ikemesh']);
    });
  });

  describe('keep an agent on every node at all times', () => {
    it.each(['ikemesh-agent', 'ikemesh-holder'])(
      'a new %s starts before the old one goes, and no port of the node keeps them apart',
      async (name) => {
        const daemonSet = find(await helm.render([]), 'DaemonSet', name);
        expect((daemonSet['spec'] as Spec)['updateStrategy']).toEqual({
          type: 'RollingUpdate',
          rollingUpdate: { maxSurge: '10%', maxUnavailable: 0 },
        });
        for (const container of containersOf(specOf(daemonSet))) expect(container.ports ?? []).toEqual([]);
        const all = find(await helm.render(['agent.maxSurge=100%']), 'DaemonSet', name);
        expect(all['spec']).toMatchObject({ updateStrategy: { rollingUpdate: { maxSurge: '100%' } } });
        expect(await refusal('agent.maxSurge=0')).toMatch(/minimum: got 0, want 1/);
      },
    );

    it('whatever taints a node has, before all that is not as critical', async () => {
      const { tolerations, priorityClassName } = await agentPod();
      expect(tolerations).toEqual([{ operator: 'Exists' }]);
      expect(priorityClassName).toBe('system-node-critical');
    });
  });

  it('run two operators on different nodes, one of which a drain leaves', async () => {
    const objects = await helm.render([]);
    const deployment = find(objects, 'Deployment', 'ikemesh-operator');
    expect(deployment['spec']).toMatchObject({ replicas: 2 });
    expect(specOf(deployment).topologySpreadConstraints).toMatchObject([
      { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: OPERATOR } },
    ]);
    expect(find(objects, 'PodDisruptionBudget', 'ikemesh-operator')['spec']).toMatchObject({
      maxUnavailable: 1,
      selector: { matchLabels: OPERATOR },
    });
  });

  it('run exactly the image of a digest', async () => {
    const digest = `sha256:${'0f'.repeat(32)}`;
    for (const { spec } of await podsOf(`image.digest=${digest}`, 'image.repository=registry.test:5000/ike/mesh')) {
      expect(spec.containers.map(({ image }) => image)).toEqual([`registry.test:5000/ike/mesh:0.1.0@${digest}`]);
    }
    expect(await refusal('image.digest=sha256:12')).toMatch(/'\/image\/digest'.* does not match pattern/);
  });

  describe('take no trust domain that would not do', () => {
    it('it must be set', async () => {
      expect(await refusal('trustDomain=')).toMatch(/trustDomain must be set, once and for all/);
    });

    it.each(['A.test', 'a..b', '-a.test', '10.1', 'a_b.test', `${'a.'.repeat(96)}a`])('%s', async (text) => {
      expect(trustDomainFault(text)).toBeDefined();
      expect(await refusal(`trustDomain="${text}"`)).toMatch(/'\/trustDomain'/);
    });

    it('and take what the operator takes', async () => {
      for (const text of ['prod-1.ikemesh.internal', 'a', `${'a.'.repeat(95)}a`]) {
        expect(trustDomainFault(text)).toBeUndefined();
        expect(await helm.render([`trustDomain=${text}`])).not.toEqual([]);
      }
    });
  });

  it('refuse values that nobody reads, and say which', async () => {
    expect(await refusal('agnet.logLevel=debug')).toMatch(/additional properties 'agnet' not allowed/);
    expect(await refusal('agent.loglevel=debug')).toMatch(/'\/agent': additional properties 'loglevel' not allowed/);
    expect(await refusal('agent.logLevel=loud')).toMatch(/'\/agent\/logLevel': value must be one of 'debug', 'info'/);
  });

  describe('let Prometheus find operator and agents', () => {
    it('each agent serves metrics at its node, by no port that is declared, and the operator at one that is', async () => {
      const objects = await helm.render(['metrics.agent.port=9999', 'metrics.agent.peers=false']);
      const [agent] = specOf(find(objects, 'DaemonSet', 'ikemesh-agent')).containers;
      expect(agent?.args).toEqual(
        expect.arrayContaining(['--metrics-listen=$(HOST_IP):9999', '--metrics-without-peers']),
      );
      expect(agent?.env).toContainEqual({ name: 'HOST_IP', valueFrom: { fieldRef: { fieldPath: 'status.hostIP' } } });
      expect(agent?.ports ?? []).toEqual([]);
      const [operator] = specOf(find(objects, 'Deployment', 'ikemesh-operator')).containers;
      expect(operator?.args).toContain('--metrics-port=8080');
      expect(operator?.ports).toContainEqual({ name: 'metrics', containerPort: 8080 });
      expect(find(objects, 'Service', 'ikemesh-operator')['spec']).toMatchObject({
        clusterIP: 'None',
        selector: OPERATOR,
      });
    });

    it('nothing is served where that is not wanted, and no monitor waits for it in vain', async () => {
      const objects = await helm.render(['metrics.enabled=false']);
      expect(objects.filter(({ kind }) => kind === 'Service')).toEqual([]);
      const containers = objects.flatMap((object) => podSpecOf(object)?.containers ?? []);
      const words = containers.flatMap(({ args = [] }) => args).filter((word) => word.includes('metrics'));
      expect(words).toEqual([]);
      for (const monitor of ['serviceMonitor', 'podMonitor'])
        expect(await refusal('metrics.enabled=false', `metrics.${monitor}.enabled=true`)).toContain(
          `metrics.${monitor}.enabled needs metrics.enabled`,
        );
    });

    it('by monitors with the labels and times that are wanted; without, there are none', async () => {
      const kinds = (objects: readonly KubernetesObject[]) => objects.map(({ kind }) => kind);
      expect(kinds(await helm.render([])).filter((kind) => kind.endsWith('Monitor'))).toEqual([]);
      const wanted = ['serviceMonitor', 'podMonitor'].flatMap((monitor) => [
        `metrics.${monitor}.enabled=true`,
        `metrics.${monitor}.labels={"release":"prometheus"}`,
        `metrics.${monitor}.interval=15s`,
        `metrics.${monitor}.namespace=monitoring`,
      ]);
      const objects = await helm.render(wanted);
      const service = find(objects, 'ServiceMonitor', 'ikemesh-operator');
      const pods = find(objects, 'PodMonitor', 'ikemesh-agent');
      for (const { metadata, ...rest } of [service, pods]) {
        expect(metadata).toMatchObject({ namespace: 'monitoring', labels: { release: 'prometheus' } });
        expect((rest['spec'] as Spec)['namespaceSelector']).toEqual({ matchNames: ['ike'] });
      }
      expect(service['spec']).toMatchObject({ endpoints: [{ port: 'metrics', path: '/metrics', interval: '15s' }] });
      expect((service['spec'] as Spec)['selector']).toEqual({ matchLabels: OPERATOR });
      expect(find(objects, 'Service', 'ikemesh-operator').metadata.labels).toMatchObject(OPERATOR);
    });

    it('with a token and by TLS where that is wanted, from a Secret that nothing waits for', async () => {
      const monitors = ['metrics.podMonitor.enabled=true', 'metrics.serviceMonitor.enabled=true'];
      const objects = await helm.render([...monitors, ...EVERYTHING]);
      for (const [kind, name] of [
        ['DaemonSet', 'ikemesh-agent'],
        ['Deployment', 'ikemesh-operator'],
      ] as const) {
        const { containers, volumes = [] } = specOf(find(objects, kind, name));
        expect(containers[0]?.args, name).toEqual(
          expect.arrayContaining(['--metrics-tls=/etc/ikemesh/metrics-tls', '--metrics-authentication']),
        );
        expect(volumes, name).toContainEqual({
          name: 'metrics-tls',
          secret: { secretName: 'metrics-tls', optional: true },
        });
        const plain = specOf(find(await helm.render([]), kind, name));
        expect(JSON.stringify(plain)).not.toMatch(/metrics-tls|metrics-authentication/);
      }
      const access = {
        scheme: 'https',
        tlsConfig: { serverName: 'metrics.test.internal', ca: { secret: { name: 'metrics-tls', key: 'ca.crt' } } },
        authorization: { credentials: { name: 'prometheus-token', key: 'token' } },
      };
      expect(find(objects, 'ServiceMonitor', 'ikemesh-operator')['spec']).toMatchObject({ endpoints: [access] });
      expect(find(objects, 'PodMonitor', 'ikemesh-agent')['spec']).toMatchObject({ podMetricsEndpoints: [access] });
      expect(await refusal('metrics.authentication.enabled=true')).toContain('needs metrics.tls.secretName');
      expect(await refusal('metrics.tls.secretName=x', 'metrics.podMonitor.enabled=true')).toContain(
        'serverName must be set',
      );
    });

    it('a status page is beside the metrics of agents only where it is wanted, and not without them', async () => {
      const [plain] = specOf(find(await helm.render([]), 'DaemonSet', 'ikemesh-agent')).containers;
      expect(plain?.args).not.toContain('--status-page');
      const objects = await helm.render(['agent.statusPage.enabled=true']);
      expect(specOf(find(objects, 'DaemonSet', 'ikemesh-agent')).containers[0]?.args).toContain('--status-page');
      expect(await refusal('metrics.enabled=false', 'agent.statusPage.enabled=true')).toContain(
        'needs metrics.enabled',
      );
      expect(await refusal('agent.statusPage=true')).toMatch(/'\/agent\/statusPage': got boolean, want object/);
    });

    it('dashboards lie where the sidecar of Grafana finds them, whole, and only where they are wanted', async () => {
      const dashboards = (objects: readonly KubernetesObject[]) =>
        objects.filter(({ metadata }) => metadata.labels?.['grafana_dashboard'] !== undefined);
      expect(dashboards(await helm.render([]))).toEqual([]);
      const found = dashboards(
        await helm.render(['metrics.dashboards.enabled=true', 'metrics.dashboards.namespace=monitoring']),
      );
      expect(found.map(({ metadata }) => metadata.name)).toEqual(
        ['fleet', 'node', 'peer'].map((name) => `ikemesh-dash-${name}`),
      );
      for (const { kind, metadata, data } of found) {
        expect([kind, metadata.namespace]).toEqual(['ConfigMap', 'monitoring']);
        expect(metadata.annotations).toEqual({ grafana_folder: 'ikemesh' });
        const [[name = '', text = ''] = []] = Object.entries(data as Readonly<Record<string, string>>);
        expect(JSON.parse(text)).toEqual(
          JSON.parse(await readFile(join(chart, 'files/dashboards', name.replace('ikemesh-', '')), 'utf8')),
        );
      }
      const linked = dashboards(
        await helm.render([
          'metrics.dashboards.enabled=true',
          'metrics.prometheusRule.runbookUrl=https://git.example.test/RUNBOOK.md',
        ]),
      );
      expect(linked).toHaveLength(3);
      for (const { data } of linked) {
        const [[name = '', text = ''] = []] = Object.entries(data as Readonly<Record<string, string>>);
        const asFile = JSON.parse(
          await readFile(join(chart, 'files/dashboards', name.replace('ikemesh-', '')), 'utf8'),
        );
        const link = expect.objectContaining({ title: 'Runbook', url: 'https://git.example.test/RUNBOOK.md' });
        expect(JSON.parse(text)).toEqual({ ...asFile, links: [...asFile.links, link] });
      }
      expect(await refusal('metrics.enabled=false', 'metrics.dashboards.enabled=true')).toContain(
        'needs metrics.enabled',
      );
      expect(await refusal('metrics.enabled=false', 'metrics.prometheusRule.enabled=true')).toContain(
        'needs metrics.enabled',
      );
    });

    it('by the address of the node and the port of the agents, of either family, once for each agent', async () => {
      const values = ['metrics.podMonitor.enabled=true', 'metrics.agent.port=9999', ...EVERYTHING];
      const monitor = find(await helm.render(values), 'PodMonitor', 'ikemesh-agent');
      const [endpoint] = (monitor['spec'] as { podMetricsEndpoints: readonly Endpoint[] }).podMetricsEndpoints;
      // Whatever goes by ports that are declared finds none.
      expect(Object.keys(endpoint ?? {}).filter((name) => /port/i.test(name))).toEqual([]);
      const target = (container: string, hostIp: string) =>
        relabelled(endpoint?.relabelings ?? [], {
          __meta_kubernetes_pod_container_name: container,
          __meta_kubernetes_pod_host_ip: hostIp,
          __meta_kubernetes_pod_node_name: 'node-a',
        });
      expect(target('agent', '10.0.0.1')).toMatchObject({ __address__: '10.0.0.1:9999', node: 'node-a' });
      expect(target('agent', 'fd00::1')).toMatchObject({ __address__: '[fd00::1]:9999' });
      expect(target('kernel-modules', '10.0.0.1')).toBeUndefined();
    });

    it('past a NetworkPolicy, from where that is wanted', async () => {
      const ingress = async (...values: readonly string[]) => {
        const policy = find(await helm.render(['networkPolicy.enabled=true', ...values]), 'NetworkPolicy', 'ikemesh');
        return (policy['spec'] as Spec)['ingress'];
      };
      const ports = [{ protocol: 'TCP', port: 8_080 }];
      const from = [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }];
      expect(await ingress()).toEqual([{ ports }]);
      expect(await ingress(`networkPolicy.metricsFrom=${JSON.stringify(from)}`)).toEqual([{ ports, from }]);
      expect(await ingress('metrics.enabled=false')).toEqual([]);
    });
  });

  it('keep two releases apart: no object of one has the name of an object of the other, but for the definitions', async () => {
    const names = async (release: string, namespace: string) =>
      (await helm.render(EVERYTHING, release, namespace))
        .filter(({ kind }) => kind !== 'CustomResourceDefinition')
        .map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`);
    const one = await names('one', 'same');
    const other = await names('two', 'same');
    expect(new Set(one).size).toBe(one.length);
    expect(one.filter((name) => other.includes(name))).toEqual([]);
    const long = 'a-release-with-a-name-of-as-many-letters-as-helm-tak';
    const [longOne, longOther] = [await names(`${long}1`, 'same'), await names(`${long}2`, 'same')];
    expect(longOne.filter((name) => longOther.includes(name))).toEqual([]);
    for (const name of longOne) expect(name.split('/')[1]?.length, name).toBeLessThanOrEqual(MAX_LABEL);
  });

  it('keep peerings and the keys of nodes when the chart goes, unless told otherwise', async () => {
    const kept = async (...values: readonly string[]) =>
      (await helm.render(values))
        .filter(({ metadata }) => metadata.annotations?.['helm.sh/resource-policy'] === 'keep')
        .map(({ kind }) => kind);
    expect(await kept()).toEqual(['Namespace', 'ConfigMap', ...Array<string>(3).fill('CustomResourceDefinition')]);
    expect(await kept('crds.keep=false', 'nodesNamespace.keep=false')).toEqual([]);
    const without = await helm.render(['crds.enabled=false', 'nodesNamespace.create=false']);
    expect(without.filter(({ kind }) => ['Namespace', 'CustomResourceDefinition'].includes(kind))).toEqual([]);
  });

  it('clean up by hooks that need no namespace but that of the release: that of the nodes may be gone before', async () => {
    const hooks = (await helm.render([])).filter(
      ({ metadata }) => metadata.annotations?.['helm.sh/hook'] === 'pre-delete',
    );
    expect(hooks.map(({ kind }) => kind)).toContain('Job');
    expect(new Set(hooks.map(({ metadata }) => metadata.namespace ?? 'ike'))).toEqual(new Set(['ike']));
  });

  it('let the operator write Nodes, and run on those with the startup taint, only where it is to take that away', async () => {
    const taintRights = async (...values: readonly string[]) =>
      installedRights(await helm.render(values)).filter((right) => right === 'operator cluster nodes: patch');
    expect(await taintRights()).toEqual([]);
    expect(await taintRights('startupTaint.enabled=true')).toHaveLength(1);
    const operator = async (...values: readonly string[]) =>
      specOf(find(await helm.render(values), 'Deployment', 'ikemesh-operator'));
    const taint = { key: 'ikemesh.io/agent-not-ready', operator: 'Exists' };
    expect((await operator()).tolerations ?? []).toEqual([]);
    const own = { key: 'own', operator: 'Exists' };
    const { tolerations, containers } = await operator(
      'startupTaint.enabled=true',
      `operator.tolerations=${JSON.stringify([own])}`,
    );
    expect(tolerations).toEqual([own, taint]);
    expect(containers[0]?.args).toContain('--startup-taint');
  });

  it('grant just the rights that the README gives a reason for', async () => {
    expect(installedRights(await helm.render(EVERYTHING))).toEqual(documentedRights());
  });

  it('bind no agent to rights before the policy that guards them: nobody but the operator does', async () => {
    const subjects = (await helm.render([])).flatMap(
      (object) => (object['subjects'] ?? []) as readonly { name: string }[],
    );
    expect(subjects.map(({ name }) => name)).not.toContain('ikemesh-agent');
  });
});

type Spec = Readonly<Record<string, unknown>>;

interface Relabeling {
  readonly sourceLabels: readonly string[];
  readonly regex?: string;
  readonly action?: string;
  readonly targetLabel?: string;
  readonly replacement?: string;
}

interface Endpoint {
  readonly relabelings: readonly Relabeling[];
}

/** The labels of a target after relabelling, as Prometheus does it; undefined where it is dropped. */
function relabelled(
  rules: readonly Relabeling[],
  labels: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> | undefined {
  let result: Readonly<Record<string, string>> | undefined = labels;
  for (const { sourceLabels, regex = '(.*)', action = 'replace', targetLabel = '', replacement = '$1' } of rules) {
    if (result === undefined) return undefined;
    const known: Readonly<Record<string, string>> = result;
    const source = sourceLabels.map((label) => known[label] ?? '').join(';');
    const pattern = new RegExp(`^(?:${regex})$`);
    if (action === 'keep') result = pattern.test(source) ? result : undefined;
    else if (pattern.test(source)) result = { ...result, [targetLabel]: source.replace(pattern, replacement) };
  }
  return result;
}

function specOf(object: KubernetesObject): PodSpec {
  const spec = podSpecOf(object);
  if (spec === undefined) throw new Error(`${object.kind}/${object.metadata.name} makes no pods`);
  return spec;
}

const OPERATOR = {
  'app.kubernetes.io/name': 'ikemesh',
  'app.kubernetes.io/instance': 'ikemesh',
  'app.kubernetes.io/component': 'operator',
};
const RUNS_PODS = new Set(['DaemonSet', 'Deployment', 'Job', 'Pod']);
/** Every switch on. */
const EVERYTHING = [
  'networkPolicy.enabled=true',
  'startupTaint.enabled=true',
  'metrics.serviceMonitor.enabled=true',
  'metrics.podMonitor.enabled=true',
  'metrics.authentication.enabled=true',
  'metrics.authentication.tokenSecretName=prometheus-token',
  'metrics.tls.secretName=metrics-tls',
  'metrics.tls.serverName=metrics.test.internal',
  'metrics.dashboards.enabled=true',
  'metrics.prometheusRule.enabled=true',
  'agent.criticalPodsQuota.enabled=true',
  'agent.statusPage.enabled=true',
  'agent.kernelModules.load=true',
  'agent.kernelModules.image=registry.test/kmod:1',
];
/** Where agents and what stands beside them run. */
const PLACES = [
  'agent.nodeSelector.disk=ssd',
  'agent.tolerations[0].key=gpu',
  'agent.priorityClassName=high',
  'agent.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchFields[0].key=metadata.name',
];
const MAX_LABEL = 63;
