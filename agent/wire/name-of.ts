import {
  AuthMethod,
  CertEncoding,
  CfgAttributeType,
  CfgType,
  EapCode,
  EncryptionId,
  EsnId,
  ExchangeType,
  HashAlgorithm,
  IdType,
  IntegrityId,
  KeyExchangeId,
  NotifyType,
  PayloadType,
  PrfId,
  Protocol,
  TransformAttributeType,
  TransformType,
  TsType,
} from './registry.ts';

/** A registry by the word that stands before its unknown numbers. */
export type RegistryName = keyof typeof names;

/** How a number is written in messages for people: `NO_PROPOSAL_CHOSEN(14)`, or `notify(40961)` where it has no name. */
export function nameOf(registry: RegistryName, value: number): string {
  return `${names[registry].get(value) ?? registry}(${value})`;
}

function byNumber(numbers: Readonly<Record<string, number>>): ReadonlyMap<number, string> {
  return new Map(Object.entries(numbers).map(([name, value]) => [value, name]));
}

const names = {
  exchange: byNumber(ExchangeType),
  payload: byNumber(PayloadType),
  protocol: byNumber(Protocol),
  transformType: byNumber(TransformType),
  transformAttribute: byNumber(TransformAttributeType),
  encryption: byNumber(EncryptionId),
  prf: byNumber(PrfId),
  integrity: byNumber(IntegrityId),
  keyExchange: byNumber(KeyExchangeId),
  sequenceNumbers: byNumber(EsnId),
  idType: byNumber(IdType),
  certEncoding: byNumber(CertEncoding),
  authMethod: byNumber(AuthMethod),
  hash: byNumber(HashAlgorithm),
  notify: byNumber(NotifyType),
  tsType: byNumber(TsType),
  cfgType: byNumber(CfgType),
  cfgAttribute: byNumber(CfgAttributeType),
  eapCode: byNumber(EapCode),
} as const;
