import { waitUntil } from '../hack/lab/runner/wait-until.ts';
import { PLACES } from '../operator/testing/operator-cluster.ts';
import type { InstalledCluster } from './installed-cluster.ts';

/** A key with its certificate and the one of its authority, in PEM. */
export interface IssuedCertificate {
  readonly key: string;
  readonly certificate: string;
  readonly authority: string;
}

/** What cert-manager does in the namespace of the nodes. */
export class Certificates {
  readonly #installed: InstalledCluster;

  constructor(installed: InstalledCluster) {
    this.#installed = installed;
  }

  /** Makes an authority of its own and an Issuer of the same name; its certificate in PEM. */
  async makeAuthority(name: string): Promise<string> {
    await this.#installed.apply(
      certManager('Issuer', 'self-signed', { selfSigned: {} }),
      certManager('Certificate', name, {
        isCA: true,
        commonName: name,
        secretName: name,
        privateKey: { algorithm: 'ECDSA' },
        issuerRef: { name: 'self-signed' },
      }),
      certManager('Issuer', name, { ca: { secretName: name } }),
    );
    return (await this.#issued(name)).certificate;
  }

  /** Has an Issuer sign with the key of another authority from now on; cert-manager has seen that when this is over. */
  async replaceAuthority(issuer: string, authority: string): Promise<void> {
    await this.#installed.apply(certManager('Issuer', issuer, { ca: { secretName: authority } }));
    await waitUntil(`${issuer} to sign as ${authority}`, async () => {
      const text = await this.#installed.kubectl('get', 'issuer', issuer, NAMESPACE, '--output=json');
      const { metadata, status } = JSON.parse(text) as IssuerObject;
      const ready = status?.conditions?.find(({ type }) => type === 'Ready');
      return ready?.status === 'True' && ready.observedGeneration === metadata.generation;
    });
  }

  /** A certificate for a DNS name. */
  async issue(name: string, issuer: string, dnsName: string): Promise<IssuedCertificate> {
    const spec = {
      secretName: name,
      dnsNames: [dnsName],
      privateKey: { algorithm: 'ECDSA' },
      issuerRef: { name: issuer },
    };
    await this.#installed.apply(certManager('Certificate', name, spec));
    return this.#issued(name);
  }

  /** Has every certificate of nodes from an issuer renewed, as `cmctl renew` does. */
  renewAll(issuer: string): Promise<void> {
    return this.#renew(({ metadata, spec }) => spec.issuerRef.name === issuer && metadata.name.startsWith('ike-'));
  }

  /** Has the certificates of one node renewed. */
  renewOf(node: string): Promise<void> {
    return this.#renew(({ metadata }) => metadata.name.startsWith(`ike-${node}-`));
  }

  async #renew(isMeant: (certificate: CertificateObject) => boolean): Promise<void> {
    const list = await this.#installed.kubectl('get', 'certificates', NAMESPACE, '--output=json');
    const { items } = JSON.parse(list) as { readonly items: readonly CertificateObject[] };
    const lastTransitionTime = new Date().toISOString().replace(/[.]\d+/, '');
    const issuing = { type: 'Issuing', status: 'True', reason: 'ManuallyTriggered', message: 'renewed by hand' };
    const patch = JSON.stringify({ status: { conditions: [{ ...issuing, lastTransitionTime }] } });
    const meant = items.filter(isMeant);
    if (meant.length === 0) throw new Error('there is no such certificate to renew');
    for (const { metadata } of meant) {
      const words = ['certificate', metadata.name, NAMESPACE, '--subresource=status', '--type=merge'];
      await this.#installed.kubectl('patch', ...words, `--patch=${patch}`);
    }
  }

  async #issued(name: string): Promise<IssuedCertificate> {
    const data = await waitUntil(`the certificate ${name}`, async () => {
      const words = ['get', 'secret', name, NAMESPACE, '--ignore-not-found', '--output=json'];
      const text = await this.#installed.kubectl(...words);
      const found = text === '' ? undefined : (JSON.parse(text) as { readonly data: Readonly<Record<string, string>> });
      return found?.data['tls.crt'] === undefined ? undefined : found.data;
    });
    const entry = (key: string) => Buffer.from(data[key] ?? '', 'base64').toString();
    return { key: entry('tls.key'), certificate: entry('tls.crt'), authority: entry('ca.crt') };
  }
}

interface IssuerObject {
  readonly metadata: { readonly generation: number };
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly observedGeneration?: number;
    }[];
  };
}

interface CertificateObject {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly issuerRef: { readonly name: string } };
}

function certManager(kind: string, name: string, spec: object): object {
  const metadata = { name, namespace: PLACES.nodesNamespace };
  return { apiVersion: 'cert-manager.io/v1', kind, metadata, spec };
}

const NAMESPACE = `--namespace=${PLACES.nodesNamespace}`;
