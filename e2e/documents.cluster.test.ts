import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { helmProgram } from '../charts/ikemesh/testing/helm.ts';
import { bundle } from '../hack/build/bundle.ts';
import { type Cluster, startCluster } from '../hack/cluster/nodes/cluster.ts';
import { whyNoNodes } from '../hack/cluster/nodes/why-no-nodes.ts';
import { DocumentShell } from '../hack/docs/document-shell.ts';
import { AS_ROOT } from '../hack/docs/how-commands-are-tried.ts';
import { projectFolder } from '../hack/image/build-image.ts';
import { waitUntil } from '../hack/lab/runner/wait-until.ts';
import { prometheusPrograms } from '../hack/prometheus/programs.ts';
import { currentRelease } from './installed-cluster.ts';
import { prometheusImage, prometheusPod } from './prometheus-pod.ts';

const reason = await whyNoNodes();
if (reason !== undefined) process.stdout.write(`tests with nodes are skipped: ${reason}\n`);

const CHART = 'charts/ikemesh/README.md';
const RUNBOOK = 'charts/ikemesh/RUNBOOK.md';
const OPERATIONS = 'charts/ikemesh/docs/operations.md';
const GATEWAYS = 'charts/ikemesh/docs/gateways.md';
const PLUGIN = 'operator/cli/README.md';
const IMAGE = 'ikemesh.io/ikemesh:0.1.0';

/** In the order in which a reader would do it: on a bare cluster, with the chart, and when it goes. */
describe.skipIf(reason !== undefined)('what the documents tell their readers to run, as it is written', () => {
  let cluster: Cluster;
  let shell: DocumentShell;

  beforeAll(async () => {
    cluster = await startCluster({ nodes: ['a', 'b'], certManager: true, say });
    await cluster.loadImage((await currentRelease(say, new AbortController().signal)).image);
    const { controlPlane } = cluster;
    const plugin = join(controlPlane.folder, 'kubectl-ikemesh.js');
    await bundle(join(projectFolder, 'operator/cli/main.ts'), plugin);
    // Plugins take no flags before their name.
    const [kubectl] = controlPlane.kubectlCommand();
    shell = await DocumentShell.create(controlPlane.folder, controlPlane.kubeconfig, {
      kubectl: [kubectl],
      helm: [await helmProgram()],
      'kubectl-ikemesh': [process.execPath, plugin],
    });
  }, 900_000);
  afterAll(() => cluster?.close());

  /** What a command of a document says; its refusal is an error. */
  async function says(document: string, beginning: string, replaced: Readonly<Record<string, string>> = {}) {
    const { code, stdout, stderr } = await shell.runDocumented(document, beginning, replaced);
    if (code !== 0) throw new Error(`${beginning}: ended with ${code}: ${stdout}${stderr}`);
    return stdout;
  }

  async function succeeds(text: string, input = ''): Promise<string> {
    const { code, stdout, stderr } = await shell.run(input === '' ? text : `${text} <<'END'\n${input}\nEND`);
    if (code !== 0) throw new Error(`${text}: ended with ${code}: ${stdout}${stderr}`);
    return stdout;
  }

  /** What an agent's command says in a debugging pod of node a; without a terminal kubectl goes back to its caller before the pod has begun. */
  async function debugs(command: string, replaced: Readonly<Record<string, string>> = {}): Promise<string> {
    const beginning = `kubectl debug node/NODE -it ${AS_ROOT} --image=IMAGE -- node /app/agent.js ${command}`;
    const told = await says(CHART, beginning, { 'node/NODE': 'node/a', IMAGE, ...replaced });
    const [pod] = /node-debugger-a-\w+/.exec(told) ?? [];
    if (pod === undefined) throw new Error(`kubectl debug names no pod: ${told}`);
    const phase = () => succeeds(`kubectl get pod ${pod} --output=jsonpath='{.status.phase}'`);
    const hasEnded = async () => /Succeeded|Failed/.test(await phase());
    await waitUntil(`${command} in ${pod} to end`, hasEnded, { timeoutMs: 60_000, intervalMs: 1_000 });
    const said = await succeeds(`kubectl logs ${pod}`);
    if ((await phase()) !== 'Succeeded') throw new Error(`${command} in ${pod} failed: ${said}`);
    return said;
  }

  const apply = (...items: readonly object[]) =>
    succeeds('kubectl apply --filename=-', JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));

  async function agentsAreThere(): Promise<void> {
    await succeeds('kubectl --namespace ikemesh rollout status daemonset/ikemesh-agent --timeout=240s');
    await succeeds('kubectl --namespace ikemesh rollout status deployment/ikemesh-operator --timeout=120s');
  }

  /** Waits until the peering is Ready; says which of its conditions does not hold where that takes too long. */
  async function isReady(): Promise<void> {
    const wait = 'kubectl wait ipsecpeering/cluster --for=condition=Ready --timeout=180s';
    const conditions = (object: string, of: string) =>
      `kubectl get ${object} --output=jsonpath='{range ${of}.status.conditions[*]}{.type} is {.status}: {.message}; {end}'`;
    const generations =
      "kubectl get ipsecnodeconfigs --output=jsonpath='{range .items[*]}{.metadata.name} has {.metadata.generation}, carried " +
      "out {.status.observedGeneration}; {end}'";
    const leader =
      "kubectl --namespace ikemesh get leases --output=jsonpath='{range .items[*]}{.spec.holderIdentity} leads, " +
      "{.spec.renewTime}; {end}'";
    const logs =
      'kubectl --namespace ikemesh logs --selector=app.kubernetes.io/component=operator --tail=4 --prefix >&2';
    const peering = conditions('ipsecpeering cluster', '');
    await succeeds(`${wait} || { ${[peering, generations, leader, logs].join('; ')}; exit 1; }`);
  }

  it('preflight of a node before ikemesh is installed', async () => {
    const found = await says(PLUGIN, 'kubectl run preflight', { NODE: 'a' });
    expect(found).toMatch(/ESP/);
    say(found);
  }, 120_000);

  it('the API alone, and away with it again', async () => {
    await says('crds/README.md', 'kubectl apply --server-side');
    // What is deleted in the very moment in which it is established the API server may not take away for minutes.
    await succeeds('kubectl wait --for=condition=Established crd --all --timeout=60s');
    await says(CHART, 'kubectl delete crd');
  }, 120_000);

  it('install the chart and have the installation try itself', async () => {
    await succeeds('kubectl create namespace ikemesh');
    await says(CHART, 'kubectl label namespace ikemesh');
    await says(CHART, 'helm install ikemesh');
    await agentsAreThere();
    await says(CHART, 'helm test');
    expect(await says(PLUGIN, 'kubectl ikemesh status')).toContain('NODE');
    expect(await says('operator/README.md', 'kubectl get nodes --output=yaml')).toContain('kind: Node');
  }, 400_000);

  it('from plaintext to Required', async () => {
    await succeeds('kubectl apply --filename=hack/demo/cluster-manifests/issuer.yaml');
    const [, peering = ''] =
      /```yaml\n( +apiVersion[\s\S]*?)```/.exec(await readFile(join(projectFolder, OPERATIONS), 'utf8')) ?? [];
    await succeeds('kubectl apply --filename=-', peering);
    await says(OPERATIONS, 'kubectl wait');
    await succeeds('kubectl ikemesh verify');
    await says(OPERATIONS, 'kubectl patch ipsecpeering');
    await isReady();
    expect(await says('README.md', 'kubectl get ipsecpeerings')).toMatch(/cluster +True +Required +2 +1/);
    expect(await says(OPERATIONS, 'kubectl --namespace ikemesh get pods')).toContain('ENCRYPTING');
    expect(await says(OPERATIONS, 'kubectl get ipsecnodeconfigs -o yaml')).toContain('serialNumber');
    expect(await says(OPERATIONS, 'kubectl --namespace ikemesh-nodes get certificates')).toContain('mesh-ca');
  }, 400_000);

  it('what the runbook has people look at', async () => {
    const definition =
      'kubectl --namespace ikemesh get pods --output=name --selector=app.kubernetes.io/component=agent';
    const commands = await readFile(join(projectFolder, RUNBOOK), 'utf8');
    const [, agent = ''] = /\n( {4}agent\(\) \{[\s\S]*?\}\n)/.exec(commands) ?? [];
    expect(await succeeds(`${agent.trim()}\nagent a status`)).toContain('ENCRYPTING');
    expect(await succeeds(definition)).toContain('pod/');
    for (const beginning of [
      'kubectl --namespace ikemesh logs --selector',
      'kubectl get ipsecnodeconfigs --output=wide',
      'kubectl --namespace ikemesh-nodes get certificates,certificaterequests',
      'kubectl --namespace ikemesh-nodes get secrets,configmaps',
      'kubectl --namespace ikemesh get pods --output=wide',
      'kubectl --namespace ikemesh get daemonset',
      'kubectl --namespace ikemesh get pods,leases',
    ])
      expect(await says(RUNBOOK, beginning), beginning).not.toBe('');
    expect(await says(RUNBOOK, 'kubectl describe ipsecpeering', { NAME: 'cluster' })).toContain('Encrypting');
    expect(await says(RUNBOOK, 'kubectl describe ipsecnodeconfig', { NODE: 'a' })).toContain('Spec:');
    expect(await says(GATEWAYS, 'kubectl get ipsecpeering', { NAME: 'cluster' })).toContain('conditions:');
  }, 180_000);

  it('the way out, and back: a peering is unblocked from the pod of the agent and from the node itself', async () => {
    const pod = (
      await succeeds(
        'kubectl --namespace ikemesh get pods --output=name --selector=app.kubernetes.io/component=agent --field-selector=spec.nodeName=a',
      )
    ).trim();
    const undo = `kubectl exec --namespace ikemesh ${pod} -c agent -- node /app/agent.js unblock --peering cluster --undo`;
    say(await says(CHART, 'kubectl exec --namespace ikemesh', { 'POD-OF-THE-AGENT': pod }));
    expect(await succeeds(undo)).toContain('is carried out again');
    say(await debugs('unblock'));
    expect(await succeeds(undo)).toContain('is carried out again');
    await isReady();
    say(await debugs('leaks', { '--seconds 60': '--seconds 10' }));
  }, 300_000);

  it('monitors, and metrics that a Prometheus in a pod gets with its right only, by TLS and its token', async ({
    skip,
  }) => {
    await apply(...['PodMonitor', 'ServiceMonitor', 'PrometheusRule'].map(definitionOfMonitoring));
    await says(
      CHART,
      'helm upgrade ikemesh charts/ikemesh --namespace ikemesh --reuse-values --set metrics.serviceMonitor',
    );
    await apply(...METRICS_CERTIFICATE);
    await succeeds('kubectl --namespace ikemesh wait certificate/ikemesh-metrics --for=condition=Ready --timeout=60s');
    await says(
      CHART,
      'helm upgrade ikemesh charts/ikemesh --namespace ikemesh --reuse-values --set metrics.authentication',
    );
    await agentsAreThere();
    const endpoint = JSON.parse(
      await succeeds(
        "kubectl --namespace ikemesh get podmonitor ikemesh-agent --output=jsonpath='{.spec.podMetricsEndpoints[0]}'",
      ),
    ) as { readonly scheme: string; readonly tlsConfig: { readonly serverName: string } };
    expect(endpoint.scheme).toBe('https');
    const programs = await prometheusPrograms(say);
    if (!programs.ok) return skip(programs.error);
    await cluster.loadImage(await prometheusImage(programs.value.prometheus, cluster.controlPlane.folder));
    const authority = await succeeds(
      "kubectl --namespace ikemesh get secret ikemesh-metrics --output=jsonpath='{.data.ca\\.crt}' | base64 -d",
    );
    const operators = (
      await succeeds(
        "kubectl --namespace ikemesh get pods --selector=app.kubernetes.io/component=operator --output=jsonpath='{.items[*].status.podIP}'",
      )
    ).split(' ');
    const access = {
      serverName: endpoint.tlsConfig.serverName,
      agents: [...cluster.nodes.values()].map(({ addresses }) => `${addresses[0]}:9917`),
      operators: operators.map((address) => `${address}:8080`),
      authority,
    };
    await apply(...prometheusPod(access));
    await succeeds('kubectl --namespace monitoring wait pod/prometheus --for=condition=Ready --timeout=120s');
    const forbidden = await waitUntil(
      'Prometheus to be refused',
      async () => {
        const all = await targets();
        return all.length === 4 && all.every(({ health }) => health === 'down') ? all : undefined;
      },
      { timeoutMs: 60_000, intervalMs: 1_000 },
    );
    for (const { lastError } of forbidden) expect(lastError).toBe('server returned HTTP status 403 Forbidden');

    await says(CHART, 'kubectl create clusterrole metrics-reader');
    await says(CHART, 'kubectl create clusterrolebinding prometheus-metrics');
    const areUp = async () => (await targets()).every(({ health }) => health === 'up');
    await waitUntil('Prometheus to be told', areUp, { timeoutMs: 120_000, intervalMs: 1_000 });
  }, 600_000);

  async function targets(): Promise<readonly { readonly health: string; readonly lastError: string }[]> {
    // The control plane has no route to pods, so that the API server cannot be asked to pass the question on.
    const answer = await succeeds(
      [
        'coproc kubectl --namespace monitoring port-forward pod/prometheus :9090',
        'read -r -t 30 -u "$COPROC" forwarding',
        'to=$(grep --only-matching "127.0.0.1:[0-9]*" <<< "$forwarding")',
        'curl --silent --fail "http://$to/api/v1/targets"; code=$?',
        'kill "$COPROC_PID"; exit "$code"',
      ].join('\n'),
    );
    const { data } = JSON.parse(answer) as {
      readonly data: { readonly activeTargets: readonly { readonly health: string; readonly lastError: string }[] };
    };
    return data.activeTargets;
  }

  it('dashboards and alerts; a status page, and a token for whoever may see it', async () => {
    await says(
      CHART,
      'helm upgrade ikemesh charts/ikemesh --namespace ikemesh --reuse-values --set metrics.dashboards',
    );
    await says(CHART, 'helm upgrade ikemesh charts/ikemesh --namespace ikemesh --reuse-values --set agent.statusPage');
    for (const beginning of [
      'kubectl create clusterrole ikemesh-status-page',
      'kubectl create serviceaccount on-call',
      'kubectl create clusterrolebinding ikemesh-status-page',
    ])
      await says(CHART, beginning);
    await agentsAreThere();
    const token = (await says(CHART, 'kubectl create token on-call')).trim();
    const { addresses } = cluster.node('a');
    const url = `https://${addresses[0]}:9917/status/`;
    const curl = ['curl', '--silent', '--insecure', '--output', '/dev/null', '--write-out', '%{http_code}'];
    const asked = async (...more: readonly string[]) =>
      succeeds(
        cluster
          .beside([...curl, ...more, url])
          .map((word) => `'${word}'`)
          .join(' '),
      );
    expect(await asked()).toBe('401');
    expect(await asked('--user', `anybody:${token}`)).toBe('200');
  }, 400_000);

  it('a gateway: a label of the nodes, and a key', async () => {
    await says(GATEWAYS, 'kubectl label node', { 'edge-1 edge-2': 'a b' });
    await says(GATEWAYS, 'kubectl --namespace ikemesh-nodes create secret');
  }, 60_000);

  it('upgrade and go back', async () => {
    await says(OPERATIONS, 'helm upgrade');
    await agentsAreThere();
    await says(OPERATIONS, 'helm rollback');
    await agentsAreThere();
    await isReady();
  }, 600_000);

  it('take everything away', async () => {
    await succeeds('helm uninstall ikemesh --namespace ikemesh');
    await says(CHART, 'kubectl delete crd');
    await says(CHART, 'kubectl delete namespace');
  }, 400_000);
});

function definitionOfMonitoring(kind: string): object {
  const plural = `${kind.toLowerCase()}s`;
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.monitoring.coreos.com` },
    spec: {
      group: 'monitoring.coreos.com',
      scope: 'Namespaced',
      names: { kind, plural, singular: kind.toLowerCase() },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  };
}

/** The certificate by which metrics are served, for the name that the document gives it. */
const METRICS_CERTIFICATE = [
  {
    apiVersion: 'cert-manager.io/v1',
    kind: 'Issuer',
    metadata: { name: 'self-signed', namespace: 'ikemesh' },
    spec: { selfSigned: {} },
  },
  {
    apiVersion: 'cert-manager.io/v1',
    kind: 'Certificate',
    metadata: { name: 'ikemesh-metrics', namespace: 'ikemesh' },
    spec: {
      secretName: 'ikemesh-metrics',
      dnsNames: ['metrics.ikemesh.internal'],
      privateKey: { algorithm: 'ECDSA' },
      issuerRef: { name: 'self-signed' },
    },
  },
];

function say(line: string): void {
  process.stdout.write(`    ${line}\n`);
}
