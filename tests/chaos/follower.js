// SPDX-License-Identifier: PostgreSQL
// A follower: one user of the application, over many connections. It keeps for each channel where it stands and resumes
// there; what it got since it joined without a past (its first join, or a gap that it was told of) is one stretch, and a
// stretch has to be the log's order from where it began. Nothing is judged here but the acknowledgements; check.js
// compares the stretches with the log when all is quiet.
import { Client } from '../integration/lib/client.js';
import { within, SECOND } from '../integration/lib/wait.js';
import { between, pause, pick, random } from './chance.js';
import { FLEETING } from './ledger.js';

const GAP_ROWS = 1000; // a gap in one epoch is honest when so many events were missed (the server's limit is 10000 or 1 MiB)

class Stretch {
    constructor(channel, epoch, start) {
        Object.assign(this, { channel, epoch, start, events: [], resumes: [] });
    }

    get position() {
        return this.events.at(-1)?.id ?? this.start;
    }
}

export class Follower {
    // token and identity: of a signed-in user, or null. isVisitor: comes and goes.
    constructor(run, { name, channels, token, identity = null, isVisitor = false }) {
        Object.assign(this, { run, name, channels, token, identity, isVisitor });
        this.stretches = []; // those that have ended since the last check
        this.at = new Map(); // channel → the stretch it is in
        this.joining = new Map(); // channel → { since, resolve, reject }
        this.joined = new Set();
        this.heard = new Map(); // fleeting channel and sender's connection → the last number
    }

    get isComplete() {
        return this.client && !this.client.closed && this.channels.every((channel) => this.joined.has(channel));
    }

    async live() {
        while (!this.run.isOver) {
            try {
                await this.connect();
                await this.stay();
            } catch (error) {
                this.client?.socket.terminate();
                this.run.note(error);
                await pause(20 + pick(100));
            }
        }
        this.client?.socket.terminate();
    }

    async connect() {
        this.via = this.run.target();
        const client = new Client(this.via, { canonical: this.run.canonical, token: this.token });
        this.client = client;
        this.joined.clear();
        this.heard.clear();
        client.onFrame = (frame) => {
            client.frames.length = 0;
            if (client === this.client) {
                this.onFrame(frame);
            }
        };
        client.ended.then(() => this.onEnded(client));
        await within('the handshake', client.opened, 10 * SECOND);
        this.run.count.connections++;
        // A visitor does not always want everything.
        const wanted = this.isVisitor && !this.run.isQuiet ? this.channels.filter(() => random() < 0.7) : this.channels;
        await Promise.all(wanted.map((channel) => this.join(channel)));
    }

    onEnded(client) {
        if (client === this.client) {
            this.joining.forEach(({ reject }) => reject(new Error('closed')));
            this.joining.clear();
        }
    }

    async join(channel, { isFresh = false } = {}) {
        const stretch = isFresh ? undefined : this.at.get(channel);
        const since = stretch && { epoch: stretch.epoch, offset: stretch.position };
        await this.ask(channel, 'join', since ? { since } : { history: random() < 0.3 }, { since });
    }

    async leave(channel) {
        await this.ask(channel, 'leave', null, {});
    }

    async ask(channel, action, payload, waiting) {
        if (this.client.closed) {
            throw new Error('closed');
        }
        const answered = new Promise((resolve, reject) => this.joining.set(channel, { ...waiting, resolve, reject }));
        this.client.send(action, channel, payload);
        await within(`the answer to a ${action} of ${channel}`, answered, 60 * SECOND);
    }

    onFrame(frame) {
        const channel = frame.options?.channel;
        if (frame.action === 'join') {
            this.onJoined(channel, frame.payload);
        } else if (frame.action === 'leave') {
            this.joined.delete(channel);
            this.answer(channel)?.resolve();
        } else if (frame.action === 'error') {
            this.onError(channel, frame);
        } else if (frame.action === 'history') {
            this.onHistory(channel, frame.payload.history);
        } else if (FLEETING.includes(channel)) {
            this.onFleeting(channel, frame);
        } else {
            this.onEvent(channel, frame);
        }
    }

    answer(channel) {
        const waiting = this.joining.get(channel);
        this.joining.delete(channel);
        return waiting;
    }

    onError(channel, frame) {
        const waiting = this.answer(channel);
        if (frame.payload.code !== 'unavailable' && !this.run.expects?.(frame)) {
            this.run.violation('refused', `${this.name}: ${frame.text}`);
        }
        waiting?.reject(new Error(frame.payload.code));
    }

    onJoined(channel, ack) {
        const waiting = this.answer(channel);
        if (!waiting) {
            this.run.violation('refused', `${this.name}: an acknowledgement that nobody waits for on ${channel}`);
            return;
        }
        const { since } = waiting;
        const stretch = this.at.get(channel);
        if (ack.resumed) {
            this.run.count.resumes++;
            stretch.resumes.push(stretch.position);
            if (ack.epoch !== since.epoch || ack.gap) {
                this.run.violation('silent gap', `${this.name}: ${channel} resumed ${JSON.stringify(since)} with ${JSON.stringify(ack)}`);
            }
        } else {
            this.beginAnew(channel, since, ack);
        }
        this.joined.add(channel);
        [...this.heard.keys()].filter((key) => key.startsWith(`${channel} `)).forEach((key) => this.heard.delete(key));
        waiting.resolve();
    }

    beginAnew(channel, since, ack) {
        if (since && !ack.gap) {
            this.run.violation('silent gap', `${this.name}: ${channel} since ${JSON.stringify(since)} got ${JSON.stringify(ack)}`);
        } else if (since) {
            this.run.count.gaps++;
            const missed = ack.offset - since.offset;
            if (ack.epoch === since.epoch && missed < GAP_ROWS) {
                this.run.violation('needless gap', `${this.name}: ${channel} since ${JSON.stringify(since)} got ${JSON.stringify(ack)}`);
            }
        }
        if (this.at.has(channel)) {
            this.stretches.push(this.at.get(channel));
        }
        this.at.set(channel, new Stretch(channel, ack.epoch, ack.offset));
    }

    onEvent(channel, frame) {
        const stretch = this.at.get(channel);
        if (!this.joined.has(channel)) {
            this.run.violation('refused', `${this.name}: an event of ${channel}, which it is not in`);
            return;
        }
        const { id, replayed } = frame.options;
        this.run.count.replayed += replayed ? 1 : 0;
        stretch.events.push({ id, action: frame.action, text: JSON.stringify(frame.payload) });
        this.onMine?.(channel, frame);
    }

    // The history ends where the live events begin: at the offset of the acknowledgement.
    onHistory(channel, list) {
        const { start, events } = this.at.get(channel);
        const ids = list.map((entry) => entry.options.id);
        const isDense = ids.every((id, i) => i === 0 || id === ids[i - 1] + 1);
        if (events.length > 0 || (ids.length > 0 && (!isDense || ids.at(-1) !== start))) {
            this.run.violation('silent gap', `${this.name}: the history of ${channel} has ${ids}, and the join was at ${start}`);
        }
    }

    // At most once, and in the sender's order; while both connections live, nothing is missing between two messages.
    onFleeting(channel, frame) {
        const { sender, connection, n } = frame.payload;
        const key = `${channel} ${sender} ${connection}`;
        const last = this.heard.get(key);
        this.run.onFleeting?.(this, frame.payload);
        if (last !== undefined && (this.run.mayMiss ? n <= last : n !== last + 1)) {
            this.run.violation('ephemeral out of order', `${this.name}: ${key}: ${n} after ${last}`);
        }
        this.heard.set(key, n);
        this.run.count.fleeting++;
    }

    // As long as the connection lasts; a visitor goes of itself, politely or not.
    async stay() {
        const { client } = this;
        while (!client.closed && !this.run.isOver) {
            await Promise.race([client.ended, pause(between(100, 1500))]);
            if (!this.isVisitor || client.closed) {
                continue;
            }
            if (this.run.isQuiet) {
                await Promise.all(this.channels.filter((c) => !this.joined.has(c)).map((c) => this.join(c)));
            } else if (random() < 0.5) {
                await this.stroll();
            } else {
                random() < 0.5 ? client.socket.terminate() : client.socket.close(1000);
                await client.ended;
                await Promise.race([pause(between(0, 3000)), this.run.quiet]);
            }
        }
    }

    // Out of a channel and back, with or without its past.
    async stroll() {
        const joined = this.channels.filter((c) => this.joined.has(c));
        if (joined.length === 0) {
            return;
        }
        const channel = joined[pick(joined.length)];
        await this.leave(channel);
        await pause(between(0, 200));
        await this.join(channel, { isFresh: random() < 0.3 });
    }

    // Everything up to the heads has been checked. Who may not see the newest event stands at it all the same: standing at
    // the last one it saw, it would get a gap when that is trimmed.
    forget(heads) {
        this.stretches = [];
        this.at.forEach((stretch, channel) => this.at.set(channel, new Stretch(channel, stretch.epoch, heads.get(channel) ?? stretch.position)));
    }
}

// A follower of one room that also talks in it, and in a room without history. It goes on when each of its messages came
// back, was refused, or cannot come any more because the connection died.
export class Chatter extends Follower {
    constructor(run, number, options) {
        super(run, options);
        this.number = number;
        this.room = options.channels.find((c) => !FLEETING.includes(c));
        this.sent = 0;
        this.nFleeting = 0;
        this.nConnections = 0;
        this.refused = new Set();
        this.pending = new Set();
        this.onMine = (_channel, frame) => {
            if (frame.payload.sender === number) {
                this.pending.delete(frame.payload.n);
                this.onAnswer?.();
            }
        };
    }

    async connect() {
        this.pending.clear();
        this.nConnections++;
        await super.connect();
        const { client } = this;
        this.talk(client).catch((error) => {
            this.run.note(error);
            client.socket.terminate();
        });
    }

    onError(channel, frame) {
        if (channel === this.room && !this.joining.has(channel)) {
            const [n] = this.pending; // answers come in order
            this.refused.add(n);
            this.pending.delete(n);
            this.run.count.refused++;
            this.onAnswer?.();
        } else {
            super.onError(channel, frame);
        }
    }

    async talk(client) {
        while (!client.closed && !this.run.isOver) {
            await this.run.isOn();
            for (let i = 1 + pick(4); i > 0 && !client.closed; i--) {
                this.pending.add(++this.sent);
                client.message(this.room, { sender: this.number, n: this.sent, ...(this.run.mayMiss && { connection: this.nConnections }) });
                client.message(FLEETING[this.number % 2], { sender: this.number, connection: this.nConnections, n: ++this.nFleeting });
            }
            const answered = new Promise((resolve) => (this.onAnswer = () => this.pending.size === 0 && resolve()));
            this.onAnswer();
            await within(`${this.name} to get its messages ${[...this.pending]} back`, Promise.race([answered, client.ended]), 60 * SECOND)
                .catch((error) => this.run.violation('lost', error.message));
            await pause(between(5, 80));
        }
    }
}
