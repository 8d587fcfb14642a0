import { offers } from '../../crypto/offers.ts';
import { algorithmOf } from '../../crypto/suites.ts';
import type { CryptoProvider } from '../../crypto/types.ts';
import { parseProposal } from '../../ike/negotiation/proposal-syntax.ts';
import type { Algorithm, ProposalConfig } from '../../ike/types.ts';
import { err, ok, type Result } from '../../result.ts';

/** A proposal with the text it was written as. */
export interface WrittenProposal {
  readonly text: string;
  readonly proposal: ProposalConfig;
}

/**
 * What is proposed where the file says nothing: AEADs first, then the algorithms that RFC 8247 and RFC 8221 have every
 * implementation know. What the provider lacks is left out.
 */
export function defaultProposals(protocol: 'ike' | 'esp', provider: CryptoProvider): readonly ProposalConfig[] {
  return DEFAULT_PROPOSALS[protocol].map((text) => {
    const parsed = parseProposal(protocol, text);
    if (!parsed.ok) throw new Error(`default proposal ${text} ${parsed.error}`);
    return { algorithms: parsed.value.algorithms.filter((algorithm) => isUsable(protocol, algorithm, provider)) };
  });
}

/** The algorithms of a written proposal, or why this agent cannot carry them out. */
export function usableProposal(
  protocol: 'ike' | 'esp',
  written: WrittenProposal,
  provider: CryptoProvider,
): Result<ProposalConfig, string> {
  const lacking = written.proposal.algorithms.find((algorithm) => !isUsable(protocol, algorithm, provider));
  if (lacking === undefined) return ok(written.proposal);
  const row = algorithmOf(lacking.type, lacking.id, lacking.keyBits);
  return err(
    `"${written.text}" has ${row?.keywords[0]}, which the ${provider.name} provider lacks: leave it out, ` +
      `or start the agent with IKEMESH_CRYPTO=${row?.providers[0]}`,
  );
}

/** ESP packets are the kernel's work: of an ESP proposal, only the key exchange is computed here. */
function isUsable(protocol: 'ike' | 'esp', algorithm: Algorithm, provider: CryptoProvider): boolean {
  const row = algorithmOf(algorithm.type, algorithm.id, algorithm.keyBits);
  if (row === undefined) return false;
  if (row.kind === 'sequenceNumbers' || (protocol === 'esp' && row.kind !== 'keyExchange')) return true;
  return offers(provider, row);
}

const DEFAULT_PROPOSALS: Readonly<Record<'ike' | 'esp', readonly string[]>> = {
  ike: [
    'aes256gcm16-aes128gcm16-chacha20poly1305-prfsha384-prfsha256-prfsha512-x25519-ecp384-ecp256-modp2048',
    'aes256-aes128-sha384-sha256-sha512-x25519-ecp384-ecp256-modp2048',
  ],
  esp: ['aes256gcm16-aes128gcm16-chacha20poly1305-esn-noesn', 'aes256-aes128-sha256-sha384-sha512-esn-noesn'],
};
