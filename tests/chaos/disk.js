// SPDX-License-Identifier: PostgreSQL
// A small file system of the run's own, so that the database can run out of disk without anybody else noticing. It takes
// root to mount one; without, the run goes on without this fault and says so.
import { execFileSync } from 'node:child_process';
import { chmodSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { run, temporaryDirectory } from '../integration/lib/process.js';

const SIZE_MB = Number(process.env.CHAOS_DISK_MB ?? 1024);

export class Disk {
    constructor() {
        this.directory = temporaryDirectory('disk');
        chmodSync(this.directory, 0o755);
        this.why = null; // it cannot be filled
        try {
            execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE_MB}m,mode=755`, 'pgherald-chaos', this.directory], { stdio: 'pipe' });
            process.prependListener('exit', () => execFileSync('umount', ['-l', this.directory], { stdio: 'pipe' }));
        } catch (error) {
            this.why = String(error.stderr ?? error.message).trim();
        }
    }

    get balloon() {
        return join(this.directory, 'balloon');
    }

    // Nothing is left; again and again, because what is removed meanwhile gives room.
    async fill() {
        rmSync(this.balloon, { force: true });
        const { bavail, bsize } = statfsSync(this.directory);
        await run('fallocate', ['-l', String(Math.max(bavail * bsize, 4096)), this.balloon]);
    }

    free() {
        rmSync(this.balloon, { force: true });
    }

    get usedMb() {
        const { blocks, bfree, bsize } = statfsSync(this.directory);
        return Math.round(((blocks - bfree) * bsize) / 1e6);
    }
}
