// SPDX-License-Identifier: PostgreSQL
// A page: somebody's browser with a few live tables on one connection. It is cut at any time and comes back: where it was, where it
// was some time ago, or anew.
import { Client } from '../integration/lib/client.js';
import { within, SECOND } from '../integration/lib/wait.js';
import { between, pause, pick, random } from '../chaos/chance.js';
import { View } from './view.js';

const RETRY = new Set(['unavailable', 'hook_failed']); // the database is away, or was too slow to judge

export class Page {
    // who: { row_id, org, teams }, or null: anonymous
    constructor(run, name, { who, token, specs }) {
        Object.assign(this, { run, name, who, token });
        this.views = specs.map((spec) => new View(this, spec));
        this.isCut = false;
    }

    get isAtRest() {
        return this.client && !this.client.closed && this.views.every((view) => view.isAtRest);
    }

    async live() {
        while (!this.run.isOver) {
            try {
                await this.connect();
                await this.stay();
            } catch (error) {
                this.run.note(error);
            }
            this.client?.socket.terminate();
            this.views.forEach((view) => view.unplug());
            await pause(this.run.isQuiet ? 20 : between(10, 800));
        }
    }

    async connect() {
        const client = new Client(this.run.server, { canonical: this.run.canonical, token: this.token });
        this.client = client;
        this.answer = null; // to the join that is under way
        client.onFrame = (frame) => {
            client.frames.length = 0;
            if (client === this.client) {
                this.onFrame(frame);
            }
        };
        await within('a page to open', client.opened, 10 * SECOND);
        this.run.count.connections++;
        for (const view of this.views) {
            await this.join(view, this.since(view));
        }
    }

    // Where it goes on: where it was, or where it was when it wrote all down; null: anew.
    since(view) {
        const dice = random();
        if (view.saved && dice < 0.2) {
            view.goBack(view.saved);
        } else if (dice > 0.85) {
            view.forget();
        }
        return view.position;
    }

    async join(view, since) {
        const payload = { filter: view.filter.tree, snapshot: view.snapshot, ...(since ? { since } : {}) };
        view.isReady = false;
        view.askAt = 0;
        for (;;) {
            view.askedAt = performance.now();
            const answered = new Promise((resolve) => (this.answer = { view, resolve }));
            this.client.send('join', view.channel, payload);
            const frame = await within(`${this.name} to be answered: join ${view.channel}`, Promise.race([answered, this.client.ended]), 40 * SECOND);
            this.answer = null;
            if (frame.action === 'join' || !frame.action) {
                return;
            } else if (!RETRY.has(frame.payload.code)) {
                view.fault('a join that is refused', frame.text);
                return;
            }
            this.run.count.unavailable++;
            this.run.note(new Error(`${frame.payload.code}: ${frame.payload.message}`));
            await pause(between(100, 500));
        }
    }

    onFrame(frame) {
        const { channel, view: name } = frame.options ?? {};
        if (frame.action === 'error') {
            this.onError(frame, channel);
            return;
        }
        if (frame.action === 'join' && frame.client !== null && this.answer?.view.channel === channel) {
            this.answer.view.name = name;
        }
        const view = this.views.find((each) => each.channel === channel && each.name === name);
        if (!view) {
            this.run.fault('a frame for nobody', `${this.name}: ${frame.text.slice(0, 500)}`);
            return;
        }
        view.take(frame);
        if (frame.action === 'join' && frame.client !== null) {
            this.answer?.resolve(frame);
        }
    }

    // A snapshot can fail behind its acknowledgement: then the view is left, and is asked for once more.
    onError(frame, channel) {
        if (this.answer?.view.channel === channel) {
            this.answer.resolve(frame);
            return;
        }
        this.run.count.unavailable++;
        this.run.note(new Error(`a late error: ${frame.text}`));
        const isOut = frame.payload.code === 'hook_failed';
        this.views.filter((view) => view.channel === channel && (isOut || !view.isReady)).forEach((view) => view.ask());
    }

    async stay() {
        const end = performance.now() + between(200, 12000);
        while (!this.client.closed && !this.run.isOver && (this.run.isQuiet || performance.now() < end)) {
            for (const view of this.views) {
                if (view.askAt && performance.now() >= view.askAt && (view.isReady || !view.staging)) {
                    await this.join(view, null);
                }
                if (view.isReady && !view.staging && random() < 0.01) {
                    view.saved = view.copy();
                }
            }
            await pause(50);
        }
    }
}
