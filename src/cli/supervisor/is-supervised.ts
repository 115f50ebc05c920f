/** Options of every command that take a value: that is not the command. */
const globalOptionsWithValue = ["--data", "--store"];
/** With these, `start` is one process. */
const alone = ["--no-supervisor", "--help", "-h"];

/** True when this command line runs a team for months. What is wrong with it is told by the worker, whose exit code is passed on. */
export function isSupervised(args: readonly string[]): boolean {
  for (let index = 0; index < args.length; index++) {
    const argument = args[index] ?? "";
    if (globalOptionsWithValue.includes(argument)) index++;
    else if (!argument.startsWith("-")) return argument === "start" && !args.some((other) => alone.includes(other));
  }
  return false;
}
