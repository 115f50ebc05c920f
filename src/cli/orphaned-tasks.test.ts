import { expect, it } from "vitest";
import { computeOrphans, describeOrphans } from "./orphaned-tasks.ts";

it("finds open tasks of agents that the team no longer has, and says what to do with them", () => {
  const orphans = computeOrphans(["scout"], [
    { agent: "old", status: "waiting", tasks: 1 },
    { agent: "editor", status: "queued", tasks: 2 },
    { agent: "scout", status: "queued", tasks: 9 },
    { agent: "editor", status: "waiting", tasks: 3 },
  ]);

  expect(orphans).toEqual([{ agent: "editor", openTasks: 5 }, { agent: "old", openTasks: 1 }]);
  expect(orphans.map(describeOrphans)).toEqual([
    "5 open tasks are for editor, which the team does not have: nobody works on them. Add it again, or look at them with: longhaul ps --agent editor",
    "1 open task is for old, which the team does not have: nobody works on it. Add it again, or look at it with: longhaul ps --agent old",
  ]);
  expect(computeOrphans(["scout"], [{ agent: "scout", status: "queued", tasks: 1 }])).toEqual([]);
});
