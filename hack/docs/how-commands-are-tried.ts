/** How it is known that a command of the documents works. */
export type Trial =
  /** A test runs it, or the program with the same words, and has `says` in its text. */
  | { readonly test: string; readonly says: string }
  /** It is a script of package.json, and the program behind it has the flags. What runs the program is in `npm test`, or is said. */
  | { readonly script: string; readonly program?: string; readonly ranBy?: string }
  /** Nothing here can run it. */
  | { readonly outside: string };

/** A command, or the beginning of one, in all documents or in one. */
export interface TriedCommand {
  readonly begins: string;
  readonly trial: Trial;
}

/** The image's own user is not root, and of the profiles only this one mounts the node's files. */
export const AS_ROOT = `--profile=sysadmin --custom=<(echo '{"securityContext": {"runAsUser": 0}}')`;

const DOCUMENTS = 'e2e/documents.cluster.test.ts';
const literally = (begins: string, says = begins): TriedCommand => ({ begins, trial: { test: DOCUMENTS, says } });
const by = (begins: string, test: string, says: string): TriedCommand => ({ begins, trial: { test, says } });
const npm = (begins: string, script: string, more: { readonly program?: string; readonly ranBy?: string } = {}) => ({
  begins,
  trial: { script, ...more },
});

/** The first that a command begins with is how it is tried; so what is longer stands before what is shorter. */
export const TRIED_COMMANDS: readonly TriedCommand[] = [
  // The chart and a cluster, as they are written.
  literally('helm install ikemesh charts/ikemesh', 'helm install ikemesh'),
  literally('helm test'),
  literally('helm upgrade ikemesh charts/ikemesh --namespace ikemesh --reuse-values --set agent.statusPage'),
  literally('helm upgrade ikemesh charts/ikemesh --namespace ikemesh --reuse-values --set metrics.authentication'),
  literally('helm upgrade ikemesh charts/ikemesh --namespace ikemesh --reuse-values --set metrics.dashboards'),
  literally('helm upgrade ikemesh charts/ikemesh --namespace ikemesh --reuse-values --set metrics.serviceMonitor'),
  literally(
    'helm upgrade ikemesh charts/ikemesh --namespace ikemesh --reset-then-reuse-values',
    "says(OPERATIONS, 'helm upgrade'",
  ),
  literally('helm rollback'),
  literally('helm uninstall'),
  by('helm upgrade', 'charts/ikemesh/installation.cluster.test.ts', "'upgrade'"),
  by('helm template', 'charts/ikemesh/alerts.cluster.test.ts', "'template'"),
  {
    begins: 'helm install cert-manager jetstack/cert-manager',
    trial: {
      outside: "the registry of cert-manager's chart; hack/cluster runs the same chart's objects from its Go module",
    },
  },
  by('helm install', DOCUMENTS, 'helm install'),
  literally('kubectl run preflight'),
  literally('kubectl ikemesh status'),
  literally('kubectl ikemesh verify'),
  by('kubectl ikemesh why', 'e2e/plugin.ts', "'why'"),
  by('kubectl ikemesh preflight', 'e2e/plugin.ts', "'preflight'"),
  by('kubectl ikemesh', 'operator/cli/completion/complete.test.ts', 'complete'),
  by('source <(kubectl-ikemesh completion bash)', 'operator/cli/completion/complete.test.ts', 'bash'),
  literally('kubectl apply --server-side'),
  literally('kubectl apply'),
  literally('kubectl label namespace'),
  literally('kubectl label node'),
  literally('kubectl wait'),
  literally('kubectl patch ipsecpeering'),
  literally('kubectl get ipsecpeerings'),
  literally('kubectl get ipsecpeering'),
  literally('kubectl get ipsecnodeconfigs --output=wide'),
  literally('kubectl get ipsecnodeconfigs -o yaml'),
  literally('kubectl describe ipsecpeering'),
  literally('kubectl describe ipsecnodeconfig'),
  literally('kubectl --namespace ikemesh get pods --selector', "'kubectl --namespace ikemesh get pods'"),
  literally('kubectl --namespace ikemesh get pods --output=wide'),
  literally('kubectl --namespace ikemesh get pods,leases'),
  literally('kubectl --namespace ikemesh get daemonset'),
  literally('kubectl --namespace ikemesh logs --selector'),
  literally('kubectl --namespace ikemesh-nodes get certificates,certificaterequests'),
  literally('kubectl --namespace ikemesh-nodes get certificates'),
  literally('kubectl --namespace ikemesh-nodes get secrets,configmaps'),
  literally('kubectl --namespace ikemesh-nodes create secret'),
  literally('kubectl create clusterrole metrics-reader'),
  literally('kubectl create clusterrolebinding prometheus-metrics'),
  literally('kubectl create clusterrole ikemesh-status-page'),
  literally('kubectl create clusterrolebinding ikemesh-status-page'),
  literally('kubectl create serviceaccount on-call'),
  literally('kubectl create token', 'kubectl create token on-call'),
  literally('kubectl exec', 'kubectl exec --namespace ikemesh'),
  literally(`kubectl debug node/NODE -it ${AS_ROOT} --image=IMAGE -- node /app/agent.js unblock`, "debugs('unblock'"),
  literally(`kubectl debug node/NODE -it ${AS_ROOT} --image=IMAGE -- node /app/agent.js leaks`, "debugs('leaks'"),
  literally('kubectl delete crd'),
  literally('kubectl delete namespace'),
  literally('agent() {', 'agent\\(\\)'),
  literally('agent NODE status', 'agent a status'),
  literally('kubectl get nodes --output=yaml'),
  by('kubectl logs', 'hack/cluster/nodes/nodes.cluster.test.ts', "'logs'"),
  {
    begins: 'kubectl --namespace ikemesh logs --previous',
    trial: { outside: 'a container that has ended; plain kubectl' },
  },
  { begins: 'kubectl describe', trial: { outside: 'objects of others in trouble; plain kubectl' } },
  { begins: 'kubectl top', trial: { outside: 'a metrics server' } },
  {
    begins: 'kubelet --register-with-taints',
    trial: { outside: 'the start of a kubelet; operator/run/startup-taint.cluster.test.ts has the taint' },
  },

  // Agents beside a cluster.
  by('npx agent --config node.yaml --check', 'agent/runtime/command-line.test.ts', "'--check'"),
  by('npx agent status', 'hack/lab/scenarios/agent-holder.ts', "'status'"),
  by('npx agent --config', 'hack/lab/agent/agent-process.ts', "'--config'"),
  by('npx ikemesh-holder', 'hack/lab/scenarios/agent-holder.ts', 'isChildOfHolder'),
  by('agent --config node.yaml --metrics-listen', 'agent/page/page.integration.test.ts', 'status'),
  by('agent --config', 'hack/lab/agent/agent-process.ts', "'--config'"),
  by('agent --check', 'agent/runtime/command-line.test.ts', "'--check'"),
  by('agent --holder', 'hack/lab/agent/agent-process.ts', "'--holder'"),
  by('agent --kubernetes', 'e2e/processes.ts', '--kubernetes'),
  by('agent --manifests', 'hack/demo/demo-node.ts', '--manifests'),
  by('mkdir -p /opt/ikemesh && ctr', 'e2e/boot-unit.ts', 'mkdir -p /opt/ikemesh && ctr'),
  by('agent block', 'hack/lab/scenarios/agent-required.ts', "'block'"),
  by('agent unblock', 'hack/lab/scenarios/agent-required.ts', "'unblock'"),
  by('agent leaks', 'hack/lab/scenarios/agent-required.ts', "'leaks'"),
  by('agent preflight', 'e2e/documents.cluster.test.ts', 'preflight'),
  by('agent probe', 'hack/lab/scenarios/agent-probe.ts', 'probe'),
  by('agent ready', 'hack/image/image.integration.test.ts', '/app/ready.js'),
  by('agent status', 'e2e/agent-status.ts', "'status'"),
  by('mkdir -p secrets && openssl rand', DOCUMENTS, 'kubectl --namespace ikemesh-nodes create secret'),
  by('install -m 755 dist/kubectl-ikemesh.js', DOCUMENTS, 'kubectl-ikemesh'),
  { begins: 'npm install --global .', trial: { outside: 'the global folder of the machine' } },

  // What somebody sees on a node.
  by('ip xfrm', 'e2e/mesh.cluster.test.ts', 'ip xfrm state'),
  by('ip -s xfrm', 'hack/lab/xfrm/xfrm-dump.ts', "'ip', '-s', 'xfrm'"),
  by('tcpdump', 'hack/lab/capture/capture.ts', 'tcpdump'),
  by('swanctl --list-sas', 'hack/lab/strongswan/charon.ts', "'--list-sas'"),

  // Programs of this repository; developers run them.
  npm('npm ci && npm test', 'test', { program: 'hack/test/main.ts' }),
  npm('npm ci && npm run demo', 'demo', { program: 'hack/demo/main.ts' }),
  npm('npm test', 'test', { program: 'hack/test/main.ts' }),
  npm('npm run test:unit', 'test:unit'),
  npm('npm run check', 'check', { ranBy: '.ci/run' }),
  npm('npm run build', 'build', { ranBy: 'agent/page/page.integration.test.ts' }),
  npm('npm run image', 'image'),
  npm('npm run generate', 'generate'),
  npm('npm run sim', 'sim', { program: 'agent/sim/main.ts', ranBy: 'hack/test/stages.ts' }),
  npm('npm run lab', 'lab', { program: 'hack/lab/main.ts', ranBy: 'hack/test/stages.ts' }),
  npm('npm run e2e', 'e2e', { program: 'e2e/main.ts', ranBy: 'hack/test/stages.ts' }),
  npm('npm run cluster', 'cluster', {
    program: 'hack/cluster/main.ts',
    ranBy: 'hack/cluster/session/session.cluster.test.ts',
  }),
  npm('npm run demo', 'demo', { program: 'hack/demo/main.ts' }),
  npm('npm run bench', 'bench', { program: 'hack/bench/main.ts' }),
  npm('npm run operator', 'operator', { program: 'operator/main.ts' }),
  by('vitest run', 'hack/test/stages.ts', 'vitest'),
  by('hack/lab/with-esp', 'hack/demo/in-lab.ts', 'withEsp'),
  { begins: 'go get -tool', trial: { outside: 'a newer release, chosen by whoever wants it' } },
];
