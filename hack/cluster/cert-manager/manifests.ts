import { parseAllDocuments, stringify } from 'yaml';

/** Where cert-manager's webhook listens: outside of the cluster, so that no Service leads to it. */
export interface Webhook {
  /** Host and port. */
  readonly host: string;
  /** The authority of its certificate, in PEM. */
  readonly authority: string;
}

/** A Kubernetes object, as far as it is looked at here. */
interface KubernetesObject {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly webhooks?: readonly { readonly clientConfig: Readonly<Record<string, unknown>> }[];
}

/** What of cert-manager's chart is applied: all but its workloads, which run as processes of ours. */
export interface Manifests {
  /** Kinds, roles, accounts: first, as YAML. */
  readonly foundations: string;
  /** From here on the API server asks the webhook, which must be there; as YAML. */
  readonly webhooks: string;
}

export const namespace = 'cert-manager';

/** Values for cert-manager's own chart. */
export function chartValues(webhook: Webhook): readonly string[] {
  return [
    'crds.enabled=true',
    'cainjector.enabled=false',
    'startupapicheck.enabled=false',
    `webhook.url.host=${webhook.host}`,
  ];
}

/** Sorts what `helm template` rendered. */
export function manifestsOf(rendered: string, webhook: Webhook): Manifests {
  const objects = parseAllDocuments(rendered)
    .map((document) => document.toJS() as KubernetesObject | null)
    .filter((object) => object !== null);
  const own = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } };
  const foundations = objects.filter(({ kind }) => FOUNDATIONS.has(kind));
  const webhooks = objects.filter(({ kind }) => WEBHOOKS.has(kind)).map((object) => trusting(object, webhook));
  return { foundations: yaml([own, ...foundations]), webhooks: yaml(webhooks) };
}

/** The CA injector would do it; but the authority is known here. */
function trusting(object: KubernetesObject, { authority }: Webhook): KubernetesObject {
  const caBundle = Buffer.from(authority).toString('base64');
  const webhooks = (object.webhooks ?? []).map((each) => ({
    ...each,
    clientConfig: { ...each.clientConfig, caBundle },
  }));
  return { ...object, webhooks };
}

function yaml(objects: readonly unknown[]): string {
  return objects.map((object) => stringify(object)).join('---\n');
}

const FOUNDATIONS: ReadonlySet<string> = new Set([
  'CustomResourceDefinition',
  'ServiceAccount',
  'ClusterRole',
  'ClusterRoleBinding',
  'Role',
  'RoleBinding',
]);
const WEBHOOKS: ReadonlySet<string> = new Set(['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration']);
