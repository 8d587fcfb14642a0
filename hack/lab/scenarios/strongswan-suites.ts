import { interopScenarios } from '../interop/interop-scenario.ts';

interface Suite {
  /** Proposals in strongSwan's syntax, the same at both ends. */
  readonly ike: string;
  readonly esp: string;
  /** What our status says of the first, where that is more than the proposal. */
  readonly ikeStatus?: string;
  /** What charon says it uses. */
  readonly charonIke: readonly string[];
  readonly charonEsp: readonly string[];
}

const suites: readonly Suite[] = [
  {
    ike: 'aes256gcm16-prfsha384-ecp384',
    esp: 'aes256gcm16',
    charonIke: ['AES_GCM_16-256', 'PRF_HMAC_SHA2_384', 'ECP_384'],
    charonEsp: ['AES_GCM_16-256', ''],
  },
  {
    ike: 'aes256-sha256-modp2048',
    ikeStatus: 'aes256-sha256-prfsha256-modp2048',
    esp: 'aes256-sha256',
    charonIke: ['AES_CBC-256', 'PRF_HMAC_SHA2_256', 'MODP_2048'],
    charonEsp: ['AES_CBC-256', 'HMAC_SHA2_256_128'],
  },
  {
    ike: 'chacha20poly1305-prfsha256-x25519',
    esp: 'chacha20poly1305',
    charonIke: ['CHACHA20_POLY1305', 'PRF_HMAC_SHA2_256', 'CURVE_25519'],
    charonEsp: ['CHACHA20_POLY1305', ''],
  },
];

export default suites.flatMap(({ ike, esp, ikeStatus = ike, charonIke, charonEsp }) =>
  interopScenarios({
    name: `strongswan-suite-${ike}`,
    description: `IKE with ${ike}, ESP with ${esp}`,
    settings: { ike, esp },
    run: async (link) => {
      await link.connect();
      await link.expectSuites(ikeStatus, esp, charonIke, charonEsp);
      await link.exchange();
      await link.close();
    },
  }),
);
