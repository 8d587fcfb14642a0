import { interopScenarios } from '../interop/interop-scenario.ts';

/** In strongSwan's proposal syntax, the same at both ends. */
const suites: readonly { readonly ike: string; readonly esp: string; readonly ikeAgreed?: string }[] = [
  { ike: 'aes256gcm16-prfsha384-ecp384', esp: 'aes256gcm16' },
  { ike: 'aes256-sha256-modp2048', ikeAgreed: 'aes256-sha256-prfsha256-modp2048', esp: 'aes256-sha256' },
  { ike: 'chacha20poly1305-prfsha256-x25519', esp: 'chacha20poly1305' },
];

export default suites.flatMap(({ ike, esp, ikeAgreed = ike }) =>
  interopScenarios({
    name: `suite-${ike}`,
    rolesTakeTurns: true,
    description: `IKE with ${ike}, ESP with ${esp}`,
    settings: { ike, esp },
    run: async (link) => {
      await link.connect();
      await link.expectSuites(ikeAgreed, esp);
      await link.exchange();
      await link.close();
    },
  }),
);
