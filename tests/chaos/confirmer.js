// SPDX-License-Identifier: PostgreSQL
// One who writes and follows, and asks after each commit whether all of it has reached him, again on each connection until he is told.
// Never before what the transaction did has come, and for each that has committed or was rolled back.
import { within, SECOND } from '../integration/lib/wait.js';
import { between, pause, pick, random } from './chance.js';
import { Follower } from './follower.js';
import { facts } from './ledger.js';
import { Writer, clock } from './writer.js';

export class Confirmer extends Follower {
    constructor(run, number, options) {
        super(run, options);
        Object.assign(this, { number, seen: new Set(), asked: null, nAsked: 0 });
        this.writer = new ConfirmedWriter(run, number, this);
        this.onMine = (_channel, frame) => {
            const { writer, key } = facts({ action: frame.action, payload: frame.payload });
            if (writer === number) {
                this.seen.add(key);
            }
        };
    }

    onFrame(frame) {
        const isAnswer = this.asked !== null && frame.options?.ref === this.asked.ref;
        if (isAnswer) {
            this.asked.resolve(frame);
        } else if (frame.options?.ref === undefined) {
            super.onFrame(frame);
        }
    }

    // The answer's frame; null: there was none, and it is to be asked again.
    async confirmation(xid) {
        const { client } = this;
        const ref = `txid ${++this.nAsked}`;
        const answered = new Promise((resolve) => (this.asked = { ref, resolve }));
        client.raw(JSON.stringify({ action: 'txid', options: { ref }, payload: xid }));
        const frame = await Promise.race([answered, client.ended.then(() => null)]);
        this.asked = null;
        return frame?.action === 'txid' ? frame : null;
    }
}

class ConfirmedWriter extends Writer {
    constructor(run, number, follower) {
        super(run, number);
        this.follower = follower;
    }

    async transaction() {
        const { session, follower, run } = this;
        if (!follower.isComplete) {
            await pause(20);
            return;
        }
        const stretches = new Map(follower.at);
        this.began = clock.now;
        this.keys = [];
        await session.query('BEGIN');
        const { rows: [{ xid }] } = await session.query('SELECT pg_current_xact_id()::text AS xid');
        for (let i = 1 + pick(2); i > 0; i--) {
            await (random() < 0.3 ? this.publish(false) : this.insert());
        }
        const isRolledBack = random() < 0.15;
        await session.query(isRolledBack ? 'ROLLBACK' : 'COMMIT');
        if (!isRolledBack) {
            clock.now++;
            run.count.transactions++;
            this.keys.forEach((key) => clock.commits.set(key, clock.now));
        }
        await this.confirm(xid, stretches, isRolledBack ? [] : this.keys);
        await pause(between(5, 80));
    }

    // Where a channel has begun anew since then, what he missed is no matter of his any more: a gap told him so, and the database may
    // have gone back behind the commit.
    async confirm(xid, stretches, keys) {
        const { follower, run } = this;
        const isSame = () => [...stretches].every(([channel, stretch]) => follower.at.get(channel) === stretch);
        const answered = async () => {
            let frame = null;
            while (!frame && isSame() && !run.isOver) {
                frame = follower.isComplete ? await follower.confirmation(xid) : null;
                await pause(frame ? 0 : 20);
            }
            return frame;
        };
        this.isWaiting = true;
        const frame = await within(`the answer that ${xid} of ${follower.name} is told`, answered(), 60 * SECOND)
            .catch((error) => run.violation('lost', error.message));
        this.isWaiting = false;
        if (frame && isSame()) {
            run.count.confirmed++;
            const missing = keys.filter((key) => !follower.seen.has(key));
            if (missing.length > 0) {
                run.violation('confirmed too early', `${xid} for ${follower.name}, who has not got ${missing.slice(0, 5)}`);
            }
        }
        follower.seen.clear();
    }
}
