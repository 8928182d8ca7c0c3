// SPDX-License-Identifier: PostgreSQL
// Hosts of their own: each is a network namespace with an address on a bridge, and we ourselves are one more of them. So a process
// that is killed, stopped or cut off looks to the others as a machine does. In namespaces.sh we begin in a network of our own, in
// which all of it is; where that cannot be, a host is an address of the loopback, and nothing can be cut or slowed down.
//
// A packet goes where its sender's table of neighbours says: an entry for each host, so nobody ever asks. A cut is an entry that
// names a machine which is not there: what is sent goes nowhere, without an error, and the way back is as it was. (Debian's kernel
// can do more by nft or netem, where they are installed.)
import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';

export const areSeparate = process.env.CLUSTER_NETWORK === 'namespaces';
const LOOPBACK = `127.${randomInt(1, 250)}.${randomInt(1, 250)}`; // several runs at a time do not meet
const NETWORK = areSeparate ? '10.77.0' : LOOPBACK;
const POSTGRES_PORT = 10000 + randomInt(20000);
const NOBODY = '02:00:00:00:00:00';
const BRIDGE = 'bridge';

const ip = (lines) => execFileSync('ip', ['-batch', '-'], { input: `${lines.join('\n')}\n`, stdio: ['pipe', 'pipe', 'pipe'] });
const inside = (namespace, lines) => {
    if (namespace === null) {
        ip(lines);
    } else {
        execFileSync('ip', ['-n', namespace, '-batch', '-'], { input: `${lines.join('\n')}\n`, stdio: ['pipe', 'pipe', 'pipe'] });
    }
};

const all = [];
export const everyHost = all;

export class Host {
    constructor(name) {
        this.name = name;
        this.number = all.length + 1;
        this.address = `${NETWORK}.${this.number}`;
        this.mac = `02:00:00:4d:00:${this.number.toString(16).padStart(2, '0')}`;
        this.blind = new Set(); // the hosts that it does not reach
        this.postgresPort = areSeparate ? 5432 : POSTGRES_PORT; // of the Postgres that runs here
        all.push(this);
        if (areSeparate) {
            this.isOurs = this.number === 1;
            this.namespace = this.isOurs ? null : name;
            this.device = this.isOurs ? BRIDGE : 'eth0';
            this.isOurs ? this.makeBridge() : this.makeNamespace();
        }
    }

    makeBridge() {
        ip([`link set lo up`, `link add name ${BRIDGE} address ${this.mac} type bridge`, `addr add ${this.address}/24 dev ${BRIDGE}`,
            `link set ${BRIDGE} up`]);
    }

    makeNamespace() {
        const { namespace, number, mac, address } = this;
        ip([`netns add ${namespace}`, `link add name port${number} type veth peer name eth0 netns ${namespace}`,
            `link set port${number} master ${BRIDGE}`, `link set port${number} up`]);
        inside(namespace, ['link set lo up', `link set eth0 address ${mac}`, `addr add ${address}/24 dev eth0`, 'link set eth0 up']);
        all.filter((other) => other !== this).forEach((other) => {
            this.point(other, other.mac);
            other.point(this, mac);
        });
    }

    point(other, mac) {
        inside(this.namespace, [`neigh replace ${other.address} lladdr ${mac} dev ${this.device} nud permanent`]);
    }

    // What to run for a program that is to run here; the process is the program itself.
    call(command, args, { uid, gid }) {
        if (!areSeparate || this.isOurs) {
            return { command, args, owner: uid === undefined ? {} : { uid, gid } };
        }
        const who = uid === undefined ? [] : [`--setuid=${uid}`, `--setgid=${gid}`];
        return { command: 'nsenter', args: [`--net=/run/netns/${this.namespace}`, ...who, '--', command, ...args], owner: {} };
    }

    // What this one sends to the others does not get there.
    mute(others) {
        others.filter((other) => other !== this).forEach((other) => {
            this.blind.add(other);
            this.point(other, NOBODY);
        });
    }

    // Neither what it sends, nor what is sent to it.
    cut(others) {
        this.mute(others);
        others.filter((other) => other !== this).forEach((other) => other.mute([this]));
    }

    // A narrow line: what does not pass waits, up to half a second, and then is lost.
    narrow(kilobits) {
        execFileSync('tc', ['-n', this.namespace, 'qdisc', 'replace', 'dev', 'eth0', 'root', 'tbf', 'rate', `${kilobits}kbit`, 'burst', '8kb', 'latency', '500ms']);
        this.isNarrow = true;
    }

    // All connections to a port here end at once, with a reset to both ends; who listens there lives on.
    reset(port) {
        execFileSync('nsenter', [`--net=/run/netns/${this.namespace}`, '--', 'ss', '-K', '-t', 'sport', '=', `:${port}`], { stdio: 'ignore' });
    }

    heal() {
        this.blind.forEach((other) => this.point(other, other.mac));
        this.blind.clear();
        all.filter((other) => other.blind.delete(this)).forEach((other) => other.point(this, this.mac));
        if (this.isNarrow) {
            execFileSync('tc', ['-n', this.namespace, 'qdisc', 'del', 'dev', 'eth0', 'root']);
            this.isNarrow = false;
            this.narrowUntil = performance.now();
        }
    }
}

// The host that the test itself is.
export const here = new Host('here');
