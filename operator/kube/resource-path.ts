/** What a kind is called in URLs. */
export interface ResourceType {
  readonly apiVersion: string;
  readonly plural: string;
}

/** The URL path of all objects of a kind, of one namespace where given, or of one of them. */
export function pathOf({ apiVersion, plural }: ResourceType, namespace?: string, name?: string): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const inside = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${root}${inside}/${plural}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`;
}

/** What each kind that the operator writes is called in URLs. */
export const RESOURCE_TYPES: Readonly<Record<string, ResourceType>> = {
  IPsecPeering: { apiVersion: 'ikemesh.io/v1alpha1', plural: 'ipsecpeerings' },
  IPsecNodeConfig: { apiVersion: 'ikemesh.io/v1alpha1', plural: 'ipsecnodeconfigs' },
  IPsecPeerSlice: { apiVersion: 'ikemesh.io/v1alpha1', plural: 'ipsecpeerslices' },
  Certificate: { apiVersion: 'cert-manager.io/v1', plural: 'certificates' },
  CertificateRequest: { apiVersion: 'cert-manager.io/v1', plural: 'certificaterequests' },
  Node: { apiVersion: 'v1', plural: 'nodes' },
  Pod: { apiVersion: 'v1', plural: 'pods' },
  Secret: { apiVersion: 'v1', plural: 'secrets' },
  ServiceAccount: { apiVersion: 'v1', plural: 'serviceaccounts' },
  Role: { apiVersion: 'rbac.authorization.k8s.io/v1', plural: 'roles' },
  RoleBinding: { apiVersion: 'rbac.authorization.k8s.io/v1', plural: 'rolebindings' },
  ClusterRoleBinding: { apiVersion: 'rbac.authorization.k8s.io/v1', plural: 'clusterrolebindings' },
  CustomResourceDefinition: { apiVersion: 'apiextensions.k8s.io/v1', plural: 'customresourcedefinitions' },
  Lease: { apiVersion: 'coordination.k8s.io/v1', plural: 'leases' },
  Event: { apiVersion: 'events.k8s.io/v1', plural: 'events' },
};

/** The type of a kind that the operator knows; any other is a bug. */
export function typeOf(kind: string): ResourceType {
  const type = RESOURCE_TYPES[kind];
  if (type === undefined) throw new Error(`no URL is known of ${kind}`);
  return type;
}
