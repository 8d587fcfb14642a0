import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { err, ok, type Result } from '../result.ts';
import { MAX_TOKEN_BYTES } from './limits.ts';

/** Where the API server is and by what it is known. */
export interface ApiServer {
  readonly host: string;
  readonly port: number;
  /** The authorities of its certificate, in PEM. They may change while the agent runs. */
  readonly authority: () => Promise<Result<string, string>>;
}

/** Tells who asks; the error is a sentence. */
export type TokenSource = () => Promise<Result<string, string>>;

/** The API server of the cluster in which this program runs as a pod, and the pod's own token. */
export function podAccess(
  environment: Readonly<Record<string, string | undefined>>,
  folder: string = SERVICE_ACCOUNT_FOLDER,
): Result<{ readonly server: ApiServer; readonly token: TokenSource }, string> {
  const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: portText = '' } = environment;
  const port = Number(portText);
  if (host === '' || !Number.isInteger(port) || port < 1 || port > 65_535) {
    return err(
      'KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT do not say where the API server is: run as a pod, or set them',
    );
  }
  return ok({
    server: { host, port, authority: () => readSmallFile(join(folder, 'ca.crt'), 'the authority of the API server') },
    token: () => readSmallFile(join(folder, 'token'), "the pod's token"),
  });
}

/** The file is read each time: kubelet renews what it mounts. */
async function readSmallFile(file: string, what: string): Promise<Result<string, string>> {
  try {
    const { size } = await stat(file);
    if (size > MAX_TOKEN_BYTES) return err(`${what} (${file}) has ${size} bytes, at most ${MAX_TOKEN_BYTES} are taken`);
    const content = (await readFile(file, 'latin1')).trim();
    return content === '' ? err(`${what} (${file}) is empty`) : ok(content);
  } catch (error) {
    const code = (error as { readonly code?: unknown }).code;
    return err(`${what} (${file}) cannot be read: ${String(code ?? error)}; set automountServiceAccountToken: true`);
  }
}

/** Where Kubernetes mounts a pod's token and the authority of the API server. */
const SERVICE_ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';
