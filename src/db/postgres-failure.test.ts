import { expect, it } from "vitest";
import { LonghaulError } from "../base/error.ts";
import { asBrokenStatement, asStandby, classifyFailure, fromDriver, isOfServer, isPassing, type PostgresFailure } from "./postgres-failure.ts";

const withCode = (code: string, message = "said so"): Error => Object.assign(new Error(message), { code });

it.each<[PostgresFailure, readonly unknown[]]>([
  ["conflict", [withCode("40001"), withCode("40P01"), withCode("55P03")]],
  ["unavailable", [
    withCode("ECONNREFUSED"), withCode("EAI_AGAIN"), withCode("57P01"), withCode("57P03"), withCode("08006"), withCode("53300"), withCode("53100"), asStandby(withCode("25006")), withCode("25P03"),
    new Error("Connection terminated unexpectedly"), new Error("timeout exceeded when trying to connect"), new Error("Query read timeout"),
    new AggregateError([withCode("ECONNREFUSED"), withCode("ECONNREFUSED")]),
  ]],
  ["stale", [Object.assign(withCode("0A000"), { routine: "RevalidateCachedQuery" })]],
  ["refused", [withCode("28P01"), withCode("28000"), withCode("3D000")]],
  ["other", [withCode("23505"), withCode("0A000"), withCode("42P01"), withCode("57014"), withCode("25006"), asStandby(withCode("23505")), withCode("25P02"), new Error("any"), new LonghaulError("TASK_KEY_TAKEN", "taken"), "text", null]],
])("calls it %s", (expected, errors) => {
  expect(errors.map(fromDriver).map(classifyFailure)).toEqual(errors.map(() => expected));
});

it("believes the driver only", () => {
  const own = [withCode("40001"), withCode("ENOENT"), new Error("Connection terminated unexpectedly"), new AggregateError([fromDriver(withCode("ECONNREFUSED"))])];

  expect(own.map(classifyFailure)).toEqual(["other", "other", "other", "other"]);
  expect(own.filter(isPassing)).toEqual([]);
});

it("lets a caller try again later what only passing reasons kept from being done", () => {
  const passing = [fromDriver(withCode("40001")), fromDriver(withCode("ECONNRESET")), new LonghaulError("STORE_UNREACHABLE", "away"), new LonghaulError("STORE_COMMIT_UNKNOWN", "lost"), new LonghaulError("STORE_CONFLICT", "met")];
  const lasting = [fromDriver(withCode("23505")), new LonghaulError("STORE_REFUSED", "password"), new Error("bug")];

  expect(passing.filter((error) => !isPassing(error))).toEqual([]);
  expect(lasting.filter(isPassing)).toEqual([]);
});

it("tells what keeps work from being done from what the work comes to", () => {
  const kept = [
    ...["40001", "ECONNRESET", "57014", "0A000", "42501", "42P01", "55000", "25P02", "XX000"].map((code) => fromDriver(withCode(code))),
    new LonghaulError("STORE_UNREACHABLE", "away"), new LonghaulError("STORE_CONFLICT", "met"), new LonghaulError("STORE_REFUSED", "password"),
  ];
  const done = [
    ...["22003", "23505", "54000", "P0001"].map((code) => fromDriver(withCode(code))), fromDriver(new RangeError("of a value")),
    withCode("57014"), new Error("bug"), new LonghaulError("TASK_KEY_TAKEN", "taken"), new LonghaulError("ENGINE_CLOSED", "closed"), "text",
  ];

  expect(kept.filter((error) => !isOfServer(error))).toEqual([]);
  expect(done.filter(isOfServer)).toEqual([]);
});

it("names what a statement that cannot be done failed of, and what to do; anything else it leaves as it is", () => {
  const place = { where: "host:5432/db", schema: "longhaul" };
  const broken = ["42P01", "42703", "42601", "42883", "3F000", "0A000"].map((code) => fromDriver(withCode(code, `failed with ${code}`)));
  const other = [
    ...["42501", "42P05", "57014", "40001", "53300", "23505", "XX000"].map((code) => fromDriver(withCode(code))), fromDriver(Object.assign(withCode("0A000"), { routine: "RevalidateCachedQuery" })),
    fromDriver(withCode("ECONNRESET")), withCode("42P01"), new LonghaulError("TASK_KEY_TAKEN", "taken"), "text",
  ];

  const made = broken.map((error) => asBrokenStatement(place, error));

  expect(made).toMatchObject(broken.map((error) => ({ code: "STORE_STATEMENT", cause: error, retry: "never" })));
  expect((made[0] as Error).message).toMatch(/host:5432\/db.*failed with 42P01.*newest version.*schema longhaul/);
  expect(made.filter((error) => !isOfServer(error))).toEqual([]);
  expect(other.map((error) => asBrokenStatement(place, error))).toEqual(other);
});
