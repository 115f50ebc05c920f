import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";

/** A machine on which the package pg is not installed: asking for it fails as it does there. */
const withoutDriver = `
import { registerHooks } from "node:module";
registerHooks({ resolve(specifier, context, next) {
  if (specifier === "pg") throw Object.assign(new Error("Cannot find package 'pg'"), { code: "ERR_MODULE_NOT_FOUND" });
  return next(specifier, context);
} });
`;

function runWithoutDriver(code: string): string {
  const { stdout, stderr } = spawnSync(process.execPath, ["--conditions=longhaul-source", "--input-type=module", "--eval", withoutDriver + code], { encoding: "utf8" });
  return stdout + stderr;
}

it("is not needed by who does not ask for a postgres:// store", () => {
  const modules = ["../index.ts", "./postgres.ts"].map((path) => JSON.stringify(import.meta.resolve(path)));

  expect(runWithoutDriver(`await Promise.all([${modules.map((module) => `import(${module})`).join(", ")}]); console.log("loaded");`)).toBe("loaded\n");
});

it("says what to type where it is missing", () => {
  const code = `
    const { PostgresDatabase } = await import(${JSON.stringify(import.meta.resolve("./postgres.ts"))});
    await PostgresDatabase.open({ url: "postgres://localhost/x" }).catch((error) => console.log(error.code, error.message));`;

  expect(runWithoutDriver(code)).toBe("STORE_DRIVER_MISSING A postgres:// address needs the package pg, which is not installed. Type: npm install pg\n");
});
