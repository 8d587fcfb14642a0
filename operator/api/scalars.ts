import * as z from 'zod';

import { canonicalAddress, canonicalNetwork, isNetwork } from './ip-text.ts';
import {
  MAX_ADDRESS,
  MAX_CIDR,
  MAX_COUNT,
  MAX_DURATION,
  MAX_MSS_CLAMP,
  MAX_NAME,
  MAX_QUANTITY,
  MAX_SEGMENT_BYTES,
  MAX_UID,
  MIN_SEGMENT_BYTES,
} from './limits.ts';
import { bytesOf, QUANTITY } from './quantity.ts';
import { type Rule, ruled } from './rule.ts';

/** A list that is written as a whole. */
export function atomicList<S extends z.ZodType>(items: S, most: number) {
  return z.array(items).max(most).meta({ 'x-kubernetes-list-type': 'atomic' });
}

/** A list whose entries have unique values in `keys`, and which several writers may share. */
export function keyedList<S extends z.ZodObject>(items: S, keys: readonly (keyof S['shape'] & string)[], most: number) {
  return ruledUnique(z.array(items).max(most), keys).meta({
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': [...keys],
  });
}

/** A whole number that is never negative. */
export function count() {
  return z.int().min(0).max(MAX_COUNT).meta({ format: 'int32' });
}

/** A number that the API server counts up with each change of an object's spec. */
export function generation() {
  return z.int().min(0).max(Number.MAX_SAFE_INTEGER).meta({ format: 'int64' });
}

/** A UID of Kubernetes. */
export function uid() {
  return z.string().min(1).max(MAX_UID);
}

/** An instant as Kubernetes writes it: `2026-11-28T01:02:03Z`. */
export function timestamp() {
  return z.string().max(40).meta({ format: 'date-time' });
}

/** The name of an object. */
export function objectName() {
  return ruled(z.string().max(MAX_NAME), {
    cel: '!format.dns1123Subdomain().validate(self).hasValue()',
    holds: isDnsName,
    message: 'must be the name of an object: lower-case letters, digits, "-" and "."',
  });
}

/** A DNS name, lower-case as in certificates. */
export function dnsName() {
  return ruled(z.string().max(MAX_NAME), {
    cel: `${CEL_IS_DNS_NAME}`,
    holds: isHostName,
    message: 'must be a lower-case DNS name such as vpn.example.com',
  });
}

/** An IP address. */
export function ipAddress() {
  return ruled(z.string().max(MAX_ADDRESS), {
    cel: 'isIP(self)',
    holds: (text) => canonicalAddress(text) !== undefined,
    message: 'must be an IP address such as 192.0.2.1 or 2001:db8::1',
  });
}

/** A network, or one of `words` in its place. */
export function network(...words: readonly string[]) {
  const others = words.length === 0 ? '' : `self in [${words.map((word) => `'${word}'`).join(', ')}] || `;
  const wanted = [...words, 'a CIDR such as 192.0.2.0/24'].join(', ').replace(/, (?=a CIDR)/, ' or ');
  return ruled(z.string().max(MAX_CIDR), {
    cel: `${others}(isCIDR(self) && cidr(self) == cidr(self).masked())`,
    holds: (text) => words.includes(text) || isNetwork(text),
    message: `must be ${wanted}`,
    explained: {
      cel: `isCIDR(self) ? '%s has bits set behind its prefix: write %s'.format([self, string(cidr(self).masked())]) : 'must be ${wanted}'`,
      text: (text) => {
        const masked = canonicalNetwork(text);
        if (masked === undefined) return `must be ${wanted}`;
        return `${text} has bits set behind its prefix: write ${masked}`;
      },
    },
  });
}

/** A duration of hours, minutes and seconds between two such durations. */
export function duration(least: string, most: string, example: string) {
  const [leastSeconds, mostSeconds] = [secondsOf(least), secondsOf(most)];
  return ruled(z.string().max(MAX_DURATION), {
    cel: `self.matches('${DURATION.source}') && duration(self) >= duration('${least}') && duration(self) <= duration('${most}')`,
    holds: (text) => DURATION.test(text) && secondsOf(text) >= leastSeconds && secondsOf(text) <= mostSeconds,
    message: `must be a duration from ${least} to ${most}, written with h, m and s such as ${example}`,
  });
}

/** The seconds of a duration; NaN for anything else. */
function secondsOf(text: string): number {
  if (!DURATION.test(text)) return Number.NaN;
  const parts = text.matchAll(/([0-9]+)([hms])/g);
  return [...parts].reduce((sum, [, digits, unit]) => sum + Number(digits) * (UNIT_SECONDS[unit ?? ''] ?? 0), 0);
}

/** A rule between two durations of one object, either of which may be missing; both hold `CEL` paths from `self`. */
export function shorter<T>(
  short: { readonly path: readonly [string, ...string[]]; readonly of: (value: T) => string | undefined },
  long: { readonly path: readonly [string, ...string[]]; readonly of: (value: T) => string | undefined },
  orEqual: 'OrEqual' | 'Only' = 'Only',
): Rule<T> {
  const [shortText, longText] = [short.path.join('.'), long.path.join('.')];
  const sign = orEqual === 'OrEqual' ? '<=' : '<';
  return {
    cel: `!has(self.${shortText}) || !has(self.${longText}) || duration(self.${shortText}) ${sign} duration(self.${longText})`,
    holds: (value) => {
      const [shorterOne, longerOne] = [short.of(value), long.of(value)];
      if (shorterOne === undefined || longerOne === undefined) return true;
      const difference = secondsOf(longerOne) - secondsOf(shorterOne);
      // What is no duration has a fault of its own.
      return Number.isNaN(difference) || (orEqual === 'OrEqual' ? difference >= 0 : difference > 0);
    },
    message: `must be ${orEqual === 'OrEqual' ? 'no longer' : 'shorter'} than ${longText}: set both`,
    path: short.path,
  };
}

/** A number of bytes as a quantity: 64Gi, 500M or plain bytes. */
export function byteCount() {
  const limited = z
    .union([z.int(), z.string().max(MAX_QUANTITY)])
    .meta({ 'x-kubernetes-int-or-string': true, maxLength: MAX_QUANTITY });
  return ruled(limited, {
    cel: `string(self).matches('${QUANTITY.source}') && quantity(string(self)).compareTo(quantity('1Mi')) >= 0 && quantity(string(self)).compareTo(quantity('1024Ti')) <= 0`,
    holds: (value) => bytesOf(value) >= 2 ** 20 && bytesOf(value) <= 2 ** 50,
    message: 'must be a number of bytes from 1Mi to 1024Ti, such as 64Gi',
  });
}

/** What TCP connections are to agree on as their MSS: nothing, what fits, or a number of bytes. */
export function mssClamp() {
  const limited = z
    .union([z.int(), z.string().max(MAX_MSS_CLAMP)])
    .meta({ 'x-kubernetes-int-or-string': true, maxLength: MAX_MSS_CLAMP });
  return ruled(limited, {
    cel: `string(self) in ['Disabled', 'Auto'] || (string(self).matches('^[0-9]{3,5}$') && int(string(self)) >= ${MIN_SEGMENT_BYTES} && int(string(self)) <= ${MAX_SEGMENT_BYTES})`,
    holds: (value) => value === 'Disabled' || value === 'Auto' || isSegmentSize(String(value)),
    message: `must be Disabled, Auto, or a number of bytes from ${MIN_SEGMENT_BYTES} to ${MAX_SEGMENT_BYTES}, such as 1360`,
  });
}

function isSegmentSize(text: string): boolean {
  return /^[0-9]{3,5}$/.test(text) && Number(text) >= MIN_SEGMENT_BYTES && Number(text) <= MAX_SEGMENT_BYTES;
}

/** Whether a text is a DNS-1123 subdomain. */
function isDnsName(text: string): boolean {
  return text.length <= MAX_NAME && DNS_NAME.test(text);
}

/** Whether a text is a DNS name that nobody could take for an address. */
export function isHostName(text: string): boolean {
  return isDnsName(text) && !ONLY_DIGITS.test(text);
}

/** `isHostName` in CEL. */
export const CEL_IS_DNS_NAME = "!format.dns1123Subdomain().validate(self).hasValue() && !self.matches('^[0-9.]+$')";

/** The API server checks this by the list's type, zod has to be told. */
function ruledUnique<S extends z.ZodObject>(list: z.ZodArray<S>, keys: readonly string[]) {
  return list.refine(
    (entries) => {
      const seen = new Set(entries.map((entry) => JSON.stringify(keys.map((key) => entry[key]))));
      return seen.size === entries.length;
    },
    `must not name the same ${keys.join(' and ')} twice`,
  );
}

const DNS_NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;
const ONLY_DIGITS = /^[0-9.]+$/;
const DURATION = /^([0-9]{1,5}(h|m|s)){1,3}$/;
const UNIT_SECONDS: Readonly<Record<string, number>> = { h: 3_600, m: 60, s: 1 };
