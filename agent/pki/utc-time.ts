/** The Gregorian calendar without a host's: certificates and people count in it, everything else in milliseconds. */

/** Milliseconds since the epoch; undefined for a day or time that does not exist. */
export function utcMilliseconds(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
): number | undefined {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const [first, next] = [firstDay(month, leap), firstDay(month + 1, leap)];
  if (first === undefined || next === undefined || hour > 23 || minute > 59 || second > 59) return undefined;
  if (day < 1 || day > next - first) return undefined;
  const before = year - 1;
  const leapDays = Math.floor(before / 4) - Math.floor(before / 100) + Math.floor(before / 400);
  const days = 365 * before + leapDays + first + day - 1;
  return ((((days - DAYS_TO_EPOCH) * 24 + hour) * 60 + minute) * 60 + second) * 1_000;
}

/** `2026-11-27 22:04:05Z`, from milliseconds; without a calendar of the host's. */
export function timeText(atMs: number): string {
  const seconds = Math.floor(atMs / 1_000);
  const days = Math.floor(seconds / 86_400);
  const { year, month, day } = civilDate(days);
  const rest = seconds - days * 86_400;
  const time = [Math.floor(rest / 3_600), Math.floor(rest / 60) % 60, rest % 60].map(twoDigits).join(':');
  return `${year}-${twoDigits(month)}-${twoDigits(day)} ${time}Z`;
}

/** The Gregorian date of a day counted from 1970, by eras of 400 years that begin in March. */
function civilDate(days: number): { readonly year: number; readonly month: number; readonly day: number } {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}

/** How many days of its year are before a month; of month 13, all. */
function firstDay(month: number, leap: boolean): number | undefined {
  const days = DAYS_BEFORE[month - 1];
  return days !== undefined && leap && month > 2 ? days + 1 : days;
}

function twoDigits(number: number): string {
  return String(number).padStart(2, '0');
}

const DAYS_BEFORE: readonly number[] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];
/** From the first day of the year 1 to that of 1970. */
const DAYS_TO_EPOCH = 719_162;
