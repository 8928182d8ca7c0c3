// SPDX-License-Identifier: PostgreSQL
// make ledger: the ledger of snapshots, for as long as one likes; see ledger.js.
import { Ledger } from './ledger.js';

const { LEDGER_SECONDS = 60, LEDGER_PAGES = 200, LEDGER_WRITERS = 6, LEDGER_ROUND = 12, LEDGER_ONLY } = process.env;
const ledger = new Ledger({
    seconds: Number(LEDGER_SECONDS), pages: Number(LEDGER_PAGES), writers: Number(LEDGER_WRITERS), round: Number(LEDGER_ROUND), only: LEDGER_ONLY,
});
const faults = await ledger.run();
faults.forEach((n, kind) => console.log(`not ok: ${kind}: ${n}`));
console.log(`ledger: ${faults.size === 0 ? 1 : 0} passed, ${faults.size} failed`);
process.exit(faults.size === 0 ? 0 : 1);
