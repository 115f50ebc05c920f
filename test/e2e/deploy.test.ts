import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join, relative } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { dockerIgnores } from "./fixture/docker-ignore.ts";
import { longhaul, type RunningProcess, root, startLonghaul, temporaryFolder } from "./fixture/longhaul.ts";

/** The command as the package ships it: units and images name it. */
const program = [join(root, "bin", "longhaul.js")];

const team = `
import { defineAgent, defineTeam } from "longhaul";
export default defineTeam({ name: "deployed", agents: [defineAgent({ name: "idle", run: async () => process.env.SECRET ?? null })] });
`;

/** A project whose path systemd would read wrongly if it were not quoted. */
function newProject(): { readonly folder: string; readonly project: string } {
  const { path: folder, remove } = temporaryFolder();
  onTestFinished(remove);
  const project = join(folder, "My team 100%$HOME");
  mkdirSync(join(project, "agents"), { recursive: true });
  writeFileSync(join(project, "package.json"), '{"name":"deployed","type":"module","dependencies":{"longhaul":"*"}}');
  writeFileSync(join(project, "agents", "team.ts"), team);
  writeFileSync(join(project, ".env"), "SECRET=no image shall hold this\n");
  install(project);
  return { folder, project };
}

function install(project: string): void {
  mkdirSync(join(project, "node_modules"));
  symlinkSync(root, join(project, "node_modules", "longhaul"), "junction");
}

function follow(team: RunningProcess): RunningProcess {
  onTestFinished(async () => {
    team.child.kill("SIGKILL");
    await team.ended;
  });
  return team;
}

const settingsOf = (unit: string): ReadonlyMap<string, string> => new Map([...unit.matchAll(/^(\w+)=(.*)$/gm)].map(([, name = "", value = ""]) => [name, value]));

/** A command line as systemd reads it: words in quotes, escapes, `%%` and `$$`. */
function wordsOf(command: string): readonly string[] {
  return [...command.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, plain]) => (quoted ?? plain ?? "").replaceAll("%%", "%").replaceAll("$$", "$").replace(/\\(.)/g, "$1"));
}

describe("longhaul deploy systemd", () => {
  it("writes a unit whose command runs the team, with the paths of the team, its data and its project", async () => {
    const { folder, project } = newProject();
    const data = join(folder, "the data");
    const written = await longhaul(["deploy", "systemd", join(project, "agents", "team.ts"), "--data", data, "--drain", "3s"], { program, cwd: folder });
    expect(written).toMatchObject({ exitCode: 0, stderr: "", stdout: expect.stringContaining("sudo systemctl enable --now my-team-100-home") as string });
    const settings = settingsOf(readFileSync(join(project, "my-team-100-home.service"), "utf8"));

    expect(Object.fromEntries(settings)).toMatchObject({ Type: "notify", NotifyAccess: "all", KillMode: "mixed", Restart: "always", TimeoutStopSec: "23", User: userInfo().username, OOMPolicy: "continue", StartLimitIntervalSec: "0" });
    expect(settings.get("WorkingDirectory")?.replaceAll("%%", "%")).toBe(project);
    const [node, ...words] = wordsOf(settings.get("ExecStart") ?? "");
    expect(node).toBe(process.execPath);
    const running = follow(startLonghaul([...words.slice(1), "--port", "0"], { program: words.slice(0, 1), cwd: project }));
    await running.line((line) => line.startsWith("deployed: idle") && line.includes(data));
    running.child.kill("SIGTERM");
    expect(await running.ended).toBe(0);
  });

  it("takes another user and another folder", async () => {
    const { folder, project } = newProject();
    const out = join(folder, "units");
    await longhaul(["deploy", "systemd", join(project, "agents", "team.ts"), "--out", out, "--user", "nobody"], { program, cwd: folder });

    expect(settingsOf(readFileSync(join(out, "my-team-100-home.service"), "utf8")).get("User")).toBe("nobody");
  });

  it("runs a worker of a cluster, whose database's address is read from the environment and never written", async () => {
    const { folder, project } = newProject();
    const deploy = (...args: readonly string[]) => longhaul(["deploy", "systemd", join(project, "agents", "team.ts"), ...args], { program, cwd: folder });
    const { stdout } = await deploy("--store", "postgres://me:hidden@db/team", "--restate-ingress", "http://restate:8080", "--listen", "10.0.0.5:9080", "--identity-key", `publickeyv1_${"1".repeat(32)}`);
    const unit = readFileSync(join(project, "my-team-100-home.service"), "utf8");

    expect(stdout).toContain("Write LONGHAUL_STORE=postgres://");
    expect(`${stdout}${unit}`).not.toContain("hidden");
    expect(wordsOf(settingsOf(unit).get("ExecStart") ?? "").join(" ")).toContain(`--engine restate --restate-ingress http://restate:8080 --restate-admin http://127.0.0.1:9070 --listen 10.0.0.5:9080 --identity-key publickeyv1_`);
    // Without the address it does not run another, empty team.
    const [, ...words] = wordsOf(settingsOf(unit).get("ExecStart") ?? "");
    expect(await longhaul(words.slice(1), { program: words.slice(0, 1), cwd: project })).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("LONGHAUL_STORE") as string });
    expect(await deploy("--restate-ingress", "http://restate:8080")).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/--restate-ingress is of a team on a cluster.*OPTION_INVALID/) as string });
    expect(await deploy("--store", "postgres://db/team", "--listen", "10.0.0.5:9080")).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("OPTION_INVALID") as string });
  });

  const hasSystemd = spawnSync("systemd-analyze", ["--version"]).status === 0;
  if (!hasSystemd) console.warn("Not shown here: that systemd takes the unit. It needs systemd-analyze.");
  it.runIf(hasSystemd)("writes what systemd-analyze finds nothing wrong with", async () => {
    const { folder, project } = newProject();
    await longhaul(["deploy", "systemd", join(project, "agents", "team.ts"), "--out", folder], { program, cwd: folder });
    const verify = () => spawnSync("systemd-analyze", ["verify", "--man=no", join(folder, "my-team-100-home.service")], { encoding: "utf8" });
    const ours = (text: string): readonly string[] => text.split("\n").filter((line) => line.includes("my-team-100-home"));

    const { stdout, stderr } = verify();
    expect(ours(`${stdout}${stderr}`)).toEqual([]);

    // What would be wrong is found.
    const unit = join(folder, "my-team-100-home.service");
    writeFileSync(unit, readFileSync(unit, "utf8").replace("OOMPolicy=continue", "OOMPolicy=goon"));
    expect(ours(verify().stderr)).toEqual([expect.stringContaining("OOM")]);
  });
});

interface Instruction {
  readonly name: string;
  readonly value: string;
}

const instructionsOf = (text: string): readonly Instruction[] =>
  text.split("\n").filter((line) => line !== "" && !line.startsWith("#")).map((line) => ({ name: line.split(" ")[0] ?? "", value: line.slice(line.indexOf(" ") + 1) }));

describe("longhaul deploy docker", () => {
  it("writes an image file whose steps, done by hand, run the team and find it healthy, and that takes no key along", async () => {
    const { folder, project } = newProject();
    await longhaul(["deploy", "docker", join(project, "agents", "team.ts")], { program, cwd: folder });
    const instructions = instructionsOf(readFileSync(join(project, "Dockerfile"), "utf8"));
    expect(instructions.map(({ name }) => name)).toEqual(["FROM", "ENV", "WORKDIR", "COPY", "RUN", "COPY", "RUN", "USER", "VOLUME", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT"]);
    const valueOf = (name: string): string => instructions.find((instruction) => instruction.name === name)?.value ?? "";
    expect(valueOf("FROM")).toMatch(/^node:24/);

    // COPY . ., without what is left out; then what `npm ci` would bring.
    const app = join(folder, "app");
    const isLeftOut = dockerIgnores(readFileSync(join(project, ".dockerignore"), "utf8"));
    cpSync(project, app, { recursive: true, filter: (from) => !isLeftOut(relative(project, from)) });
    expect([existsSync(join(app, ".env")), existsSync(join(app, "node_modules")), existsSync(join(app, "agents", "team.ts"))]).toEqual([false, false, true]);
    install(app);
    const shell = instructions.find(({ name }) => name === "RUN")?.value ?? "";
    expect(spawnSync("sh", ["-n", "-c", shell]).status, "the shell takes it").toBe(0);

    const [, ...entry] = JSON.parse(valueOf("ENTRYPOINT")) as string[];
    const environment = Object.fromEntries(valueOf("ENV").split(" ").map((pair) => pair.split("=")) as [string, string][]);
    expect(environment["LONGHAUL_DATA"]).toBe(valueOf("VOLUME"));
    const data = join(folder, "volume");
    const running = follow(startLonghaul([...entry.slice(1), "--port", "0"], { program: entry.slice(0, 1), cwd: app, environment: { ...environment, LONGHAUL_DATA: data } }));
    await running.line((line) => line.startsWith("deployed: idle") && line.includes(data));
    const [, ...check] = JSON.parse(valueOf("HEALTHCHECK").replace(/^.*? CMD /, "")) as string[];
    expect(await longhaul([...check.slice(1), "--data", data], { program: check.slice(0, 1), cwd: app })).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("deployed runs") as string });
    running.child.kill(valueOf("STOPSIGNAL") as NodeJS.Signals);
    expect(await running.ended).toBe(0);
  });

  it("leaves keys, data and copies of it out of the image, wherever in the project they are", async () => {
    const { folder, project } = newProject();
    const kept = ["agents/team.ts", "agents/token/index.ts", "agents/data.ts", "prompts/environment.md", "package.json"];
    const secret = [
      ".env", "agents/.env", "packages/x/.env.production", "packages/x/prod.env", "packages/x/node_modules/y/index.js", "packages/x/.npmrc", ".git/config", "agents/debug.log",
      "agents/token/.env", "node_modules/y/token/index.js", ".longhaul/token", "packages/x/.longhaul/longhaul.db", "state/other/longhaul.db", "state/other/longhaul.db-wal", "state/other/token", "state/other/replaced-2026-11-26T10-15-00.000Z/longhaul.db-shm",
      "before-the-upgrade.db", "copies/prospecting-2026-11-26T10-15-00.000Z.db", "copies/prospecting-2026-11-26T10-15-00.000Z.db.partial", "the [live] data/backups.json",
    ];
    await longhaul(["deploy", "docker", join(project, "agents", "team.ts"), "--data", join(project, "the [live] data")], { program, cwd: folder });
    const isLeftOut = dockerIgnores(readFileSync(join(project, ".dockerignore"), "utf8"));

    expect([...kept, ...secret].filter((path) => !isLeftOut(path))).toEqual(kept);
    expect(isLeftOut("Dockerfile")).toBe(false);
  });

  it("leaves out nothing for a data directory that is not in the project, or is the project", async () => {
    const ignoreOf = async (data: (place: ReturnType<typeof newProject>) => string): Promise<string> => {
      const place = newProject();
      await longhaul(["deploy", "docker", join(place.project, "agents", "team.ts"), "--data", data(place)], { program, cwd: place.folder });
      return readFileSync(join(place.project, ".dockerignore"), "utf8");
    };
    const [outside, project] = [await ignoreOf(({ folder }) => join(folder, "data")), await ignoreOf((place) => place.project)];

    expect(outside).toBe(project);
    expect(dockerIgnores(outside)("agents/team.ts")).toBe(false);
  });

  it("builds from the project, without what is left out of it, also when it writes elsewhere", async () => {
    const { folder, project } = newProject();
    const out = join(folder, "images");
    const { stdout } = await longhaul(["deploy", "docker", join(project, "agents", "team.ts"), "--out", out], { program, cwd: folder });

    expect(stdout).toContain(`docker build -t my-team-100-home -f ${join(out, "Dockerfile")} '${project}'`);
    expect(readFileSync(join(out, "Dockerfile"), "utf8")).toContain(" -f <this file> ");
    // Docker reads this one for that Dockerfile, whatever the project has.
    expect(dockerIgnores(readFileSync(join(out, "Dockerfile.dockerignore"), "utf8"))(".env")).toBe(true);
    expect(existsSync(join(out, ".dockerignore"))).toBe(false);
  });

  it("runs a worker of a cluster that Restate reaches", async () => {
    const { folder, project } = newProject();
    const deploy = (out: string, ...args: readonly string[]) => longhaul(["deploy", "docker", join(project, "agents", "team.ts"), "--out", join(folder, out), "--store", "postgres://me:hidden@db/team", ...args], { program, cwd: folder });
    const { stderr: warned } = await deploy("own", "--listen", "127.0.0.1:9082");
    const { stderr: silent } = await deploy("open", "--listen", "0.0.0.0:9081", "--identity-key", `publickeyv1_${"1".repeat(32)}`, "--advertise", "http://workers:9081");
    const [own, open] = ["own", "open"].map((out) => readFileSync(join(folder, out, "Dockerfile"), "utf8")) as [string, string];

    expect(own.split("\n")[0]).toContain(" --env-file .env --network host -v ");
    // Whoever runs it in another way has a worker that nobody calls.
    expect(warned).toMatch(/--listen is 127\.0\.0\.1:9082, .*--network host.*give --listen 0\.0\.0\.0:9082/);
    expect(silent).toBe("");
    expect(open.split("\n")[0]).toContain(" --env-file .env -p 9081:9081 -v ");
    expect(open).toContain('"--listen", "0.0.0.0:9081", "--advertise", "http://workers:9081", "--identity-key"');
    expect(`${own}${open}`).not.toContain("hidden");
  });

  it("says how the image is run so that a reboot, an upgrade of docker and a crash start it again", async () => {
    const { folder, project } = newProject();
    await longhaul(["deploy", "docker", join(project, "agents", "team.ts"), "--drain", "30s"], { program, cwd: folder });
    const [run = ""] = readFileSync(join(project, "Dockerfile"), "utf8").split("\n");

    expect(run).toMatch(/^# docker build -t my-team-100-home .* my-team-100-home$/);
    expect(run).toContain("docker run -d --init --stop-timeout 50 --restart unless-stopped ");
  });

  it("overwrites nothing, and names what is in the way", async () => {
    const { folder, project } = newProject();
    writeFileSync(join(project, ".dockerignore"), "mine");
    const again = await longhaul(["deploy", "docker", join(project, "agents", "team.ts")], { program, cwd: folder });
    const none = await longhaul(["deploy", "docker", join(project, "no-team.ts")], { program, cwd: folder });
    const unknown = await longhaul(["deploy", "kubernetes", join(project, "agents", "team.ts")], { program, cwd: folder });
    const user = await longhaul(["deploy", "docker", join(project, "agents", "team.ts"), "--user", "bob"], { program, cwd: folder });

    expect(again).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/\.dockerignore exists in .*INIT_FILES_EXIST/) as string });
    expect([existsSync(join(project, "Dockerfile")), readFileSync(join(project, ".dockerignore"), "utf8")]).toEqual([false, "mine"]);
    expect(none).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("TEAM_NOT_LOADED") as string });
    expect(user).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("--user is for systemd") as string });
    expect(unknown).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("Use systemd or docker.") as string });
  });
});
