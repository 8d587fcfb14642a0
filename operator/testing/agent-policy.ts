import type { Places } from '../reconcile/watched.ts';

/** The policy that confines each agent to its own node, by the node that the API server wrote into its token. */
export function agentPolicy({ nodesNamespace, ownNamespace, agentAccount }: Places, prefix: string): readonly object[] {
  const apiVersion = 'admissionregistration.k8s.io/v1';
  const probe = `${prefix}-policy-probe`;
  const forbidden = (expression: string, message: string) => ({ expression, message, reason: 'Forbidden' });
  return [
    {
      apiVersion,
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name: agentAccount },
      spec: {
        failurePolicy: 'Fail',
        matchConstraints: {
          resourceRules: [
            {
              apiGroups: ['ikemesh.io'],
              apiVersions: ['*'],
              resources: ['*/*'],
              operations: ['CREATE', 'UPDATE', 'DELETE'],
            },
            { apiGroups: [''], apiVersions: ['v1'], resources: ['serviceaccounts/token'], operations: ['CREATE'] },
          ],
        },
        matchConditions: [
          {
            name: 'agent-or-probe',
            expression: `request.userInfo.username == 'system:serviceaccount:${ownNamespace}:${agentAccount}' || request.name == '${probe}'`,
          },
        ],
        variables: [
          { name: 'isProbe', expression: `request.name == '${probe}'` },
          {
            name: 'node',
            expression: "request.userInfo.?extra['authentication.kubernetes.io/node-name'].orValue([''])[0]",
          },
          { name: 'isToken', expression: "request.resource.resource == 'serviceaccounts'" },
          {
            name: 'isStatus',
            expression:
              "request.resource.resource == 'ipsecnodeconfigs' && request.?subResource.orValue('') == 'status'",
          },
        ],
        validations: [
          forbidden('!variables.isProbe', 'this policy is in force'),
          forbidden("variables.node != ''", 'the token of an agent must be that of a pod on a node'),
          forbidden(
            'variables.isToken || variables.isStatus',
            'an agent writes nothing but the status of its own IPsecNodeConfig',
          ),
          forbidden(
            "!variables.isStatus || (request.operation == 'UPDATE' && request.name == variables.node)",
            'an agent may only write the status of its own IPsecNodeConfig',
          ),
          forbidden(
            `!variables.isToken || (request.namespace == '${nodesNamespace}' && request.name == 'node-' + variables.node && object.spec.?boundObjectRef.?kind.orValue('') == 'Node' && object.spec.?boundObjectRef.?name.orValue('') == variables.node)`,
            'an agent may only ask for a token of the ServiceAccount of its own node, bound to that Node',
          ),
        ],
      },
    },
    {
      apiVersion,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name: agentAccount },
      spec: { policyName: agentAccount, validationActions: ['Deny', 'Audit'] },
    },
  ];
}
