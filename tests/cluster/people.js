// SPDX-License-Identifier: PostgreSQL
// Who is there besides the chaos run's people: members of one channel, each of whom keeps the list as he is told, and guests who are
// thrown out now and then.
import { Client } from '../integration/lib/client.js';
import { within, SECOND } from '../integration/lib/wait.js';
import { between, pause, pick, random } from '../chaos/chance.js';
import { DBO_ID, FLEETING, PUBLISHED } from '../chaos/ledger.js';

export const HERE = 'here/0';
const STEADY_MS = 5 * SECOND;
const KICK_MS = 2 * SECOND; // after its commit nobody is served whom it was about

// Comes back at once whenever the connection ends.
class Visitor {
    constructor(run, { name, token }) {
        Object.assign(this, { run, name, token, client: null });
    }

    get isHere() {
        return this.client !== null && !this.client.closed && this.isJoined;
    }

    async live() {
        while (!this.run.isOver) {
            try {
                await this.connect();
                await this.client.ended;
            } catch (error) {
                this.run.note(error);
            }
            this.client?.socket.terminate();
            this.isJoined = false;
            await pause(20 + pick(100));
        }
    }

    async connect() {
        this.via = this.run.target();
        const client = new Client(this.via, { canonical: this.run.canonical, token: this.token });
        Object.assign(this, { client, isJoined: false });
        client.onFrame = (frame) => {
            client.frames.length = 0;
            this.onFrame(frame, client);
        };
        await within('the handshake', client.opened, 10 * SECOND);
        await this.enter(client);
    }

    async enter(client) {
        const joined = new Promise((resolve) => (this.onJoined = resolve));
        this.channels.forEach((channel) => client.send('join', channel, this.wish));
        await within(`${this.name} to be in`, Promise.race([joined, client.ended]), 20 * SECOND);
    }
}

export class Member extends Visitor {
    constructor(run, options) {
        super(run, options);
        Object.assign(this, { channels: [HERE], wish: { presence: true }, list: new Map(), id: null });
    }

    onFrame(frame, client) {
        if (client !== this.client) {
            return;
        }
        if (frame.action === 'join') {
            this.id = frame.client.socketId;
        } else if (frame.action === 'presence_full') {
            this.list = new Map(frame.payload.presence.map((member) => [member.socketId, member]));
            this.isJoined = true;
            this.since = performance.now();
            this.onJoined();
        } else if (frame.action === 'presence_update') {
            this.onUpdate(frame.payload);
        }
    }

    // Somebody is given up whose node can be heard by all who can hear anything: only because this one hears nothing. A server tells
    // of a close before the one who was closed sees it, so he is looked at a moment later.
    judgeLeave(socketId) {
        const other = this.run.members.find((member) => member.isHere && member.id === socketId);
        const node = other && this.run.nodeOf(other);
        if (!node || node.isTroubled || performance.now() - Math.max(node.calmSince, other.since) < STEADY_MS) {
            return;
        }
        const { client } = other;
        setTimeout(() => other.isHere && other.client === client && this.run.violation('presence wrong',
            `${this.name} (on ${this.run.nodeOf(this)?.name}) is told that ${other.name} (on ${node.name}) has left, who is there`), SECOND);
    }

    onUpdate({ action, presence: { socketId } }) {
        const isNews = action === 'join' ? !this.list.has(socketId) : this.list.has(socketId);
        if (!isNews) {
            this.run.violation('presence wrong', `${this.name} is told the ${action} of ${socketId}, which its list has ${action === 'join' ? 'already' : 'not'}`);
        }
        if (action === 'leave') {
            this.judgeLeave(socketId);
        }
        action === 'join' ? this.list.set(socketId, true) : this.list.delete(socketId);
    }
}

// What is wrong with the members' lists; null: nothing.
export function wrongList(members) {
    const absent = members.find((member) => !member.isHere);
    if (absent) {
        return `${absent.name} is not in`;
    }
    const truth = new Set(members.map(({ id }) => id));
    for (const { name, list, via } of members) {
        const ghosts = [...list.keys()].filter((id) => !truth.has(id));
        const missing = members.filter(({ id }) => !list.has(id)).map((other) => other.name);
        if (ghosts.length > 0 || missing.length > 0) {
            return `${name} (by ${via.name ?? 'the balancer'}) sees ${ghosts.length} ghosts ${ghosts.slice(0, 3)} and not ${missing.slice(0, 3)}; ${members.map((m) => `${m.name} ${m.id} ${m.via.name ?? m.client.answer['x-node']} ${Math.round((performance.now() - m.since) / 1000)} s`).join(', ')}`;
        }
    }
    return null;
}

export class Guest extends Visitor {
    constructor(run, options) {
        super(run, options);
        Object.assign(this, { row: options.row, channels: [PUBLISHED[0], FLEETING[0], FLEETING[1]], wish: {} });
    }

    onFrame(frame, client) {
        if (frame.action === 'join' && client === this.client) {
            this.isJoined = true;
            this.onJoined();
        } else if (frame.action === 'event' || frame.action === 'message') {
            this.judge(client);
        }
    }

    // "After" counts from when its node could hear of it.
    judge(client) {
        const node = this.run.nodeOf(this);
        if (client.kickedAt === undefined || !node || node.isDeaf || this.run.isDatabaseAway || this.run.isStalled) {
            return;
        }
        const from = Math.max(client.kickedAt, node.calmSince, this.run.databaseSince);
        const ms = Math.round(performance.now() - from);
        if (ms > KICK_MS) {
            this.run.violation('served after a kick', `${this.name} on ${node.name}, ${ms} ms after`);
            client.socket.terminate();
        }
    }
}

// Throws somebody out every few seconds.
export async function kick(run, guests) {
    while (!run.isOver) {
        await pause(between(1500, 4000));
        await run.isOn();
        const { row } = guests[pick(guests.length)];
        const clients = guests.filter((guest) => guest.row === row && guest.isHere).map((guest) => guest.client);
        try {
            await run.database.query('SELECT herald.disconnect($1, $2::text)', [DBO_ID, row]);
            run.count.kicks++;
            clients.forEach((client) => (client.kickedAt ??= performance.now()));
        } catch (error) {
            run.note(error);
        }
    }
}

// Every so often somebody goes and comes back.
export async function flutter(run, members) {
    while (!run.isOver) {
        await pause(between(300, 1500));
        await run.isOn();
        const member = members[pick(members.length)];
        if (run.isStill) {
            continue;
        }
        member.isJoined = false; // others may be told before we see that it is closed
        random() < 0.5 ? member.client?.socket.terminate() : member.client?.socket.close(1000);
    }
}
