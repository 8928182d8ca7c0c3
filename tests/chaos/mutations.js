// SPDX-License-Identifier: PostgreSQL
// Lies for the run to catch: each changes one function of the schema in the way of a plausible mistake. CHAOS_MUTATION=NAME
// installs one. prove.js (make chaos-proof) runs them all, each with the faults that bring it out, and wants it found.
export const MUTATIONS = {
    // New is what has a higher id than anything that was seen: rows that commit late are never read.
    order: {
        finds: 'lost', faults: 'server killed (',
        of: 'herald.difference',
        from: 'WHERE pg_catalog.pg_visible_in_snapshot(o.xid, now_visible)',
        to: `WHERE pg_catalog.pg_visible_in_snapshot(o.xid, now_visible) AND o.id >
             (SELECT coalesce(max(s.id), 0) FROM herald.outbox s WHERE pg_catalog.pg_visible_in_snapshot(s.xid, done))`,
    },
    // Two neighbours change places.
    swap: {
        finds: 'reordered', faults: 'server killed (',
        of: 'herald.take', from: 'ORDER BY o.id;', to: 'ORDER BY o.id # 1;',
    },
    // A resume leaves out the first event that was missed.
    resume: {
        finds: 'silent gap', faults: 'server killed (',
        of: 'herald.read_channel', from: 'CASE WHEN NOT gap THEN since_offset END', to: 'CASE WHEN NOT gap THEN since_offset + 1 END',
    },
    // A resume begins with the event that the client named.
    again: {
        finds: 'duplicated', faults: 'server killed (',
        of: 'herald.read_channel', from: 'CASE WHEN NOT gap THEN since_offset END', to: 'CASE WHEN NOT gap THEN since_offset - 1 END',
    },
    // One channel never hears of a TRUNCATE.
    truncate: {
        finds: 'lost', faults: 'server killed (',
        of: 'herald.emptied', from: 'ORDER BY x.name LIMIT', to: 'ORDER BY x.name OFFSET 1 LIMIT',
    },
    // Mode statement takes what its own INSERT raises for something that it can live with.
    statement: {
        finds: 'lost', faults: 'disk full',
        of: 'herald.statement_mode_code', from: 'system_error THEN\n                RAISE;', to: 'system_error THEN\n                RETURN NULL;',
    },
    // The key is not written with its message.
    sent: {
        finds: 'duplicated', faults: 'server killed (',
        of: 'herald.store', from: 'IF keys IS NOT NULL THEN', to: 'IF false THEN',
    },
    // Whatever was restored or promoted, the epoch stays.
    epoch: {
        finds: 'shown without a commit', faults: 'failover',
        of: 'herald.open', from: "s.issued_on = here AND NOT is_set_back AND (is_canary_ours OR is_canary_gone AND is_witness)",
        to: 'true',
    },
};

export const mutation = process.env.CHAOS_MUTATION || null;

export async function mutate(database) {
    const { of, from, to } = MUTATIONS[mutation] ?? (() => {
        throw new Error(`CHAOS_MUTATION=${mutation} is not one of: ${Object.keys(MUTATIONS).join(' ')}`);
    })();
    const rows = await database.query(
        'SELECT pg_get_functiondef(p.oid) AS text FROM pg_proc p WHERE p.oid::regproc::text = $1', [of]);
    if (rows.length !== 1 || rows[0].text.split(from).length !== 2) {
        throw new Error(`the mutation ${mutation} does not find what it changes in ${of}`);
    }
    await database.query(rows[0].text.replace(from, () => to));
    await database.query('SELECT herald.refresh()'); // and of what is generated
}
