import type { Invariant } from "./story-facts.ts";

/** What a transaction of durable code wrote is there exactly when its step is in the journal as done, once. */
export const transactionsAreSteps: Invariant = ({ file }) => {
  const { transfer = [], account = [] } = file.userTables;
  const done = new Set(file.journal.filter(({ key, outcome }) => key.includes("/transaction/transfer/") && (JSON.parse(outcome) as { readonly ok: boolean }).ok).map(({ runId }) => runId));
  const written = transfer.map(({ run }) => String(run));
  const lost = [...done].filter((runId) => !written.includes(runId)).map((runId) => `the transfer of run ${runId} is journaled and not in its table`);
  const extra = written.filter((runId) => !done.has(runId)).map((runId) => `the transfer of run ${runId} is in its table and not journaled`);
  const twice = written.length === new Set(written).size ? [] : [`${written.length} transfers of ${new Set(written).size} runs`];
  const total = account.reduce((sum, { balance }) => sum + Number(balance), 0);
  const moved = transfer.reduce((sum, { amount }) => sum + Number(amount), 0);
  const balances = account.length > 0 && total !== 0 ? [`the balances add up to ${total}`] : [];
  const credit = account.find(({ name }) => name === "shop");
  return [...lost, ...extra, ...twice, ...balances, ...(credit !== undefined && Number(credit["balance"]) !== moved ? [`${moved} were transferred and the balance is ${String(credit["balance"])}`] : [])];
};
