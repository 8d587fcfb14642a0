import { ApiClient } from '../../kube/api-client.ts';
import { connectionBy } from '../../kube/connection.ts';
import { pathOf, typeOf } from '../../kube/resource-path.ts';
import { listKnown } from '../cluster/list.ts';
import { valueOr } from '../diagnosis/known.ts';

/** Names of nodes for a shell that waits; none where it would have to wait long, or nobody may be asked. */
export async function nodeNames(words: readonly string[]): Promise<readonly string[]> {
  const flag = (name: string): string | undefined => {
    const index = words.indexOf(`--${name}`);
    return index >= 0 ? words[index + 1] : words.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3);
  };
  try {
    const client = new ApiClient(connectionBy({ kubeconfig: flag('kubeconfig'), context: flag('context') }));
    const nodes = await listKnown(client, 'Nodes', pathOf(typeOf('Node')), {}, AbortSignal.timeout(PATIENCE_MS));
    return valueOr(nodes, []).map(({ metadata }) => metadata.name);
  } catch {
    return [];
  }
}

const PATIENCE_MS = 2_000;
