import { expect, it } from "vitest";
import { formatStatusBlock } from "./status-block.ts";
import type { AgentStatus, TeamStatus } from "./status-board.ts";
import { textWidth } from "./text-width.ts";

const plain = (_style: unknown, text: string): string => text;
const agent = (name: string, state: string, isBad = false, running = 0): AgentStatus => ({ name, state, isBad, running });
const status = (agents: readonly AgentStatus[]): TeamStatus => ({ agents, running: 2, queued: 3, waiting: 1, tokensToday: 12_345, costMicroUsdToday: 123_400, isSimulated: false });
const options = { team: "release-watch", address: "http://127.0.0.1:7117", phase: null, columns: 120, style: plain, placed: (text: string) => text };

it("says what runs, what it costs today and where it is reached, then the agents that need a look first", () => {
  const [, head, agents] = formatStatusBlock(status([agent("scout", "idle"), agent("analyst", "working", false, 2), agent("editor", "hollow", true)]), options);

  expect(head).toBe("release-watch   2 running · 3 queued · 1 waiting   12,345 tokens · $0.1234 today   http://127.0.0.1:7117");
  expect(agents).toBe("editor hollow   analyst working ×2   scout idle");
});

it("is never wider than the terminal nor higher than a few lines", () => {
  const many = Array.from({ length: 60 }, (_, index) => agent(`agent-${index}`, "working", false, 1));

  for (const columns of [10, 20, 40, 80]) {
    const lines = formatStatusBlock(status(many), { ...options, columns });
    expect(Math.max(...lines.map(textWidth))).toBeLessThan(columns);
    expect(lines.length).toBeLessThanOrEqual(7);
  }
  expect(formatStatusBlock(status(many), { ...options, columns: 40 }).at(-1)).toMatch(/^and \d+ more/);
});
