/** A number of bytes as Kubernetes writes quantities, without fractions and exponents. */
export const QUANTITY = /^([0-9]{1,15})(k|M|G|T|Ki|Mi|Gi|Ti)?$/;

/** The bytes of a quantity such as `64Gi`, `500M` or `1048576`; NaN for anything else. */
export function bytesOf(value: string | number): number {
  const match = QUANTITY.exec(String(value));
  return match === null ? Number.NaN : Number(match[1]) * (UNIT_BYTES[match[2] ?? ''] ?? Number.NaN);
}

const UNIT_BYTES: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};
