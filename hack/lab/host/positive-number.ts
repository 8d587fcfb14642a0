import { InvalidArgumentError } from 'commander';

/** A number on the command line that is more than nothing, such as seconds. */
export function positiveNumber(word: string): number {
  const value = Number(word);
  if (!(value > 0)) throw new InvalidArgumentError('a positive number is wanted.');
  return value;
}
