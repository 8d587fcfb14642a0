import { type IpAddress, ipAddressBytes } from '../../wire/ip-address.ts';
import { type Attribute, decodeAttributes, encodeWithAttributes } from '../netlink/attributes.ts';
import { hostView } from '../netlink/host-order.ts';
import { directionNumber, isOurIndex } from '../ownership.ts';
import type { InstalledPolicy, IpsecMode, PolicyDirection, PolicyKey, PolicySpec, PolicyTemplate } from '../types.ts';
import { addressAt, familyOf, networkView, putAddress, spiAt } from './address.ts';
import { putLifetime } from './lifetime.ts';
import { markAttributes, marksOf } from './mark.ts';
import { ESP, POLICY_TYPE_MAIN, PolicyAction, XfrmAttribute, XfrmMode } from './registry.ts';
import { modeOf } from './sa-codec.ts';
import { putSelector, SELECTOR_BYTES, selectorAt } from './selector.ts';

/**
 * struct xfrm_userpolicy_info:
 *
 *     sel 0, lft 56, curlft 120, priority 152, index 156, dir 160, action 161, flags 162, share 163
 */
export const POLICY_INFO_BYTES = 168;

/** struct xfrm_userpolicy_id. */
export const POLICY_ID_BYTES = 64;

/** The body of UPDPOLICY; `interfaceIndex` is that of the selector's interface, 0 for any. */
export function encodePolicy(policy: PolicySpec, interfaceIndex: number): Uint8Array {
  const info = new Uint8Array(POLICY_INFO_BYTES);
  const view = hostView(info);
  putSelector(info, 0, policy.selector, interfaceIndex);
  putLifetime(info, SELECTOR_BYTES, {});
  view.setUint32(152, policy.priority);
  view.setUint32(156, policy.index);
  info[160] = directionNumber(policy.direction);
  info[161] = PolicyAction[policy.action];
  return encodeWithAttributes(info, [...templateAttribute(policy), ...markAttributes(policy)]);
}

/** The body of GETPOLICY and DELPOLICY (struct xfrm_userpolicy_id): sel 0, index 56, dir 60. */
export function encodePolicyKey(key: PolicyKey, interfaceIndex: number): Uint8Array {
  const body = new Uint8Array(POLICY_ID_BYTES);
  putSelector(body, 0, key.selector, interfaceIndex);
  body[60] = directionNumber(key.direction);
  return encodeWithAttributes(body, markAttributes(key));
}

/** The policy in a NEWPOLICY message; undefined for those of single sockets and for sub policies. */
export function decodePolicy(body: Uint8Array): InstalledPolicy | undefined {
  if (body.length < POLICY_INFO_BYTES) return undefined;
  const selector = selectorAt(body, 0);
  const direction = DIRECTIONS[body[160] as number];
  if (selector === undefined || direction === undefined) return undefined;
  const attributes = decodeAttributes(body.subarray(POLICY_INFO_BYTES));
  if ((attributes.get(XfrmAttribute.policyType)?.[0] ?? POLICY_TYPE_MAIN) !== POLICY_TYPE_MAIN) return undefined;
  const view = hostView(body);
  const index = view.getUint32(156);
  const template = decodeTemplate(attributes.get(XfrmAttribute.template));
  return {
    direction,
    selector,
    ...marksOf(attributes),
    priority: view.getUint32(152),
    index,
    action: body[161] === PolicyAction.block ? 'block' : 'allow',
    ...(template === undefined ? {} : { template }),
    ours: isOurIndex(index),
  };
}

/** The index of a xfrm_userpolicy_info. */
export function policyIndexAt(bytes: Uint8Array, offset: number): number {
  return hostView(bytes).getUint32(offset + 156);
}

/** The first ESP template of a XFRMA_TMPL attribute; undefined if there is none of a mode that is ours. */
export function decodeTemplate(value: Uint8Array | undefined): PolicyTemplate | undefined {
  if (value === undefined || value.length < TEMPLATE_BYTES || value[20] !== ESP) return undefined;
  const view = hostView(value);
  const mode = modeOf(value[48]);
  if (mode === undefined) return undefined;
  const family = view.getUint16(24);
  const destination = outerAddress(value, 0, family);
  const source = outerAddress(value, 28, family);
  return {
    mode,
    ...(mode === 'tunnel' && source !== undefined ? { source } : {}),
    ...(mode === 'tunnel' && destination !== undefined ? { destination } : {}),
    reqid: view.getUint32(44),
    spi: spiAt(value, 16),
    level: value[50] === 0 ? 'required' : 'optional',
  };
}

/** An outer address of a tunnel; undefined for the unspecified one, which any is good for. */
function outerAddress(value: Uint8Array, offset: number, family: number): IpAddress | undefined {
  const address = addressAt(value, offset, family);
  return address !== undefined && ipAddressBytes(address).some((byte) => byte !== 0) ? address : undefined;
}

/**
 * What IP_XFRM_POLICY and IPV6_XFRM_POLICY take: a xfrm_userpolicy_info and its templates, one behind the other. The socket
 * then receives nothing of its family but what has come through an ESP SA of that mode, whichever one.
 */
export function encodeSocketPolicy(family: number, mode: IpsecMode): Uint8Array {
  const value = new Uint8Array(POLICY_INFO_BYTES + TEMPLATE_BYTES);
  putLifetime(value, SELECTOR_BYTES, {});
  hostView(value).setUint16(40, family);
  value[160] = directionNumber('in');
  value[161] = PolicyAction.allow;
  putTemplate(value.subarray(POLICY_INFO_BYTES), { mode, reqid: 0, spi: 0, level: 'required' }, family);
  return value;
}

function templateAttribute({ template, selector }: PolicySpec): readonly Attribute[] {
  if (template === undefined) return [];
  const value = new Uint8Array(TEMPLATE_BYTES);
  const outer = template.mode === 'tunnel' ? template.destination : undefined;
  putTemplate(value, template, familyOf(outer ?? selector.source.address));
  return [{ type: XfrmAttribute.template, value }];
}

/**
 * struct xfrm_user_tmpl: id 0 (daddr 0, spi 16, proto 20), family 24 (u16), saddr 28, reqid 44, mode 48, share 49,
 * optional 50, aalgos 52, ealgos 56, calgos 60. The three masks are all ones: any algorithm.
 */
function putTemplate(value: Uint8Array, template: PolicyTemplate, family: number): void {
  const view = hostView(value);
  const outer = template.mode === 'tunnel' ? template : undefined;
  if (outer?.destination !== undefined) putAddress(value, 0, outer.destination);
  networkView(value).setUint32(16, template.spi);
  value[20] = ESP;
  view.setUint16(24, family);
  if (outer?.source !== undefined) putAddress(value, 28, outer.source);
  view.setUint32(44, template.reqid);
  value[48] = XfrmMode[template.mode];
  value[50] = template.level === 'optional' ? 1 : 0;
  for (const offset of [52, 56, 60]) view.setUint32(offset, 0xffffffff);
}

const TEMPLATE_BYTES = 64;
const DIRECTIONS: readonly PolicyDirection[] = ['in', 'out', 'fwd'];
