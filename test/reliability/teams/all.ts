import type { Scenario } from "../scenario.ts";
import { bank } from "./bank.ts";
import { crowd } from "./crowd.ts";
import { desk } from "./desk.ts";
import { family } from "./family.ts";
import { news } from "./news.ts";
import { saga } from "./saga.ts";
import { shop } from "./shop.ts";
import { steps } from "./steps.ts";
import { waits } from "./waits.ts";

/** Teams that together use every promise of the engine. */
export const teams: readonly Scenario[] = [steps, waits, family, shop, news, bank, desk, crowd, saga];
