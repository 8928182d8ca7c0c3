// SPDX-License-Identifier: PostgreSQL
// Somebody on the bus who has the NATS server's password and not the database's key: he hears all, says it again, and says what he
// has made of it: other numbers in what others said, under their names and with the old signature (src/bus/seal.h has the head's
// shape). Nobody may believe him. He speaks NATS' own protocol, which is lines of text.
import { connect } from 'node:net';
import { pause, pick, random } from '../chaos/chance.js';

const SEQ_AT = 2;
const BODY_AT = 50;
const MAC_SIZE = 32;
const ROWS = 3; // of what he makes something new
const MESSAGE = 4;
const MAX_KEPT = 200;

export class Forger {
    constructor(nats) {
        Object.assign(this, { nats, kept: [], nReplayed: 0, nForged: 0, isOver: false });
    }

    async live() {
        while (!this.isOver) {
            await new Promise((resolve) => this.open(resolve));
            await pause(300);
        }
    }

    open(onClose) {
        const { nats } = this;
        this.rest = Buffer.alloc(0);
        this.socket = connect(nats.port, nats.host.address);
        this.socket.on('error', () => {}).on('close', onClose);
        this.socket.on('data', (chunk) => {
            this.rest = Buffer.concat([this.rest, chunk]);
            while (this.take());
        });
        this.socket.write(`CONNECT ${JSON.stringify({ verbose: false, user: nats.user, pass: nats.password })}\r\nSUB pgherald.> 1\r\n`);
    }

    stop() {
        this.isOver = true;
        this.socket?.destroy();
    }

    // One line of the server's, and what belongs to it.
    take() {
        const end = this.rest.indexOf('\r\n');
        if (end < 0) {
            return false;
        }
        const line = this.rest.subarray(0, end).toString();
        const [, subject, size] = line.match(/^MSG (\S+) \S+ (?:\S+ )?(\d+)$/) ?? [];
        const from = end + 2;
        if (size !== undefined && this.rest.length < from + Number(size) + 2) {
            return false;
        }
        const data = size === undefined ? null : Buffer.from(this.rest.subarray(from, from + Number(size)));
        this.rest = this.rest.subarray(size === undefined ? from : from + Number(size) + 2);
        if (data) {
            this.onMessage(subject, data);
        } else if (line === 'PING') {
            this.socket.write('PONG\r\n');
        }
        return true;
    }

    say(subject, data) {
        this.socket.write(Buffer.concat([Buffer.from(`PUB ${subject} ${data.length}\r\n`), data, Buffer.from('\r\n')]));
    }

    // He hears himself, too; what he has made is not worth another lie.
    onMessage(subject, data) {
        if (this.own?.equals(data) || data.length < BODY_AT + MAC_SIZE || random() > 0.1) {
            return;
        }
        this.kept[this.kept.length < MAX_KEPT ? this.kept.length : pick(MAX_KEPT)] = { subject, data };
        const old = this.kept[pick(this.kept.length)];
        this.say(old.subject, (this.own = old.data));
        this.nReplayed++;
        if (data[1] === ROWS || data[1] === MESSAGE) {
            this.say(subject, (this.own = forged(data)));
            this.nForged++;
        }
    }
}

// The next of the same node, with other numbers in what it says; of rows those that come next.
function forged(data) {
    const lie = Buffer.from(data);
    lie.writeBigUInt64BE(lie.readBigUInt64BE(SEQ_AT) + 1n, SEQ_AT);
    if (lie[1] === ROWS) {
        const first = BODY_AT + 8 + 4 + lie.readUInt32BE(BODY_AT + 8) + 1; // behind term, epoch and flags
        const n = lie.readBigUInt64BE(first + 8) - lie.readBigUInt64BE(first) + 1n;
        [first, first + 8].forEach((at) => lie.writeBigUInt64BE(lie.readBigUInt64BE(at) + n, at));
    }
    for (let at = lie.indexOf('"n":', BODY_AT); at > 0; at = lie.indexOf('"n":', at + 4)) {
        lie[at + 4] = 0x31 + ((lie[at + 4] + 4) % 9);
    }
    return lie;
}
