/** Ends a script whose command line does not fit, with 2: what is wrong is told without the lines of code that noticed it. */
export function refuseUsage(message: string): never {
  console.error(message);
  process.exit(2);
}
