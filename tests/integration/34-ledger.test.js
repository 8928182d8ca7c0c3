// SPDX-License-Identifier: PostgreSQL
// Half a minute of the ledger of snapshots (tests/ledger): what pages have, while all changes and fails, is what the database has.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Ledger } from '../ledger/ledger.js';

test('every page has exactly its rows, and was told nothing that does not fit', async () => {
    const ledger = new Ledger({ seconds: 30, pages: 40, round: 9 });
    const faults = await ledger.run();
    assert.deepEqual([...faults], []);
    assert.ok(ledger.count.events > 500 && ledger.count.snapshots > 100 && ledger.count.compared > 500, JSON.stringify(ledger.count));
});
