// SPDX-License-Identifier: PostgreSQL
// A follower of one room that says everything under a key, and again, sometimes at once and after each cut, until it has a receipt: so
// none of its messages may be lost, or in the log twice. All insisters of a room use the same keys, as if they had guessed them.
import { FLEETING } from './ledger.js';
import { within, SECOND } from '../integration/lib/wait.js';
import { between, pause, random } from './chance.js';
import { Follower } from './follower.js';

export class Insister extends Follower {
    // by: the secret of an anonymous one.
    constructor(run, number, options, by) {
        super(run, options);
        Object.assign(this, { number, by, room: options.channels.find((c) => !FLEETING.includes(c)), n: 1, isWaiting: false, receipts: [] });
    }

    async connect() {
        await super.connect();
        const { client } = this;
        this.insist(client).catch((error) => {
            this.run.note(error);
            client.socket.terminate();
        });
    }

    put(client) {
        const key = `a-key-that-others-guess-${this.n}`;
        client.send('message', this.room, { sender: this.number, n: this.n }, { ref: `${this.n}`, id_key: key, ...(this.by && { by: this.by }) });
        this.run.count.insisted++;
    }

    onFrame(frame) {
        const n = Number(frame.options?.ref);
        if (frame.action === 'receipt') {
            this.onReceipt(n, frame.payload);
        } else if (frame.action === 'error' && frame.options.ref !== undefined) {
            if (n === this.n) {
                this.onAnswer?.(); // it is said again
            }
        } else {
            super.onFrame(frame);
        }
    }

    onReceipt(n, { epoch, offset, duplicate }) {
        this.run.count.duplicates += duplicate === true;
        this.receipts.push({ n, epoch, offset });
        if (n === this.n && this.isWaiting) {
            this.n++;
            this.isWaiting = false;
            this.onAnswer?.();
        }
    }

    async insist(client) {
        while (!client.closed && !this.run.isOver) {
            if (!this.isWaiting) {
                await this.run.isOn();
                this.isWaiting = true;
            }
            const answered = new Promise((resolve) => (this.onAnswer = resolve));
            this.put(client);
            if (random() < 0.2) {
                this.put(client);
            }
            await within(`a receipt of ${this.n} for ${this.name}`, Promise.race([answered, client.ended]), 60 * SECOND)
                .catch((error) => this.run.violation('lost', error.message));
            await pause(between(5, 80));
        }
    }

    // Each receipt names the place where its message is, in an epoch whose log is known.
    check(archive, violation) {
        for (const { n, epoch, offset } of this.receipts) {
            const rows = epoch && archive.epochs.get(epoch)?.get(this.room);
            const row = rows?.find((r) => r.channel_offset === offset);
            if (rows && row?.facts.key !== `message ${this.number}/${n}`) {
                violation('lost', `${this.name} has a receipt of ${n} at ${offset} of ${epoch}, and there is ${row?.facts.key}`);
            }
        }
        this.receipts = [];
    }
}
