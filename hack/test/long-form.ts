/** Set where tests that wait for minutes are to run, too. */
export const longFormVariable = 'IKEMESH_TEST_FULL';

/** Whether they are. */
export function isLongForm(): boolean {
  return process.env[longFormVariable] !== undefined;
}
