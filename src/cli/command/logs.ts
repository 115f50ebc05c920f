import { isLonghaulError } from "../../base/error.ts";
import { formatUsd } from "../../base/money.ts";
import type { AgentUsage, RecordFilter, StoredRecord } from "../../store/store.ts";
import type { OperatorView } from "../../runtime/operator-view.ts";
import type { CommandContext, ExitCode } from "../command-context.ts";
import { withView } from "../open-view.ts";
import { formatRecordLine } from "../record-line.ts";
import { formatTable } from "../table.ts";
import { UnreadRecords } from "../unread-records.ts";

export interface LogsOptions {
  readonly filter: RecordFilter;
  readonly mode: "print" | "follow" | "count" | "usage";
}

const pageSize = 10_000;

/** Records that pass the filter; or how many there are, what agents used, or those that are still to come. */
export function runLogs(context: CommandContext, { filter, mode }: LogsOptions): Promise<ExitCode> {
  return withView(context, async (view) => {
    switch (mode) {
      case "usage":
        printUsage(context, await view.store.records.usageByAgent({ sinceMs: filter.sinceMs ?? 0, untilMs: filter.untilMs ?? context.clock.now() + 1 }));
        return 0;
      case "count": {
        const count = await countRecords(view, filter);
        context.output.data({ count });
        context.output.say(String(count));
        return 0;
      }
      case "print": {
        const found = await view.store.records.query(filter);
        printRecords(context, found);
        if (found.length === 0) context.output.say("No record matches. Without filters: longhaul logs");
        else if (found.length === filter.limit) context.output.say(context.output.style("dim", `The newest ${found.length}; more with --limit.`));
        return 0;
      }
      case "follow":
        return follow(context, view, filter);
    }
  });
}

function printRecords({ output }: CommandContext, found: readonly StoredRecord[]): void {
  for (const { record } of found) {
    output.data(record);
    output.quote(formatRecordLine(record, output, { isClockTime: false, columns: null }));
  }
}

async function countRecords(view: OperatorView, { limit: _limit, ...filter }: RecordFilter): Promise<number> {
  let count = 0;
  let afterPosition = 0;
  for (;;) {
    const page = await view.store.records.query({ ...filter, afterPosition, limit: pageSize, take: "oldest" });
    count += page.length;
    afterPosition = page.at(-1)?.position ?? afterPosition;
    if (page.length < pageSize) return count;
  }
}

/** Ends only with the process, or when the records cannot be read. While their database is away it waits for it. */
async function follow(context: CommandContext, view: OperatorView, filter: RecordFilter): Promise<never> {
  const [newest] = await view.store.records.query({ limit: 1 });
  const first = await view.store.records.query(filter);
  printRecords(context, first);
  // What came between the two questions is printed once: from the later of the two positions where something was printed.
  const unread = new UnreadRecords(view.store.records, filter, Math.max(first.at(-1)?.position ?? 0, newest?.position ?? 0));
  let reading: Promise<boolean> | null = null;
  let isStale = false;
  let isAway = false;
  const readAll = async (): Promise<boolean> => {
    const before = unread.position;
    while (isStale) {
      isStale = false;
      const { found, isAll } = await unread.read();
      printRecords(context, found);
      isStale ||= !isAll;
      if (isAway) context.output.warn("The database is back.");
      isAway = false;
    }
    return unread.position > before;
  };
  const failed = Promise.withResolvers<never>();
  const look = async (): Promise<boolean> => {
    isStale = true;
    try {
      return await (reading ??= readAll().finally(() => (reading = null)));
    } catch (error) {
      if (!isLonghaulError(error) || error.code !== "STORE_UNREACHABLE") failed.reject(error);
      else if (!isAway) context.output.warn(`${error.message} This goes on when it is back.`);
      isAway = true;
      return false;
    }
  };
  const watch = view.watchRecords(look);
  void look();
  try {
    return await failed.promise;
  } finally {
    watch.close();
  }
}

function printUsage({ output }: CommandContext, usage: readonly AgentUsage[]): void {
  for (const agent of usage) output.data(agent);
  if (usage.length === 0) {
    output.say("No agent called a model or a tool in this time.");
    return;
  }
  const total = { agent: "all", ...sumOf(usage) };
  const number = (value: number): string => value.toLocaleString("en-US");
  const lines = formatTable<AgentUsage>(
    [
      { title: "agent", value: ({ agent }) => agent },
      { title: "model calls", value: ({ modelCalls }) => number(modelCalls), align: "right" },
      { title: "tool calls", value: ({ toolCalls }) => number(toolCalls), align: "right" },
      { title: "tool errors", value: ({ toolErrors }) => number(toolErrors), align: "right" },
      { title: "tokens", value: ({ tokens }) => number(tokens), align: "right" },
      { title: "cost", value: ({ costMicroUsd }) => formatUsd(costMicroUsd), align: "right" },
    ],
    usage.length === 1 ? usage : [...usage, total],
    { columns: output.columns, styleTitle: (text) => output.style("dim", text) },
  );
  output.say(...lines);
}

function sumOf(usage: readonly AgentUsage[]): Omit<AgentUsage, "agent"> {
  const sum = (value: (agent: AgentUsage) => number): number => usage.reduce((total, agent) => total + value(agent), 0);
  return {
    modelCalls: sum((agent) => agent.modelCalls),
    toolCalls: sum((agent) => agent.toolCalls),
    toolErrors: sum((agent) => agent.toolErrors),
    tokens: sum((agent) => agent.tokens),
    costMicroUsd: sum((agent) => agent.costMicroUsd),
  };
}
